package lesson

import (
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

var must = testrace.Must

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
	sc, values := testrace.Default(t, settings...)
	start := testrace.Starter(testsystem.Of(t, "bookworm", arch), sc, values, 1)
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
	heap, err := tracer.Run(nil, schedule)
	must(t, err)
	must(t, x.AddHeap(h, heap))
	line, err := timeline.New(s, schedule)
	must(t, err)
	t.Cleanup(line.Close)
	l, err := New(line, x, notes)
	must(t, err)
	return l
}
