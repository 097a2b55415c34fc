package replay

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// essentialRun is a run of two threads that write to a word, and its trace.
func essentialRun(t *testing.T) (*History, *Trace) {
	t.Helper()
	arch := arches()[0]
	var cell uint64
	store := func(value uint64) scenario.Body {
		return late(func() scenario.Calls {
			return scenario.Calls{callOf(emu.RoutinePrefix+"store64", cell, value)}
		})
	}
	sc := &scenario.Scenario{Name: "stores", Build: func(scenario.Values) (*scenario.Plan, error) {
		return &scenario.Plan{
			Setup:   func(u *scenario.Setup) (err error) { cell, err = u.Alloc(8); return err },
			Threads: []scenario.Thread{{Name: scenario.Main, Body: store(1)}, {Name: "worker", Body: store(2)}},
			Check:   func(*scenario.View) error { return &scenario.Failure{Message: "always"} },
		}, nil
	}}
	plan, err := sc.Build(nil)
	must(t, err)
	s, err := starter(system(t, "bookworm", arch), plan)(nil)
	must(t, err)
	t.Cleanup(s.Close)
	schedule := scenario.Schedule{{Thread: 0}, {Thread: 1}}
	trace, err := Record(s, Recipe{Scenario: sc, Arch: arch, Source: "debian:bookworm", Seed: 1, Timeouts: s.Timeouts()}, schedule)
	must(t, err)
	h, err := NewHistory(s, schedule)
	must(t, err)
	return h, trace
}

// TestEssential: what had to come first goes into a trace and out of its file again, and is told as it was.
func TestEssential(t *testing.T) {
	h, trace := essentialRun(t)
	first, last := Point{0, 1}, Point{1, h.end}
	e := Essential{
		Races: [][2]Point{{first, last}}, Together: true,
		Sections: [][2]SectionPoints{{{Word: 0x40, Lock: first, Unlock: Point{0, 2}}, {Word: 0x40, Lock: last, NeverUnlocked: true}}},
	}
	names := h.s.ScheduleNames()
	trace.Keep(e, names)
	var file bytes.Buffer
	must(t, trace.Encode(&file))
	back, err := Decode(&file)
	must(t, err)
	got, err := back.essential(h)
	must(t, err)
	if !reflect.DeepEqual(got, e) {
		t.Errorf("%+v, not %+v", got, e)
	}
	x := explain(t, h)
	must(t, x.AddTrace(h, back))
	text := x.String()
	for _, want := range []string{
		"main's section of the lock at 0x40, from emurace.store64(", "before worker's, from emurace.store64(", " on\n",
		"with the two sections the other way round, as wholes, the run passes", "main at emurace.store64+0x0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if f := x.Finding(); len(f.Sections) != 1 || f.Sections[0][0].Unlock == nil || f.Sections[0][1].Unlock != nil || len(f.Races) != 1 {
		t.Errorf("%+v", f)
	}
	if s := strings.Join(x.Summary(), "\n"); !strings.Contains(s, "What main did under the lock at 0x40") {
		t.Error(s)
	}
}

// TestEssentialOfOthers: points that are not those of the run are an error, whatever they are.
func TestEssentialOfOthers(t *testing.T) {
	h, trace := essentialRun(t)
	good := TracePoint{"main", 1}
	section := TraceSection{Word: "0x40", Lock: good}
	many := func(n int) (list [][2]TracePoint) {
		for range n {
			list = append(list, [2]TracePoint{good, good})
		}
		return list
	}
	for i, c := range []struct {
		change func(*Trace)
		want   string
	}{
		{func(t *Trace) { t.Races = [][2]TracePoint{{good, {"nobody", 1}}} }, `there is no thread "nobody"`},
		{func(t *Trace) { t.Races = [][2]TracePoint{{{"worker", 1}, good}} }, "instruction 1 is none of worker"},
		{func(t *Trace) { t.Races = [][2]TracePoint{{{"main", 0}, good}} }, "instruction 0 is none of main"},
		{func(t *Trace) { t.Races = [][2]TracePoint{{{"main", ^uint64(0)}, good}} }, "is none of main"},
		{func(t *Trace) { t.Races = [][2]TracePoint{{{"clock", h.end + 1}, good}} }, "instruction"},
		{func(t *Trace) { t.Races = many(mostEssential + 1) }, "more than"},
		{func(t *Trace) { t.Sections = [][2]TraceSection{{section, {Word: "here", Lock: good}}} }, `word "here" is no address`},
		{func(t *Trace) {
			t.Sections = [][2]TraceSection{{section, {Word: "0x40", Lock: good, Unlock: &TracePoint{"worker", 1}}}}
		}, "field sections: pair 1: instruction 1 is none of worker"},
	} {
		changed := *trace
		c.change(&changed)
		if err := explain(t, h).AddTrace(h, &changed); !errors.Is(err, ErrFormat) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%d: %v, not %q", i, err, c.want)
		}
	}
}

// TestProblems: a problem of a run that did not fail is told, at its moments.
func TestProblems(t *testing.T) {
	h, _ := essentialRun(t)
	act := func(thread string, step uint64, access string) ProblemAccess {
		a := ProblemAccess{Access: access, Addr: 0x40}
		a.Thread, a.Step, a.Call, a.Function, a.Instruction = thread, step, "f(1)", "f", "nop"
		return a
	}
	freed := &ProblemBlock{Addr: 0x40, Size: 8, Allocated: &ProblemCall{Thread: "main", Call: "malloc(8)"}, Freed: &ProblemCall{Thread: "worker", Call: "free(0x40)", Step: 1}}
	for _, c := range []struct {
		problem Problem
		kinds   []FactKind // of the moments
		want    []string
	}{
		{Problem{Race: true, Accesses: []ProblemAccess{act("main", 1, "read"), act("worker", 2, "write")}}, []FactKind{FactMisused, FactMisused},
			[]string{"main and worker use the same memory, and nothing orders the two: a data race", "main reads 0x40 at instruction 1, in its call of f(1)", "worker writes to 0x40"}},
		{Problem{Accesses: []ProblemAccess{act("main", 2, "read")}, Block: freed}, []FactKind{FactFreed, FactMisused},
			[]string{"main uses a block that worker has freed: a use after free", "allocated by main before the race, in its call of malloc(8)", "freed by worker at instruction 1, in its call of free(0x40)"}},
		{Problem{Accesses: []ProblemAccess{act("main", 2, "free")}, Block: freed}, []FactKind{FactFreed, FactMisused}, []string{"main frees a block that worker has freed: a double free"}},
		{Problem{Accesses: []ProblemAccess{act("main", 2, "free")}}, []FactKind{FactMisused}, []string{"main frees what is no block of malloc's"}},
		{Problem{Accesses: []ProblemAccess{act("main", 2, "write")}}, []FactKind{FactMisused}, []string{"main uses memory of malloc's that is in no block"}},
	} {
		x := explain(t, h)
		x.Outcome.Kind = scenario.OK
		for range mostProblems + 1 {
			x.Problems = append(x.Problems, c.problem)
		}
		text := x.Headline() + "\n" + x.String()
		for _, want := range append(c.want, "and 1 problem more") {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		x.Problems = x.Problems[:1]
		var kinds []FactKind
		for _, f := range x.Facts() {
			if f.Title != "" && f.Kind != FactEnd && f.Kind != FactWritten && f.Kind != FactSeen {
				kinds = append(kinds, f.Kind)
			}
		}
		if !reflect.DeepEqual(kinds, c.kinds) {
			t.Errorf("%v, not %v", kinds, c.kinds)
		}
		if addr, ok := x.Focus(); !ok || addr != 0x40 && len(x.Looks) == 0 {
			t.Errorf("about %#x, %v", addr, ok)
		}
	}
}
