package scenario

import (
	"encoding/binary"
	"slices"

	"emurace/emu"
)

// A recursive lock has beside its word another one that tells whose it is. Who takes the
// lock first looks there whether it is his own already, and that look is in a race with
// what others write there: it alone makes events of what the lock orders anyway. But to
// one whose lock it is not it is all the same whether it finds nobody there or somebody
// else. So the look and the taking of the lock behind it are one event, if
//
//   - with nobody there, with each other thread and with what is there the look leads to
//     the taking, and the thread then goes on in the same way, and with itself there it
//     does not;
//   - all that anybody writes there, in any run, is nobody or himself;
//   - the thread has not left its own name there when it last let the lock go;
//   - between the two the thread does nothing that another thread could meet.
//
// A word of which this does not hold is left as it is.

// look is a thread's look at whose a lock is, with the taking of the lock behind it.
type look struct {
	i          int    // the thread
	word, size uint64 // where it looks
	step, take uint64 // of the two instructions
	lock       uint64
	key        lockTry
}

// abstractEvent is nextEvent with abstract locks, from a mark at the present moment. A look
// that was not met before is tried out.
func (s *Session) abstractEvent(i int, mark *Mark) (Event, error) {
	for {
		s.locks.untried = nil
		e, err := s.nextEvent(i)
		l := s.locks.untried
		if err != nil || l == nil {
			return e, err
		}
		if err := mark.Rewind(); err != nil {
			return e, err
		}
		if err := s.tryLook(l); err != nil {
			return e, err
		}
	}
}

// joinLook makes one event of a look at whose a lock is and the taking of the lock, or the
// try in vain to take it.
func (s *Session) joinLook(e *Event) error {
	if len(e.Accesses) != 1 || len(e.Objects) > 0 || e.Ends || s.m.HasStops() {
		return nil
	}
	if s.hasMade() {
		return nil // what a thread would write there that is not made yet cannot be tried
	}
	a := e.Accesses[0]
	if a.Write || a.Size != 4 && a.Size != 8 || a.Addr%a.Size != 0 || s.locks.raw[a.Addr] || s.m.LoadExclusive(e.PC) || len(s.lockWordsIn(a.Addr, a.Size)) > 0 {
		return nil
	}
	mark, err := s.Mark()
	if err != nil {
		return err
	}
	defer mark.Drop()
	l := look{i: e.Thread, word: a.Addr, size: a.Size, step: s.locks.step}
	next, ok, err := s.runToTake(&l)
	if err == nil && ok {
		ok, err = s.mayJoin(&l)
	}
	if err != nil {
		return err
	}
	if !ok {
		s.locks.step = l.step
		return mark.Rewind()
	}
	e.Ran += next.Ran
	e.PC = next.PC
	e.Accesses = append(e.Accesses, next.Accesses...)
	s.pass(e.Thread, next.Ran)
	s.locks.looks[l.word] = l.size
	return nil
}

// runToTake runs the thread on from a look, if the next that it does is to take a lock.
func (s *Session) runToTake(l *look) (next Event, ok bool, err error) {
	next.Thread = l.i
	stop, err := s.m.Run(s.threads[l.i].machine, min(pairWithin, s.Limit-min(s.Limit, s.Steps())))
	if err != nil || stop.Kind != emu.Budget || !stop.Event || len(stop.Objects)+len(stop.Counted) > 0 {
		return next, false, err
	}
	s.locks.step = s.m.Steps()
	l.take = s.m.Steps()
	next.Ran = stop.Ran
	next.PC, next.Accesses = s.lastAccesses()
	if len(next.Accesses) == 0 || len(s.lockWordsIn(next.Accesses[0].Addr, next.Accesses[0].Size)) == 0 {
		return next, false, nil
	}
	if err := s.finishExclusive(&next); err != nil {
		return next, false, err
	}
	use := s.lockUse(&next)
	l.lock = max(use.taken, use.failed)
	return next, l.lock != 0 && len(use.against) == 0, nil
}

// mayJoin tells whether a look and a taking are one event. The thread has just run both.
func (s *Session) mayJoin(l *look) (bool, error) {
	var err error
	if l.key, err = s.lockTry(l.i, l.word, actLook); err != nil {
		return false, err
	}
	joins, tried := s.locks.joins[l.key]
	if !tried {
		s.locks.untried = l
	}
	if joins && !s.nobodyMeets(l) {
		s.breakLook(l.word)
		return false, nil
	}
	return joins && !s.leftOwn(l), nil
}

// leftOwn tells whether the thread itself was the last to say whose the lock is, as far as
// it knows, and has said that it is its own: then it may find that still, without having
// the lock.
func (s *Session) leftOwn(l *look) bool {
	t := s.threads[l.i].machine
	var last uint64
	if b, ok := s.m.Read(l.word, l.size); ok {
		last = binary.LittleEndian.Uint64(append(b, 0, 0, 0, 0)[:8])
	}
	for a := range s.m.Log().Backward() {
		if a.Step <= s.base {
			break
		}
		if a.Addr == l.word && uint64(a.Size) == l.size && a.Kind == emu.LogWrite {
			if int(a.Thread) == t {
				last = a.Value
				break
			}
			last = a.Old
		}
	}
	name, _ := s.m.NameOf(t, l.size)
	return last == name
}

// nobodyMeets tells whether nobody in this run has written anything else where a look is
// than nobody or himself, and nobody has met what the thread has done since the look.
func (s *Session) nobodyMeets(l *look) bool {
	t := s.threads[l.i].machine
	log := s.m.Log()
	var between []emu.LogEntry
	sp, _ := s.m.StackPointer(t)
	lo, hi, _ := s.m.MappingOf(sp)
	for a := range log.Backward() {
		if a.Step <= l.step {
			break
		}
		if int(a.Thread) == t && a.Step < l.take && (a.Addr < lo || a.Addr >= hi) {
			between = append(between, a)
		}
	}
	for a := range log.Backward() {
		if a.Step <= s.base {
			break
		}
		if a.Kind != emu.LogRead && a.Addr < l.word+l.size && l.word < a.Addr+uint64(a.Size) && !s.says(a, l.word, l.size) {
			return false
		}
		if int(a.Thread) == t {
			continue
		}
		for _, b := range between {
			if (a.Kind != emu.LogRead || b.Kind != emu.LogRead) && a.Addr < b.Addr+uint64(b.Size) && b.Addr < a.Addr+uint64(a.Size) {
				return false
			}
		}
	}
	return true
}

// says tells whether a write says of a lock that it is nobody's, or the writer's.
func (s *Session) says(a emu.LogEntry, word, size uint64) bool {
	if a.Kind != emu.LogWrite || a.Addr != word || uint64(a.Size) != size {
		return false
	}
	name, ok := s.m.NameOf(int(a.Thread), size)
	return a.Value == 0 || ok && a.Value == name
}

// checkLooks goes through what an event has written: where threads look whose a lock is
// only nobody and the writer may be written.
func (s *Session) checkLooks(e *Event) {
	for word, size := range s.locks.looks {
		for _, a := range e.Accesses {
			if !a.Write || a.Addr >= word+size || word >= a.Addr+a.Size {
				continue
			}
			said := func(a emu.LogEntry) bool { return a.Kind != emu.LogRead && s.says(a, word, size) }
			if !slices.ContainsFunc(s.m.Log().Since(s.locks.step).List(), said) {
				s.breakLook(word)
			}
		}
	}
}

// breakLook notes that a word does not tell whose a lock is.
func (s *Session) breakLook(word uint64) {
	if !s.locks.raw[word] && !s.locks.broken[word] {
		s.locks.broken[word] = true
		s.locks.grown++
	}
}

// tryLook tries out whether it makes no difference to the thread what it finds at a look,
// from the moment at which it begins to run up to there. The session is then as it was.
func (s *Session) tryLook(l *look) error {
	x := s.trial(l.i, l.lock, actTake)
	return s.m.WithoutStops(func() error {
		return x.back(func() error {
			if err := x.approach(l.i, l.step); err != nil {
				return err
			}
			x.log = s.m.LogLen()
			if err := x.set(0); err != nil {
				return err
			}
			var err error
			s.locks.joins[l.key], err = x.findsAny(l)
			return err
		})
	})
}

// findsAny tells whether the thread goes on from a look in the same way whatever of what
// others write it finds.
func (x *trial) findsAny(l *look) (bool, error) {
	s := x.s
	is, ok := s.m.Read(l.word, l.size)
	if !ok {
		return false, nil
	}
	finds := func(v []byte) (p place, err error) {
		if err := s.m.Write(x.other, l.word, v); err != nil {
			return p, err
		}
		if _, err := s.m.Run(x.thread, 1); err != nil {
			return p, err
		}
		if err := s.m.Write(x.other, l.word, is); err != nil {
			return p, err
		}
		p, _, err = x.place()
		return p, err
	}
	var plain place
	d := newDifference()
	err := x.back(func() (err error) {
		plain, err = finds(is)
		return err
	})
	goesOn := func(v uint64) (bool, error) {
		var p place
		err := x.back(func() (err error) {
			p, err = finds(binary.LittleEndian.AppendUint64(nil, v)[:l.size])
			return err
		})
		if err != nil || p.pc != plain.pc || p.does == nil || !slices.Equal(p.does, plain.does) {
			return false, err
		}
		d.add(plain, p)
		return true, nil
	}
	self, ok := s.m.NameOf(x.thread, l.size)
	if !ok || err != nil {
		return false, err
	}
	if owns, err := goesOn(self); err != nil || owns {
		return false, err
	}
	values := []uint64{0}
	for t := range s.m.Threads() {
		if name, ok := s.m.NameOf(t, l.size); ok && t != x.thread {
			values = append(values, name)
		}
	}
	for _, v := range values {
		if ok, err := goesOn(v); err != nil || !ok {
			return false, err
		}
	}
	same := d.empty()
	if !same {
		d.soon = true
		err = x.back(func() (err error) {
			if _, err = finds(is); err == nil {
				same, err = x.dead(&d, false, true)
			}
			return err
		})
	}
	return same, err
}
