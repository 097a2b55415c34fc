package explore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
)

func minimized(t *testing.T, start func() (*scenario.Session, error), f Finding) *Minimal {
	t.Helper()
	m, err := Minimize(context.Background(), start, f, time.Minute)
	must(t, err)
	s, err := start()
	must(t, err)
	defer s.Close()
	must(t, s.Play(m.Schedule))
	o, over := s.Outcome()
	if !over || o.Kind != f.Outcome.Kind || siteOf(o) != siteOf(m.Outcome) {
		t.Fatalf("the minimal schedule %v ends with %v (over %v), not with %v", m.Schedule, o, over, m.Outcome)
	}
	return m
}

// The article's crash: one preemption of the worker, and one race that decides.
// Found by whatever strategy, it is cut to the same.
func TestMinimizeGetenv(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		values, err := scripts.Get(scripts.Default).Settle(nil)
		must(t, err)
		start := func() (*scenario.Session, error) {
			plan, err := scripts.Get(scripts.Default).Build(values)
			must(t, err)
			return scenario.Start(sys, plan, 1)
		}
		for name, search := range map[string]func(context.Context, func() (*scenario.Session, error), Options) (*Result, error){"dpor": DPOR, "bounded": Bounded} {
			r, err := search(context.Background(), start, Options{Preemptions: 1, Jobs: 1})
			must(t, err)
			m := minimized(t, start, r.Findings[0])
			if m.Switches != 1 || m.Preemptions != 1 || !m.Certified {
				t.Errorf("%s: %d switches, %d preemptions, certified %v; want 1, 1, true: %v", name, m.Switches, m.Preemptions, m.Certified, m.Schedule)
			}
			if len(m.Essential) != 1 || m.Essential[0].First.Thread != 1 || m.Essential[0].Second.Thread != 0 {
				t.Errorf("%s: essential races %+v", name, m.Essential)
			}
		}
	})
}

// A livelock is not cut down, and nothing is once the context has ended: the schedule
// that was found stays as it is.
func TestMinimizeNot(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := codeStarter(sys, missing...)
		r, err := DPOR(t.Context(), start, Options{Jobs: 1})
		must(t, err)
		if m, err := Minimize(t.Context(), start, r.Findings[0], time.Minute); !errors.Is(err, ErrLivelock) {
			t.Errorf("a livelock: %+v, %v", m, err)
		}
		start = codeStarter(sys, changing[0], changing[1], straight(5))
		r, err = Bounded(t.Context(), start, Options{Preemptions: -1, Jobs: 1})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if m, err := Minimize(ctx, start, r.Findings[0], time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %+v, %v", m, err)
		}
	})
}

// What a failure does not need is left out: a thread that has nothing to do
// with it, and steps of the others.
func TestMinimizeLeavesOut(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		// The third thread touches the same bytes, but only reads them.
		reads := 5
		if testing.Short() || !inTurn(0, 1, sys.Arch) {
			reads = 2
		}
		start := codeStarter(sys, changing[0], changing[1], straight(reads))
		r, err := Bounded(context.Background(), start, Options{Preemptions: -1, Jobs: 1, KeepGoing: true})
		must(t, err)
		longest := r.Findings[0]
		for _, f := range r.Findings {
			if f.Schedule.Switches() > longest.Schedule.Switches() {
				longest = f
			}
		}
		m := minimized(t, start, longest)
		for _, sl := range m.Schedule {
			if sl.Thread == 2 {
				t.Errorf("the bystander is still in %v", m.Schedule)
			}
		}
		// The reader looks, the writer spoils or heals, the reader looks again.
		if m.Switches > 3 || m.Switches < 2 || !m.Certified {
			t.Errorf("%d switches, certified %v: %v", m.Switches, m.Certified, m.Schedule)
		}
		if len(m.Essential) == 0 {
			t.Error("no essential race")
		}
	})
}

// The longer schedules that a search with many preemptions finds come down to
// one that needs as few as the search by bounds says.
func TestMinimizeAgreesWithBounds(t *testing.T) {
	sys := system(t, loader.ARM64)
	for _, program := range [][]routine{readers, changing} {
		start := codeStarter(sys, program...)
		bounded, err := Bounded(context.Background(), start, Options{Preemptions: -1, Jobs: 1})
		must(t, err)
		fewest := bounded.Findings[0].Preemptions
		r := dpor(t, start, Options{Jobs: 1})
		for _, f := range r.Findings {
			m := minimized(t, start, f)
			if m.Preemptions < fewest || m.Certified != (m.Preemptions == fewest) {
				t.Errorf("%d preemptions, certified %v; the fewest are %d: %v", m.Preemptions, m.Certified, fewest, m.Schedule)
			}
		}
	}
}

// A deadlock has no failing thread, and is minimized all the same.
func TestMinimizeDeadlock(t *testing.T) {
	start := codeStarter(system(t, loader.ARM64), crossed...)
	r, err := DPOR(context.Background(), start, Options{Jobs: 1})
	must(t, err)
	m := minimized(t, start, r.Findings[0])
	if m.Outcome.Kind != scenario.Deadlock || m.Switches > 2 {
		t.Errorf("%v: %v", m.Outcome, m.Schedule)
	}
}

func TestMinimizeRefusesAnotherSchedule(t *testing.T) {
	start := codeStarter(system(t, loader.ARM64), readers...)
	r, err := DPOR(context.Background(), start, Options{Jobs: 1})
	must(t, err)
	f := r.Findings[0]
	f.Schedule = scenario.Schedule{{Thread: 1}, {Thread: 0}}
	if m, err := Minimize(context.Background(), start, f, time.Minute); err == nil {
		t.Errorf("a schedule that passes was minimized to %v", m.Schedule)
	}
}

// sleeperProgram fails when the clock has come to a thread's deadline while main looks again and again.
const sleeperProgram = `
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static volatile int seen;

static void *sleeper(void *arg) {
	usleep(1);
	seen = 1;
	return arg;
}

int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, sleeper, NULL);
	int before = seen;
	for (int i = 0; i < 1000; i++) {
		if (before != seen) {
			abort();
		}
	}
	pthread_join(t, NULL);
	return 0;
}
`

// A failure in which a timeout has passed when it was due is cut down by slices of its schedule.
func TestMinimizeDue(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		start := wholeProgram(t, arch, sleeperProgram, nil)
		r, err := Sample(context.Background(), start, Random, Options{Seed: 1, Jobs: 1, Schedules: 1000})
		must(t, err)
		if r.Verdict != Failing {
			t.Fatalf("%s after %d schedules", r.Verdict, r.Schedules)
		}
		f := r.Findings[0]
		s, err := start()
		must(t, err)
		defer s.Close()
		must(t, s.SetMade(r.Made))
		clock := func(sl scenario.Slice) bool { return s.IsClock(sl.Thread) }
		if !slices.ContainsFunc(f.Schedule, clock) {
			t.Fatalf("the clock does not move on in %v", f.Schedule)
		}
		m, err := Minimize(context.Background(), func() (*scenario.Session, error) {
			s, err := start()
			if err == nil {
				err = s.SetMade(r.Made)
			}
			return s, err
		}, f, 0)
		must(t, err)
		if m.Outcome.Kind != f.Outcome.Kind || m.Switches > f.Schedule.Switches() || !slices.ContainsFunc(m.Schedule, clock) {
			t.Errorf("cut down from %v to %v: %v", f.Schedule, m.Schedule, m.Outcome)
		}
		for i := range m.Schedule[:len(m.Schedule)-1] { // it needs each slice
			rest := slices.Concat(m.Schedule[:i], m.Schedule[i+1:])
			must(t, s.Restart())
			for _, sl := range rest {
				if _, over := s.Outcome(); !over && s.Runnable(sl.Thread) {
					_, err := s.RunSlice(sl)
					must(t, err)
				}
			}
			if o, over := s.Outcome(); over && o.Kind == f.Outcome.Kind {
				t.Errorf("%v fails also without slice %d", m.Schedule, i)
			}
		}
	})
}
