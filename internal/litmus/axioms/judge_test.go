package axioms

import (
	"os"
	"strings"
	"testing"

	"emurace/internal/litmus"
	"emurace/loader"
)

// TestFolder: of the tests of a folder which others have judged, what they say comes out.
func TestFolder(t *testing.T) {
	folder := os.Getenv(litmus.Variable)
	if folder == "" {
		t.Skipf("%s names no folder", litmus.Variable)
	}
	for name, model := range map[string]Model{"aarch64": ARM, "x86": TSO} {
		list := litmus.Folder(t, folder, name)
		same := 0
		for i, k := range list {
			if testing.Short() && i%4 != 0 {
				continue
			}
			got, err := Judge(k.Test)
			if err != nil {
				t.Errorf("%s: %v", k.Path, err)
				continue
			}
			if got[model].Seen != k.Seen {
				t.Errorf("%s: seen %v under %v, and it is known to be %v", k.Path, got[model].Seen, model, k.Seen)
				continue
			}
			same++
		}
		t.Logf("%s: %d of %d come out as known", name, same, len(list))
	}
}

// reader makes a test of message passing whose second thread, behind a read of y that sees the write,
// has some instructions that end with a read of x, X1, to X9. X2 has z's address, X5 y's.
func reader(rows string) string {
	second := strings.Split(rows, ";")
	first := []string{"MOV W0,#1", "STR W0,[X1]", "DMB SY", "STR W0,[X2]"}
	var b strings.Builder
	b.WriteString("AArch64 T\n{ 0:X1=x; 0:X2=y; 1:X1=x; 1:X2=z; 1:X5=y; 1:X6=w; }\nP0 | P1 ;\n")
	for i := range max(len(first), len(second)) {
		row := [2]string{}
		if i < len(first) {
			row[0] = first[i]
		}
		if i < len(second) {
			row[1] = second[i]
		}
		b.WriteString(row[0] + " | " + row[1] + ";\n")
	}
	return b.String() + "exists (1:X0=1 /\\ 1:X9=0)"
}

// TestDependencies: what ARMv8 keeps in order, as the manual's definitions of dependencies say, instruction by
// instruction.
func TestDependencies(t *testing.T) {
	for _, c := range []struct {
		rows string
		seen bool
	}{
		{"LDR W0,[X5];LDR W9,[X1]", true},
		{"LDR W0,[X5];EOR W3,W0,W0;LDR W9,[X1,W3,SXTW]", false},
		{"LDR W0,[X5];SUB W3,W0,W0;ADD X4,X1,W3,UXTW;LDR W9,[X4]", false},
		{"LDR W0,[X5];AND W3,W0,#0;LDR W9,[X1,W3,UXTW #2]", false},
		{"LDR W0,[X5];EOR W3,W0,W0;EOR W3,W7,W7;LDR W9,[X1,W3,SXTW]", true},
		{"LDR W0,[X5];EOR W3,W0,W0;ADD X1,X1,W3,SXTW;LDR W9,[X1],#4", false},
		{"LDR W0,[X5];EOR W3,WZR,W0;NOP;LDR W9,[X1]", true},
		{"LDR W0,[X5];CBNZ W0,L;L: LDR W9,[X1]", true},
		{"LDR W0,[X5];CBZ W0,L;L: ISB;LDR W9,[X1]", false},
		{"LDR W0,[X5];TBZ W0,#3,L;L: ISB;LDR W9,[X1]", false},
		{"LDR W0,[X5];CMP W0,#1;B.NE L;L: ISB;LDR W9,[X1]", false},
		{"LDR W0,[X5];CMP W0,#1;ISB;LDR W9,[X1]", true},
		{"LDR W0,[X5];EOR W3,W0,W0;LDR W4,[X2,W3,SXTW];ISB;LDR W9,[X1]", false},
		{"LDR W0,[X5];EOR W3,W0,W0;LDR W4,[X2,W3,SXTW];LDR W9,[X1]", true},
		{"LDR W0,[X5];EOR W3,W0,W0;STR W3,[X2];LDR W4,[X2];EOR W4,W4,W4;LDR W9,[X1,W4,SXTW]", false},
		// A conditional select depends on what it was decided by only where a write or a barrier follows.
		{"LDR W0,[X5];CMP W0,#5;CSEL W3,W7,W8,EQ;LDR W9,[X1,W3,SXTW]", true},
		{"LDR W0,[X5];CMP W0,#5;CSEL W3,W7,W8,EQ;STR W3,[X2];LDR W4,[X2];EOR W4,W4,W4;LDR W9,[X1,W4,SXTW]", true},
		{"LDR W0,[X5];CMP W0,#5;CSEL W3,W7,W8,EQ;CBNZ W3,L;L: ISB;LDR W9,[X1]", false},
		{"LDR W0,[X5];EOR W3,W0,W0;CMP W7,#0;CSEL W3,W3,W8,EQ;LDR W9,[X1,W3,SXTW]", false},
		{"LDR W0,[X5];EOR W3,W0,W0;CMP W7,#0;CSEL W3,W3,W8,NE;LDR W9,[X1,W3,SXTW]", true},
		{"LDR W0,[X5];DMB ISHLD;LDR W9,[X1]", false},
		{"LDR W0,[X5];DMB ISHST;LDR W9,[X1]", true},
		{"LDR W0,[X5];DSB SY;LDR W9,[X1]", false},
		// What is read comes by its store before a barrier for stores.
		{"LDR W0,[X5];STR W0,[X2];DSB ISHST;LDR W9,[X1]", false},
		{"LDR W0,[X5];STR W0,[X2];DMB ISHST;LDR W9,[X1]", true},
		{"LDR W0,[X5];STR W7,[X2];DSB ISHST;LDR W9,[X1]", true},
		{"LDAR W0,[X5];LDR W9,[X1]", false},
		{"LDAPR W0,[X5];LDR W9,[X1]", false},
		{"LDAXR W0,[X5];LDR W9,[X1]", false},
		{"LDR W0,[X5];LDAR W9,[X1]", true},
		{"LDR W0,[X5];STLR W7,[X2];LDAR W9,[X1]", false},
		{"LDR W0,[X5];STLR W7,[X2];LDAPR W9,[X1]", true},
		{"LDR W0,[X5];STLR W7,[X2];LDR W9,[X1]", true},
		// An atomic with acquire and release is a full barrier, one with one of them half of one.
		{"LDR W0,[X5];SWPAL W7,W8,[X2];LDR W9,[X1]", false},
		{"LDR W0,[X5];SWPA W7,W8,[X2];LDR W9,[X1]", true},
		{"LDR W0,[X5];SWPL W7,W8,[X2];LDR W9,[X1]", true},
		{"LDADDA W7,W0,[X5];LDR W9,[X1]", false},
		{"LDADD W7,W0,[X5];LDR W9,[X1]", true},
		{"CASA W0,W7,[X5];LDR W9,[X1]", false},
		{"LDXR W0,[X5];STXR W3,W0,[X5];LDR W9,[X1]", true},
		{"LDXR W0,[X5];STXR W3,W0,[X5];CBNZ W3,L;L: ISB;LDR W9,[X1]", true},
	} {
		text := reader(c.rows)
		test, err := litmus.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Judge(test)
		if err != nil {
			t.Errorf("%s: %v", c.rows, err)
			continue
		}
		if got[ARM].Seen != c.seen || got[SC].Seen {
			t.Errorf("%s: seen %v under ARMv8, %v under sequential consistency\n%s", c.rows, got[ARM].Seen, got[SC].Seen, text)
		}
	}
}

// TestNoReturn: a dmb ld orders the read of an atomic instruction, but not where its value goes to no register.
func TestNoReturn(t *testing.T) {
	for _, c := range []struct {
		op   string
		seen bool
	}{
		{"LDADD W5,W6,[X2]", false}, {"LDADD W5,WZR,[X2]", true}, {"STADD W5,[X2]", true}, {"SWP W7,WZR,[X2]", true}, {"SWP W7,W6,[X2]", false},
		{"LDADDA W5,WZR,[X2]", true}, {"LDSET W5,W6,[X2]", false},
	} {
		test, err := litmus.Parse("AArch64 T\n{ 0:X1=x; 0:X2=y; 1:X1=x; 1:X2=y; 0:X5=1; 1:X5=4; 1:X7=5; }\nP0 | P1 ;\n" +
			"STR W5,[X1] | " + c.op + " ;\nDMB SY | DMB LD ;\nSTR W5,[X2] | LDR W9,[X1] ;\nexists (y=5 /\\ 1:X9=0)")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Judge(test)
		if err != nil || got[ARM].Seen != c.seen {
			t.Errorf("%s: %+v, %v; want seen %v", c.op, got[ARM], err, c.seen)
		}
	}
}

// TestCounts: atomic instructions have as many orders as there are.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		threads, each, want int
	}{{1, 3, 1}, {2, 1, 2}, {2, 2, 6}, {3, 1, 6}, {4, 1, 24}} {
		rows := make([]string, c.each+1)
		init := ""
		for i := range c.threads {
			sep := " | "
			if i == 0 {
				sep = ""
			}
			rows[0] += sep + "P" + string(rune('0'+i))
			for n := range c.each {
				rows[n+1] += sep + "LDADD W2,W3,[X1]"
			}
			init += string(rune('0'+i)) + ":X1=x;" + string(rune('0'+i)) + ":X2=1;"
		}
		test, err := litmus.Parse("AArch64 T\n{" + init + "}\n" + strings.Join(rows, ";\n") + ";\nexists (x=" + string(rune('0'+c.threads*c.each)) + ")")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Judge(test)
		if err != nil {
			t.Fatal(err)
		}
		for m, v := range got {
			if v.Graphs != c.want || !v.Seen {
				t.Errorf("%d threads of %d increments under %v: %+v, want %d", c.threads, c.each, m, *v, c.want)
			}
		}
	}
}

// TestJudgeErrors: what is not understood is said, and nothing is gone into for ever.
func TestJudgeErrors(t *testing.T) {
	for text, want := range map[string]string{
		"AArch64 A\n{}P0;UDIV W0,W1,W2;exists true":                                    "not an instruction that is known",
		"AArch64 A\n{0:X1=x;}P0;LDR Q0,[X1];exists true":                               "operand",
		"AArch64 A\n{0:X1=x;}P0;LDR W0,[X1,#4];exists true":                            "is no location's address",
		"AArch64 A\n{}P0;L: B L;exists true":                                           "more than 400 instructions",
		"AArch64 A\n{}P0;B M;exists true":                                              `no label "M"`,
		"AArch64 A\n{}P0;B.XX M;exists true":                                           "no condition",
		"AArch64 A\n{0:X1=x;}P0;LDR W0,[X1];LDRB W2,[X1];exists true":                  "4 bytes and with 1",
		"AArch64 A\n{0:X1=x;}P0;" + strings.Repeat("LDR W0,[X1];", 70) + "exists true": "more than 64 events",
		"X86 A\n{}P0;LOCK INC [x];exists true":                                         "not an instruction",
		"X86 A\n{}P0;MOV [x],RAX;exists true":                                          "not an instruction",
	} {
		test, err := litmus.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Judge(test); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

// FuzzJudge: whatever instructions there are, they are judged or refused, and models that allow more see more.
func FuzzJudge(f *testing.F) {
	f.Add("LDR W0,[X1];STR W0,[X2]", "LDR W0,[X2],#0;STP W0,W3,[X1]", true)
	f.Add("LDXR W0,[X1];CBNZ W0,L;L: STXR W3,W2,[X1]", "CSEL W0,W1,W2,EQ;LDADDAL W2,W3,[X2]", true)
	f.Add("MOV [x],$1;MFENCE;MOV EAX,[y]", "XCHG [y],EAX;MOV EBX,[x]", false)
	f.Fuzz(func(t *testing.T, first, second string, arm bool) {
		test := &litmus.Test{Arch: loader.AMD64, Cond: &litmus.Cond{Bool: true}}
		if arm {
			test.Arch = loader.ARM64
		}
		for thread, text := range []string{first, second} {
			var column []litmus.Line
			for part := range strings.SplitSeq(text, ";") {
				l := litmus.Line{Text: strings.TrimSpace(part)}
				if label, rest, ok := strings.Cut(part, ":"); ok {
					l = litmus.Line{Labels: []string{label}, Text: strings.TrimSpace(rest)}
				}
				column = append(column, l)
			}
			if len(column) > 6 {
				return
			}
			test.Threads = append(test.Threads, column)
			for i, name := range []string{"x", "y"} {
				place := litmus.Place{Thread: thread, Name: []string{"X1", "X2"}[i]}
				test.Init = append(test.Init, litmus.Init{Place: place, Value: litmus.Value{At: name}})
			}
		}
		got, err := Judge(test)
		if err != nil {
			return
		}
		for _, m := range Models() {
			if v := got[m]; v.Causal.Graphs > v.Graphs || m > SC && v.Graphs < got[m-1].Graphs && m == TSO {
				t.Errorf("%v: %+v, and under the one before %+v\n%s", m, *v, got[m-1], test)
			}
		}
	})
}
