package explore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/scenario"
)

// tried is ProofFirst, with what it says.
func tried(t *testing.T, start func() (*scenario.Session, error), o Options) (r *Result, proved, drew bool) {
	t.Helper()
	r, proved, err := ProofFirst(t.Context(), start, SURW, o, func() { drew = true })
	must(t, err)
	if r.Tried != nil {
		if r.Tried.Elapsed <= 0 {
			t.Errorf("tried in no time: %+v", r.Tried)
		}
		r.Tried.Elapsed = 0 // it is another one each time
	}
	return r, proved, drew
}

// TestProofFirst: half of a budget is for a proof, and the rest is drawn; what comes of it does
// not depend on how many search.
func TestProofFirst(t *testing.T) {
	setters := program{"reorder, 2 setters", failingReorder, []string{"set", "set", "check"}}
	locked := program{"lll_lock", lll, times(2, "section")}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		whole, err := DPOR(t.Context(), setters.starter(t, sys), Options{KeepGoing: true, Jobs: 1, Preemptions: -1})
		must(t, err)
		if !whole.Complete || whole.Failing < 2 || whole.Schedules < 20 {
			t.Fatalf("the program is none for this test: %+v", whole)
		}
		for _, c := range []struct {
			name      string
			p         program
			schedules uint64
			keepGoing bool
			proved    bool
			tried     uint64 // schedules, where that was not all
		}{
			{"a proof", locked, 400, false, true, 0},
			{"a failure", setters, 2 * whole.Schedules, false, true, 0},
			{"all are counted", setters, 4 * whole.Schedules, true, true, 0},
			{"not enough", setters, whole.Schedules, true, false, whole.Schedules / 2},
			{"one", setters, 1, true, false, 0},
		} {
			start := c.p.starter(t, sys)
			o := Options{Schedules: c.schedules, KeepGoing: c.keepGoing, Jobs: 1, Seed: 3}
			one, proved, drew := tried(t, start, o)
			if proved != c.proved || drew == c.proved || (one.Tried != nil) != (c.tried > 0) {
				t.Errorf("%s: proved %v, drew %v, %+v", c.name, proved, drew, one)
			}
			if c.tried > 0 && (one.Tried.Schedules != c.tried || one.Tried.Finished || one.Schedules != c.schedules) {
				t.Errorf("%s: %+v of %d, %d in all", c.name, one.Tried, c.tried, one.Schedules)
			}
			if proved && !c.keepGoing && one.Complete == (one.Failing > 0) {
				t.Errorf("%s: %+v", c.name, one)
			}
			replayed(t, start, one)
			o.Jobs = 3
			three, _, _ := tried(t, start, o)
			if diff := cmp.Diff(one, three, visible); diff != "" {
				t.Errorf("%s: with 3 jobs:\n%s", c.name, diff)
			}
		}
	})
}

// TestTriedFailures: with KeepGoing failures of a try are in the result beside those that were
// drawn, each with a schedule that leads to it.
func TestTriedFailures(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := making(2).starter(t, sys)
		at := func(made []string, schedule scenario.Schedule) ([]Problem, error) {
			return []Problem{{Kind: "wrong", Site: schedule.Texts(append([]string{"main"}, make([]string, 64)...))[0]}}, nil
		}
		try, err := DPOR(t.Context(), start, Options{KeepGoing: true, Jobs: 1, Preemptions: -1, Inspect: at, inAll: 5})
		must(t, err)
		r, proved, drew := tried(t, start, Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: 10, Inspect: at})
		if proved || !drew || r.Tried == nil || r.Schedules != 10 || r.Failing != 10 || r.Verdict != Failing {
			t.Fatalf("%+v", r)
		}
		for _, f := range try.Findings {
			if !slices.ContainsFunc(r.Findings, func(g Finding) bool { return g.Problem == f.Problem && g.Number == f.Number }) {
				t.Errorf("%+v is lost: %+v", f, r.Findings)
			}
		}
		if !slices.Equal(r.Made, try.Made) && len(r.Made) < len(try.Made) {
			t.Errorf("threads %v are made, and by the try %v", r.Made, try.Made)
		}
	})
}

// TestBothResults: what two searches have found is joined also where they know different threads
// that the process makes; each schedule then leads to an end on a session that knows all.
func TestBothResults(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := making(2).starter(t, sys)
		n := 0
		every := func(_ []string, schedule scenario.Schedule) ([]Problem, error) {
			return []Problem{{Kind: "wrong", Site: fmt.Sprint(schedule)}}, nil
		}
		different := false
		for _, schedules := range []uint64{1, 2, 40} {
			first, err := DPOR(t.Context(), start, Options{KeepGoing: true, Jobs: 1, Preemptions: -1, Inspect: every, inAll: schedules})
			must(t, err)
			for seed := range uint64(3) {
				second := sampled(t, start, Random, Options{KeepGoing: true, Jobs: 1, Seed: seed, Schedules: 10, Inspect: every})
				different = different || !slices.Equal(first.Made, second.Made)
				for _, swap := range []bool{false, true} {
					a, b := copied(first), copied(second)
					if swap {
						a, b = b, a
					}
					both, err := bothResults(start, a, b)
					must(t, err)
					if both.Schedules != first.Schedules+second.Schedules || both.Failing != first.Failing+second.Failing {
						t.Fatalf("%d of %d fail, of %d of %d and %d of %d", both.Failing, both.Schedules, first.Failing, first.Schedules, second.Failing, second.Schedules)
					}
					s, err := start()
					must(t, err)
					must(t, s.SetMade(both.Made))
					for _, f := range both.Findings {
						n++
						must(t, s.Restart())
						if err := s.Play(f.Schedule); err != nil {
							t.Errorf("%q: %v", f.Schedule.Texts(s.ScheduleNames()), err)
						}
						if _, over := s.Outcome(); !over {
							t.Errorf("%q leads to no end", f.Schedule.Texts(s.ScheduleNames()))
						}
					}
					s.Close()
				}
			}
		}
		if !different || n == 0 {
			t.Errorf("%d schedules, of searches that know the same threads", n)
		}
	})
}

// copied is a result whose findings can be given other indices.
func copied(r *Result) *Result {
	c := *r
	c.Findings = slices.Clone(r.Findings)
	return &c
}

// TestTriedInTime: whoever makes sessions finds the search's time not up, also behind a part of it that
// has ended with its own.
func TestTriedInTime(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		var mu sync.Mutex
		var watched context.Context
		begin := making(300).starter(t, sys)
		late := 0
		start := func() (*scenario.Session, error) {
			mu.Lock()
			defer mu.Unlock()
			if watched.Err() != nil {
				late++
			}
			return begin()
		}
		o := Options{KeepGoing: true, Jobs: 2, Time: 2 * time.Second, Watch: func(ctx context.Context) {
			mu.Lock()
			defer mu.Unlock()
			watched = ctx
		}, Inspect: func([]string, scenario.Schedule) ([]Problem, error) {
			return []Problem{{Kind: "wrong", Site: "here"}}, nil
		}}
		r, proved, drew := tried(t, start, o)
		if proved || !drew || r.Tried == nil || r.Verdict != Failing || late > 0 {
			t.Errorf("proved %v, drew %v, %d sessions came late: %+v", proved, drew, late, r)
		}
		if r.Tried != nil && r.Schedules <= r.Tried.Schedules {
			t.Errorf("%d schedules, %d of them tried", r.Schedules, r.Tried.Schedules)
		}
	})
}

// TestProofInTime: a proof that takes little is one also where only a time is given.
func TestProofInTime(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		r, proved, drew := tried(t, program{"lll_lock", lll, times(2, "section")}.starter(t, sys), Options{Time: time.Minute, Jobs: 2})
		if !proved || drew || !r.Complete || r.Verdict != Clean {
			t.Errorf("proved %v, drew %v, %+v", proved, drew, r)
		}
	})
}
