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

// Frame is the beginning of a signal's handler: where its first instruction is, and the bytes, from
// Lo to Hi, in which the kernel has written its frame.
type Frame struct{ PC, Lo, Hi uint64 }

// Frame is that of the handler that the thread which ran last has gone to in that run, before the
// first instruction of it; false when it has gone to none.
func (p *Process) Frame() (f Frame, ok bool) {
	if p.frame == nil {
		return Frame{}, false
	}
	return *p.frame, true
}

// noteFrame notes that a thread has gone to a handler, whose frame the log has from some entry on.
func (m *Machine) noteFrame(pc uint64, logged int) {
	f := &Frame{PC: pc, Lo: ^uint64(0)}
	for a := range m.Log().From(min(logged, m.LogLen())).All() {
		if a.Kind == LogKernel {
			f.Lo, f.Hi = min(f.Lo, a.Addr), max(f.Hi, a.Addr+uint64(a.Size))
		}
	}
	m.frame = f
}
