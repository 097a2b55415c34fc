package explore

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/scenario"
)

// lateReader is a program in which a deadline passes while the other thread does nothing that
// concerns anyone: only who wakes up there sees the word half done.
const lateReader = `
#include <pthread.h>
#include <time.h>
#include <unistd.h>
static volatile int word, found;
static void *work(void *a) {
	struct timespec t = {0, NANOSECONDS};
	while (!word) {}
	nanosleep(&t, 0);
	found = word;
	return a;
}
int main(void) {
	pthread_t t;
	pthread_create(&t, 0, work, 0);
	word = 1;
	for (int i = 0; i < 3000; i++) asm volatile("");
	word = 2;
	pthread_join(t, 0);
	_exit(found == 1 ? 5 : 0);
}`

// due begins sessions of a program under timeouts that pass when they are due.
func due(t *testing.T, sys *emu.System, source string, flags ...string) func() (*scenario.Session, error) {
	t.Helper()
	file := guestcode.Program(t, sys.Arch, source, append(flags, "-O1", "-static")...)
	return func() (*scenario.Session, error) {
		s, err := scenario.Start(sys, &scenario.Plan{
			Files:    map[string][]byte{"/program": file},
			Threads:  []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
			Endings:  []scenario.Ending{{Kind: scenario.Exit}},
			Timeouts: scenario.WhenDue,
			Program:  &scenario.Program{Path: "/program", Argv: []string{"program"}},
		}, 1)
		if err == nil {
			s.Limit = 10_000_000
		}
		return s, err
	}
}

// outcomes runs schedules that know nothing of events: main for some instructions, the worker for
// some, main for some more, then the clock if it can be moved on, the worker for as long as it
// can, and at last all in order.
func outcomes(t *testing.T, s *scenario.Session) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	run := func(i int, n uint64) {
		if i < s.Schedulable() && s.Runnable(i) {
			_, err := s.Run(i, n)
			must(t, err)
		}
	}
	for first := uint64(0); first < 1200; first += 150 {
		for second := uint64(0); second < 9_000; second += 301 {
			must(t, s.Restart())
			if first > 0 {
				run(0, first)
			}
			run(1, 0)
			if second > 0 {
				run(0, second)
			}
			run(s.Clock(), 1)
			run(1, 0)
			for _, over := s.Outcome(); !over; _, over = s.Outcome() {
				for i := range s.Schedulable() {
					run(i, 0)
				}
			}
			o, _ := s.Outcome()
			found[o.String()] = true
		}
	}
	return found
}

// A deadline that passes between two accesses of a thread wakes who waits for it there, if only
// that order shows what is wrong; where none passes there, none does.
func TestDueBetweenEvents(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			nanoseconds string
			fails       bool
		}{{"4000", true}, {"1000000", false}} {
			start := due(t, sys, lateReader, "-DNANOSECONDS="+c.nanoseconds)
			s, err := start()
			must(t, err)
			want := outcomes(t, s)
			s.Close()
			fails := slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(o string) bool { return strings.Contains(o, "status 5") })
			if fails != c.fails {
				t.Errorf("%s: schedules that know no events come to %v", c.nanoseconds, slices.Sorted(maps.Keys(want)))
			}
			for _, strategy := range []Strategy{POS, Fuzz, Random, ""} {
				var r *Result
				if strategy == "" {
					strategy = "dpor"
					r, err = DPOR(t.Context(), start, Options{Preemptions: -1, KeepGoing: true, Jobs: 1, Schedules: 500})
				} else {
					r, err = Sample(t.Context(), start, strategy, Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: 200})
				}
				must(t, err)
				if r.Failing > 0 != c.fails || c.fails && r.Findings[0].Outcome.End.Code != 5 || r.Verdict == Clean {
					t.Errorf("%s: %s: %d of %d schedules fail: %+v", c.nanoseconds, strategy, r.Failing, r.Schedules, r.Findings)
				}
				if r.Failing == 0 {
					continue
				}
				f := r.Findings[0]
				again, err := start()
				must(t, err)
				must(t, again.SetMade(r.Made))
				must(t, again.Play(f.Schedule))
				if o, over := again.Outcome(); !over || siteOf(o) != siteOf(f.Outcome) {
					t.Errorf("%s: %s: played it ends as %v", c.nanoseconds, strategy, o)
				}
				again.Close()
				m, err := Minimize(t.Context(), start, f, 50*time.Millisecond)
				must(t, err)
				if m.Outcome.End.Code != 5 || m.Switches > f.Schedule.Switches() {
					t.Errorf("%s: %s: cut down it is %v: %v", c.nanoseconds, strategy, m.Outcome, m.Schedule)
				}
			}
		}
	})
}
