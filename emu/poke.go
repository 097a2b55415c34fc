package emu

// Poke changes bytes of mapped memory, up to a page, without that being an access of anybody's; see
// package scenario's Seeing. A rewind undoes it.
func (m *Machine) Poke(addr uint64, b []byte) error { return m.eng.Poke(addr, b) }

// KeepMonitor has the next store exclusive of a thread of arm64 succeed if memory holds what its load
// exclusive has read, whatever others have written in between.
func (m *Machine) KeepMonitor(t int) error { return m.eng.KeepMonitor(t) }

// ShareEvery makes events of all conflicting accesses of two threads, not only of those that nothing orders.
// It is to be set before the race.
func (m *Machine) ShareEvery(on bool) { m.eng.SetEvery(on) }

// TracePCs keeps where instructions stand that run from now on; see PCs. They take longer then.
func (m *Machine) TracePCs(on bool) { m.eng.SetTrace(on) }

// PCs is where the instructions stand that have run behind a step, in order. An error where there are too many.
func (p *Process) PCs(step uint64) ([]uint64, error) { return p.eng.Trace(step) }
