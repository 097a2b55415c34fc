package emu

// RunBack is Run for one instruction at least, up to where the thread is again before
// the instruction that it is before now: back tells that it is. Stops of StopAt are not
// looked at.
func (m *Machine) RunBack(t int, n uint64) (stop Stop, back bool, err error) {
	pc, err := m.PC(t)
	if err != nil || n == 0 {
		return stop, false, err
	}
	stops := m.stops
	m.stops = nil
	defer func() { m.stops = stops }()
	stop, err = m.Run(t, 1)
	if err != nil || n == 1 || stop.Kind != Budget || stop.Ran == 0 || stop.Event || stop.Watched {
		return stop, false, err
	}
	m.eng.SetBack(pc)
	defer m.eng.ClearBack()
	m.stops = map[uint64]bool{pc: true}
	rest, err := m.Run(t, n-1)
	rest.Ran += stop.Ran
	if back = rest.Kind == AtStop; back {
		rest.Kind = Budget // nobody has asked for a stop here
	}
	return rest, back, err
}

// State is all registers of a thread, SIMD ones and flags too, as bytes to be compared:
// with the same ones and the same memory it does the same.
func (p *Process) State(t int) ([]byte, error) { return p.eng.ReadRegs(t) }

// Effects counts the system calls so far that used something of the kernel's, or did
// not just return. Rewinding does not undo it.
func (m *Machine) Effects() uint64 { return m.effects }
