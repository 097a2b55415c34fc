package portable_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// order is the events of a schedule and how the race ends, when every byte that
// threads share in it is known.
func order(t testing.TB, s *scenario.Session, schedule scenario.Schedule) ([]scenario.Event, scenario.Outcome) {
	t.Helper()
	s.WantEvents(true)
	defer s.WantEvents(false)
	for {
		grown := s.Grown()
		testrace.Must(t, s.Restart())
		var list []scenario.Event
		for _, sl := range schedule {
			events, err := s.RunEvents(sl)
			testrace.Must(t, err)
			for _, e := range events {
				if len(e.Accesses)+len(e.Objects) > 0 {
					list = append(list, scenario.Event{Thread: e.Thread, Accesses: e.Accesses, Objects: e.Objects})
				}
			}
		}
		o, over := s.Outcome()
		if !over {
			t.Fatalf("%v does not come to the end of the race", schedule.Texts(s.Names()))
		}
		if s.Grown() == grown {
			return list, o
		}
	}
}

// randomSlices is a schedule of slices of some lengths that ends with every thread at
// its end.
func randomSlices(t testing.TB, s *scenario.Session, r *rand.Rand, longest int) scenario.Schedule {
	t.Helper()
	testrace.Must(t, s.Restart())
	var schedule scenario.Schedule
	left := r.IntN(8)
	for {
		var can []int
		for i := range s.Names() {
			if s.Runnable(i) {
				can = append(can, i)
			}
		}
		if _, over := s.Outcome(); over {
			schedule[len(schedule)-1].N = 0
			return schedule
		}
		i, n := can[r.IntN(len(can))], uint64(1+r.IntN(longest)>>r.IntN(5))
		if left--; left < 0 {
			n = 0
		}
		ran, err := s.Run(i, n)
		testrace.Must(t, err)
		schedule = schedule.Add(i, ran)
	}
}

// sameInWords describes a schedule and checks that the words lead to the same
// events in the same order, and to the same end; of a schedule that fails, only that
// it ends the same.
func sameInWords(t testing.TB, start func() (*scenario.Session, error), s *scenario.Session, schedule scenario.Schedule) []portable.Run {
	t.Helper()
	runs, notes, err := portable.Describe(start, schedule)
	if err != nil {
		t.Errorf("%v: %v", schedule.Texts(s.Names()), err)
		return nil
	}
	r, err := portable.Play(s, runs)
	if err != nil {
		t.Errorf("%v: %v\n%s", schedule.Texts(s.Names()), err, portable.Text(runs))
		return nil
	}
	s.ForgetShared()
	_, outcome := order(t, s, schedule)
	got, again := order(t, s, r.Schedule)
	want, _ := order(t, s, schedule) // with what the other one has shown
	if !reflect.DeepEqual(outcome, r.Outcome) || !reflect.DeepEqual(again, r.Outcome) {
		t.Errorf("%v ends as %v, in words as %v, and %v\n%s%q", schedule.Texts(s.Names()), outcome, r.Outcome, again, portable.Text(runs), notes)
	}
	if !outcome.Failed() && !reflect.DeepEqual(want, got) {
		t.Errorf("%v: other events with\n%s%q\nwant %v\n got %v", schedule.Texts(s.Names()), portable.Text(runs), notes, want, got)
	}
	return runs
}

// randomFunctions writes C functions that read and write the same few variables, in
// loops and in functions of their own.
func randomFunctions(r *rand.Rand, threads int) string {
	var b strings.Builder
	b.WriteString("volatile unsigned long a, b[3]; volatile unsigned c; volatile unsigned char d[8]; unsigned long own[4];\n")
	value := func() string {
		return [...]string{"a", "b[0]", "b[1]", "b[2]", "c", "d[1]", "d[2]", fmt.Sprint(r.IntN(100))}[r.IntN(8)]
	}
	place := func() string { return [...]string{"a", "b[0]", "b[2]", "c", "d[1]", "d[3]"}[r.IntN(6)] }
	statement := func(thread int) string {
		switch r.IntN(6) {
		case 0:
			return fmt.Sprintf("own[%d] += %s;", thread, value())
		case 1:
			return fmt.Sprintf("for (volatile int i = 0; i < %d; i++) %s = %s;", 1+r.IntN(4), place(), value())
		case 2:
			return fmt.Sprintf("if (%s > %d) %s = %s;", value(), r.IntN(50), place(), value())
		case 3:
			return "__atomic_fetch_add(&a, 1, __ATOMIC_SEQ_CST);"
		}
		return fmt.Sprintf("%s = %s + %s;", place(), value(), value())
	}
	for i := range threads {
		fmt.Fprintf(&b, "__attribute__((noinline)) unsigned long help%d(unsigned long n) { %s return n + %s; }\n", i, statement(i), value())
		fmt.Fprintf(&b, "unsigned long f%d(void) {", i)
		for range 1 + r.IntN(6) {
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, " %s = help%d(%s);", place(), i, value())
			} else {
				b.WriteString(" " + statement(i))
			}
		}
		fmt.Fprintf(&b, " return %s; }\n", value())
	}
	return b.String()
}

// guestStarter makes sessions whose thread number i calls f<i> twice.
func guestStarter(t testing.TB, sys *emu.System, source string, threads int) func() (*scenario.Session, error) {
	t.Helper()
	code := guestcode.Build(t, sys.Arch, source)
	return func() (*scenario.Session, error) {
		var base uint64
		plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
			base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
			return err
		}}
		for i := range threads {
			f := fmt.Sprintf("f%d", i)
			thread := scenario.Thread{Name: fmt.Sprintf("t%d", i), Body: testrace.Called(func() scenario.Calls {
				call := scenario.Call{Func: f, Addr: base + code.Symbols[f]}
				return scenario.Calls{call, call}
			})}
			if i == 0 {
				thread.Name = scenario.Main
			}
			plan.Threads = append(plan.Threads, thread)
		}
		s, err := scenario.Start(sys, plan, 1)
		if err == nil {
			s.Limit = 100_000
		}
		return s, err
	}
}

// Random schedules of random programs mean the same in words.
func TestRandomPrograms(t *testing.T) {
	programs, schedules := 3, 4
	if testing.Short() {
		programs = 2
	}
	r := testrace.Randomness(t)
	for _, arch := range testsystem.Arches() {
		sys := testsystem.Of(t, "bookworm", arch)
		for range programs {
			threads := 2 + r.IntN(2)
			source := randomFunctions(r, threads)
			start := guestStarter(t, sys, source, threads)
			s, err := start()
			testrace.Must(t, err)
			for range schedules {
				sameInWords(t, start, s, randomSlices(t, s, r, 60))
			}
			s.Close()
			if t.Failed() {
				t.Fatalf("%v:\n%s", arch, source)
			}
		}
	}
}

// So do random schedules of a race within libc.
func TestRandomSchedules(t *testing.T) {
	count := 4
	if testing.Short() {
		count = 1
	}
	r := testrace.Randomness(t)
	for _, arch := range testsystem.Arches() {
		start := starter(t, testsystem.Of(t, "bookworm", arch))
		s := sessionOf(t, "bookworm", arch)
		for range count {
			schedule := randomSlices(t, s, r, 2500)
			runs := sameInWords(t, start, s, schedule)
			t.Logf("%v: %v\n%s", arch, schedule.Texts(s.Names()), portable.Text(runs))
		}
	}
}
