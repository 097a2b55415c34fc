package emu

import (
	"errors"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
)

// StartClocks says that from now on threads run side by side. The clock that a thread
// reads was the number of all instructions before. From here on it is a Lamport clock:
// it counts the thread's own instructions, and is no less than that of whatever had to
// come first, by an access to the same bytes, an object of the kernel's or a wake-up. So
// what threads read follows from the order of what does not commute, however the rest
// was interleaved. Where an earlier moment is rewound to, it is to be said again.
func (m *Machine) StartClocks() { m.eng.StartClocks() }

// Clock is the Lamport clock of a thread, in instructions: what its clock shows less
// what the kernel has advanced it, and the constant at which it began.
func (m *Machine) Clock(t int) (uint64, error) { return m.eng.Clock(t) }

// readClock is the clock of who is being served by the kernel.
func (m *Machine) readClock() uint64 {
	m.eng.Uses(m.caller, shim.ClockObject, 0, false)
	now, err := m.eng.Clock(m.caller)
	if err != nil {
		m.clockErr = err
	}
	return now
}

// serve has the kernel serve a system call, and notes what that means for the
// threads' clocks.
func (m *Machine) serve(c linux.Call) (linux.Result, error) {
	blocked := m.blocked()
	m.caller = c.Thread
	r, err := m.kernel.Do(c)
	if err == nil {
		err = m.clockErr
	}
	if err != nil {
		return r, err
	}
	if len(r.Objects) > 0 || r.Effect != linux.Returns {
		m.effects++
	}
	for _, o := range r.Objects {
		class := uint8(o.Class)
		if o.Class == linux.ObjectClock {
			class = shim.ClockObject
		}
		m.eng.Uses(c.Thread, class, o.ID, o.Write)
		if err := m.eng.NoteObject(c.Thread, uint64(o.Class), o.ID, o.Write); err != nil {
			return r, err
		}
	}
	return r, m.wake(blocked)
}

// blocked lists the threads that wait in the kernel.
func (m *Machine) blocked() []int {
	var list []int
	for _, w := range m.kernel.State().Waiters {
		list = append(list, w.Thread)
	}
	return list
}

// wake notes which of the threads that were blocked go on, because of who is served.
func (m *Machine) wake(blocked []int) error {
	s := m.kernel.State()
	for _, t := range blocked {
		if s.Tasks[t].Status != linux.Runnable {
			continue
		}
		m.eng.Wakes(m.caller, t)
		if err := m.eng.NoteJoin(m.caller, t); err != nil {
			return err
		}
	}
	m.eng.SetAdvanced(s.Sleep)
	return nil
}

// Expire is for when every thread waits: the virtual clock moves on to the
// earliest timeout. It returns false when there is none: a deadlock.
func (m *Machine) Expire() (bool, error) {
	blocked := m.blocked()
	m.caller = shim.ClockThread
	m.eng.WaitsForAll(m.caller)
	t, err := m.kernel.Expire()
	if err == nil {
		err = m.clockErr
	}
	return t >= 0, errors.Join(err, m.wake(blocked))
}
