package explore

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/scenario"
)

// heals is a routine of n stores to the shared word.
func heals(n int) routine {
	r := routine{}
	for range n {
		r = r.then(heal)
	}
	return r.then(ret)
}

func dpor(t *testing.T, start func() (*scenario.Session, error), o Options) *Result {
	t.Helper()
	o.KeepGoing = true
	r, err := DPOR(context.Background(), start, o)
	must(t, err)
	return r
}

// Two threads with eight writes each to one place have C(16, 8) traces, more
// than one part holds: the search is cut, and how many search does not show.
func TestPartsAndJobs(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := codeStarter(sys, heals(8), heals(8))
		const traces = 12870
		if traces < 2*splitAfter {
			t.Fatalf("%d traces do not make several parts", traces)
		}
		one := dpor(t, start, Options{Jobs: 1})
		if one.Schedules != traces || !one.Complete || one.Verdict != Clean {
			t.Errorf("%d schedules, complete %v, %s; want %d, true, clean", one.Schedules, one.Complete, one.Verdict, traces)
		}
		for i, jobs := range []int{2, 3} {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			other := dpor(t, start, Options{Jobs: jobs})
			if diff := cmp.Diff(one, other, visible); diff != "" {
				t.Errorf("%d jobs (-1 job +%d):\n%s", jobs, jobs, diff)
			}
		}
	})
}

// calling is a race of n threads that each make one call.
func calling(sys *emu.System, n int, call scenario.Call, first ...scenario.Call) func() (*scenario.Session, error) {
	return func() (*scenario.Session, error) {
		plan := &scenario.Plan{}
		for _, name := range names[:n] {
			plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: scenario.Calls{call}})
		}
		plan.Setup = func(u *scenario.Setup) error {
			for _, c := range first {
				if _, err := u.Call(scenario.Main, c.Func, c.Args...); err != nil {
					return err
				}
			}
			return nil
		}
		return scenario.Start(sys, plan, 1)
	}
}

// One section each under one of glibc's low-level locks, as rand has it: the
// counts are those of EXPLORATION's table, n! with the lock as one thing, and 12
// for two threads with its instructions.
func TestLocks(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		rand := scenario.Call{Func: "rand"}
		for _, c := range []struct {
			threads  int
			abstract bool
			want     uint64
		}{{2, true, 2}, {3, true, 6}, {2, false, 12}} {
			r := dpor(t, calling(sys, c.threads, rand, rand), Options{AbstractLocks: c.abstract, Jobs: 1})
			if r.Schedules != c.want || !r.Complete || r.Failing != 0 {
				t.Errorf("%d threads, abstract %v: %d schedules (%d fail), complete %v; want %d", c.threads, c.abstract, r.Schedules, r.Failing, r.Complete, c.want)
			}
		}
	})
}

// Two mutexes in opposite orders: three traces with locks as one thing, one of
// them the deadlock, whose schedule deadlocks the real locks too.
func TestABBA(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := func() (*scenario.Session, error) { return scenario.Start(sys, mutexes(sys.Arch), 1) }
		r := dpor(t, start, Options{AbstractLocks: true, Jobs: 1})
		if r.Schedules != 3 || r.Failing != 1 || !r.Complete {
			t.Fatalf("%d schedules, %d fail, complete %v; want 3, 1, true", r.Schedules, r.Failing, r.Complete)
		}
		f := r.Findings[0]
		if f.Outcome.Kind != scenario.Deadlock {
			t.Fatalf("the failure is %v", f.Outcome)
		}
		s, err := start()
		must(t, err)
		defer s.Close()
		must(t, s.Play(f.Schedule))
		if o, over := s.Outcome(); !over || o.Kind != scenario.Deadlock {
			t.Errorf("the schedule %v ends with %v (over %v)", f.Schedule, o, over)
		}
		raw := dpor(t, start, Options{Jobs: 1})
		if raw.Schedules <= 3 || len(raw.Findings) != 1 || raw.Findings[0].Outcome.Kind != scenario.Deadlock {
			t.Errorf("with raw locks: %d schedules, findings %+v", raw.Schedules, raw.Findings)
		}
	})
}
