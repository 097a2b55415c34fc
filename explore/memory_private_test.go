package explore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"emurace/explore/graph"
	herd "emurace/internal/litmus"
	"emurace/internal/litmus/axioms"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// shapes are litmus tests in which one thread is ordered by barriers and the order of the other one decides: its two accesses,
// the ordered thread's and what is looked for.
var shapes = []struct{ first, second, other, exists string }{
	{"LDR W0,[X3]", "LDR W11,[X1]", "MOV W0,#1;STR W0,[X1];DMB SY;STR W0,[X3]", "1:X0=1 /\\ 1:X11=0"},               // MP
	{"LDR W0,[X3]", "STR W12,[X1]", "MOV W0,#2;STR W0,[X1];DMB SY;MOV W0,#1;STR W0,[X3]", "1:X0=1 /\\ x=2"},         // S
	{"STR W12,[X3]", "LDR W11,[X1]", "MOV W0,#1;STR W0,[X1];DMB SY;LDR W5,[X3]", "0:X5=0 /\\ 1:X11=0"},              // SB
	{"STR W12,[X3]", "STR W12,[X1]", "MOV W0,#2;STR W0,[X1];DMB SY;STR W0,[X3]", "x=2 /\\ y=1"},                     // 2+2W
	{"SWPL W12,W0,[X3]", "LDR W11,[X1]", "MOV W0,#1;STR W0,[X1];DMB SY;LDR W5,[X3]", "0:X5=0 /\\ 1:X11=0"},          // of atomic instructions
	{"SWPAL W13,W0,[X3]", "LDR W11,[X1]", "MOV W0,#1;STR W0,[X1];DMB SY;STR W0,[X3]", "1:X0=0 /\\ 1:X11=0 /\\ y=1"}, // that write what was there
	{"LDR W0,[X3]", "LDAR W11,[X1]", "MOV W0,#1;STR W0,[X1];DMB SY;STR W0,[X3]", "1:X0=1 /\\ 1:X11=0"},              // MP+dmb.sy+po-acq
	{"STLR W12,[X3]", "LDAR W11,[X1]", "MOV W0,#1;STR W0,[X1];DMB SY;LDR W5,[X3]", "0:X5=0 /\\ 1:X11=0"},            // SB
}

// links are what may lie between the two accesses: with memory of the thread's own at X5 and X6, with registers that
// depend on the first access, W0, and W7, by which the second one's address depends on it.
var links = []string{
	"STR W0,[X5]", "STR W12,[X5]", "LDR W8,[X5]", "LDAR W8,[X5]", "STLR W0,[X5]", "STLR W12,[X5]", "STLR W12,[X6]", "LDAR W8,[X6]",
	"SWPAL W12,W8,[X5]", "SWPA W12,W8,[X5]", "SWPL W12,W8,[X5]", "SWP W0,W8,[X5]", "SWPAL W13,W8,[X5]", "LDADDAL W13,W8,[X6]", "LDADDL W0,W8,[X5]",
	"CASAL W12,W13,[X5]", "CASAL W13,W12,[X6]", "LDXR W8,[X5];STXR W9,W12,[X5]", "LDAXR W8,[X5];STLXR W9,W12,[X5]",
	"DMB ST", "DSB ST", "DMB LD", "ISB", "EOR W7,W8,W8", "EOR W7,W0,W0", "EOR W8,W0,W0", "MOV W8,W0", "MOV W0,W8",
	"CMP W0,#1", "CMP W8,#1", "CSEL W8,W12,W13,EQ", "CSEL W8,W0,W12,EQ", "CSEL W7,W13,W7,EQ", "CBNZ W8,%[1]s;%[1]s: NOP", "CBNZ W0,%[1]s;%[1]s: NOP",
	"LDR W8,[X5,W7,SXTW]", "STR W12,[X5,W7,SXTW]", "STR W8,[X6]", "LDR W0,[X6]", "LDAR W0,[X6]",
}

// privateTest draws a litmus test with memory that one thread has for its own.
func privateTest(r *rand.Rand, name string) (*herd.Test, error) {
	shape := shapes[r.IntN(len(shapes))]
	rows := []string{"MOV W12,#1", "MOV W13,#0", shape.first}
	for i := range 1 + r.IntN(5) {
		link := links[r.IntN(len(links))]
		if strings.Contains(link, "%[1]s") {
			link = fmt.Sprintf(link, fmt.Sprintf("L%d", i))
		}
		rows = append(rows, strings.Split(link, ";")...)
	}
	second := shape.second
	if r.IntN(2) == 0 && !strings.HasPrefix(second, "LDAR") {
		second = strings.Replace(second, "[X1]", "[X1,W7,SXTW]", 1)
	}
	if strings.HasPrefix(second, "STR") && r.IntN(2) == 0 {
		rows = append(rows, "EOR W9,W8,W8", "ADD W12,W9,#1")
	}
	rows = append(rows, second)
	var b strings.Builder
	fmt.Fprintf(&b, "AArch64 %s\n{ 0:X1=x; 0:X3=y; 1:X1=x; 1:X3=y; 1:X5=p; 1:X6=q; }\n P0 | P1 ;\n", name)
	other := strings.Split(shape.other, ";")
	for i := range max(len(rows), len(other)) {
		cell := func(list []string) string {
			if i < len(list) {
				return list[i]
			}
			return ""
		}
		fmt.Fprintf(&b, " %s | %s ;\n", cell(other), cell(rows))
	}
	fmt.Fprintf(&b, "exists (%s)\n", shape.exists)
	return herd.Parse(b.String())
}

// TestPrivateOrder: what a thread does with memory of its own orders what it shares as the axioms say, to which
// all memory is alike. Where a conditional select leaves open what an address comes from, it may be left open
// whether what is looked for is seen.
func TestPrivateOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	sys := testsystem.Of(t, "bookworm", loader.ARM64)
	seed := testseed.Of(t, 17)
	r := rand.New(rand.NewPCG(seed, 0))
	var tests []*herd.Test
	var wants []bool
	for n := map[bool]int{}; len(tests) < thorough.Of(200, 5000); {
		test, err := privateTest(r, fmt.Sprintf("private%d", len(tests)))
		must(t, err)
		verdicts, err := axioms.Judge(test)
		must(t, err)
		want := verdicts[axioms.ARM].Causal.Seen
		if n[want] > n[!want] {
			continue // half of them of each kind
		}
		n[want]++
		tests, wants = append(tests, test), append(wants, want)
	}
	var open sync.Map // tests with something left open
	found, failed := herd.RunAll(t, tests, func(code *herd.Code, n int) (herd.Found, error) {
		start := func() (*scenario.Session, error) { return scenario.Start(sys, code.Plan(n), 1) }
		got, err := Graphs(t.Context(), start, graph.ARM, Options{Jobs: 1, KeepGoing: true, trusted: true})
		if err != nil {
			return herd.Found{}, err
		}
		for _, d := range got.Doubts {
			if d.Kind != scenario.UnsureOrder || d.Failing == 0 {
				return herd.Found{}, fmt.Errorf("doubt %v", d)
			}
			open.Store(code.Test(n), true)
		}
		return herd.Found{Seen: got.Failing > 0, Graphs: int(got.Schedules)}, nil
	})
	left := 0
	for i, test := range tests {
		_, leaves := open.Load(test)
		text := func() (rows []string) {
			for _, line := range test.Threads[1] {
				rows = append(rows, line.Text)
			}
			return rows
		}
		switch {
		case failed[i] != nil:
			t.Errorf("%q: %v", text(), failed[i])
		case leaves && !found[i].Seen:
			left++
		case found[i].Seen != wants[i]:
			t.Errorf("%q, looking for %v: seen %v, by the axioms %v", text(), test.Cond, found[i].Seen, wants[i])
		}
	}
	t.Logf("%d tests, %d left open", len(tests), left)
	if left > len(tests)/10 {
		t.Errorf("%d of %d are left open", left, len(tests))
	}
}
