package testrace

import (
	"testing"

	"emurace/emu"
	"emurace/scenario"
	"emurace/scripts"
)

// Crash finds a schedule of the article's scenario that fails: main is taken off
// after some instructions until the worker has run to its end.
func Crash(t testing.TB, s *scenario.Session) scenario.Schedule {
	t.Helper()
	for n := uint64(100); n < 3000; n += 10 {
		schedule := mainTakenOff(t, s, n)
		if o, over := s.Outcome(); over && o.Kind == scenario.Segv {
			return schedule
		}
	}
	t.Fatal("no schedule crashes")
	return nil
}

// Deadlock finds a schedule of Locks after which both threads wait.
func Deadlock(t testing.TB, s *scenario.Session) scenario.Schedule {
	t.Helper()
	for n := uint64(1); n < 1000; n++ {
		schedule := mainTakenOff(t, s, n)
		if o, over := s.Outcome(); over && o.Kind == scenario.Deadlock && s.Process().Waiting(s.MachineThread(0)) && s.Process().Waiting(s.MachineThread(1)) {
			return schedule
		}
	}
	t.Fatal("there is no deadlock")
	return nil
}

// mainTakenOff plays the schedule in which the worker runs after n instructions
// of main, as far as it can, and then main again.
func mainTakenOff(t testing.TB, s *scenario.Session, n uint64) scenario.Schedule {
	t.Helper()
	schedule := scenario.Schedule{{Thread: 0, N: n}, {Thread: 1}, {Thread: 0}}
	Must(t, s.Restart())
	Must(t, s.Play(schedule))
	return schedule
}

// Scene is the scenario article, how to make more sessions of it, and the schedule that is in words
// beside it: main is in getenv until the worker has set both of its variables. What is returned
// last are the scenario's notes.
func Scene(t testing.TB, sys *emu.System) (*scenario.Session, func(func(*emu.Process) error) (*scenario.Session, error), scenario.Schedule, []scenario.Note) {
	t.Helper()
	sc := scripts.Get("article")
	values, err := sc.Settle(nil)
	Must(t, err)
	script, _ := scripts.Shipped("article")
	words, err := script.Schedule()
	Must(t, err)
	start := Starter(sys, sc, values, 1)
	s, err := start(nil)
	Must(t, err)
	t.Cleanup(s.Close)
	played, err := words.Play(s)
	Must(t, err)
	return s, start, played.Schedule, sc.Notes
}
