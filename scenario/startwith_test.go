package scenario

import (
	"errors"
	"testing"

	"emurace/emu"
)

// StartWith hands over the machine when it has booted: before Setup and before
// any thread is made. A traced session is the same as another.
func TestStartWith(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		setup := false
		plan := func() *Plan {
			return &Plan{
				Threads: []Thread{{Main, Calls{call("malloc", Int(100))}}, {"worker", Calls{call("malloc", Int(200))}}},
				Setup: func(u *Setup) error {
					setup = true
					_, err := u.Call("worker", "malloc", Int(50))
					return err
				},
			}
		}
		var sizes []uint64
		s, err := StartWith(sys, plan(), 1, func(m *emu.Process) error {
			if setup || len(m.Threads()) != 1 || !m.Idle(0) {
				t.Errorf("prepare was called late, with threads %v", m.Threads())
			}
			return m.TraceCalls([]string{"malloc"}, func(e emu.CallEvent) {
				if !e.Returned && e.Depth == 0 && e.Args[0]%50 == 0 {
					sizes = append(sizes, e.Args[0])
				}
			})
		})
		must(t, err)
		defer s.Close()
		schedule := Schedule{{Thread: 1, N: 0}, {Thread: 0, N: 0}}
		play(t, s, schedule)
		if len(sizes) != 3 || sizes[0] != 50 || sizes[1] != 200 || sizes[2] != 100 {
			t.Errorf("the calls seen are of sizes %d", sizes)
		}
		plain := begin(t, sys, plan())
		play(t, plain, schedule)
		if digest(t, s) != digest(t, plain) {
			t.Error("the traced session has another digest")
		}
	})
}

func TestStartWithError(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		no := errors.New("not now")
		if _, err := StartWith(sys, locks(), 1, func(*emu.Process) error { return no }); !errors.Is(err, no) {
			t.Errorf("%v", err)
		}
	})
}
