package scenario

import (
	"emurace/emu"
)

// lockUse is what an event does to abstract locks, by their words' addresses; 0
// for none.
type lockUse struct {
	taken, free, looked, failed uint64
	against                     []uint64 // words that it treats as no lock is treated
}

// act is the lock with which the event does what has to be tried out, and what that is.
func (u *lockUse) act() (w uint64, does act) {
	switch {
	case u.taken != 0:
		return u.taken, actTake
	case u.free != 0:
		return u.free, actFree
	}
	return u.looked, actLook
}

// lockUse says what an event that has just run did to abstract locks. To such a word
// only this may happen:
//
//   - an atomic instruction, or arm64's load and store exclusive, finds it 0 and makes
//     it something else: the thread has taken the lock;
//   - the thread that has taken it makes it 0, or reads it;
//   - an atomic instruction, or a load exclusive, finds it not 0 and does not make it 0:
//     a try in vain;
//   - zeros are written over its zeros, as who sets it up does.
//
// Whatever else reads, writes, frees or unmaps any of its bytes takes it for
// something else than a lock.
func (s *Session) lockUse(e *Event) (u lockUse) {
	var words []uint64
	for _, a := range e.Accesses {
		for _, w := range s.lockWordsIn(a.Addr, a.Size) {
			if !contains(words, w) {
				words = append(words, w)
			}
		}
	}
	if len(words) == 0 {
		return u
	}
	log := s.m.Log().Since(s.locks.step).List()
	for _, w := range words {
		switch use := s.useOf(e, log, w); {
		case use == lockTaken && u.taken == 0:
			u.taken = w
		case use == lockFree && u.free == 0:
			u.free = w
		case use == lockLooked && u.looked == 0:
			u.looked = w
		case use == lockCleared:
		case use == lockFailed && u.failed == 0:
			u.failed = w
		default:
			u.against = append(u.against, w)
		}
	}
	return u
}

func contains(list []uint64, w uint64) bool {
	for _, o := range list {
		if o == w {
			return true
		}
	}
	return false
}

type wordUse uint8

const (
	lockAgainst wordUse = iota
	lockTaken
	lockFree
	lockLooked
	lockFailed
	lockCleared
)

// zeroOver tells whether an access writes zeros over the zeros of a word, as who sets up
// a lock does: nobody can tell it from none, as long as the lock is free.
func zeroOver(a emu.LogEntry, w uint64) bool {
	if a.Kind == emu.LogRead {
		return false
	}
	for k := range uint64(a.Size) {
		if at := a.Addr + k; at >= w && at < w+4 && byte(a.Old>>(8*k))|byte(a.Value>>(8*k)) != 0 {
			return false
		}
	}
	return true
}

// useOf is what an event did to one word, given the log of its instructions.
func (s *Session) useOf(e *Event, log []emu.LogEntry, w uint64) wordUse {
	machine := s.threads[e.Thread].machine
	counted := 0
	for _, a := range e.Accesses {
		if a.Addr < w+4 && w < a.Addr+a.Size {
			counted++
		}
	}
	var list []emu.LogEntry
	zeros := 0
	for _, a := range log {
		if a.Addr >= w+4 || w >= a.Addr+uint64(a.Size) {
			continue
		}
		if zeroOver(a, w) {
			zeros++
			continue
		}
		if a.Addr != w || a.Size != 4 || a.Kind == emu.LogKernel || int(a.Thread) != machine {
			return lockAgainst
		}
		list = append(list, a)
	}
	if zeros > 0 && zeros == counted {
		return lockCleared
	}
	if len(list) != counted || counted == 0 {
		return lockAgainst // a check has read it, or a call has freed or unmapped it
	}
	last := list[len(list)-1]
	first := list[0]
	holds := contains(s.threads[e.Thread].holds, w)
	atomic := first.Kind == emu.LogRead && last.Kind == emu.LogWrite && !s.failedExclusive(last) &&
		(first.Step == last.Step || s.loadExclusive(first.PC))
	switch old, now := uint32(first.Old), uint32(last.Value); {
	case atomic && old == 0 && now != 0:
		return lockTaken
	case atomic && old != 0 && now != 0:
		return lockFailed
	case (atomic || len(list) == 1 && last.Kind == emu.LogWrite) && now == 0 && holds:
		return lockFree
	case len(list) == 1 && first.Kind == emu.LogRead && old != 0 && s.loadExclusive(first.PC):
		return lockFailed
	case len(list) == 1 && first.Kind == emu.LogRead && holds && !s.loadExclusive(first.PC):
		return lockLooked
	}
	return lockAgainst
}

// mayTake is the word that an event of one atomic instruction has made something else
// than 0, if nothing is known of it: it may be a lock. It is 0 where there is none.
func (s *Session) mayTake(e *Event) uint64 {
	l := &s.locks
	if len(e.Accesses) != 2 || len(e.Objects) > 0 || !e.Accesses[1].Write {
		return 0
	}
	w := e.Accesses[0].Addr
	if e.Accesses[0] != (Access{Addr: w, Size: 4}) || e.Accesses[1].Addr != w || w%4 != 0 || l.words[w] || l.found[w] || l.raw[w] {
		return 0
	}
	a, ok := s.m.Log().Last()
	if !ok || a.Step != l.step || a.Addr != w || a.Kind != emu.LogWrite || uint32(a.Old) != 0 || s.m.StoreExclusive(a.PC) {
		return 0
	}
	return w
}

// failedExclusive tells whether a write is one by which a store exclusive of
// arm64 that fails puts back what it has found. That is no try at a lock: what
// the thread makes of the lock's word it has decided at the load before.
func (s *Session) failedExclusive(w emu.LogEntry) bool {
	return w.Old == w.Value && s.m.StoreExclusive(w.PC)
}

// loadExclusive tells whether the instruction at pc is a load exclusive of arm64.
func (s *Session) loadExclusive(pc uint64) bool { return s.m.LoadExclusive(pc) }

// pairWithin is how many instructions a load exclusive and its store are apart at most.
const pairWithin = 64

// finishExclusive makes one event of a load exclusive of an abstract lock's word and
// the store exclusive behind it: together they are a try to take the lock, as one
// compare-and-swap is. Where something else comes first, the event stays a load.
func (s *Session) finishExclusive(e *Event) error {
	if len(e.Accesses) != 1 || len(e.Objects) > 0 || e.Accesses[0].Size != 4 || !s.locks.words[e.Accesses[0].Addr] || !s.loadExclusive(e.PC) {
		return nil
	}
	mark, err := s.Mark()
	if err != nil {
		return err
	}
	defer mark.Drop()
	next := Event{Thread: e.Thread}
	stop, err := s.runOnce(&next, func(t int) (emu.Stop, error) { return s.m.Run(t, min(pairWithin, s.Limit-min(s.Limit, s.Steps()))) })
	if err != nil {
		return err
	}
	same := stop.Kind == emu.Budget && stop.Event && len(next.Objects) == 0 && s.m.StoreExclusive(next.PC)
	for _, a := range next.Accesses {
		same = same && a.Addr == e.Accesses[0].Addr && a.Size == 4
	}
	if !same {
		s.seen, s.used = s.seen[:0], s.used[:0]
		return mark.Rewind()
	}
	e.Ran += next.Ran
	e.PC = next.PC
	e.Accesses = append(e.Accesses, next.Accesses...)
	return nil
}
