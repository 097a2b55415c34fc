package emu

// Fresh is whole pages to which a system call has given another content, or that it has taken
// away: from then on they hold zeros, and what the log has of that system call.
type Fresh struct {
	Addr, Size uint64 // in bytes
	// Was tells that there were such pages before, and that what they held is lost.
	Was bool
}

// Fresh are the pages that the last system call has mapped, taken away or emptied. The log has
// only those of their words that were not zero before. It is valid until the next system call.
func (p *Process) Fresh() []Fresh { return p.fresh }

// forgetPages is the beginning of a system call.
func (m *Machine) forgetPages() {
	m.remapped, m.mapped, m.fresh = m.remapped[:0], m.mapped[:0], m.fresh[:0]
}

// Handler is where a signal's handler begins that the thread which ran last has gone to in that
// run, before the first instruction of it; false when it has gone to none.
func (p *Process) Handler() (pc uint64, ok bool) { return p.handler, p.handler != 0 }
