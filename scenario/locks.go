package scenario

import (
	"emurace/emu"
)

// lockWait is a failed try to take a lock: the thread can go on only when the
// word holds something else.
type lockWait struct {
	addr  uint64 // 0 for none
	value uint32
}

// lockTable is what a session knows of the words that locks are made of.
type lockTable struct {
	abstract bool
	words    map[uint64]bool
	grown    uint64
}

// AbstractLocks makes RunEvent take a lock as one thing: a thread that would
// find it taken cannot run until it is free, instead of trying, marking the
// word and waiting in the kernel. A lock is a word on which a thread has been
// seen to wait in the kernel after an atomic instruction of its had found it
// not zero, as glibc's lll_lock does (sysdeps/nptl/lowlevellock.h). It saves
// the many orders of failed tries, and assumes that those change nothing.
func (s *Session) AbstractLocks(on bool) {
	s.locks.abstract = on
	if s.locks.words == nil {
		s.locks.words = map[uint64]bool{}
	}
}

// LockWords lists the words known to be locks.
func (s *Session) LockWords() []uint64 {
	var list []uint64
	for addr := range s.locks.words {
		list = append(list, addr)
	}
	return list
}

// SetLockWords makes the session know these words to be locks, as another
// session of the same plan has learned them, and no others.
func (s *Session) SetLockWords(list []uint64) {
	s.locks.words = map[uint64]bool{}
	for _, addr := range list {
		s.locks.words[addr] = true
	}
}

// Grown counts what the session has learned about events: bytes that threads
// share, and words that are locks. When it grows, events were missed before.
func (s *Session) Grown() uint64 { return s.M.SharedGrown() + s.locks.grown }

// learnLock looks, when a thread has begun to wait at a word, whether its last
// atomic instruction there had found it not zero.
func (s *Session) learnLock(machine int, objects []emu.Object) {
	for _, o := range objects {
		if o.Class != emu.ObjectFutex || s.locks.words == nil || s.locks.words[o.ID] {
			continue
		}
		log := s.M.Log()
		for i := len(log) - 1; i > 0; i-- {
			w := log[i]
			if int(w.Thread) != machine || w.Addr != o.ID || w.Kind != emu.LogWrite || !readBefore(log[i-1:i], w) || s.failedExclusive(w) {
				continue
			}
			if uint32(w.Old) != 0 {
				s.locks.words[o.ID] = true
				s.locks.grown++
			}
			break
		}
	}
}

// lockUse says what an event did to a lock: took it, let it go, or tried in
// vain.
func (s *Session) lockUse(e *Event) (failed lockWait) {
	if !s.locks.abstract || len(s.locks.words) == 0 || len(e.Accesses) == 0 {
		return lockWait{}
	}
	log := s.M.Log()
	step := s.M.Steps()
	for i := len(log) - 1; i >= 0 && log[i].Step == step; i-- {
		w := log[i]
		if w.Kind != emu.LogWrite || !s.locks.words[w.Addr] || s.failedExclusive(w) {
			continue
		}
		old, now := uint32(w.Old), uint32(w.Value)
		switch {
		case now == 0:
			e.Release = w.Addr
		case i == 0 || !readBefore(log[i-1:i], w):
		case old == 0:
			e.Acquire = w.Addr
		default:
			return lockWait{w.Addr, old}
		}
	}
	return lockWait{}
}

// failedExclusive tells whether a write is one by which a store exclusive of
// arm64 that fails puts back what it has found. That is no try at a lock: what
// the thread makes of the lock's word it has decided at the load before.
func (s *Session) failedExclusive(w emu.LogEntry) bool {
	return w.Old == w.Value && s.M.StoreExclusive(w.PC)
}

// lockedOut tells whether the thread waits for a lock that is still taken.
func (s *Session) lockedOut(i int) bool {
	if s.IsClock(i) {
		return false
	}
	w := s.threads[i].lock
	return w.addr != 0 && s.word(w.addr) == w.value
}

// LockedOut tells whether the thread cannot run because the next thing it does
// is to take an abstract lock that is taken, and returns that as an event.
func (s *Session) LockedOut(i int) (Event, bool) {
	if !s.lockedOut(i) {
		return Event{}, false
	}
	addr := s.threads[i].lock.addr
	return Event{Thread: i, Acquire: addr, Accesses: []Access{{Addr: addr, Size: 4}, {Addr: addr, Size: 4, Write: true}}}, true
}

func (s *Session) word(addr uint64) uint32 {
	b, ok := s.M.Read(addr, 4)
	if !ok {
		return 0
	}
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// findLockedOut looks, while any lock is taken, which threads would try in vain
// to take one next.
func (s *Session) findLockedOut() error {
	if !s.locks.abstract {
		return nil
	}
	taken := false
	for addr := range s.locks.words {
		taken = taken || s.word(addr) != 0
	}
	for i := range s.threads {
		if !s.lockedOut(i) {
			s.threads[i].lock = lockWait{}
		}
		if !taken || !s.Runnable(i) {
			continue
		}
		mark, err := s.Mark()
		if err != nil {
			return err
		}
		var e Event
		err = s.M.WithoutStops(func() (err error) {
			e, err = s.nextEvent(i)
			return err
		})
		failed := s.lockUse(&e)
		if err == nil {
			err = mark.Rewind()
		}
		mark.Drop()
		if err != nil {
			return err
		}
		s.threads[i].lock = failed
	}
	return nil
}
