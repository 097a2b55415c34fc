package scenario

import (
	"encoding/binary"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/loader"
)

// Every way for a thread to end the process, as one call.
func TestOutcomes(t *testing.T) {
	end := func(kind emu.EndKind) *emu.End { return &emu.End{Kind: kind} }
	cases := []struct {
		name string
		call Call
		kind Kind
		end  *emu.End // thread and pc left out
	}{
		{"return", call("getpid"), OK, nil},
		{"read", call("getenv", Int(0x220)), Segv, &emu.End{Kind: emu.EndFault, Addr: 0x220, Access: emu.AccessRead}},
		{"write", call("strtol", Str("7"), Int(0x10), Int(10)), Segv, &emu.End{Kind: emu.EndFault, Addr: 0x10, Access: emu.AccessWrite}},
		{"jump", Call{Func: "nothing", Addr: 0x7000}, Segv, &emu.End{Kind: emu.EndFault, Addr: 0x7000, Access: emu.AccessExec}},
		{"abort", call("abort"), Abort, &emu.End{Kind: emu.EndSignal, Signal: 6}},
		{"bad free", call("free", Int(0x7ffff0000000)), Segv, nil},
		{"raise", call("raise", Int(15)), Signal, &emu.End{Kind: emu.EndSignal, Signal: 15}},
		{"exit", call("exit", Int(3)), Exit, &emu.End{Kind: emu.EndExit, Code: 3}},
		{"_exit", call("_exit", Int(0)), Exit, end(emu.EndExit)},
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range cases {
			// The other thread stands in the middle of a call meanwhile.
			for _, on := range []int{0, 1} {
				plan := &Plan{Threads: []Thread{{Main, Calls{call("getpid")}}, {"worker", Calls{call("getpid")}}}}
				plan.Threads[on].Body = Calls{c.call}
				s := begin(t, sys, plan)
				schedule := Schedule{{Thread: 1 - on, N: 1}, {Thread: on, N: 0}}
				if c.kind == OK {
					schedule = append(schedule, Slice{Thread: 1 - on, N: 0})
				}
				o := play(t, s, schedule)
				if o.Kind != c.kind || o.Failed() != (c.kind != OK) {
					t.Errorf("%s: %v", c.name, o)
					continue
				}
				if c.kind == OK {
					if o.Thread != -1 || o.End != nil || o.String() != "ok" {
						t.Errorf("%s: %+v", c.name, o)
					}
					continue
				}
				if o.Thread != on || o.End.Thread != on || o.String() != string(c.kind)+": "+o.End.String() {
					t.Errorf("%s on %d: %+v %+v", c.name, on, o, o.End)
				}
				if pc, err := s.m.PC(on); err != nil || c.kind == Segv && pc != o.End.PC {
					t.Errorf("%s: the pc is %#x, %v, the end's %#x", c.name, pc, err, o.End.PC)
				}
				if c.end != nil {
					want := *c.end
					want.Thread, want.PC = on, o.End.PC
					if *o.End != want {
						t.Errorf("%s: %+v, want %+v", c.name, *o.End, want)
					}
				}
				// The process is dead: nothing can run.
				for i := range plan.Threads {
					if ran, err := s.Run(i, 5); ran != 0 || err != nil || s.Runnable(i) {
						t.Errorf("%s: thread %d still runs: %d, %v", c.name, i, ran, err)
					}
				}
			}
		}
	})
}

func TestIllegalInstruction(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, runs(undefined, sys.Arch))
		o := play(t, s, Schedule{{Thread: 0, N: 0}})
		if o.Kind != Illegal || o.End.Kind != emu.EndIllegal || o.Thread != 0 || s.Steps() != 0 {
			t.Errorf("%v after %d steps", o, s.Steps())
		}
	})
}

func TestLivelock(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, runs(endless, sys.Arch))
		s.Limit = 1000
		if ran, err := s.Run(0, 999); ran != 999 || err != nil {
			t.Fatalf("ran %d, %v", ran, err)
		}
		if o, over := s.Outcome(); over {
			t.Fatalf("before the limit: %v", o)
		}
		// No slice can go over the limit, however long.
		o := play(t, s, Schedule{{Thread: 0, N: 0}})
		if o != (Outcome{Kind: Livelock, Thread: -1}) || s.Steps() != s.Limit || o.String() != "livelock" {
			t.Errorf("%v after %d steps", o, s.Steps())
		}
		if ran, err := s.Run(0, 7); ran != 0 || err != nil {
			t.Errorf("beyond the limit %d ran, %v", ran, err)
		}
	})
}

// A race that ends exactly at the limit has ended.
func TestLimitIsNotLivelock(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, runs(seven, sys.Arch))
		s.Limit = 2
		if o := play(t, s, Schedule{{Thread: 0, N: 0}}); o.Failed() || !slices.Equal(s.Results(0), []uint64{7}) {
			t.Errorf("%v, results %d", o, s.Results(0))
		}
	})
}

// locks is a plan in which each thread locks two of the guest's mutexes, in
// opposite orders, and unlocks them.
func locks() *Plan {
	var a, b uint64
	body := func(first, second *uint64) Body {
		return known(func() Calls {
			x, y := Int(*first), Int(*second)
			return Calls{
				call("pthread_mutex_lock", x), call("pthread_mutex_lock", y),
				call("pthread_mutex_unlock", y), call("pthread_mutex_unlock", x),
			}
		})
	}
	return &Plan{
		Threads: []Thread{{Main, body(&a, &b)}, {"worker", body(&b, &a)}},
		Setup: func(u *Setup) (err error) {
			if a, err = u.Call(Main, "calloc", Int(1), Int(64)); err != nil {
				return err
			}
			b, err = u.Call(Main, "calloc", Int(1), Int(64))
			return err
		},
	}
}

func TestDeadlock(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, locks())
		zeros := make([]uint64, 4)
		for _, schedule := range []Schedule{{{Thread: 0, N: 0}, {Thread: 1, N: 0}}, {{Thread: 1, N: 0}, {Thread: 0, N: 0}}} {
			if o := play(t, s, schedule); o.Failed() || !slices.Equal(s.Results(0), zeros) || !slices.Equal(s.Results(1), zeros) {
				t.Errorf("%v: %v, %d, %d", schedule, o, s.Results(0), s.Results(1))
			}
			must(t, s.Restart())
		}

		var schedule Schedule
		for i := range 2 {
			for len(s.Results(i)) == 0 {
				ran, err := s.Run(i, 1)
				must(t, err)
				schedule = schedule.Add(i, ran)
			}
		}
		if o, over := s.Outcome(); over {
			t.Fatalf("each with one lock: %v", o)
		}
		must(t, s.Restart())
		schedule = append(schedule, Slice{Thread: 0, N: 0}, Slice{Thread: 1, N: 0})
		o := play(t, s, schedule)
		if o != (Outcome{Kind: Deadlock, Thread: -1}) || o.String() != "deadlock" {
			t.Errorf("%v: %v", schedule.Texts(s.Names()), o)
		}
		if s.Runnable(0) || s.Runnable(1) || !s.m.Waiting(0) || !s.m.Waiting(1) {
			t.Error("a thread of the deadlock does not wait")
		}
	})
}

// A wait with a timeout is no deadlock: it ends when the clock is moved on, and that is
// when a schedule says so, or by itself when nobody else can run, whether the others
// wait too, have made all their calls, or are gone.
func TestTimeout(t *testing.T) {
	for _, mode := range AllTimeouts() {
		t.Run(string(mode), func(t *testing.T) { timesOut(t, mode) })
	}
}

func timesOut(t *testing.T, mode Timeouts) {
	const timedOut = 110 // ETIMEDOUT
	exitThread := map[loader.Arch]uint64{loader.ARM64: 93, loader.AMD64: 60}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, main := range map[string]func(mutex uint64) Calls{
			"done":  func(uint64) Calls { return Calls{call("getpid")} },
			"idle":  func(uint64) Calls { return nil },
			"gone":  func(uint64) Calls { return Calls{call("syscall", Int(exitThread[sys.Arch]), Int(0))} },
			"waits": func(m uint64) Calls { return Calls{call("pthread_mutex_lock", Int(m))} },
			"exits": func(uint64) Calls { return Calls{call("_exit", Int(0))} },
		} {
			var mutex, deadline uint64
			s := begin(t, sys, &Plan{
				Timeouts: mode,
				Threads: []Thread{
					{Main, known(func() Calls { return main(mutex) })},
					{"worker", known(func() Calls { return Calls{call("pthread_mutex_timedlock", Int(mutex), Int(deadline))} })},
				},
				Setup: func(u *Setup) (err error) {
					// A struct timespec, ten minutes after the virtual clock's start.
					spec := binary.LittleEndian.AppendUint64(nil, 1_600_000_600)
					if deadline, err = u.Code(spec, 4096); err != nil {
						return err
					}
					if mutex, err = u.Call(Main, "calloc", Int(1), Int(64)); err != nil {
						return err
					}
					_, err = u.Call(Main, "pthread_mutex_lock", Int(mutex))
					return err
				},
			})
			_, err := s.Run(1, 0)
			must(t, err)
			if waits := s.m.Waiting(1); waits != (mode != WhenIdle || name != "idle") {
				t.Errorf("%s: worker waits: %v", name, waits)
			}
			_, err = s.Run(0, 0)
			must(t, err)
			if mode != WhenIdle && s.m.End() == nil {
				const clock = 2
				if passing, want := s.Passing(), "the deadline of worker's pthread_mutex_timedlock passes"; passing != want || !s.Runnable(clock) {
					t.Errorf("%s: the clock can be moved on: %v, and then %q", name, s.Runnable(clock), passing)
				}
				steps := s.Steps()
				ran, err := s.Run(clock, 0)
				must(t, err)
				if ran != 1 || s.Steps() != steps || s.Runnable(clock) || s.Passing() != "" {
					t.Errorf("%s: the clock was moved on %d times, with %d instructions; again: %v", name, ran, s.Steps()-steps, s.Runnable(clock))
				}
			}
			_, err = s.Run(1, 0)
			must(t, err)
			want, results := OK, []uint64{timedOut}
			switch name {
			case "waits":
				want = Deadlock // main waits for itself, without a timeout
			case "exits":
				want, results = Exit, nil // and worker waits for ever
			}
			if o, over := s.Outcome(); !over || o.Kind != want || !slices.Equal(s.Results(1), results) || s.m.Waiting(1) != (results == nil) {
				t.Errorf("%s: %v, over %v, worker's results %d, it waits: %v", name, o, over, s.Results(1), s.m.Waiting(1))
			}
		}
	})
}
