package emu

// Counted is a range of shared bytes that count as touched though no instruction
// has accessed them: by a trace, or because a system call has changed their pages.
type Counted struct {
	Addr, Size uint64
	Write      bool
}

// CountWrite takes the thread to write size bytes at the moment that a trace is
// being told of: malloc that hands out a block, say. Memory is left alone. When
// events are wanted and any of the bytes are shared, the instruction that the
// thread runs next is an event, or where a call of Begin's returns the one that
// it ran last: no other thread can run in between. Only the function of a
// TraceCalls may call it.
func (m *Machine) CountWrite(t int, addr, size uint64) {
	list, err := m.eng.NoteBlock(t, addr, size)
	if err != nil {
		m.countErr = err
	}
	for _, b := range list {
		m.counted = append(m.counted, Counted{b.Addr, b.Size, true})
	}
}

// CountRead is CountWrite for one byte that is read.
func (m *Machine) CountRead(t int, addr uint64) {
	if m.eng.NoteRead(t, addr) {
		m.counted = append(m.counted, Counted{addr, 1, false})
	}
}

// CountReads takes a thread to read bytes where a call of its has just returned,
// before it is given another one: a check of what the call has done, say. It returns
// which of them are shared; memory is left alone. Nothing when no events are wanted.
func (m *Machine) CountReads(t int, addr, size uint64) []Counted {
	if !m.events {
		return nil
	}
	var list []Counted
	for a := addr; a < addr+size; a++ {
		if !m.eng.NoteRead(t, a) {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Addr+list[n-1].Size == a {
			list[n-1].Size++
		} else {
			list = append(list, Counted{a, 1, false})
		}
	}
	return list
}

// countRemapped counts the pages that a system call of the thread has mapped, given
// other rights or taken away as written by it: what another thread's access to them
// does depends on whether it comes before or after, up to a fault.
func (m *Machine) countRemapped(t int) ([]Counted, error) {
	var counted []Counted
	for _, r := range m.remapped {
		list, err := m.eng.NoteBlock(t, r.Addr, r.Size)
		if err != nil {
			return nil, err
		}
		for _, b := range list {
			counted = append(counted, Counted{b.Addr, b.Size, true})
		}
	}
	return counted, nil
}
