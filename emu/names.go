package emu

// NameOf is what libc writes down to say that something is a thread's: in four bytes its
// id, in eight bytes what pthread_self returns on it. It is false where that is not known.
func (m *Machine) NameOf(t int, size uint64) (uint64, bool) {
	if size == 4 {
		tid, ok := m.TID(t)
		return uint64(tid), ok
	}
	if size != 8 || t < 0 || t >= len(m.st.threads) {
		return 0, false
	}
	// In every libc it lies as far from the thread pointer as in any other thread.
	for u := range m.st.threads {
		self := m.st.threads[u].self
		if self == 0 {
			continue
		}
		a, ok := m.Register(t, m.arch.tls.Name)
		b, known := m.Register(u, m.arch.tls.Name)
		if ok && known {
			return a - b + self, true
		}
	}
	return 0, false
}
