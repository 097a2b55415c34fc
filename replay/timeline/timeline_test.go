package timeline

import (
	"errors"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/scenario"
)

// fresh is the digest of a session after n instructions of a schedule, run from
// the start of the race.
func fresh(t *testing.T, s *scenario.Session, schedule scenario.Schedule, n Moment) string {
	t.Helper()
	must(t, s.Restart())
	left := n
	for _, sl := range schedule {
		take := left
		if sl.N != 0 {
			take = min(take, sl.N)
		}
		if take > 0 {
			ran, err := s.Run(sl.Thread, take)
			must(t, err)
			left -= ran
		}
	}
	if left != 0 {
		t.Fatalf("the schedule has fewer than %d instructions", n)
	}
	d, err := s.Digest()
	must(t, err)
	return d
}

func digest(t *testing.T, s *scenario.Session) string {
	t.Helper()
	d, err := s.Digest()
	must(t, err)
	return d
}

// Wherever it was before, at a moment the process is what it is when it is run
// there from the start, bit for bit.
func TestSeek(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		r := testrace.Randomness(t)
		s, other := article(t, sys), article(t, sys)
		schedule := testrace.Crash(t, other)
		line, err := New(s, schedule)
		must(t, err)
		defer line.Close()
		must(t, other.Restart())
		must(t, other.Play(schedule))
		end := digest(t, other)
		if line.At() != line.Len() || line.Len() != other.Steps() || digest(t, s) != end {
			t.Fatalf("at %d of %d, the run has %d instructions", line.At(), line.Len(), other.Steps())
		}
		for range 60 {
			n := r.Uint64N(line.Len())
			must(t, line.Seek(n))
			if line.At() != n || s.Steps() != n {
				t.Fatalf("at %d, the session at %d, sought %d", line.At(), s.Steps(), n)
			}
			if pc, _ := line.PC(n); pc != pcOf(t, s, line.Thread(n)) {
				t.Fatalf("moment %d: %s is not at %#x", n, s.Names()[line.Thread(n)], pc)
			}
			if got, want := digest(t, s), fresh(t, other, schedule, n); got != want {
				t.Fatalf("moment %d is another state than that of a run from the start", n)
			}
			if r.IntN(4) == 0 {
				must(t, line.Seek(line.Len()+r.Uint64N(2)))
				if o, over := s.Outcome(); !over || o.Kind != scenario.Segv || digest(t, s) != end {
					t.Fatalf("after moment %d the end is another: %v", n, o)
				}
			}
		}
		if o, over := line.Outcome(); !over || o.Kind != scenario.Segv {
			t.Errorf("it ends with %v", o)
		}
	})
}

func pcOf(t *testing.T, s *scenario.Session, thread int) uint64 {
	t.Helper()
	pc, err := s.Process().PC(s.MachineThread(thread))
	must(t, err)
	return pc
}

// The record has every instruction of the schedule, in its order, with what the
// access log has of it.
func TestRecord(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := article(t, sys)
		schedule := testrace.Crash(t, s)
		line, err := New(s, schedule)
		must(t, err)
		defer line.Close()
		var got scenario.Schedule
		log, logged := s.Process().Log().From(s.StartLog()).List(), 0
		for n := range line.Len() {
			got = got.Add(line.Thread(n), 1)
			for _, a := range line.Accesses(n) {
				if logged == len(log) || a != log[logged] || a.Step != s.Base()+n+1 || line.Of(a) != n {
					t.Fatalf("instruction %d: access %+v", n, a)
				}
				logged++
			}
		}
		if logged != len(log) {
			t.Errorf("the instructions have %d of %d accesses", logged, len(log))
		}
		got[len(got)-1].N = 0
		want := slices.Clone(schedule)
		want[1].N = got[1].N // the recorded one is in numbers
		if !slices.Equal(got, want) || !slices.Equal(line.Schedule(), got) {
			t.Errorf("recorded %v, Schedule %v, want %v", got, line.Schedule(), want)
		}
		// At the end it is the instruction that failed.
		o, _ := s.Outcome()
		if pc, ok := line.PC(line.Len()); !ok || pc != o.End.PC || line.Thread(line.Len()) != o.Thread {
			t.Errorf("at the end: %#x of thread %d, want %#x of %d", pc, line.Thread(line.Len()), o.End.PC, o.Thread)
		}
		if _, ok := line.SP(line.Len()); ok {
			t.Error("an instruction that has not run has a stack pointer")
		}
	})
}

// In a long run there are checkpoints, and going back costs what lies between two.
func TestCheckpoints(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		r := testrace.Randomness(t)
		s := counting(t, sys, 20_000)
		var schedule scenario.Schedule
		for i := range 200 {
			schedule = append(schedule, scenario.Slice{Thread: i % 2, N: 1 + r.Uint64N(600)})
		}
		schedule = append(schedule, scenario.Slice{Thread: 0}, scenario.Slice{Thread: 1})
		line, err := New(s, schedule)
		must(t, err)
		defer line.Close()
		if line.Len() < 10*every {
			t.Fatalf("only %d instructions", line.Len())
		}
		if n := Moment(len(line.marks)); n != (line.Len()-1)/every {
			t.Errorf("%d checkpoints in %d instructions", n, line.Len())
		}
		other := counting(t, sys, 20_000)
		for range 12 {
			n := r.Uint64N(line.Len() + 1)
			must(t, line.Seek(n))
			for _, c := range line.marks {
				if c.at > n {
					t.Fatalf("at %d there is a checkpoint of %d", n, c.at)
				}
			}
			if got, want := digest(t, s), fresh(t, other, schedule, n); got != want {
				t.Fatalf("moment %d is another state than that of a run from the start", n)
			}
		}
	})
}

// A run can be left: another thread goes on, the rest is forgotten, and what comes
// of it is a schedule like any other. Reset brings the recorded one back.
func TestStepThread(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := article(t, sys)
		schedule := testrace.Crash(t, s)
		line, err := New(s, schedule)
		must(t, err)
		defer line.Close()
		length, end := line.Len(), digest(t, s)

		// Doing what the run does changes nothing.
		must(t, line.Seek(schedule[0].N-2))
		if ran, err := line.StepThread(0, 2); err != nil || ran != 2 || line.Len() != length {
			t.Fatalf("ran %d, %v; the run has %d instructions, had %d", ran, err, line.Len(), length)
		}
		// Main goes on where the worker would: it gets through its list.
		if ran, err := line.StepThread(0, 1); err != nil || ran != 1 || line.Len() != schedule[0].N+1 {
			t.Fatalf("ran %d, %v; the run has %d instructions", ran, err, line.Len())
		}
		if _, over := line.Outcome(); over {
			t.Error("the run that was left is over")
		}
		must(t, line.RunOut(0))
		o, over := line.Outcome()
		if !over || o.Failed() || line.At() != line.Len() {
			t.Errorf("main first: %v", o)
		}
		own, ownEnd := line.Schedule(), digest(t, s)

		must(t, line.Reset())
		if line.Len() != length || digest(t, s) != end {
			t.Errorf("after Reset %d instructions, want %d", line.Len(), length)
		}

		other := article(t, sys)
		must(t, other.Play(own))
		if o, over := other.Outcome(); !over || o.Failed() || digest(t, other) != ownEnd {
			t.Errorf("the schedule of one's own ends with %v", o)
		}

		// Across a bound: the first instructions are the run's, the others new.
		must(t, line.Seek(schedule[0].N-1))
		if ran, err := line.StepThread(0, 5); err != nil || ran != 5 || line.Len() != schedule[0].N+4 {
			t.Errorf("ran %d, %v; %d instructions", ran, err, line.Len())
		}
		for _, thread := range []int{-1, 3} {
			if _, err := line.StepThread(thread, 1); err == nil {
				t.Errorf("thread %d has run", thread)
			}
			if err := line.RunOut(thread); err == nil {
				t.Errorf("thread %d has run", thread)
			}
		}
		must(t, line.RunOut(1))
		if ran, err := line.StepThread(0, 1); err != nil || ran != 0 {
			t.Errorf("after the end: %d, %v", ran, err)
		}
	})
}

// A run that ends in the first instruction of a slice, or that is not over yet.
func TestShortRuns(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := article(t, sys)
		line, err := New(s, scenario.Schedule{{Thread: 1, N: 10}})
		must(t, err)
		if _, over := line.Outcome(); over || line.Len() != 10 || line.Thread(10) != 1 {
			t.Errorf("%d instructions, over %v", line.Len(), over)
		}
		must(t, line.Seek(3))
		must(t, line.Seek(10))
		line.Close()

		line, err = New(s, nil)
		must(t, err)
		if line.Len() != 0 || line.Thread(0) != -1 {
			t.Errorf("an empty schedule has %d instructions", line.Len())
		}
		must(t, line.RunOut(1))
		if o, over := line.Outcome(); !over || o.Failed() {
			t.Errorf("run out: %v", o)
		}
		line.Close()

		for _, bad := range []scenario.Schedule{{{Thread: 2, N: 1}}, {{Thread: -1}}, {{Thread: 0, N: 1 << 40}, {Thread: 1}}} {
			if _, err := New(s, bad); err == nil {
				t.Errorf("%v is a run", bad)
			}
		}
	})
}

// The end of a run in which a thread fails with its first instruction.
func TestFailsAtOnce(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		const nowhere = 0x1000
		plan := &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{{Func: "nowhere", Addr: nowhere}}}}}
		s := testrace.Start(t, sys, plan)
		line, err := New(s, scenario.Schedule{{Thread: 0}})
		must(t, err)
		defer line.Close()
		o, over := line.Outcome()
		if !over || o.Kind != scenario.Segv || line.Len() != 0 {
			t.Fatalf("%d instructions, %v", line.Len(), o)
		}
		if pc, ok := line.PC(0); !ok || pc != nowhere {
			t.Errorf("pc %#x", pc)
		}
		if got := line.Schedule(); !slices.Equal(got, scenario.Schedule{{Thread: 0}}) {
			t.Errorf("schedule %v", got)
		}
		must(t, line.Seek(0))
	})
}

func TestTooLong(t *testing.T) {
	if testing.Short() {
		t.Skip("sixteen million instructions take half a minute")
	}
	s := counting(t, testsystem.Of(t, "bookworm", 1), 1<<40)
	s.Limit = MaxLen + 1000
	if _, err := New(s, scenario.Schedule{{Thread: 0}}); !errors.Is(err, ErrTooLong) {
		t.Errorf("%v", err)
	}
}
