package explore

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/scenario"
)

// However many sessions share the work, the result is the same to the last
// number.
func TestJobs(t *testing.T) {
	programs := map[string][]routine{"readers": readers, "three": append(readers, readers[1]), "deadlock": crossed, "lock": guarded}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, p := range programs {
			if testing.Short() && name != "readers" {
				continue
			}
			start := codeStarter(sys, p...)
			for _, keepGoing := range []bool{false, true} {
				var first *Result
				for jobs := 1; jobs <= 3; jobs++ {
					r, err := Bounded(t.Context(), start, Options{Preemptions: 2, KeepGoing: keepGoing, Jobs: jobs})
					must(t, err)
					if first == nil {
						first = r
					}
					if diff := cmp.Diff(first, r, visible); diff != "" {
						t.Errorf("%s with %d jobs, keep going %v (-1 job, +%d):\n%s", name, jobs, keepGoing, jobs, diff)
					}
				}
				if fails := name != "lock"; fails != (first.Verdict == Failing) {
					t.Errorf("%s: %s", name, first.Verdict)
				}
			}
		}
	})
}

// Stopping at the first failure gives the first of those that going on finds,
// and no schedule before it fails.
func TestFirstFailure(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, p := range map[string][]routine{"readers": readers, "deadlock": crossed, "spin": missing} {
			start := codeStarter(sys, p...)
			stopped, err := Bounded(t.Context(), start, Options{Preemptions: 1, Jobs: 2})
			must(t, err)
			all, err := Bounded(t.Context(), start, Options{Preemptions: 1, KeepGoing: true, Jobs: 2})
			must(t, err)
			if stopped.Verdict != Failing || stopped.Complete || stopped.Failing != 1 || len(stopped.Findings) != 1 {
				t.Fatalf("%s: %+v", name, stopped)
			}
			first, f := all.Findings[0], stopped.Findings[0]
			if f.Number != stopped.Schedules || f.Count != 1 || stopped.Preemptions != f.Preemptions-1 {
				t.Errorf("%s: schedule %d of %d, bound %d: %+v", name, f.Number, stopped.Schedules, stopped.Preemptions, f)
			}
			first.Count = 1
			if diff := cmp.Diff(first, f); diff != "" {
				t.Errorf("%s (-going on, +stopped):\n%s", name, diff)
			}
			if all.Schedules <= stopped.Schedules || !all.Complete || all.Failing < 2 {
				t.Errorf("%s: going on gives %+v", name, all)
			}
			// Numbers count up, and each kind of failure is found once.
			seen := map[site]bool{}
			last, failing := uint64(0), uint64(0)
			for _, f := range all.Findings {
				if f.Number <= last || f.Number > all.Schedules || f.Count == 0 || seen[siteOf(f.Outcome)] {
					t.Errorf("%s: finding %+v after number %d", name, f, last)
				}
				seen[siteOf(f.Outcome)] = true
				last, failing = f.Number, failing+f.Count
			}
			if failing != all.Failing {
				t.Errorf("%s: %d failures in findings, %d in all", name, failing, all.Failing)
			}
			replayAll(t, start, stopped)
		}
	})
}

// The bound holds: what needs one preemption is not found without, and the
// first finding has the fewest.
func TestFewestPreemptions(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name        string
			program     []routine
			kind        scenario.Kind
			preemptions int
		}{
			{"a livelock of the first", missing, scenario.Livelock, 0},
			{"a deadlock", crossed, scenario.Deadlock, 1},
			{"a crash", readers, scenario.Segv, 1},
			{"a crash that takes two", changing, scenario.Segv, 2},
		} {
			start := codeStarter(sys, c.program...)
			r, err := Bounded(t.Context(), start, Options{Preemptions: -1, Jobs: 2})
			must(t, err)
			if r.Verdict != Failing || r.Findings[0].Outcome.Kind != c.kind || r.Findings[0].Preemptions != c.preemptions {
				t.Errorf("%s: %+v", c.name, r)
			}
			if c.preemptions == 0 {
				continue
			}
			below, err := Bounded(t.Context(), start, Options{Preemptions: c.preemptions - 1, Jobs: 2})
			must(t, err)
			if below.Verdict != Clean || !below.Complete || below.Unbounded {
				t.Errorf("%s: with one preemption less: %+v", c.name, below)
			}
		}
	})
}
