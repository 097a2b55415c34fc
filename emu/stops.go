package emu

import "fmt"

// StopAt makes Run come back, with AtStop, where a thread is about to run the
// instruction at any of these addresses, and at no others: none ends it. That
// holds also where Run begins: to get on from there, one instruction has to be
// run without them. It changes nothing of what a run does, and stays when the
// machine is rewound.
func (m *Machine) StopAt(addrs ...uint64) error {
	m.stops = nil
	if len(addrs) == 0 {
		return nil
	}
	stops := make(map[uint64]bool, len(addrs))
	for _, a := range addrs {
		// Breakpoints of before are left where they are: running over one
		// costs little, and a trace may need it.
		if err := m.eng.SetBreak(a); err != nil {
			return fmt.Errorf("stop at %#x: %w", a, err)
		}
		stops[a] = true
	}
	m.stops = stops
	return nil
}

// HasStops tells whether StopAt has named any address.
func (m *Machine) HasStops() bool { return m.stops != nil }

// StopAfter makes Run come back, with Watched, behind an instruction or system
// call that reads, or writes, any of the size bytes at addr. Size 0 ends it. It
// changes nothing of what a run does, and stays when the machine is rewound.
func (m *Machine) StopAfter(addr, size uint64, reads, writes bool) {
	m.eng.SetWatch(addr, size, reads, writes)
}

func (m *Machine) standsAtStop(t int) (bool, error) {
	if m.stops == nil {
		return false, nil
	}
	pc, err := m.PC(t)
	return m.stops[pc], err
}

// WithoutStops calls f while StopAt is ended, and brings back what it was.
func (m *Machine) WithoutStops(f func() error) error {
	stops := m.stops
	m.stops = nil
	defer func() { m.stops = stops }()
	return f()
}

// GateAt asks closes whenever a thread is about to run the instruction at any of these
// addresses; where that says so, Run comes back with AtGate, and asks again when the thread
// goes on from there. Without addresses it ends. It changes nothing of what a run does, stays
// when the machine is rewound, and goes before StopAt.
func (m *Machine) GateAt(closes func(t int) bool, addrs ...uint64) error {
	m.gates, m.gate = nil, closes
	gates := make(map[uint64]bool, len(addrs))
	for _, a := range addrs {
		if err := m.eng.SetBreak(a); err != nil {
			return fmt.Errorf("gate at %#x: %w", a, err)
		}
		gates[a] = true
	}
	if len(gates) > 0 {
		m.gates = gates
	}
	return nil
}

func (m *Machine) closesGate(t int) (bool, error) {
	if m.gates == nil {
		return false, nil
	}
	pc, err := m.PC(t)
	return err == nil && m.gates[pc] && m.gate(t), err
}
