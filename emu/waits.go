package emu

import (
	"slices"

	"emurace/emu/internal/linux"
)

// WaitsFor is the address of the futex word that a thread waits for in the
// kernel.
func (p *Process) WaitsFor(t int) (addr uint64, ok bool) {
	list := p.kernel.State().Waiters
	i := slices.IndexFunc(list, func(w linux.Waiter) bool { return w.Thread == t && w.OfWord() })
	if i < 0 {
		return 0, false
	}
	return list[i].Addr, true
}

// WaitsForText says in words for what a thread waits in the kernel that waits neither for a
// futex word nor for a time, as in "read of a pipe (fd 3) that nobody writes"; "" for nothing.
func (p *Process) WaitsForText(t int) string { return p.kernel.WaitsFor(t) }

// WaitsForever is WaitsFor, of a wait that nothing ends but a wake-up of the word:
// one without a deadline, and for any wake-up.
func (p *Process) WaitsForever(t int) (addr uint64, ok bool) {
	list := p.kernel.State().Waiters
	i := slices.IndexFunc(list, func(w linux.Waiter) bool { return w.Thread == t && w.OfWord() })
	if i < 0 || list[i].Deadline != 0 || list[i].Mask != ^uint32(0) {
		return 0, false
	}
	return list[i].Addr, true
}

// Rouse ends a thread's wait for a futex word as a wake-up would, though nobody has
// made one: what would the thread do? It returns false when the thread does not wait.
func (m *Machine) Rouse(t int) (bool, error) { return m.kernel.Rouse(t) }

// Comm is what a thread calls itself, or another one it: its name of prctl(2) and /proc. Until
// then it is called after the program, or as the thread that made it is.
func (p *Process) Comm(t int) string {
	if t < 0 || t >= len(p.st.threads) {
		return ""
	}
	return p.kernel.Comm(t)
}

// Called is what a thread has been called by prctl(2) or /proc, as pthread_setname_np does, it or
// the thread that has made it: Comm without the program's name; "" where nobody has.
func (p *Process) Called(t int) string {
	if t < 0 || t >= len(p.st.threads) {
		return ""
	}
	return p.kernel.Called(t)
}

// TID is a thread's id as the guest knows it, false when it has ended.
func (p *Process) TID(t int) (uint32, bool) {
	if t < 0 || t >= len(p.st.threads) {
		return 0, false
	}
	task := p.kernel.State().Tasks[t]
	return uint32(task.TID), task.Status == linux.Runnable || task.Status == linux.Blocked
}

// ClearsAtEnd is the thread at whose end the kernel clears a word and wakes who
// waits for it (set_tid_address(2)), as pthread_join does.
func (p *Process) ClearsAtEnd(addr uint64) (t int, ok bool) {
	for t := range p.st.threads {
		task := p.kernel.State().Tasks[t]
		if _, alive := p.TID(t); alive && addr != 0 && task.ClearTID == addr {
			return t, true
		}
	}
	return 0, false
}

// ChangedAtEnd lists the words that the kernel would change, and wake who waits for them,
// if a thread ended now: the one of ClearsAtEnd, and those of its robust mutexes.
func (p *Process) ChangedAtEnd(t int) (words []uint64) {
	if _, alive := p.TID(t); !alive {
		return nil
	}
	if addr := p.kernel.State().Tasks[t].ClearTID; addr != 0 {
		words = append(words, addr)
	}
	return append(words, p.kernel.Robust(t)...)
}
