package timeline

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/explore/graph"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// state is what there is to know of a moment: the digest, and each thread's registers.
func state(t *testing.T, s *scenario.Session) string {
	t.Helper()
	text := digest(t, s)
	for i := range s.Threads() {
		regs, err := s.Process().Registers(s.MachineThread(i))
		must(t, err)
		text += fmt.Sprint(regs)
	}
	return text
}

// moments are the states of a run, played straight on: each from the start of the race, slices cut in one place.
func moments(t *testing.T, s *scenario.Session, schedule scenario.Schedule) (list []string) {
	t.Helper()
	must(t, s.Restart())
	must(t, s.Play(schedule))
	end, whole := s.Steps(), state(t, s)
	for n := range end {
		must(t, s.Restart())
		left := n
		for _, sl := range schedule {
			if take := min(left, sl.N); sl.N != 0 && take == sl.N {
				_, err := s.RunSlice(sl)
				must(t, err)
				left -= take
			} else if left > 0 {
				ran, err := s.Run(sl.Thread, left)
				must(t, err)
				left -= ran
			}
		}
		list = append(list, state(t, s))
	}
	return append(list, whole)
}

// everywhere goes through a run in all ways and holds each moment to what it is when the schedule is played.
func everywhere(t *testing.T, start func() *scenario.Session, schedule scenario.Schedule) {
	t.Helper()
	r := testrace.Randomness(t)
	want := moments(t, start(), schedule)
	s := start()
	line, err := New(s, schedule)
	must(t, err)
	defer line.Close()
	end := line.Len()
	if end != Moment(len(want)-1) {
		t.Fatalf("the timeline has %d instructions, the run %d", end, len(want)-1)
	}
	at := func(how string, n Moment) {
		t.Helper()
		must(t, line.Seek(n))
		if got := state(t, line.Session()); line.At() != n || got != want[n] {
			t.Fatalf("%s: moment %d is another state than that of the run, played straight on", how, n)
		}
	}
	at("recorded", end)
	for n := range end + 1 {
		at("backwards", end-n)
	}
	for n := range end + 1 {
		at("forwards", n)
	}
	for range 40 {
		at("a jump", r.Uint64N(end+1))
	}
	other, err := New(start(), schedule)
	must(t, err)
	defer other.Close()
	line = other
	at("a fresh session", r.Uint64N(end+1))

	// The recorded run is the schedule, also where another thread could run on.
	again := line.Schedule()
	if got := moments(t, start(), again); !reflect.DeepEqual(got, want) {
		t.Errorf("the timeline's schedule is another run: %v", again)
	}
	// One instruction after the other, as when somebody runs the threads by hand.
	must(t, line.Seek(0))
	for line.At() < end {
		thread, n := line.Thread(line.At()), Moment(1)
		for line.At()+n < end && line.Thread(line.At()+n) == thread && r.IntN(3) > 0 {
			n++
		}
		ran, err := line.StepThread(thread, n)
		must(t, err)
		if ran == 0 {
			t.Fatalf("no thread runs at %d", line.At())
		}
		if got := state(t, line.Session()); got != want[line.At()] {
			t.Fatalf("stepped to %d: another state", line.At())
		}
	}
	if line.Len() != end || state(t, line.Session()) != want[end] {
		t.Errorf("stepped through: %d instructions, want %d, or another end", line.Len(), end)
	}
}

// TestSeeing: wherever a run with reads of older values is gone to, it is that run.
func TestSeeing(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		sb := testrace.NewBuffering(sys.Arch)
		plan, err := sb.Scenario().Build(nil)
		must(t, err)
		start := func() *scenario.Session { return testrace.Start(t, sys, plan) }
		start()
		everywhere(t, start, sb.Schedule())

		line, err := New(start(), sb.Schedule())
		must(t, err)
		defer line.Close()
		if o, over := line.Outcome(); !over || o.Kind != scenario.Check {
			t.Fatalf("it ends with %v", o)
		}
		for n := range line.Len() {
			if got := line.Seeing(n); (got != nil) != (n == 2 || n == 3) {
				t.Errorf("instruction %d sees %v", n, got)
			}
			if (n == 2 || n == 3) && (len(line.Accesses(n)) != 1 || line.Accesses(n)[0].Value != 0) {
				t.Errorf("instruction %d has %+v", n, line.Accesses(n))
			}
		}
		// Left before the load, and run out, it reads what memory holds.
		must(t, line.Seek(2))
		must(t, line.RunOut(1))
		if o, _ := line.Outcome(); o.Failed() || line.Schedule().Odd() {
			t.Errorf("of its own: %v, %v", o, line.Schedule())
		}
		// Left behind the first load, that stays.
		must(t, line.Reset())
		must(t, line.Seek(3))
		must(t, line.RunOut(1))
		own := line.Schedule()
		if o, _ := line.Outcome(); o.Failed() || !own.Odd() {
			t.Errorf("left at 3: %v, %v", o, own)
		}
		everywhere(t, start, own)
	})
}

// TestSeeingRandom: also where random instructions see and leave random bytes.
func TestSeeingRandom(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan, draw := testrace.Odd(t, sys, testrace.Randomness(t), 10)
		start := func() *scenario.Session { return testrace.Start(t, sys, plan) }
		start()
		everywhere(t, start, draw())
	})
}

// TestSeeingFound: also what a search under ARMv8 has found is that run at every moment.
func TestSeeingFound(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.ARM64)
	for i, l := range testrace.Litmuses() {
		if testing.Short() && i%2 == 0 { // MP and R remain
			continue
		}
		t.Run(l.Name, func(t *testing.T) {
			plan := l.Plan(t, sys.Arch)
			found, err := explore.Graphs(context.Background(), func() (*scenario.Session, error) { return scenario.Start(sys, plan, 1) }, graph.ARM, explore.Options{Jobs: 1})
			must(t, err)
			if len(found.Findings) == 0 || !found.Findings[0].Schedule.Odd() {
				t.Fatalf("the search has %d findings", len(found.Findings))
			}
			everywhere(t, func() *scenario.Session { return testrace.Start(t, sys, plan) }, found.Findings[0].Schedule)
		})
	}
}
