package portable_test

import (
	"errors"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// A deadlock stays one, and how far each thread goes is said by what it has locked.
func TestDeadlock(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := testsystem.Of(t, "bookworm", arch)
		start := func() (*scenario.Session, error) {
			plan, err := testrace.Locks().Build(nil)
			if err != nil {
				return nil, err
			}
			return scenario.Start(sys, plan, 1)
		}
		s, err := start()
		testrace.Must(t, err)
		t.Cleanup(s.Close)
		runs, _, err := portable.Describe(start, testrace.Deadlock(t, s))
		testrace.Must(t, err)
		r, err := portable.Play(s, runs)
		testrace.Must(t, err)
		if r.Outcome.Kind != scenario.Deadlock {
			t.Errorf("%v with\n%s", r.Outcome, portable.Text(runs))
		}
		text := portable.Text(runs)
		t.Logf("\n%s", text)
		if strings.Contains(text, "n = ") || strings.Contains(text, "+0x") || strings.Count(text, "until") != 1 {
			t.Errorf("not in words:\n%s", text)
		}
		// Such words are the same for each build.
		for _, suite := range suites {
			for _, a := range testsystem.Arches() {
				plan, err := testrace.Locks().Build(nil)
				testrace.Must(t, err)
				o := testrace.Start(t, testsystem.Of(t, suite, a), plan)
				if r, err := portable.Play(o, runs); err != nil || r.Outcome.Kind != scenario.Deadlock {
					t.Errorf("%s/%v: %v, %v with\n%s", suite, a, r.Outcome, err, text)
				}
			}
		}
	})
}

// threeRuns fails only when main stops between its two reads of x, and the worker
// between its two writes: what is in between has no name of its own.
const threeRuns = `
volatile unsigned long x, y, z;
long reader(void) {
	z = 1;
	unsigned long a = x, b = y;
	return a == 1 && b == 0 && x == 2 ? *(volatile long *)16 : 0;
}
void writer(void) { z = 2; x = 1; z = 3; z = 4; x = 2; y = 1; x = 5; }
`

// What does not matter is left out and told; what does is kept, and told where it
// means something on this build only.
func TestLeftOut(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := testsystem.Of(t, "bookworm", arch)
		start := func() (*scenario.Session, error) {
			return scenario.Start(sys, testrace.Guest(t, arch, threeRuns, scenario.Call{Func: "reader"}, scenario.Call{Func: "writer"}), 1)
		}
		s, err := start()
		testrace.Must(t, err)
		t.Cleanup(s.Close)
		schedule := failing(t, s)
		runs, notes, err := portable.Describe(start, schedule)
		testrace.Must(t, err)
		r, err := portable.Play(s, runs)
		testrace.Must(t, err)
		t.Logf("%v\n%s%q", schedule.Texts(s.Names()), portable.Text(runs), notes)
		if r.Outcome.Kind != scenario.Segv || r.Outcome.End.Addr != 16 {
			t.Errorf("%v", r.Outcome)
		}
		// Worker up to the first x, main's reads, worker up to the second x, main.
		if len(runs) != 4 || runs[3].Until != nil {
			t.Errorf("%d runs:\n%s", len(runs), portable.Text(runs))
		}
		if said := strings.Join(notes, "\n"); !strings.Contains(said, "left out") || !strings.Contains(said, "at an address") {
			t.Errorf("notes %q", notes)
		}
	})
}

// failing finds a failing schedule of threeRuns, with as many slices as it takes and
// some that are of no use: each thread is taken off after every instruction or two.
func failing(t *testing.T, s *scenario.Session) scenario.Schedule {
	t.Helper()
	for first := uint64(1); first < 40; first++ {
		for second := uint64(1); second < 40; second++ {
			for third := uint64(1); third < 40; third++ {
				schedule := scenario.Schedule{{Thread: 0, N: 1}, {Thread: 1, N: first}, {Thread: 0, N: second}, {Thread: 1, N: third}, {Thread: 0}}
				testrace.Must(t, s.Restart())
				if s.Play(schedule) != nil {
					continue
				}
				if o, over := s.Outcome(); over && o.Kind == scenario.Segv {
					return schedule
				}
			}
		}
	}
	t.Fatal("no schedule fails")
	return nil
}

// endless is two threads that never end; how far each gets is in what they share.
const endless = `
volatile unsigned long x, y;
void first(void) { x = 1; y = x; for (;;) x++; }
void second(void) { x = 2; y = x; x = 3; for (;;) y++; }
`

// A race that goes on for ever is told without running it to its limit each time.
func TestEndless(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := testsystem.Of(t, "bookworm", arch)
		start := func() (*scenario.Session, error) {
			s, err := scenario.Start(sys, testrace.Guest(t, arch, endless, scenario.Call{Func: "first"}, scenario.Call{Func: "second"}), 1)
			if err == nil {
				s.Limit = 500_000
			}
			return s, err
		}
		s, err := start()
		testrace.Must(t, err)
		t.Cleanup(s.Close)
		runs, _, err := portable.Describe(start, scenario.Schedule{{Thread: 0, N: 4}, {Thread: 1, N: 5}, {Thread: 0}})
		testrace.Must(t, err)
		r, err := portable.Play(s, runs)
		testrace.Must(t, err)
		if r.Outcome.Kind != scenario.Unfinished || s.Steps() != s.Limit || len(runs) != 3 {
			t.Errorf("%v after %d instructions with\n%s", r.Outcome, s.Steps(), portable.Text(runs))
		}
	})
}

// A schedule that the race has not is an error, and so is a session that does not
// start.
func TestDescribeErrors(t *testing.T) {
	start := starter(t, testsystem.Of(t, "bookworm", loader.ARM64))
	if runs, _, err := portable.Describe(start, scenario.Schedule{{Thread: 0, N: 1 << 40}, {Thread: 1}}); err == nil || !strings.Contains(err.Error(), "slice 1 (main ") {
		t.Errorf("%v, %v", runs, err)
	}
	if _, _, err := portable.Describe(func() (*scenario.Session, error) { return nil, emuError{} }, nil); !errors.Is(err, emuError{}) {
		t.Errorf("%v", err)
	}
	// An empty schedule is that of the threads in order.
	runs, notes, err := portable.Describe(start, nil)
	if err != nil || portable.Text(runs) != "run(\"main\")\n" || len(notes) != 0 {
		t.Errorf("%v, %q, %v", runs, notes, err)
	}
}

type emuError struct{}

func (emuError) Error() string { return "no machine" }
