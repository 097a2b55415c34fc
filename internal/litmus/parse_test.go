package litmus

import (
	"reflect"
	"strings"
	"testing"

	"emurace/loader"
)

const mp = `AArch64 MP+dmb.sy+ctrl (message passing)
"DMB.SYdWW Rfe DpCtrldR Fre {"
Orig=DMB.SYdWW Rfe DpCtrldR Fre
{ (* what is there (* first *) *)
uint64_t x; y = 0x2; uint8_t* p=&x;
0:X1=x; 0:X3=y; 1:W1=y; 1:X3=x; 1:X5=-1;
}
 P0          | P1            ;
 MOV W0,#1   | LDR  W0,[X1]  ;
 STR W0,[X1] | CBNZ W0,LC00  ;
 DMB SY      | LC00:         ;
 STR W0,[X3] | LDR W2,[X3]   ;
locations [x; 1:X0;]
filter (not (y=7))
exists (1:X0=1 /\ 1:X2=0 /\ ([x]=1 \/ ~ p=x))
`

// TestParse: each thing of a file is where it belongs.
func TestParse(t *testing.T) {
	got, err := Parse(mp)
	must(t, err)
	x, y := Place{Memory, "x"}, Place{Memory, "y"}
	is := func(p Place, v Value) *Cond { return &Cond{Op: Is, Place: p, Value: v} }
	want := &Test{
		Name: "MP+dmb.sy+ctrl", Arch: loader.ARM64,
		Init: []Init{
			{x, "uint64_t", Value{}}, {y, "", Value{Number: 2}}, {Place{Memory, "p"}, "uint8_t*", Value{At: "x"}},
			{Place{0, "X1"}, "", Value{At: "x"}}, {Place{0, "X3"}, "", Value{At: "y"}}, {Place{1, "X1"}, "", Value{At: "y"}},
			{Place{1, "X3"}, "", Value{At: "x"}}, {Place{1, "X5"}, "", Value{Number: -1}},
		},
		Threads: [][]Line{
			{{nil, "MOV W0,#1"}, {nil, "STR W0,[X1]"}, {nil, "DMB SY"}, {nil, "STR W0,[X3]"}},
			{{nil, "LDR W0,[X1]"}, {nil, "CBNZ W0,LC00"}, {[]string{"LC00"}, ""}, {nil, "LDR W2,[X3]"}},
		},
		Shown:  []Place{x, {1, "X0"}},
		Filter: &Cond{Op: Not, Of: []*Cond{is(y, Value{Number: 7})}},
		Cond: &Cond{Op: And, Of: []*Cond{
			is(Place{1, "X0"}, Value{Number: 1}), is(Place{1, "X2"}, Value{}),
			{Op: Or, Of: []*Cond{is(x, Value{Number: 1}), {Op: Not, Of: []*Cond{is(Place{Memory, "p"}, Value{At: "x"})}}}},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\n%+v\nwant\n%s\n%+v", got, got, want, want)
	}
	if list := got.Locations(); !reflect.DeepEqual(list, []string{"x", "y", "p"}) {
		t.Errorf("locations %v", list)
	}
	if list := got.Registers(1); !reflect.DeepEqual(list, []string{"X0", "X2"}) {
		t.Errorf("registers %v", list)
	}
	for name, size := range map[string]int{"x": 8, "y": 4, "p": 8} {
		if got.Size(name) != size {
			t.Errorf("%s has %d bytes, want %d", name, got.Size(name), size)
		}
	}
}

// TestParseX86: files of other tools, in which what is allowed follows the condition.
func TestParseX86(t *testing.T) {
	got, err := Parse("X86 amd5 (amdFive) \"Loads\"\n{x = 0; P1:EBX = 3};\n P0 | P1 ;\nmov [x], 1 | MOV EAX, [ y ] ;\nmfence | xchg [z],EBX ;\n" +
		"final (P0:EAX = 0 /\\ P1:EBX = 0);\nwith\ntso: ~exists;\n<<\nshow 3\n>>\n")
	must(t, err)
	if got.Asks != Exists || got.Initial(Place{1, "EBX"}) != (Value{Number: 3}) {
		t.Errorf("it asks %v, EBX is %v", got.Asks, got.Initial(Place{1, "EBX"}))
	}
	if list := got.Locations(); !reflect.DeepEqual(list, []string{"x", "y", "z"}) {
		t.Errorf("locations %v", list)
	}
}

// TestParseErrors: what is wrong with a file is said.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"AArch64 MP", "PPC MP", `"PPC" is not AArch64 or X86`},
		{"{ (*", "(*", "no {"},
		{"1:X5=-1;\n}", "1:X5=-1;\n", "has no }"},
		{"(* first *) *)", "(* first *)", "a comment does not end"},
		{"uint64_t x", "uint63_t x", `no type "uint63_t"`},
		{"0:X1=x", "0:X31=x", `"0:X31" has no register`},
		{"0:X1=x", "2:X1=x", "2:X1: there is no such thread"},
		{"0:X1=x", "0:X1=1x", `"1x" is no number and no location`},
		{"0:X1=x", "0:X1=99999999999999999999", "is no number"},
		{" P0  ", " Q0  ", `thread 0 is called "Q0"`},
		{"| CBNZ", " CBNZ", "has 1 columns instead of 2"},
		{"| LC00:  ", "| L.C00:  ", `"L.C00" is no label`},
		{"exists (", "perhaps (", `"perhaps" is no question`},
		{"exists (1:X0=1", "exists (1:X0~1", `"~" instead of =`},
		{"exists (1:X0=1", "exists (2:X0=1", "2:X0: there is no such thread"},
		{"exists (1:X0=1", "exists ((1:X0=1", `"" instead of )`},
		{"exists (1:X0=1", "exists true true (1:X0=1", `"true" is behind the condition`},
		{"exists (1:X0=1", "exists " + strings.Repeat("(", 300) + "(1:X0=1", "too deep"},
		{"exists (1:X0=1", "exists " + strings.Repeat("~", 300) + "(1:X0=1", "too deep"},
		{"locations [x;", "locations [x:;", "has no number of a thread"},
		{mp[strings.Index(mp, "exists"):], "", "there is no condition"},
		{mp, "", "the first line"},
		{mp, strings.Repeat(mp, 1000), "more than 65536"},
	} {
		text := strings.Replace(mp, c.from, c.to, 1)
		if text == mp {
			t.Fatalf("%q does not occur", c.from)
		}
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "litmus: ") {
			t.Errorf("with %.40q: %v, want %q", c.to, err, c.want)
		}
	}
}

// TestQuestions: what a test looks for are executions that meet the condition, or for forall those that do not.
func TestQuestions(t *testing.T) {
	one := func(Place) Value { return Value{Number: 1} }
	for _, c := range []struct {
		end             string
		seen, saysOfYes bool
	}{
		{"exists (x=1)", true, true}, {"~exists (x=1)", true, false}, {"forall (x=1)", false, false}, {"forall (x=2)", true, false},
		{"~ exists x!=1", false, false}, {"final (x=1);", true, true}, {"filter (x=2) exists (x=1)", false, true},
		{"exists (x=1 => x=2)", false, true}, {"exists (x=2 => x=3)", true, true}, {"exists true", true, true}, {"exists (not true)", false, true},
		{`exists x=2 /\ x=2 \/ x=1`, true, true}, {`exists x=1 \/ x=2 /\ x=2`, true, true}, {`exists ~x=2 /\ x=1`, true, true},
	} {
		test, err := Parse("X86 T\n{}\nP0;\nMFENCE;\n" + c.end)
		must(t, err)
		if test.Seen(one) != c.seen || test.Says(true) != c.saysOfYes {
			t.Errorf("%s: seen %v, yes says %v", c.end, test.Seen(one), test.Says(true))
		}
	}
}

// TestEqual: numbers of 32 bits may be meant signed; an address is no number.
func TestEqual(t *testing.T) {
	for _, c := range []struct {
		want, there Value
		equal       bool
	}{
		{Value{Number: 1}, Value{Number: 1}, true}, {Value{Number: -1}, Value{Number: 0xffffffff}, true},
		{Value{Number: -1}, Value{Number: -1}, true}, {Value{Number: 0xffffffff}, Value{Number: -1}, false},
		{Value{Number: -1}, Value{Number: 0x1ffffffff}, false}, {Value{At: "x"}, Value{At: "x"}, true},
		{Value{At: "x"}, Value{At: "y"}, false}, {Value{}, Value{At: "y"}, false}, {Value{At: "y"}, Value{}, false},
	} {
		if got := c.want.Equal(c.there); got != c.equal {
			t.Errorf("%v and %#v: %v", c.want, c.there, got)
		}
	}
}

// FuzzParse: whatever a file has in it, it is read or refused; and what is read is written as a file that says
// the same.
func FuzzParse(f *testing.F) {
	f.Add(mp)
	f.Add("X86 amd5 (amdFive)\n{x = 0};\n P0 | P1 ;\nmov [x], 1 | MOV EAX, [ y ] ;\nfinal (P0:EAX = 0);\nwith\ntso: ~exists;")
	f.Add("X86 A\n{}P0;forall x=1=>x=2")
	f.Fuzz(func(t *testing.T, text string) {
		test, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(test.String())
		if err != nil {
			if strings.Contains(err.Error(), "too deep") || strings.Contains(err.Error(), "more than 65536") {
				return // parentheses and columns that the first one did not need
			}
			t.Fatalf("%v\n%s", err, test)
		}
		if again.String() != test.String() || !reflect.DeepEqual(again.Threads, test.Threads) {
			t.Errorf("it was\n%s\nand is\n%s", test, again)
		}
		for thread := range test.Threads {
			test.Registers(thread)
		}
		test.Locations()
		_, _ = Source([]*Test{test})
	})
}
