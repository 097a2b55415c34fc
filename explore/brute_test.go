package explore

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// brute is what an enumeration found that shares nothing with the engine: it
// runs each schedule from the start of the race, one instruction at a time,
// without marks.
type brute struct {
	schedules []uint64 // by number of preemptions
	failing   map[site]uint64
}

// choice is a thread that runs an instruction, with half up to its middle, to be preempted
// there.
type choice struct {
	thread int
	half   bool
}

// enumerate runs every schedule of at most max preemptions. A schedule is known
// by the choices at which it differs from going on with the same thread, or
// with the first one that can.
func enumerate(t *testing.T, s *scenario.Session, max int) brute {
	t.Helper()
	b := brute{schedules: make([]uint64, max+1), failing: map[site]uint64{}}
	pending := [][]choice{nil}
	for len(pending) > 0 {
		prefix := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		must(t, s.Restart())
		preemptions, last := 0, choice{thread: -1}
		var choices []choice
		for {
			o, over := s.Outcome()
			if over {
				b.schedules[preemptions]++
				if o.Failed() {
					b.failing[siteOf(o)]++
				}
				break
			}
			could := last.thread >= 0 && s.Runnable(last.thread)
			next := choice{thread: -1}
			for i := range s.Threads() {
				if s.Runnable(i) && !(last.half && i == last.thread) && (next.thread < 0 || i == last.thread) {
					next.thread = i
				}
			}
			if next.thread < 0 {
				break // nobody preempts it
			}
			if k := len(choices); k < len(prefix) {
				next = prefix[k]
			} else {
				for i := range s.Threads() {
					spent := preemptions
					if could && i != last.thread {
						spent++
					}
					if !s.Runnable(i) || last.half && i == last.thread || spent > max {
						continue
					}
					if i != next.thread {
						pending = append(pending, append(slices.Clone(choices), choice{thread: i}))
					}
					if spent < max {
						pending = append(pending, append(slices.Clone(choices), choice{i, true}))
					}
				}
			}
			if could && next.thread != last.thread {
				preemptions++
			}
			choices = append(choices, next)
			last = next
			_, err := s.RunSlice(scenario.Slice{Thread: next.thread, N: 1, Half: next.half})
			must(t, err)
			if next.half && !s.Holds(next.thread) {
				break // that has no middle
			}
		}
	}
	return b
}

// The engine finds exactly the schedules, failures and places of failure that
// there are, with threads that wait, wake each other and crash.
func TestBruteForce(t *testing.T) {
	type program struct {
		name  string
		plan  func(loader.Arch) *scenario.Plan
		bound int
		fails bool // whether it can fail within the bound
	}
	code := func(name string, bound int, fails bool, routines ...routine) program {
		return program{name, func(a loader.Arch) *scenario.Plan { return planOf(a, routines) }, bound, fails}
	}
	programs := []program{
		code("readers", 4, true, readers...),
		code("changing", 5, true, changing...),
		code("three readers", 2, true, append(readers, readers[1])...),
		code("deadlock", 2, true, crossed...),
		code("lock", 3, false, guarded...),
		code("three at a lock", 1, false, append(guarded, guarded[1])...),
		{"glibc's mutexes", mutexes, 1, true},
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, p := range programs {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			if testing.Short() {
				p.bound = min(p.bound, 1)
				p.fails = p.fails && p.name != "changing" // which takes two
			}
			start := starter(sys, p.plan)
			s, err := start()
			must(t, err)
			defer s.Close()
			fails := false
			for bound := range p.bound + 1 {
				want := enumerate(t, s, bound)
				r, err := Bounded(t.Context(), start, Options{Preemptions: bound, KeepGoing: true, Jobs: 2})
				must(t, err)
				if err := compare(r, want); err != nil {
					t.Errorf("%s with at most %d preemptions: %v", p.name, bound, err)
				}
				replayAll(t, start, r)
				if err := compareClasses(t, start, bound, want); err != nil {
					t.Errorf("%s with at most %d preemptions: %v", p.name, bound, err)
				}
				fails = r.Failing > 0
			}
			if fails != p.fails {
				t.Errorf("%s fails: %v", p.name, fails)
			}
		}
	})
}

// compareClasses looks whether a search of classes within the bound finds the ways to fail that there are, and no
// others, in fewer runs.
func compareClasses(t *testing.T, start func() (*scenario.Session, error), bound int, want brute) error {
	t.Helper()
	r, err := DPORWithin(t.Context(), start, Options{Preemptions: bound, KeepGoing: true, Jobs: 2})
	must(t, err)
	replayAll(t, start, r)
	all := uint64(0)
	for _, n := range want.schedules {
		all += n
	}
	if found := sites(r); !maps.EqualFunc(found, want.failing, func(bool, uint64) bool { return true }) || r.Schedules > all {
		return fmt.Errorf("classes in %d runs fail as %v, all %d schedules as %v", r.Schedules, found, all, want.failing)
	}
	if !r.Due && (!r.Complete || r.Preemptions != bound) {
		return fmt.Errorf("classes: %+v", r)
	}
	return nil
}

func compare(r *Result, want brute) error {
	schedules, failing := uint64(0), uint64(0)
	for _, n := range want.schedules {
		schedules += n
	}
	for _, n := range want.failing {
		failing += n
	}
	verdict := Clean
	if failing > 0 {
		verdict = Failing
	}
	if r.Schedules != schedules || r.Failing != failing || r.Verdict != verdict || !r.Complete || r.Preemptions != len(want.schedules)-1 {
		return fmt.Errorf("%+v, want %d schedules, %d failing", *r, schedules, failing)
	}
	if len(r.Findings) != len(want.failing) {
		return fmt.Errorf("%d ways to fail, want %d", len(r.Findings), len(want.failing))
	}
	for _, f := range r.Findings {
		if n := want.failing[siteOf(f.Outcome)]; n != f.Count {
			return fmt.Errorf("%v: %d times, want %d", f.Outcome, f.Count, n)
		}
	}
	return nil
}

// replayAll plays each finding's schedule on a session of its own: it must end
// in the same way, with as many preemptions as the finding says.
func replayAll(t *testing.T, start func() (*scenario.Session, error), r *Result) {
	t.Helper()
	if len(r.Findings) == 0 {
		return
	}
	s, err := start()
	must(t, err)
	defer s.Close()
	for _, f := range r.Findings {
		must(t, s.Restart())
		preemptions := 0
		for i, sl := range f.Schedule {
			// Leaving a thread that could go on is a preemption, but not one
			// that would go round for ever.
			if i > 0 && s.Runnable(f.Schedule[i-1].Thread) {
				_, rounds, err := s.LookAhead(f.Schedule[i-1].Thread)
				must(t, err)
				if rounds == nil {
					preemptions++
				}
			}
			must(t, s.Play(scenario.Schedule{sl}))
		}
		o, over := s.Outcome()
		if !over || siteOf(o) != siteOf(f.Outcome) {
			t.Errorf("%v ends as %v, not %v", f.Schedule.Texts(s.Names()), o, f.Outcome)
		}
		if preemptions != f.Preemptions {
			t.Errorf("%v has %d preemptions, the finding says %d", f.Schedule.Texts(s.Names()), preemptions, f.Preemptions)
		}
	}
}
