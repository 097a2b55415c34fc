package emu

import (
	"slices"

	"emurace/emu/internal/linux"
)

// WaitsFor is the address of the futex word that a thread waits for in the
// kernel.
func (m *Machine) WaitsFor(t int) (addr uint64, ok bool) {
	list := m.kernel.State().Waiters
	i := slices.IndexFunc(list, func(w linux.Waiter) bool { return w.Thread == t && !w.Sleeps })
	if i < 0 {
		return 0, false
	}
	return list[i].Addr, true
}

// TID is a thread's id as the guest knows it, false when it has ended.
func (m *Machine) TID(t int) (uint32, bool) {
	if t < 0 || t >= len(m.st.threads) {
		return 0, false
	}
	task := m.kernel.State().Tasks[t]
	return uint32(task.TID), task.Status == linux.Runnable || task.Status == linux.Blocked
}

// ClearsAtEnd is the thread at whose end the kernel clears a word and wakes who
// waits for it (set_tid_address(2)), as pthread_join does.
func (m *Machine) ClearsAtEnd(addr uint64) (t int, ok bool) {
	for t := range m.st.threads {
		task := m.kernel.State().Tasks[t]
		if _, alive := m.TID(t); alive && addr != 0 && task.ClearTID == addr {
			return t, true
		}
	}
	return 0, false
}
