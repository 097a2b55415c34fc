package scenario

import (
	"emurace/emu"
	"emurace/loader"
)

// A thread that has made its calls stays idle: it does not leave its start routine as a
// pthread does whose function returns. So what its end would change stays as it is, and
// who waits for that, as pthread_join does, need not wait for ever on Linux.

// unended are the doubts about a run that has come to no end: threads wait, in the kernel
// or by going round, for what the end of a thread would change that has made its calls.
func (s *Session) unended(o Outcome) (list []Doubt) {
	if o.Kind != Deadlock && o.Kind != Livelock && o.Kind != Unfinished {
		return nil
	}
	for t, th := range s.m.Threads() {
		u := s.RacingThread(t)
		if !s.m.Alive(t) || !s.m.Idle(t) || u >= 0 && !s.threads[u].done || u < 0 && t != 0 {
			continue
		}
		words := s.changedAtEnd(t)
		for i, r := range s.threads {
			if !r.done && s.m.Alive(r.machine) && s.waitsForAny(i, words, o) {
				list = append(list, s.doubt(UnendedThread, th.Name, s.function(i), r.machine))
			}
		}
	}
	return list
}

// muslThread is how many bytes musl's struct pthread has at least. The word that
// pthread_join waits for is in it (detach_state), and is none of the kernel's.
const muslThread = 128

// changedAtEnd is the memory of which others can tell that a thread of the machine has
// ended.
func (s *Session) changedAtEnd(t int) []Access {
	var list []Access
	for _, addr := range s.m.ChangedAtEnd(t) {
		list = append(list, Access{Addr: addr, Size: 4})
	}
	if self, ok := s.m.NameOf(t, 8); ok && s.libc.Name == loader.Musl.String() {
		list = append(list, Access{Addr: self, Size: muslThread})
	}
	return list
}

// waitsForAny tells whether a thread waits for a change of any of the words. One that goes
// round and was not found out to come back to where it was is one that reads them: in a
// livelock after the first half of the run, of which nothing is judged.
func (s *Session) waitsForAny(i int, words []Access, o Outcome) bool {
	any := func(addr, size uint64) bool {
		for _, w := range words {
			if addr < w.Addr+w.Size && w.Addr < addr+size {
				return true
			}
		}
		return false
	}
	r := &s.threads[i]
	if addr, ok := s.m.WaitsFor(r.machine); ok {
		return any(addr, 4)
	}
	if s.lockedOut(i) {
		return any(r.lock, 4)
	}
	if s.spinning(i) {
		for _, h := range r.held {
			if any(h.addr, uint64(len(h.bytes))) {
				return true
			}
		}
		return false
	}
	from := s.base
	if o.Kind == Livelock {
		from += s.limit() / 2
	}
	for a := range s.m.Log().From(s.StartLog()).All() {
		if int(a.Thread) == r.machine && a.Kind == emu.LogRead && a.Step > from && any(a.Addr, uint64(a.Size)) {
			return true
		}
	}
	return false
}
