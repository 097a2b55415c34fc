package litmus

import (
	"strings"
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestPlan: a thread's function gives registers and locations their first values, runs the column as it stands, and
// the check sees what registers and memory hold. Registers that callers want kept, labels of the same name in
// two threads, upper case in names of locations, and values of all sizes are among it.
func TestPlan(t *testing.T) {
	for _, file := range []string{
		`AArch64 all
{ uint64_t big=0x123456789abcdef0; uint8_t small=0xfe; p=x; x=7; Y=3;
0:X1=x; 0:X2=Y; 0:X3=-1; 0:X4=0x1234567890; 0:X19=big; 0:X30=small; 0:X29=p; 1:X1=Y; 1:X5=70000; }
P0 | P1 ;
LDR W0,[X1] | CBNZ W0,End ;
ADD W0,W0,#1 | MOV W2,#5 ;
CBZ W6,End | STR W2,[X1] ;
MOV W0,#9 | End: ;
End: LDR X19,[X19] | ;
LDRB W30,[X30] | ;
LDR X20,[X29] | ;
exists (0:X0=8 /\ 0:X3=-1 /\ 0:X4=0x1234567890 /\ 0:X19=0x123456789abcdef0 /\ 0:X30=0xfe /\ 0:X20=x /\ 0:X6=0
 /\ 0:X1=x /\ 0:X2=Y /\ 1:X5=70000 /\ 1:X2=5 /\ Y=5 /\ x=7 /\ p=x /\ small=0xfe /\ big=0x123456789abcdef0)`,
		`X86 all
{ Yes=3; x=-1; 0:EBX=5; 0:ESI=-2; P1:EBP=6; }
P0 | P1 ;
MOV EAX, [Yes] | mov [x],$4 ;
XCHG [Yes],EBX | MFENCE ;
MOV ECX,ESI | MOV EDI,EBP ;
exists (0:EAX=3 /\ 0:EBX=3 /\ Yes=5 /\ x=4 /\ 0:ECX=-2 /\ 0:ESI=-2 /\ 1:EDI=6 /\ 1:EAX=0)`,
	} {
		test, err := Parse(file)
		must(t, err)
		if testing.Short() && test.Arch == loader.AMD64 {
			continue
		}
		if len(test.Cond.Of) < 8 {
			t.Fatalf("a condition of %d parts", len(test.Cond.Of))
		}
		wrong := *test // in one part
		wrong.Cond = &Cond{Op: And, Of: append([]*Cond{{Op: Not, Of: test.Cond.Of[:1]}}, test.Cond.Of[1:]...)}
		tests := []*Test{test, &wrong}
		found, failed := RunAll(t, tests, func(code *Code, n int) (f Found, err error) {
			s, err := scenario.Start(testsystem.Of(t, "bookworm", code.Test(n).Arch), code.Plan(n), 1)
			if err != nil {
				return f, err
			}
			defer s.Close()
			err = s.Play(scenario.Schedule{{Thread: 0}, {Thread: 1}})
			o, over := s.Outcome()
			if !over || o.Kind != scenario.OK && o.Message != Message {
				t.Errorf("test %d ends as %v", n, o)
			}
			return Found{Seen: o.Failed(), Graphs: 1}, err
		})
		for n, f := range found {
			if f.Seen != (n == 0) || failed[n] != nil {
				t.Errorf("%v: seen %v, %v\n%s", test.Arch, f.Seen, failed[n], tests[n].Cond)
			}
		}
	}
}

// TestSourceErrors: nothing but instructions is given to the assembler.
func TestSourceErrors(t *testing.T) {
	for text, want := range map[string]string{
		"AArch64 A\n{}P0;.incbin \"/etc/hostname\";exists true": "no instruction has",
		"AArch64 A\n{}P0;.byte 1;exists true":                   "no instruction has",
		"AArch64 A\n{}P0;MOV W0,\\1;exists true":                "no instruction has",
		"X86 A\n{0:EAX=x}P0;MFENCE;exists true":                 "too small",
	} {
		test, err := Parse(text)
		must(t, err)
		if _, err := Source([]*Test{test}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	var all strings.Builder
	for r := range 31 {
		all.WriteString("MOV X" + string(rune('0'+r/10)) + string(rune('0'+r%10)) + ",#1;")
	}
	test, err := Parse("AArch64 A\n{}P0;" + strings.ReplaceAll(all.String(), "X0", "X") + "exists true")
	must(t, err)
	if _, err := Source([]*Test{test}); err == nil || !strings.Contains(err.Error(), "no register is left") {
		t.Errorf("with all registers: %v", err)
	}
	other, err := Parse("X86 B\n{}P0;MFENCE;exists true")
	must(t, err)
	if _, err := Source([]*Test{test, other}); err == nil {
		t.Error("two architectures are one piece of code")
	}
}
