package emu

import (
	"maps"

	"emurace/emu/internal/linux"
)

// Whether a thread runs the handler of a signal that another has sent it, and where, is decided
// between any two of its events: each of them then reads an object. Most processes send no such
// signals, though glibc sets a handler with the first thread that it makes
// (nptl/pthread_create.c, SIGSETXID). So, as the bytes are that threads share, it is learned.

// interruptsAt stands for it among the shared bytes. No process has a byte there.
const interruptsAt = ^uint64(7)

// interrupts is what has been learned.
type interrupts struct {
	known bool
	told  bool   // by AddShared
	grown uint64 // how often it was learned
}

// learnInterrupt notes that one thread has had another run a handler.
func (m *Machine) learnInterrupt(slot int, o Object) {
	if m.interrupts.known || !m.events || o.Class != linux.ObjectInterrupts || !o.Write {
		return
	}
	if tasks := m.kernel.State().Tasks; slot >= 0 && slot < len(tasks) && uint64(tasks[slot].TID) == o.ID {
		return // a signal to itself comes in its own order
	}
	m.interrupts.known = true
	m.interrupts.grown++
}

// Interrupts is the object that each event of a thread reads once threads are known to send each
// other signals that have handlers; false as long as they are not.
func (p *Process) Interrupts(t int) (Object, bool) {
	if !p.interrupts.known {
		return Object{}, false
	}
	return p.kernel.Interrupts(t), true
}

// SharedGrown is how often a byte was found to be shared. When it grows, events
// were missed before. Rewinding does not undo it.
func (p *Process) SharedGrown() uint64 { return p.eng.SharedGrown() + p.interrupts.grown }

// SharedBytes lists the bytes known to be shared: by address, a multiple of
// eight, which of the eight bytes there, as a mask with the lowest bit first. The last address
// stands for the signals that threads send each other, if there are any.
func (m *Machine) SharedBytes() map[uint64]uint8 {
	bytes := m.eng.SharedBytes()
	if m.interrupts.known {
		bytes[interruptsAt] = 1
	}
	return bytes
}

// AddShared takes over what another machine of the same process has learned.
func (m *Machine) AddShared(bytes map[uint64]uint8) error {
	if bytes[interruptsAt] != 0 {
		m.interrupts.known, m.interrupts.told = true, true
		bytes = maps.Clone(bytes)
		delete(bytes, interruptsAt)
	}
	return m.eng.AddShared(bytes)
}

// ForgetShared makes the machine know no other shared bytes than those that
// AddShared was given. What a run learns from here on, and so what its events
// are, then does not depend on what was run before.
func (m *Machine) ForgetShared() {
	m.interrupts.known = m.interrupts.told
	m.eng.ForgetShared()
}
