package emu

import (
	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
	"emurace/internal/logging"
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
func (p *Process) Clock(t int) (uint64, error) { return p.eng.Clock(t) }

// readClock is the clock of a thread that the kernel serves. To look at it is to use
// the clock.
func (m *Machine) readClock(thread int) uint64 {
	slot := slotOf(thread)
	m.eng.Uses(slot, shim.ClockObject, 0, false)
	now, err := m.eng.Clock(slot)
	if err != nil {
		m.clockErr = err
	}
	return now
}

func slotOf(thread int) int {
	if thread == linux.ClockThread {
		return shim.ClockThread
	}
	return thread
}

// serve has the kernel serve a system call, and notes what that means for the
// threads' clocks.
func (m *Machine) serve(c linux.Call) (linux.Result, error) {
	blocked, text := m.blocked(), m.logCall(c)
	r, err := m.kernel.Do(c)
	if text != "" && err == nil {
		m.sys.log.Printf(logging.Syscalls, "%s %s", text, r.Text())
	}
	if err == nil {
		err = m.clockErr
	}
	if err == nil {
		_, err = m.order(c.Thread, r.Objects, blocked)
	}
	if len(r.Objects) > 0 || r.Effect != linux.Returns {
		m.effects++
	}
	return r, err
}

// blocked lists the threads that wait in the kernel.
func (m *Machine) blocked() []int {
	var list []int
	for _, w := range m.kernel.State().Waiters {
		list = append(list, w.Thread)
	}
	return list
}

// order notes which objects who was served has used, and which of the threads that were
// blocked it lets go on.
func (m *Machine) order(slot int, objects []Object, blocked []int) (woken []int, err error) {
	for _, o := range objects {
		m.learnInterrupt(slot, o)
		class := uint8(o.Class)
		if o.Class == linux.ObjectClock {
			class = shim.ClockObject
		}
		m.eng.Uses(slot, class, o.ID, o.Write)
		if err := m.eng.NoteObject(slot, uint64(o.Class), o.ID, o.Write); err != nil {
			return nil, err
		}
	}
	s := m.kernel.State()
	for _, t := range blocked {
		if s.Tasks[t].Status != linux.Runnable {
			continue
		}
		if !s.Tasks[t].Again.Is { // else the call is logged when it is made again
			m.logWoken(t)
		}
		m.eng.Wakes(slot, t)
		if err := m.eng.NoteJoin(slot, t); err != nil {
			return nil, err
		}
		woken = append(woken, t)
	}
	m.eng.SetAdvanced(s.Advanced)
	return woken, nil
}

// Deadline tells when the wait of a thread ends by itself, in nanoseconds of a clock that
// all threads' deadlines are of; false when it does not wait, or for ever.
func (p *Process) Deadline(t int) (ns uint64, ok bool) {
	for _, w := range p.kernel.State().Waiters {
		if w.Thread == t && w.Deadline != 0 {
			return w.Deadline, true
		}
	}
	return 0, false
}

// Timed tells whether any thread waits with a deadline, or sleeps.
func (p *Process) Timed() bool {
	_, ok := p.kernel.State().Earliest()
	return ok
}

// Alarmed tells whether the timer of setitimer is set, for which no thread waits.
func (p *Process) Alarmed() bool { return p.kernel.State().Alarmed() }

// Due tells whether the earliest deadline has come for the thread whose clock is
// furthest.
func (m *Machine) Due() (bool, error) {
	latest, err := m.eng.LatestClock()
	return err == nil && m.kernel.Due(latest), err
}

// UntilDue is how many instructions a thread has to run, if it comes to nothing that others have
// done later, for its clock to come to the earliest deadline; false where there is none, or it is
// due.
func (m *Machine) UntilDue(t int) (n uint64, ok bool, err error) {
	if !m.Timed() {
		return 0, false, nil
	}
	if due, err := m.Due(); due || err != nil {
		return 0, false, err
	}
	now, err := m.eng.Clock(t)
	if err != nil {
		return 0, false, err
	}
	n, ok = m.kernel.Until(now)
	return n, ok, nil
}

// Advanced is what came of moving the clock on.
type Advanced struct {
	Objects []Object // that were used
	Woke    []int    // threads whose wait it has ended
}

// Advance moves the clock on until the earliest deadline has come, and lets go on who
// waits with one that has. Who moves it has a clock of its own, which follows from those
// who have looked at the clock, or waited with a deadline, so far; with last, from all
// that has happened. There is nothing to do, and nobody is woken, when nobody waits with
// a deadline.
func (m *Machine) Advance(last bool) (Advanced, error) {
	if !m.Timed() || m.st.end != nil {
		return Advanced{}, nil
	}
	if last {
		m.eng.WaitsForAll(shim.ClockThread)
	}
	// It comes behind whoever has looked at the clock.
	m.eng.Uses(shim.ClockThread, shim.ClockObject, 0, true)
	blocked := m.blocked()
	r, _, err := m.kernel.Advance()
	if err == nil {
		err = m.clockErr
	}
	if err != nil {
		return Advanced{}, err
	}
	woken, err := m.order(shim.ClockThread, r.Objects, blocked)
	if r.Effect == linux.Dies { // of the timer's signal, wherever its threads are
		m.st.end = &End{Kind: EndSignal, Signal: r.Signal}
	}
	return Advanced{Objects: r.Objects, Woke: woken}, err
}

// runAlone runs a thread, and no other, to the end of its call or up to a trap. Time
// passes while it waits.
func (m *Machine) runAlone(t int) (Stop, error) {
	for left := uint64(BootInstructions); ; {
		s, err := m.Run(t, left)
		if left -= s.Ran; err != nil || s.Kind != Waits || left == 0 {
			return s, err
		}
		for !m.Runnable(t) {
			a, err := m.Advance(true)
			if err != nil || len(a.Woke) == 0 {
				return s, err
			}
		}
	}
}
