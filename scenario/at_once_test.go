package scenario

import (
	"errors"
	"testing"

	"emurace/emu"
)

// failsAtOnce is a thread that finds a fault before it makes a call.
type failsAtOnce struct{ message string }

func (f failsAtOnce) Next([]uint64) (Call, bool, error) {
	return Call{}, false, &Failure{f.message}
}

// A race can be over before an instruction of it has run. The first thread that finds
// a fault is the one that is told of, and its threads have made no call, whatever was
// called on them before.
func TestOverAtOnce(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name string
			plan Plan
			want Outcome
		}{
			{"both find a fault", Plan{Threads: []Thread{{Main, failsAtOnce{"one"}}, {"b", failsAtOnce{"two"}}}}, Outcome{Kind: Check, Message: "one"}},
			{"the second does", Plan{Threads: []Thread{{Main, Calls{{Func: "getpid"}}}, {"b", failsAtOnce{"two"}}}}, Outcome{Kind: Check, Thread: 1, Message: "two"}},
			{"without calls", Plan{Threads: []Thread{{Main, Calls{}}, {"b", Calls{}}}}, Outcome{Kind: OK, Thread: -1}},
			{"one thread", Plan{Threads: []Thread{{"b", Calls{}}}}, Outcome{Kind: OK, Thread: -1}},
			{"and a check", Plan{
				Threads: []Thread{{Main, Calls{}}}, Check: func(*View) error { return &Failure{"wrong"} },
			}, Outcome{Kind: Check, Thread: -1, Message: "wrong"}},
		} {
			s, err := Start(sys, &c.plan, 1)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			for range 2 {
				if err := errors.Join(s.Play(nil), s.Play(Schedule{}.ToEnd())); err != nil {
					t.Fatal(err)
				}
				if o, over := s.Outcome(); !over || o != c.want || s.Steps() != 0 {
					t.Errorf("%s: %v, %v after %d instructions, want %v", c.name, o, over, s.Steps(), c.want)
				}
				if err := s.Restart(); err != nil {
					t.Fatal(err)
				}
			}
			for i := range c.plan.Threads {
				m := s.MachineThread(i)
				if call := s.m.Threads()[m].Call; s.m.Idle(m) && call != "" {
					t.Errorf("%s: thread %d is shown with the call %s", c.name, i, call)
				}
			}
			s.Close()
		}
	})
}
