package emu

// Traps are the addresses of the program's three instructions: its entry, where
// calls return to, and where threads start.
func (m *Machine) Traps() (entry, ret, start uint64) { return m.entry, m.ret, m.start }
