package timeline

import (
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// The clock is moved on between two instructions: a timeline does that wherever it comes
// past, backwards and forwards, and knows it when it is asked for the schedule.
func TestTicks(t *testing.T) {
	sleeps := func(us uint64) scenario.Calls {
		return scenario.Calls{{Func: "usleep", Args: []scenario.Arg{scenario.Int(us)}}, {Func: "getpid"}}
	}
	late := &scenario.Scenario{Name: "late", Build: func(scenario.Values) (*scenario.Plan, error) {
		return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: sleeps(10)}, {Name: "worker", Body: sleeps(5000)}}}, nil
	}}
	start := testrace.Starter(testsystem.Of(t, "bookworm", loader.ARM64), late, nil, 1)
	s, err := start(nil)
	must(t, err)
	defer s.Close()
	const main, worker, clock = 0, 1, 2
	schedule := scenario.Schedule{{Thread: main}, {Thread: worker}, {Thread: clock, N: 1}, {Thread: main}, {Thread: clock, N: 1}, {Thread: worker}}
	line, err := New(s, schedule)
	must(t, err)
	defer line.Close()
	want := digest(t, s)
	ticks := line.Ticks()
	if len(ticks) != 2 || ticks[0].Text != "the deadline of main's usleep passes" || ticks[1].Text != "the deadline of worker's usleep passes" || ticks[0].At >= ticks[1].At {
		t.Fatalf("%+v", ticks)
	}
	for _, n := range []Moment{0, ticks[0].At, ticks[1].At + 1, ticks[0].At + 1, line.Len(), ticks[1].At, 3, ticks[1].At - 1} {
		must(t, line.Seek(n))
		if line.At() != n {
			t.Errorf("at %d, not %d", line.At(), n)
		}
		if n == ticks[0].At && (!s.Process().Waiting(s.MachineThread(main)) || !s.Runnable(clock)) {
			t.Error("at its moment the clock was moved on already")
		}
		must(t, line.Seek(line.Len()))
		if got := digest(t, s); got != want {
			t.Errorf("from %d on, the run is another one", n)
		}
	}
	must(t, s.Restart())
	must(t, s.Play(line.Schedule()))
	if got := digest(t, s); got != want {
		t.Errorf("the schedule %v is of another run", line.Schedule().Texts(s.ScheduleNames()))
	}
	must(t, line.Reset())

	// What a thread does after its deadline needs the clock, by itself or by hand.
	must(t, line.Seek(ticks[0].At))
	if ran, err := line.StepThread(main, 2); ran != 2 || err != nil {
		t.Errorf("main ran %d instructions behind its deadline: %v", ran, err)
	}
	must(t, line.Seek(ticks[0].At))
	if ran, err := line.StepThread(clock, 2); ran != 2 || err != nil || s.Process().Waiting(s.MachineThread(worker)) {
		t.Errorf("the clock was moved on %d times: %v", ran, err)
	}
	must(t, line.RunOut(worker))
	if o, over := line.Outcome(); !over || o.Failed() {
		t.Errorf("%v, %v", o, over)
	}
}
