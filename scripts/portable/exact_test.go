package portable_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testrace"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
	"emurace/scenario"
	"emurace/scripts/portable"
)

const programSource = `#include <pthread.h>
#include <stdlib.h>
#include <string.h>
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __attribute__((noinline)) int step(int n) {
	int was = count;
	count = was + n; /* line 8 */
	return was;
}
static void *work(void *a) {
	for (int i = 0; i < 3; i++) {
		step(1);
		pthread_mutex_lock(&lock);
		free(strdup("text")); /* line 15 */
		pthread_mutex_unlock(&lock);
	}
	return a;
}
int main(void) {
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], 0, work, 0);
	step(10);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], 0);
	return count != 16; /* line 27 */
}
`

// programStarter makes sessions of programSource that know its threads.
func programStarter(t *testing.T, sys *emu.System, flags ...string) func() (*scenario.Session, error) {
	t.Helper()
	file := guestcode.Program(t, sys.Arch, programSource, append([]string{"-g", "-O1"}, flags...)...)
	return func() (*scenario.Session, error) {
		s, err := scenario.Start(sys, &scenario.Plan{
			Files:   map[string][]byte{"/program": file},
			Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
			Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
			Program: &scenario.Program{Path: "/program", Argv: []string{"program"}},
		}, 1)
		if err != nil {
			return nil, err
		}
		return s, s.SetMade([]string{"main.1", "main.2"})
	}
}

// randomRun runs a program's threads for random numbers of instructions, to the end.
func randomRun(t *testing.T, s *scenario.Session, r *rand.Rand) (schedule scenario.Schedule) {
	t.Helper()
	testrace.Must(t, s.Restart())
	for {
		if _, over := s.Outcome(); over {
			return schedule
		}
		i := r.IntN(s.Schedulable())
		if !s.Runnable(i) {
			continue
		}
		n := uint64(0)
		if r.IntN(4) > 0 && !s.IsClock(i) {
			n = 1 + uint64(r.IntN(400))
		}
		ran, err := s.RunSlice(scenario.Slice{Thread: i, N: n, Half: r.IntN(2) == 0})
		testrace.Must(t, err)
		if ran > 0 {
			schedule = schedule.AddEvent(scenario.Event{Thread: i, Ran: ran, Half: s.Holds(i)})
		}
	}
}

// The words that Exact finds for any schedule of a program come to the same run, on a session
// that has seen nothing.
func TestExact(t *testing.T) {
	seed := testseed.Of(t, 1)
	testsystem.Each(t, func(t *testing.T, sys *emu.System) {
		start := programStarter(t, sys)
		s, err := start()
		testrace.Must(t, err)
		defer s.Close()
		random, inWords, counted, halves := rand.New(rand.NewPCG(seed, 1)), 0, 0, 0
		for range 12 {
			schedule := randomRun(t, s, random)
			testrace.Must(t, s.Restart()) // two steps with nothing in between are one in the schedule
			testrace.Must(t, s.Play(schedule))
			outcome, _ := s.Outcome()
			digest, err := s.Digest()
			testrace.Must(t, err)
			runs, notes, err := portable.Exact(start, schedule)
			if err != nil {
				t.Fatalf("%v: %v", schedule.Texts(s.ScheduleNames()), err)
			}
			for _, r := range runs {
				if r.Half {
					halves++
				}
				switch {
				case r.Until != nil:
					inWords++
				case r.N > 0:
					counted++
				}
			}
			if counts := strings.Contains(strings.Join(notes, " "), "count instructions"); counts != strings.Contains(portable.Text(runs), "n = ") {
				t.Errorf("notes %q of\n%s", notes, portable.Text(runs))
			}
			fresh, err := start()
			testrace.Must(t, err)
			r, err := portable.Play(fresh, runs)
			testrace.Must(t, err)
			if again, err := fresh.Digest(); err != nil || again != digest || r.Outcome != outcome && r.Outcome.String() != outcome.String() {
				t.Errorf("%v ends as %v; its words as %v, %v:\n%s", schedule.Texts(s.ScheduleNames()), outcome, r.Outcome, err, portable.Text(runs))
			}
			fresh.Close()
		}
		if halves == 0 {
			t.Error("no run ends in the middle of an instruction")
		}
		if inWords <= counted {
			t.Errorf("%d runs in words, and %d that count instructions", inWords, counted)
		}
	})
}

// A schedule that is none of the race's has no words.
func TestExactMismatch(t *testing.T) {
	start := programStarter(t, testsystem.Of(t, "bookworm", testsystem.Arches()[0]))
	for _, schedule := range []scenario.Schedule{
		{{Thread: 0, N: 5}},
		{{Thread: 2, N: 5}, {Thread: 0}},
		{{Thread: 1, N: 1 << 40}, {Thread: 0}},
	} {
		if runs, _, err := portable.Exact(start, schedule); err == nil {
			t.Errorf("%v: %v", schedule, runs)
		}
	}
}

// A source line is a place to stop at: of the program, by the end of its file's path, and on
// whichever of its threads.
func TestLines(t *testing.T) {
	testsystem.Each(t, func(t *testing.T, sys *emu.System) {
		s, err := programStarter(t, sys)()
		testrace.Must(t, err)
		defer s.Close()
		mod := s.Process().Program()
		p := portable.New(s)
		for _, c := range []struct {
			thread, place string
			hit, line     int
			function      string
		}{
			{"main", "guest.c:8", 1, 8, "step"},
			{"main.1", "guest.c:8", 3, 8, "step"},
			{"main.2", "guest.c:15", 2, 15, "work"},
			{"main", "guest.c:27", 1, 27, "main"},
		} {
			testrace.Must(t, s.Restart())
			if c.thread == "main.2" || c.line == 27 { // which main has to make first, or to wait for
				_, err := p.Step(portable.Run{Thread: "main", Until: portable.Calls{Func: portable.Symbol{Name: "step"}}})
				testrace.Must(t, err)
			}
			for _, name := range []string{"main.1", "main.2"} {
				if c.line == 27 {
					_, err := p.Step(portable.Run{Thread: name})
					testrace.Must(t, err)
				}
			}
			st, err := p.Step(portable.Run{Thread: c.thread, Until: at(t, c.place), Hit: c.hit})
			testrace.Must(t, err)
			i := map[string]int{"main": 0, "main.1": 1, "main.2": 2}[c.thread]
			pc, err := s.Process().PC(s.MachineThread(i))
			testrace.Must(t, err)
			_, line, _ := mod.Image.LineAt(pc - mod.Base)
			sym, _, _ := mod.Image.SymbolAt(pc - mod.Base)
			if st.Why != portable.Reached || line != c.line || sym.Name != c.function {
				t.Errorf("%s until %s: %v at line %d of %s", c.thread, c.place, st.Why, line, sym.Name)
			}
		}
		for _, place := range []string{"guest.c:5", "est.c:8", "guest.c:9999", "none.c:7"} {
			testrace.Must(t, s.Restart())
			_, err := p.Step(portable.Run{Thread: "main", Until: at(t, place)})
			var line *portable.LineError
			var run *portable.RunError
			if !errors.As(err, &line) || !errors.As(err, &run) || run.Hint() == "" {
				t.Errorf("%s: %v", place, err)
			}
		}
	})
}

// TestSeeingHasNoWords: a schedule that says what an instruction sees is refused, before anything is run.
func TestSeeingHasNoWords(t *testing.T) {
	schedule := scenario.Schedule{{Thread: 0, N: 1, Seeing: &scenario.Seeing{Sees: []scenario.Seen{{}}}}}
	start := func() (*scenario.Session, error) { return nil, errors.New("a session was begun") }
	if _, _, err := portable.Describe(start, schedule); !errors.Is(err, portable.ErrSeeing) {
		t.Errorf("described: %v", err)
	}
	if _, _, err := portable.Exact(start, schedule); !errors.Is(err, portable.ErrSeeing) {
		t.Errorf("exact: %v", err)
	}
}
