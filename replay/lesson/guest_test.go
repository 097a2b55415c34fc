package lesson

import (
	"testing"

	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/scripts"
)

var arches = []loader.Arch{loader.ARM64, loader.AMD64}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func system(t testing.TB, suite string, arch loader.Arch) *emu.System {
	t.Helper()
	sys, err := emu.OpenSystem(testroot.Dir(t, "debian:"+suite, arch.String()), arch)
	must(t, err)
	t.Cleanup(func() { must(t, sys.Close()) })
	return sys
}

// starter makes sessions of a scenario that ships.
func starter(t testing.TB, sys *emu.System, sc *scenario.Scenario, settings []string) replay.Starter {
	t.Helper()
	values, err := sc.Settle(settings)
	must(t, err)
	return func(prepare func(*emu.Machine) error) (*scenario.Session, error) {
		plan, err := sc.Build(values)
		if err != nil {
			return nil, err
		}
		return scenario.StartWith(sys, plan, 1, prepare)
	}
}

// crash finds a schedule that fails, in which main is taken off after some
// instructions until the worker is done, or the worker until main is done.
func crash(t testing.TB, s *scenario.Session, mainFirst bool) scenario.Schedule {
	t.Helper()
	first, other := 0, 1
	if !mainFirst {
		first, other = 1, 0
	}
	for n := uint64(4); n < 6000; n += 3 {
		schedule := scenario.Schedule{{Thread: first, N: n}, {Thread: other}, {Thread: first}}
		must(t, s.Restart())
		if err := s.Play(schedule); err != nil {
			// The other one has died, and the first one never went on.
			schedule = schedule[:2]
		}
		if o, over := s.Outcome(); over && o.Kind == scenario.Segv {
			if o.Thread == other {
				schedule = schedule[:2]
			}
			return schedule
		}
	}
	t.Fatal("no schedule crashes")
	return nil
}

// tell makes the lesson of a crash of the scenario that runs when none is named.
func tell(t testing.TB, arch loader.Arch, mainFirst bool, settings []string) *Lesson {
	t.Helper()
	sc, found := scripts.Find(scripts.Default)
	if !found {
		t.Fatalf("no scenario %s", scripts.Default)
	}
	start := starter(t, system(t, "bookworm", arch), sc, settings)
	s, err := start(nil)
	must(t, err)
	t.Cleanup(s.Close)
	return lessonOf(t, s, start, crash(t, s, mainFirst), sc.Notes)
}

// lessonOf makes the lesson of a run.
func lessonOf(t testing.TB, s *scenario.Session, start replay.Starter, schedule scenario.Schedule, notes []scenario.Note) *Lesson {
	t.Helper()
	h, err := replay.NewHistory(s, schedule)
	must(t, err)
	x, err := replay.Explain(h)
	must(t, err)
	tracer, err := replay.NewHeapTracer(start)
	must(t, err)
	defer tracer.Close()
	heap, err := tracer.Run(schedule)
	must(t, err)
	must(t, x.AddHeap(h, heap))
	line, err := timeline.New(s, schedule)
	must(t, err)
	t.Cleanup(line.Close)
	l, err := New(line, x, notes)
	must(t, err)
	return l
}
