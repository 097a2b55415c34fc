package explore

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"emurace/emu"
	"emurace/scenario"
)

// visible compares results by what their users see.
var visible = cmpopts.IgnoreUnexported(Result{})

func crash(pc uint64) scenario.Outcome {
	return scenario.Outcome{Kind: scenario.Segv, End: &emu.End{Kind: emu.EndFault, PC: pc, Addr: 0x10}}
}

// Cutting a search into parts and joining what they found is the same as one
// search: first schedules, numbers and counts.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Each schedule's outcome: 0 passes, n crashes at one of a few places.
		outcomes := rapid.SliceOf(rapid.Uint64Range(0, 4)).Draw(t, "outcomes")
		run := func(part []uint64) *Result {
			r := &Result{}
			for _, pc := range part {
				r.Schedules++
				r.Instructions += 3
				if pc != 0 {
					r.add(Finding{Outcome: crash(pc), Number: r.Schedules, Count: 1})
				}
			}
			return r
		}
		want, got := run(outcomes), &Result{}
		for rest := outcomes; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			got.merge(run(rest[:n]))
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, got, visible); diff != "" {
			t.Errorf("-at once, +in parts:\n%s", diff)
		}
	})
}

// Failures are told apart by how and where the process ended; those with no
// end by their kind alone.
func TestSite(t *testing.T) {
	end := emu.End{Kind: emu.EndFault, Thread: 1, PC: 8, Addr: 9}
	outcomes := []scenario.Outcome{{Kind: scenario.Deadlock, Thread: -1}, {Kind: scenario.Livelock, Thread: -1}, {Kind: scenario.Segv, Thread: 1, End: &end}}
	for _, change := range []func(*emu.End){
		func(e *emu.End) { e.PC++ }, func(e *emu.End) { e.Addr++ }, func(e *emu.End) { e.Kind = emu.EndSignal },
		func(e *emu.End) { e.Mapped = true }, func(e *emu.End) { e.Detail = "x" }, func(e *emu.End) { e.Code = 1 },
		func(e *emu.End) { e.Vector = 1 },
	} {
		other := end
		change(&other)
		outcomes = append(outcomes, scenario.Outcome{Kind: scenario.Segv, Thread: 1, End: &other})
	}
	r := &Result{}
	for range 3 {
		for _, o := range outcomes {
			if o.End != nil {
				e := *o.End // equal ends need not be the same one
				o.End = &e
			}
			r.add(Finding{Outcome: o, Count: 1})
		}
	}
	if len(r.Findings) != len(outcomes) || r.Failing != uint64(3*len(outcomes)) {
		t.Fatalf("%d findings of %d failures", len(r.Findings), r.Failing)
	}
	if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Count != 3 }) {
		t.Errorf("%+v", r.Findings)
	}
}

// However many ways there are to fail, the result does not grow without end,
// and every failure is counted.
func TestManyFindings(t *testing.T) {
	part := &Result{}
	for pc := range uint64(maxFindings + 50) {
		part.Schedules++
		part.add(Finding{Outcome: crash(pc), Number: part.Schedules, Count: 1})
	}
	r := &Result{}
	r.merge(part)
	r.merge(part)
	if len(r.Findings) != maxFindings || r.Failing != 2*(maxFindings+50) || r.Schedules != r.Failing {
		t.Errorf("%d findings of %d failures in %d schedules", len(r.Findings), r.Failing, r.Schedules)
	}
	if f := r.Findings[7]; f.Count != 2 || f.Number != 8 {
		t.Errorf("%+v", f)
	}
}

func TestConclude(t *testing.T) {
	for _, c := range []struct {
		result   Result
		bound    int
		verdict  Verdict
		complete bool
	}{
		{Result{Preemptions: -1}, 0, Undecided, false},
		{Result{Preemptions: 0}, 0, Clean, true},
		{Result{Preemptions: 1}, 2, Undecided, false},
		{Result{Preemptions: 1}, -1, Undecided, false},
		{Result{Preemptions: 1, Unbounded: true}, 2, Clean, true},
		{Result{Preemptions: 1, Unbounded: true}, -1, Clean, true},
		{Result{Preemptions: -1, Failing: 1}, 0, Failing, false},
		{Result{Preemptions: 2, Failing: 1}, 2, Failing, true},
	} {
		r := c.result
		r.conclude(Options{Preemptions: c.bound})
		if r.Verdict != c.verdict || r.Complete != c.complete {
			t.Errorf("%+v with bound %d: %s, complete %v", c.result, c.bound, r.Verdict, r.Complete)
		}
	}
}
