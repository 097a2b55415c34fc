package explore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/explore/coverage"
	"emurace/loader"
	"emurace/scenario"
)

// sampled searches without an end but that of its options.
func sampled(t *testing.T, start func() (*scenario.Session, error), s Strategy, o Options) *Result {
	t.Helper()
	r, err := Sample(t.Context(), start, s, o)
	must(t, err)
	return r
}

// The result is a matter of the seed: not of how many search, and not of what
// was searched before.
func TestSampleRepeats(t *testing.T) {
	setters := program{"reorder, 2 setters", failingReorder, []string{"set", "set", "check"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, st := range Strategies() {
			if !inTurn(i, 3, sys.Arch) {
				continue
			}
			start := setters.starter(t, sys)
			o := Options{KeepGoing: true, Jobs: 1, Seed: 3, Schedules: 300}
			one := sampled(t, start, st, o)
			if one.Failing == 0 || one.Failing == one.Schedules || one.Schedules != 300 || one.Complete || one.Verdict != Failing {
				t.Errorf("%s: %+v", st, one)
			}
			for _, jobs := range []int{1, 3} {
				o.Jobs = jobs
				if diff := cmp.Diff(one, sampled(t, start, st, o), visible); diff != "" {
					t.Errorf("%s, %d jobs:\n%s", st, jobs, diff)
				}
			}
			replayed(t, start, one)
			o.Seed = 4
			if other := sampled(t, start, st, o); cmp.Equal(one, other, visible) {
				t.Errorf("%s: seeds 3 and 4 have drawn the same", st)
			}
			// The first that fails is the same when the search ends with it, and
			// nothing after it is in the result.
			o.Seed, o.KeepGoing = 3, false
			for _, jobs := range []int{1, 3} {
				o.Jobs = jobs
				first := sampled(t, start, st, o)
				if first.Failing != 1 || first.Schedules != one.Findings[0].Number || first.Findings[0].Number != one.Findings[0].Number ||
					!slices.Equal(first.Findings[0].Schedule, one.Findings[0].Schedule) {
					t.Errorf("%s, %d jobs: the first failure is %+v, of all it was %+v", st, jobs, first, one.Findings[0])
				}
			}
		}
	})
}

// failingReorder is reorder with a crash instead of an answer.
var failingReorder = strings.NewReplacer(
	"int check(void) { return !(", "void check(void) { if (!(",
	"b == -1)); }", "b == -1))) *(volatile int *)8 = 1; }",
).Replace(reorder)

// replayed plays the schedules of findings: each fails in its way.
func replayed(t *testing.T, start func() (*scenario.Session, error), r *Result) {
	t.Helper()
	s, err := start()
	must(t, err)
	defer s.Close()
	for _, f := range r.Findings {
		must(t, s.Restart())
		must(t, s.Play(f.Schedule))
		if o, over := s.Outcome(); !over || siteOf(o) != siteOf(f.Outcome) {
			t.Errorf("%v ends as %v, not %v", f.Schedule.Texts(s.Names()), o, f.Outcome)
		}
	}
}

// Whatever a strategy draws is a run that there is, and it draws each of the
// ways to come out sooner or later.
func TestSampleCovers(t *testing.T) {
	programs := []program{
		{"IRIW", litmus, []string{"Wx 1", "Wy 1", "RxRy", "RyRx"}},
		{"reorder, 2 setters", reorder, []string{"set", "set", "check"}},
		{"ABBA", mutexes2, abba},
		{"lll_lock", lll, times(3, "section")},
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, p := range programs {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			g := p.start(t, sys)
			all := explored(t, g)
			for _, st := range Strategies() {
				const most = 20000
				missing := len(all.ends)
				drawnEnds(t, p.start(t, sys), st, most, func(end string) bool {
					n, known := all.ends[end]
					if !known {
						t.Errorf("%s, %s: a run that there is not: %s", p.name, st, end)
						return false
					}
					if n > 0 {
						all.ends[end] = 0
						missing--
					}
					return missing > 0
				})
				if missing > 0 {
					t.Errorf("%s, %s: %d of %d ways to come out not drawn in %d schedules", p.name, st, missing, len(all.ends), most)
				}
				for end := range all.ends {
					all.ends[end] = 1
				}
			}
		}
	})
}

// sessionsOf is the sessions of a search that has one, which stops at events already.
func sessionsOf(s *scenario.Session) *sessions {
	return newSessions(func() (*scenario.Session, error) { return s, nil }, func(*scenario.Session) {})
}

// drawnEnds draws schedules until look has seen enough, or so many.
func drawnEnds(t *testing.T, g *guest, st Strategy, most int, look func(end string) bool) {
	t.Helper()
	// With the depth that it has when none is named PCT cannot draw every run.
	o := Options{Seed: 1, KeepGoing: true, Depth: 12}
	m, err := o.methodOf(st)
	must(t, err)
	p := &sampler{Options: o, ctx: t.Context(), method: m, total: &Result{}, seen: coverage.NewSeen(), sessions: sessionsOf(g.s), report: newReporter(nil)}
	defer p.report.close()
	must(t, p.inOrder())
	for i := range most {
		d := &drawn{number: uint64(i)}
		p.draw(t.Context(), g.s, d)
		must(t, d.err)
		p.count(d)
		p.learner.next()
		if d.learned != nil {
			for addr, mask := range d.learned {
				p.shared[addr] |= mask
			}
			must(t, p.learn(nil))
		}
		if !look(g.end()) {
			return
		}
	}
}

// tickets are threads that draw numbers, so many each: each order of their calls
// is a trace, and comes out in a way of its own.
func tickets(counts ...int) program {
	p := program{name: fmt.Sprint(counts), source: "u32 next; u32 ticket(void) { return __atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST); }"}
	for _, n := range counts {
		p.threads = append(p.threads, repeated(n, "ticket"))
	}
	return p
}

// orders counts how often each order was drawn.
func orders(t *testing.T, sys *emu.System, p program, st Strategy, n int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	drawnEnds(t, p.start(t, sys), st, n, func(end string) bool {
		counts[end]++
		return true
	})
	return counts
}

// chiSquare is the statistic of counts against equal chances.
func chiSquare(counts map[string]int, ways int) float64 {
	n := 0
	for _, c := range counts {
		n += c
	}
	expected := float64(n) / float64(ways)
	sum := expected * float64(ways-len(counts))
	for _, c := range counts {
		sum += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	return sum
}

// SURW draws every order of the accesses to one place equally often, however
// unequal the threads; a random walk does not.
func TestSURWUniform(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, c := range []struct {
			counts []int
			ways   int
			limit  float64 // exceeded with a chance of 1 in 100,000
		}{{[]int{3, 3}, 20, 58.7}, {[]int{1, 5}, 6, 30.9}, {[]int{1, 1, 2}, 12, 43.9}, {[]int{2, 6}, 28, 72.2}} {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			n := 200 * c.ways
			uniform := orders(t, sys, tickets(c.counts...), SURW, n)
			if len(uniform) != c.ways {
				t.Errorf("%v: %d orders, want %d", c.counts, len(uniform), c.ways)
			}
			if x := chiSquare(uniform, c.ways); x > c.limit {
				t.Errorf("%v: chi square is %.1f: %v", c.counts, x, uniform)
			}
			if x := chiSquare(orders(t, sys, tickets(c.counts...), Random, n), c.ways); x < 2*c.limit {
				t.Errorf("%v: chi square of a random walk is only %.1f", c.counts, x)
			}
		}
	})
}

// Each change of priorities preempts the thread that is running, so that with
// depth d there are up to d-1 preemptions, and all such schedules are drawn. A
// thread with four calls has five events, the last its end.
func TestPCTDepth(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for depth, want := range map[int]int{1: 2, 2: 2 + 2*4, 3: 2 + 2*4 + 2*4*4} {
			seen := map[string]bool{}
			s, err := tickets(4, 4).starter(t, sys)()
			must(t, err)
			sampled(t, func() (*scenario.Session, error) { return s, nil }, PCT, Options{
				Seed: 1, Jobs: 1, Depth: depth, Schedules: 4000,
				Inspect: func(_ []string, schedule scenario.Schedule) ([]Problem, error) {
					seen[strings.Join(schedule.Texts(s.Names()), " ")] = true
					return nil, nil
				},
			})
			if len(seen) != want {
				t.Errorf("depth %d: %d schedules, want %d: %v", depth, len(seen), want, seen)
			}
		}
	})
}

// A failure that takes d ordering constraints is found at least as often as
// PCT's authors prove.
func TestPCTGuarantee(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name     string
			routines []routine
			depth    int
		}{
			{"readers", readers, 2},
			{"changing", changing, 3},
			{"locks in opposite orders", crossed, 2},
		} {
			const runs = 3000
			start := codeStarter(sys, c.routines...)
			r := sampled(t, start, PCT, Options{KeepGoing: true, Jobs: 2, Seed: 1, Depth: c.depth, Schedules: runs})
			s, err := start()
			must(t, err)
			s.WantEvents(true)
			p := &sampler{ctx: t.Context(), sessions: sessionsOf(s), method: method{learner: nothing{}}}
			must(t, p.learn(nil))
			p.sessions.Close()
			chance := 1 / float64(len(c.routines))
			for range c.depth - 1 {
				chance /= float64(p.profile.longest)
			}
			// Where the bound is exact, half of all samples lie below it: what is
			// allowed for is five times what one of this size scatters by.
			spare := 5 * math.Sqrt(chance/runs)
			if got := float64(r.Failing) / runs; got < chance-spare || got == 0 {
				t.Errorf("%s: %.4f of the schedules fail, want at least %.4f (%d events)", c.name, got, chance, p.profile.longest)
			}
		}
	})
}

// Ends other than crashes are found: a deadlock, and a thread that spins for ever
// because it has missed what the other stored.
func TestSampleEnds(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, st := range Strategies() {
			start := codeStarter(sys, crossed...)
			r := sampled(t, start, st, Options{Jobs: 2, Seed: 1, Schedules: 2000})
			if r.Failing != 1 || r.Findings[0].Outcome.Kind != scenario.Deadlock {
				t.Errorf("%s: %+v, want a deadlock", st, r)
			}
			replayed(t, start, r)
		}
		// Run in reverse order, the one that spins comes after the other has ended.
		r := sampled(t, codeStarter(sys, missing...), SURW, Options{Jobs: 1, Seed: 1, Schedules: 10})
		if r.Failing != 1 || r.Findings[0].Outcome.Kind != scenario.Livelock || r.Findings[0].Number != 2 {
			t.Errorf("%+v, want a livelock", r)
		}
	})
}

// A budget is kept exactly, also one that ends before the first draw.
func TestSampleBudget(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := codeStarter(sys, heals(3), heals(3))
		for i, n := range []uint64{1, 2, 3, 10, 11, 300} {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			for _, jobs := range []int{1, 3} {
				r := sampled(t, start, SURW, Options{Jobs: jobs, Seed: 1, Schedules: n})
				if r.Schedules != n || r.Verdict != Undecided || r.Complete || r.Preemptions != -1 {
					t.Errorf("budget %d, %d jobs: %+v", n, jobs, r)
				}
			}
		}
		r := sampled(t, start, POS, Options{Jobs: 2, Seed: 1, Time: 50 * time.Millisecond})
		if r.Verdict != Undecided || r.Complete { // how many it has run is the machine's affair
			t.Errorf("a budget of time: %+v", r)
		}
	})
}

// When the context ends, what was found until then is kept.
func TestSampleCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	o := Options{KeepGoing: true, Jobs: 1, Seed: 1, Inspect: func([]string, scenario.Schedule) ([]Problem, error) {
		if n++; n == 500 {
			cancel()
		}
		return nil, nil
	}}
	r, err := Sample(ctx, codeStarter(system(t, loader.ARM64), readers...), PCT, o)
	if !errors.Is(err, context.Canceled) || r == nil || r.Failing == 0 || r.Verdict != Failing || r.Schedules < 200 || r.Schedules > 500 {
		t.Errorf("%+v, %v", r, err)
	}
}

// What cannot be is refused before anything is booted.
func TestSampleRefuses(t *testing.T) {
	start := func() (*scenario.Session, error) { return nil, errors.New("booted") }
	for want, run := range map[string]func() (*Result, error){
		`strategy "luck"`: func() (*Result, error) { return Sample(t.Context(), start, "luck", Options{}) },
		"depth -1":        func() (*Result, error) { return Sample(t.Context(), start, PCT, Options{Depth: -1}) },
		"abstract locks":  func() (*Result, error) { return Sample(t.Context(), start, SURW, Options{AbstractLocks: true}) },
		"booted":          func() (*Result, error) { return Sample(t.Context(), start, SURW, Options{}) },
	} {
		if _, err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
