package emu

// Traps are the addresses of the program's three instructions: its entry, where
// calls return to, and where threads start.
func (p *Process) Traps() (entry, ret, start uint64) { return p.entry, p.ret, p.start }
