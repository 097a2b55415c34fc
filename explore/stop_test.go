package explore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// A budget of schedules is kept, also in the middle of a bound, and what was
// run up to then is in the result.
func TestSchedulesBudget(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := codeStarter(sys, threads([]int{30, 30})...)
		const total, toTwo = 2 + 58 + 2*29*29, 2 + 58
		for i, c := range []struct {
			budget, want uint64
			bound        int // completed
			complete     bool
		}{
			{1, 2, 0, false}, {2, 2, 0, false}, {7, 7, 0, false}, {toTwo, toTwo, 1, false}, {500, 500, 1, false},
			{total - 1, total - 1, 1, false}, {total, total, 2, true}, {total + 1, total, 2, true}, {0, total, 2, true},
		} {
			if !inTurn(i, 1, sys.Arch) {
				continue
			}
			for _, jobs := range []int{1, 3} {
				// Of the last two schedules, two jobs may run one each.
				if jobs > 1 && (testing.Short() || c.budget == total-1) {
					continue
				}
				r, err := Bounded(t.Context(), start, Options{Preemptions: 2, Jobs: jobs, Schedules: c.budget})
				must(t, err)
				verdict := Undecided
				if c.complete {
					verdict = Clean
				}
				// Every job may have begun a schedule when the last of the
				// budget was run.
				spare := uint64(jobs - 1)
				if c.complete || c.budget <= 2 {
					spare = 0
				}
				if r.Schedules < c.want || r.Schedules > c.want+spare || r.Verdict != verdict || r.Complete != c.complete || r.Preemptions != c.bound || r.Unbounded {
					t.Errorf("budget %d, %d jobs: %+v; want %d schedules, bound %d", c.budget, jobs, r, c.want, c.bound)
				}
			}
		}
	})
}

// A failing schedule within the budget counts, whether the search was complete
// or not.
func TestBudgetAndFailure(t *testing.T) {
	start := codeStarter(system(t, loader.ARM64), readers...)
	all, err := Bounded(t.Context(), start, Options{Preemptions: 2, KeepGoing: true, Jobs: 1})
	must(t, err)
	first := all.Findings[0].Number
	for budget, verdict := range map[uint64]Verdict{first - 1: Undecided, first: Failing, first + 1: Failing} {
		r, err := Bounded(t.Context(), start, Options{Preemptions: 2, KeepGoing: true, Jobs: 1, Schedules: budget})
		must(t, err)
		if r.Verdict != verdict || r.Complete || r.Schedules != budget {
			t.Errorf("budget %d: %+v, want %s", budget, r, verdict)
		}
	}
}

func TestTimeBudget(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := codeStarter(sys, threads([]int{200, 200})...)
		for _, limit := range []time.Duration{1, 300 * time.Millisecond} {
			began := time.Now()
			r, err := Bounded(t.Context(), start, Options{Preemptions: -1, Jobs: 2, Time: limit})
			must(t, err)
			if r.Verdict != Undecided || r.Complete || r.Unbounded || r.Schedules == 0 || r.Schedules > 1e6 {
				t.Errorf("after %v: %+v", limit, r)
			}
			if took := time.Since(began); took < limit || took > time.Minute {
				t.Errorf("%v took %v", limit, took)
			}
		}
	})
}

// watched is a body that tells when its calls have been made.
type watched struct {
	scenario.Body
	ended func()
}

func (w watched) Next(results []uint64) (scenario.Call, bool, error) {
	call, more, err := w.Body.Next(results)
	if !more {
		w.ended()
	}
	return call, more, err
}

// watchedStarter calls ended each time the second thread has made its calls.
func watchedStarter(sys *emu.System, ended func(), routines ...routine) func() (*scenario.Session, error) {
	return starter(sys, func(arch loader.Arch) *scenario.Plan {
		p := planOf(arch, routines)
		p.Threads[1].Body = watched{p.Threads[1].Body, ended}
		return p
	})
}

func TestCancel(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r, err := Bounded(ctx, codeStarter(sys, threads([]int{30, 30})...), Options{Preemptions: -1, Jobs: 2})
		if !errors.Is(err, context.Canceled) || r == nil || r.Verdict != Undecided || r.Complete || r.Preemptions != 0 {
			t.Errorf("cancelled before: %+v, %v", r, err)
		}

		// Cancelled in the middle of the second bound, with failures behind.
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		var count atomic.Int64
		ended := func() {
			if count.Add(1) == 60 {
				cancel()
			}
		}
		start := watchedStarter(sys, ended, readers[0], follow.then(straight(20)))
		r, err = Bounded(ctx, start, Options{Preemptions: -1, KeepGoing: true, Jobs: 1})
		if !errors.Is(err, context.Canceled) || r == nil || r.Verdict != Failing || r.Complete || r.Unbounded || r.Failing == 0 {
			t.Fatalf("cancelled in the middle: %+v, %v", r, err)
		}
		full, err := Bounded(t.Context(), start, Options{Preemptions: 2, KeepGoing: true, Jobs: 1})
		must(t, err)
		if r.Schedules < 50 || r.Schedules >= full.Schedules {
			t.Errorf("%d schedules until cancelled, %d in all", r.Schedules, full.Schedules)
		}
		replayAll(t, start, r)
	})
}

// The deadline of the caller's own context is an error; that of Options.Time is
// not.
func TestDeadline(t *testing.T) {
	sys := system(t, loader.AMD64)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	r, err := Bounded(ctx, codeStarter(sys, threads([]int{30, 30})...), Options{Preemptions: -1, Jobs: 1, Time: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) || r.Verdict != Undecided {
		t.Errorf("%+v, %v", r, err)
	}
}

var errBroken = errors.New("no machine today")

// manySchedules keeps a session busy for long enough that another job asks for
// one of its own.
var manySchedules = threads([]int{60, 60})

func TestStartErrors(t *testing.T) {
	sys := system(t, loader.ARM64)
	for name, c := range map[string]struct {
		works int64 // how many sessions can be had
		o     Options
	}{
		"none":                {0, Options{Preemptions: 1, Jobs: 1}},
		"none for two":        {0, Options{Preemptions: 1, Jobs: 2}},
		"one for two":         {1, Options{Preemptions: 2, Jobs: 2}},
		"two for three":       {2, Options{Preemptions: -1, KeepGoing: true, Jobs: 3}},
		"none when time's up": {0, Options{Preemptions: 1, Jobs: 1, Time: time.Microsecond}},
	} {
		var n atomic.Int64
		good := codeStarter(sys, manySchedules...)
		start := func() (*scenario.Session, error) {
			if n.Add(1) > c.works {
				time.Sleep(time.Millisecond)
				return nil, errBroken
			}
			return good()
		}
		r, err := Bounded(t.Context(), start, c.o)
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if r != nil && (r.Verdict == Clean || r.Complete) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// An error in the middle of a run is the search's.
func TestRunErrors(t *testing.T) {
	sys := system(t, loader.ARM64)
	start := starter(sys, func(arch loader.Arch) *scenario.Plan {
		p := planOf(arch, threads([]int{9, 9}))
		p.Threads[1].Body = twoCalls{p.Threads[1].Body}
		return p
	})
	r, err := Bounded(t.Context(), start, Options{Preemptions: 1, Jobs: 2})
	if err == nil || !strings.Contains(err.Error(), `no library of the process exports "no_such_function"`) || r.Complete {
		t.Errorf("%+v, %v", r, err)
	}
}

// twoCalls is a body with a second call that cannot be made.
type twoCalls struct{ scenario.Body }

func (b twoCalls) Next(results []uint64) (scenario.Call, bool, error) {
	if len(results) == 1 {
		return scenario.Call{Func: "no_such_function"}, true, nil
	}
	return b.Body.Next(results)
}

// Progress is told from time to time, never goes back, and is not told any more
// when the search is over.
func TestProgress(t *testing.T) {
	sys := system(t, loader.ARM64)
	var told []Progress
	over := false
	r, err := Bounded(t.Context(), codeStarter(sys, threads([]int{150, 150})...), Options{
		Preemptions: -1, Jobs: 2, Time: 5 * progressEvery,
		Progress: func(p Progress) {
			if over {
				t.Error("told of progress after the end")
			}
			told = append(told, p)
		},
	})
	over = true
	must(t, err)
	if len(told) < 2 {
		t.Fatalf("told %d times", len(told))
	}
	last := Progress{}
	for _, p := range told {
		if p.Schedules < last.Schedules || p.Preemptions < last.Preemptions || p.Done > p.Units {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	}
	if first := told[0]; last.Schedules > r.Schedules || last.Schedules == first.Schedules || last.Preemptions < 1 {
		t.Errorf("from %+v to %+v, in the end %+v", first, last, r)
	}
}

// Sessions are closed however a search ends: the host's address space, of which
// each takes many gigabytes, is the same afterwards.
func TestSessionsAreClosed(t *testing.T) {
	sys := system(t, loader.AMD64)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	searches := func() {
		for _, o := range []Options{
			{Preemptions: 1, Jobs: 3}, {Preemptions: 2, Jobs: 2, KeepGoing: true}, {Preemptions: 2, Jobs: 2, Schedules: 20},
			{Preemptions: 2, Jobs: 2, Time: 1},
		} {
			_, err := Bounded(t.Context(), codeStarter(sys, readers...), o)
			must(t, err)
		}
		if _, err := Bounded(cancelled, codeStarter(sys, threads([]int{30, 30})...), Options{Preemptions: -1, Jobs: 2}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		var n atomic.Int64
		good := codeStarter(sys, manySchedules...)
		_, err := Bounded(t.Context(), func() (*scenario.Session, error) {
			if n.Add(1) > 1 {
				return nil, errBroken
			}
			return good()
		}, Options{Preemptions: 2, Jobs: 2, KeepGoing: true})
		if !errors.Is(err, errBroken) {
			t.Error(err)
		}
	}
	searches()
	before := addressSpace(t)
	s, err := codeStarter(sys, readers...)()
	must(t, err)
	one := addressSpace(t) - before
	s.Close()
	if one < 1<<30 {
		t.Fatalf("a session takes %d bytes of address space: this test can see nothing", one)
	}
	searches()
	if left := addressSpace(t) - before; left >= one {
		t.Errorf("%d bytes of address space are left over, a session takes %d", left, one)
	}
}

// addressSpace is the size of the process in bytes, proc(5)'s VmSize.
func addressSpace(t *testing.T) int64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	must(t, err)
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "VmSize: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("/proc/self/status: no VmSize")
	return 0
}
