package explore

import (
	"math/rand/v2"
	"testing"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/scenario"
)

// TestDeciding: of random failing schedules, cut anywhere, that stay as they are: the accesses which
// are said to decide are of the threads, at the instructions and in the order that they have in that
// very schedule.
func TestDeciding(t *testing.T) {
	programs := uint64(6)
	if testing.Short() {
		programs = 2
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 1)
		found := uint64(0)
		for at := seed; at < seed+60*programs && found < programs; at++ {
			p := newCellProgram(rand.New(rand.NewPCG(at, 3)), 3)
			start := starter(sys, func(loader.Arch) *scenario.Plan { return p.plan() })
			s, err := start()
			must(t, err)
			random := rand.New(rand.NewPCG(at, 5))
			schedule := chopped(t, s, random)
			for range 20 { // one that fails, if there are many
				if o, _ := s.Outcome(); o.Failed() {
					break
				}
				schedule = chopped(t, s, random)
			}
			if o, _ := s.Outcome(); o.Failed() {
				m, err := Deciding(t.Context(), start, Finding{Schedule: schedule, Outcome: o, Preemptions: -1})
				must(t, err)
				if list := essentials(m); len(list) > 0 {
					found++
					checkDeciding(t, s, schedule, list, at)
				}
			}
			s.Close()
		}
		if found < programs {
			t.Errorf("only %d programs from seed %d on have accesses that decide", found, seed)
		}
	})
}

// checkDeciding compares what is said of accesses with a run of the schedule.
func checkDeciding(t *testing.T, s *scenario.Session, schedule scenario.Schedule, list []Edge, seed uint64) {
	t.Helper()
	for _, e := range list {
		if e.First.Step >= e.Second.Step {
			t.Errorf("seed %d: %+v comes behind %+v", seed, e.First, e.Second)
		}
		for _, p := range []Place{e.First, e.Second} {
			if thread, pc := instruction(t, s, schedule, p.Step); thread != p.Thread || pc != p.Event.PC {
				t.Errorf("seed %d: instruction %d is of thread %d at %#x, and said to be of %d at %#x", seed, p.Step, thread, pc, p.Thread, p.Event.PC)
			}
		}
	}
}

func essentials(m *Minimal) []Edge {
	if m == nil {
		return nil
	}
	return m.Essential
}

// chopped runs the threads in slices of random lengths to the end of the race.
func chopped(t *testing.T, s *scenario.Session, random *rand.Rand) scenario.Schedule {
	t.Helper()
	must(t, s.Restart())
	var schedule scenario.Schedule
	for {
		if _, over := s.Outcome(); over {
			return schedule
		}
		k := random.IntN(s.Schedulable())
		if !s.Runnable(k) {
			continue
		}
		ran, err := s.Run(k, 1+random.Uint64N(40))
		must(t, err)
		if ran > 0 {
			schedule = schedule.Add(k, ran)
		}
	}
}

// instruction is who runs instruction number step of a schedule, and where it is.
func instruction(t *testing.T, s *scenario.Session, schedule scenario.Schedule, step uint64) (thread int, pc uint64) {
	t.Helper()
	must(t, s.Restart())
	for _, sl := range schedule {
		n := min(sl.N, step-1-s.Steps())
		if n > 0 {
			_, err := s.Run(sl.Thread, n)
			must(t, err)
		}
		if n < sl.N {
			pc, err := s.Process().PC(s.MachineThread(sl.Thread))
			must(t, err)
			return sl.Thread, pc
		}
	}
	last := schedule[len(schedule)-1].Thread // the instruction that faults
	pc, err := s.Process().PC(s.MachineThread(last))
	must(t, err)
	return last, pc
}
