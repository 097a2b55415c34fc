package emu

// NameOf is what libc writes down to say that something is a thread's: in four bytes its
// id, in eight bytes what pthread_self returns on it. It is false where that is not known.
func (p *Process) NameOf(t int, size uint64) (uint64, bool) {
	if size == 4 {
		tid, ok := p.TID(t)
		return uint64(tid), ok
	}
	if size != 8 || t < 0 || t >= len(p.st.threads) {
		return 0, false
	}
	// In every libc it lies as far from the thread pointer as in any other thread.
	for u := range p.st.threads {
		self := p.st.threads[u].self
		if self == 0 {
			continue
		}
		a, ok := p.Register(t, p.arch.tls.Name)
		b, known := p.Register(u, p.arch.tls.Name)
		if ok && known {
			return a - b + self, true
		}
	}
	return 0, false
}
