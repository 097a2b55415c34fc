package scenario

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"emurace/emu"
)

// creating is a plan whose main makes two threads by pthread_create, and whose worker makes
// one.
func creating() *Plan {
	var handle, routine uint64
	create := func(n int) Body {
		return calling(func(results []uint64) (Call, bool) {
			return Call{Func: "pthread_create", Args: []Arg{Int(handle), Int(0), Int(routine), Int(0)}}, len(results) < n
		})
	}
	return &Plan{
		Setup: func(u *Setup) (err error) {
			if handle, err = u.Alloc(8); err == nil {
				routine, err = u.Lookup("getpid")
			}
			return err
		},
		Threads: []Thread{{Main, create(2)}, {"worker", create(1)}},
	}
}

// A thread that is made is called after who made it, whoever else makes one before; it runs
// once it is known, and the race is over when it has ended.
func TestMade(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s, err := Start(sys, creating(), 1)
		must(t, err)
		defer s.Close()
		for _, order := range []Schedule{{{Thread: 0, N: 0}, {Thread: 1, N: 0}}, {{Thread: 1, N: 0}, {Thread: 0, N: 0}}} {
			must(t, s.SetMade(nil))
			must(t, s.Restart())
			grown := s.Grown()
			must(t, s.Play(order))
			o, over := s.Outcome()
			if list, rests := s.Doubts(o); !over || o.Kind != OK || len(list) != 1 && len(list) != 3 || rests || list[0].Kind != UnscheduledThread {
				t.Errorf("%v: %v, %v, %v", order, o, over, list)
			}
			want := []string{"main.1", "main.2", "worker.1"}
			if !s.Strange() || s.Grown() != grown+3 || !slices.Equal(s.Found(), want) || len(s.Made()) > 0 {
				t.Errorf("%v: %v are made, and %v", order, s.Found(), s.Made())
			}
			must(t, s.SetMade([]string{"worker.1", "main.1", "main.2"}))
			if !slices.Equal(s.Made(), want) || s.Clock() != 5 || s.MachineThread(3) != -1 || s.Runnable(3) || s.RacingThread(-1) != -1 {
				t.Errorf("%v is known, the clock is %d", s.Made(), s.Clock())
			}
			must(t, s.Play(order))
			if _, over := s.Outcome(); over || s.Strange() || !s.Runnable(2) || !s.Runnable(4) {
				t.Errorf("%v: over %v before those have run that were made", order, over)
			}
			for i := 2; i < 5; i++ {
				if m := s.MachineThread(i); m < 2 || s.RacingThread(m) != i || s.Process().Threads()[m].Name != s.Names()[i] {
					t.Errorf("%v: %s is thread %d", order, s.Names()[i], m)
				}
				_, err := s.Run(i, 0)
				must(t, err)
			}
			o, over = s.Outcome()
			if list, _ := s.Doubts(o); !over || o.Kind != OK || len(list) > 0 {
				t.Errorf("%v: %v, %v, %v", order, o, over, list)
			}
			must(t, s.Restart())
			if s.MachineThread(2) != -1 {
				t.Error("a thread is there before it is made")
			}
		}
		// An event that makes a thread wakes it.
		s.WantEvents(true)
		must(t, s.Restart())
		for s.MachineThread(4) < 0 {
			e, err := s.RunEvent(1)
			must(t, err)
			if made := s.MachineThread(4) >= 0; made != slices.Contains(e.Woke, 4) {
				t.Errorf("made %v by %+v", made, e)
			}
		}
		for _, c := range []struct {
			names []string
			want  string
		}{
			{[]string{"main"}, "is not the name"}, {[]string{"other.1"}, "is not the name"}, {[]string{"main.0"}, "is not the name"},
			{[]string{"main.01"}, "is not the name"}, {[]string{"main.1024"}, "is not the name"}, {[]string{"main.1."}, "is not the name"},
			{[]string{"main.1", "main.1"}, "made twice"},
			{slices.Repeat([]string{"main.1"}, MaxSchedulable), "at most"},
			{[]string{"main" + strings.Repeat(".1", MaxSchedulable+1)}, "is not the name"},
		} {
			if err := s.SetMade(c.names); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: %v", c.names, err)
			}
		}
	})
}

// Names of the plan's own threads cannot be those of threads that others make.
func TestMadeNames(t *testing.T) {
	plan := creating()
	plan.Threads[1].Name = "main.1"
	if err := plan.check(); err == nil || !strings.Contains(err.Error(), "made by another one") {
		t.Errorf("%v", err)
	}
	plan.Threads[1].Name = "v2.1"
	must(t, plan.check())
	s := &Session{plan: plan}
	names := []string{"v2.1.2", "main.10", "main.2.1", "main.2", "main.1.3"}
	s.sortPaths(names)
	if want := []string{"main.1.3", "main.2", "main.2.1", "main.10", "v2.1.2"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
	from, to := []string{"main", "main.1", "clock"}, []string{"main", "main.1", "main.1.1", "clock"}
	if list, ok := (Schedule{{Thread: 2, N: 1}, {Thread: 1, N: 5}, {Thread: 0, N: 0}}).Renamed(from, to); !ok || !slices.Equal(list, Schedule{{Thread: 3, N: 1}, {Thread: 1, N: 5}, {Thread: 0, N: 0}}) {
		t.Errorf("%v, %v", list, ok)
	}
	if _, ok := (Schedule{{Thread: 2, N: 1}}).Renamed(to, from); ok {
		t.Error("a thread is in a list that has none of its name")
	}
}

// A hostile list of the longest names there can be is put in order at once.
func TestManyLongNames(t *testing.T) {
	s := &Session{plan: &Plan{Threads: []Thread{{Name: Main}}}}
	deep := Main + strings.Repeat(".1", MaxSchedulable-2)
	var names []string
	for i := MaxSchedulable - 1; i > 0; i-- {
		names = append(names, deep+"."+strconv.Itoa(i))
	}
	began := time.Now()
	s.sortPaths(names)
	for i, name := range names {
		if want := deep + "." + strconv.Itoa(i+1); name != want {
			t.Fatalf("name %d ends in %q", i, name[len(deep):])
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("that took %v", took)
	}
}
