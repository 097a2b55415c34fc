package scenario

import (
	"encoding/binary"
	"slices"

	"emurace/emu"
)

// lockTable is what a session knows of the words that locks are made of.
type lockTable struct {
	abstract bool
	words    map[uint64]bool // taken as one thing
	raw      map[uint64]bool // look like locks, and are none
	// What the present run has shown in addition. It counts from the next run on,
	// so that one run has one meaning.
	found, broken map[uint64]bool
	grown         uint64
	shared        uint64 // the machine's SharedGrown when all this was set
	// step is that of the instruction that matters of the event that has just run, or
	// of the first of two.
	step uint64
	// tried are the takings and lettings go that were tried out, and waited what
	// was seen there: the values of each word at which somebody may wait for it.
	tried  map[lockTry]bool
	waited map[uint64][]uint32
	// joins is which looks at whose a lock is were tried out, and may be one event with
	// the taking of the lock; looks is where they were, and of how many bytes; untried is
	// one that was not.
	joins   map[lockTry]bool
	looks   map[uint64]uint64
	untried *look
}

// AbstractLocks makes RunEvent take a lock as one thing: a thread that would
// find it taken cannot run until it is free, instead of trying, marking the
// word and waiting in the kernel. It saves the many orders of failed tries.
//
// A word is first taken for a lock when a thread waits on it in the kernel, or would,
// after an atomic instruction of its had found it not zero, as glibc's
// lll_lock does (sysdeps/nptl/lowlevellock.h). It stays one as long as nothing is
// done to it but what locks are for (lockUse) and as long as trying in vain makes
// no difference (tryOut). A word that breaks these rules is left
// raw: its instructions are events like any others.
func (s *Session) AbstractLocks(on bool) {
	s.locks = lockTable{abstract: on, grown: s.locks.grown}
	s.SetLockWords(nil, nil)
}

// LockWords lists the words known to be locks, in order, and those that looked like
// locks but are to be left raw.
func (s *Session) LockWords() (locks, raw []uint64) {
	for _, known := range []map[uint64]bool{s.locks.words, s.locks.found} {
		for addr := range known {
			if !s.locks.broken[addr] {
				locks = append(locks, addr)
			}
		}
	}
	for _, known := range []map[uint64]bool{s.locks.raw, s.locks.broken} {
		for addr := range known {
			raw = append(raw, addr)
		}
	}
	slices.Sort(locks)
	slices.Sort(raw)
	return slices.Compact(locks), slices.Compact(raw)
}

// SetLockWords makes the session know these words to be locks, and these to be none,
// as another session of the same plan has learned them, and no others.
func (s *Session) SetLockWords(locks, raw []uint64) {
	l := &s.locks
	l.words, l.raw = map[uint64]bool{}, map[uint64]bool{}
	l.found, l.broken = map[uint64]bool{}, map[uint64]bool{}
	l.tried, l.waited = map[lockTry]bool{}, map[uint64][]uint32{}
	l.joins, l.looks = map[lockTry]bool{}, map[uint64]uint64{}
	l.shared = s.m.SharedGrown()
	for _, addr := range raw {
		l.raw[addr] = true
	}
	for _, addr := range locks {
		l.words[addr] = !l.raw[addr]
	}
}

// adoptLocks makes what the run before has shown of locks, and of bytes that are shared,
// count.
func (s *Session) adoptLocks() {
	if len(s.locks.found)+len(s.locks.broken) > 0 || s.m.SharedGrown() != s.locks.shared {
		s.SetLockWords(s.LockWords())
	}
}

// Grown counts what the session has learned about events: bytes that threads
// share, words that are locks or are none, and threads that the process makes. When it
// grows, events were missed before, or taken for what they are not.
func (s *Session) Grown() uint64 { return s.m.SharedGrown() + s.locks.grown + s.made.grown }

// learnLock looks, when a thread has begun to wait, whether it does so after it has
// tried in vain to take a lock.
func (s *Session) learnLock(machine int) {
	if !s.locks.abstract {
		return
	}
	addr, ok := s.m.WaitsForever(machine)
	switch {
	case !ok || s.locks.found[addr] || s.locks.raw[addr]:
		return
	case s.locks.words[addr]:
		s.breakLock(addr) // who waits should have been locked out
		return
	}
	var write emu.LogEntry // a try if what comes before it is its read
	wrote := false
	for a := range s.m.Log().Backward() {
		tried := wrote && readBefore([]emu.LogEntry{a}, write) && s.m.Indivisible(write.PC)
		if tried {
			a = write
		}
		wrote = false
		if int(a.Thread) != machine || a.Addr != addr || a.Size != 4 {
			continue
		}
		if a.Kind == emu.LogWrite && !tried && !s.failedExclusive(a) {
			write, wrote = a, true
		}
		if !tried && !(a.Kind == emu.LogRead && s.loadExclusive(a.PC)) {
			continue
		}
		if uint32(a.Old) != 0 && s.m.SharedBytes()[addr&^7]>>(addr&7)&1 != 0 {
			s.locks.found[addr] = true
			s.locks.grown++
		}
		return
	}
}

// breakLock notes that a word is no lock. A run that shows that more bytes are shared
// does not tell: who has taken the lock before its word was known to be shared is not
// known to hold it.
func (s *Session) breakLock(addr uint64) {
	if s.m.SharedGrown() != s.locks.shared {
		return
	}
	if s.locks.words[addr] && !s.locks.broken[addr] {
		s.locks.broken[addr] = true
		s.locks.grown++
	}
}

// abstracting tells whether there are locks that are taken as one thing.
func (s *Session) abstracting() bool { return s.locks.abstract && len(s.locks.words) > 0 }

// lockWordsIn are the words taken for locks of which bytes lie in a range.
func (s *Session) lockWordsIn(addr, size uint64) (list []uint64) {
	if size > 64 {
		for w := range s.locks.words {
			if s.locks.words[w] && w < addr+size && addr < w+4 {
				list = append(list, w)
			}
		}
		return list
	}
	for w := (addr - min(addr, 3) + 3) &^ 3; w < addr+size; w += 4 {
		if s.locks.words[w] {
			list = append(list, w)
		}
	}
	if w := addr &^ 3; w != addr && s.locks.words[w] {
		list = append(list, w)
	}
	return list
}

// lookedAt notes that a check has read memory: what is in a lock's word is no
// secret any more, and locks that are taken as one thing have other values in it.
func (s *Session) lookedAt(addr, size uint64) {
	if !s.abstracting() {
		return
	}
	for _, w := range s.lockWordsIn(addr, size) {
		s.breakLock(w)
	}
}

// runAbstract is RunEvent with abstract locks.
func (s *Session) runAbstract(i int) (Event, error) {
	mark, err := s.Mark()
	if err != nil {
		return Event{}, err
	}
	defer mark.Drop()
	e, err := s.abstractEvent(i, mark)
	if err != nil {
		return e, err
	}
	use := s.lockUse(&e)
	w, does := use.act()
	if w == 0 {
		w, does = s.mayTake(&e), actLearn
	}
	if w != 0 {
		key := lockTry{word: w, does: does}
		if does != actLearn {
			if key, err = s.lockTry(i, w, does); err != nil {
				return e, err
			}
		}
		if !s.locks.tried[key] {
			s.locks.tried[key] = true
			if err := mark.Rewind(); err != nil {
				return e, err
			}
			if err := s.tryOut(i, w, does, s.locks.step); err != nil {
				return e, err
			}
			if e, err = s.nextEvent(i); err != nil {
				return e, err
			}
		}
	}
	s.checkLooks(&e)
	r := &s.threads[i]
	for _, w := range use.against {
		s.breakLock(w)
	}
	switch {
	case use.failed != 0:
		s.breakLock(use.failed) // who fails should have been locked out
	case use.taken != 0:
		e.Acquire = use.taken
		r.holds = append(slices.Clip(r.holds), use.taken)
	case use.free != 0:
		e.Release = use.free
		r.holds = slices.DeleteFunc(slices.Clone(r.holds), func(w uint64) bool { return w == use.free })
	}
	if err := s.findLockedOut(i, &e); err != nil {
		return e, err
	}
	return e, s.judge()
}

// lockedOut tells whether the thread waits for a lock that is still taken.
func (s *Session) lockedOut(i int) bool {
	if s.IsClock(i) {
		return false
	}
	w := s.threads[i].lock
	return w != 0 && s.word(w) != 0
}

// LockedOut tells whether the thread cannot run because the next thing it does
// is to take an abstract lock that is taken, and returns that as an event.
func (s *Session) LockedOut(i int) (Event, bool) {
	if !s.lockedOut(i) {
		return Event{}, false
	}
	addr := s.threads[i].lock
	return Event{Thread: i, Acquire: addr, Accesses: []Access{{Addr: addr, Size: 4}, {Addr: addr, Size: 4, Write: true}}}, true
}

func (s *Session) word(addr uint64) uint32 {
	b, ok := s.m.Read(addr, 4)
	if !ok {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// findLockedOut looks, while any lock is taken, which threads would try in vain
// to take one next. What a thread does next stays the same until it runs or
// something happens that this depends on.
func (s *Session) findLockedOut(ran int, e *Event) error {
	taken := false
	for addr := range s.locks.words {
		taken = taken || s.word(addr) != 0
	}
	for i := range s.threads {
		r := &s.threads[i]
		if r.next != nil && (i == ran || len(e.Objects) > 0 || r.next.Dependent(e)) {
			r.next, r.lock = nil, 0
		}
		if !taken || r.next != nil || s.closed || !s.Runnable(i) {
			continue
		}
		if err := s.lookAhead(i); err != nil {
			return err
		}
	}
	return nil
}

// lookAhead finds out what a thread's next event is, and whether it is to try in
// vain to take a lock.
func (s *Session) lookAhead(i int) error {
	mark, err := s.Mark()
	if err != nil {
		return err
	}
	defer mark.Drop()
	var e Event
	failed := uint64(0)
	err = s.m.WithoutStops(func() (err error) {
		if e, err = s.abstractEvent(i, mark); err != nil {
			return err
		}
		if failed = s.lockUse(&e).failed; failed == 0 {
			return nil
		}
		waits, err := s.leadsToWait(i, failed)
		if err == nil && !waits {
			s.breakLock(failed)
		}
		return err
	})
	if err == nil {
		err = mark.Rewind()
	}
	if err == nil {
		s.threads[i].next, s.threads[i].lock = &e, failed
	}
	return err
}
