package scenario

import (
	"slices"

	"emurace/emu"
)

// Event is what a thread did between two scheduling points: instructions that
// concern no other thread, and then one that does, or the end of its calls.
type Event struct {
	Thread   int
	Ran      uint64 // instructions, the one that matters last
	PC       uint64 // of that one, where it has accessed memory; else 0
	Accesses []Access
	Objects  []emu.Object // kernel objects that a system call used, and results that a check sees
	Woke     []int        // threads that it let go on, or made
	// Needs are threads of which the last event before this one has to come before it:
	// when the clock is moved on, who alone waits with a deadline.
	Needs []int
	// Expired tells that nobody could run behind it, so that the clock was moved on with
	// it, by itself. What comes later comes behind all that was before.
	Expired bool
	// Acquire and Release are the lock that the event took or let go, 0 for
	// none; only with abstract locks.
	Acquire, Release uint64
	// Ends tells that the process ended, by a crash or otherwise. Whatever
	// another thread would have done next depends on it.
	Ends bool
	// Closes tells that the thread has come to where the window ends, which is like an end of the
	// process: whatever another thread would have done next depends on it. Tail is all that runs
	// behind the window, to the end of the race: the one event that there is of it.
	Closes bool
	Tail   Schedule
	// Half tells that the last instruction has ended in its middle: it has read bytes that
	// threads share, and its stores to such bytes are the thread's next event; of a pair of
	// registers, the second one's access is. Divisible
	// tells that it could have, where events are only told of; see RunEvents.
	Half, Divisible bool
	// Lead is how many of the instructions are in front of the one with which it ends
	// the process, by which time they have concerned nobody. Only a run in which another
	// thread goes on in between shows whether they do; see RunUpTo.
	Lead uint64
}

// Access is a range of bytes that an event read or wrote. An atomic instruction
// that leaves the bytes as they were, such as a failed compare-and-swap, only
// read them.
//
// Of a block that is freed or handed out it is bytes that threads share, a range
// of neighbours each; see StartHeap.
type Access struct {
	Addr, Size uint64
	Write      bool
}

// Dependent tells whether two events of different threads may not change
// places: they touch a byte that one of them writes, or use a kernel object
// that one of them changes, or one of them ends the process.
func (e *Event) Dependent(o *Event) bool {
	if e.Thread == o.Thread || e.Ends || o.Ends {
		return true
	}
	if conflict(e.Accesses, o.Accesses) {
		return true
	}
	for _, a := range e.Objects {
		for _, b := range o.Objects {
			if (a.Write || b.Write) && a.Class == b.Class && a.ID == b.ID {
				return true
			}
		}
	}
	return false
}

// many is how many pairs of accesses are compared without looking where they are at all. A
// system call may have a hundred thousand.
const many = 256

// conflict tells whether an access of one list and one of the other have a byte in common,
// which one of them writes.
func conflict(list, other []Access) bool {
	var all, writes Access // from the first byte of the others to the last
	bound := len(list)*len(other) > many
	if bound {
		all, writes = bounds(other, false), bounds(other, true)
	}
	for _, a := range list {
		if bound && (a.Write && !a.overlaps(all) || !a.Write && !a.overlaps(writes)) {
			continue
		}
		for _, b := range other {
			if (a.Write || b.Write) && a.overlaps(b) {
				return true
			}
		}
	}
	return false
}

func (a Access) overlaps(b Access) bool { return a.Addr < b.Addr+b.Size && b.Addr < a.Addr+a.Size }

// bounds are the bytes from the first one of the accesses, or of the writes alone, to the
// last.
func bounds(list []Access, writes bool) Access {
	first, end := ^uint64(0), uint64(0)
	for _, a := range list {
		if a.Write || !writes {
			first, end = min(first, a.Addr), max(end, a.Addr+a.Size)
		}
	}
	return Access{Addr: min(first, end), Size: end - min(first, end)}
}

// RunEvent runs a thread up to and over its next event, or to its end; see StopWhenDue too. The
// machine must want events. An instruction that reads and writes bytes which threads share,
// and may be divided, is two of them.
//
// Behind a program's window the event is all that is left of the race; see Event.Tail.
func (s *Session) RunEvent(i int) (Event, error) {
	if s.closed && !s.playing {
		tail, err := s.RunTail()
		return Event{Thread: i, Ends: true, Tail: tail}, err
	}
	if s.IsClock(i) {
		e, err := s.clockEvent()
		if err == nil && s.abstracting() {
			err = s.findLockedOut(i, &e)
		}
		if err == nil {
			err = s.judge()
		}
		return e, err
	}
	if !s.playing {
		s.m.SplitEvents(true)
		defer s.m.SplitEvents(false)
	}
	if s.locks.abstract {
		return s.runAbstract(i)
	}
	return s.nextEvent(i)
}

// RunUpTo is RunEvent for n instructions at most. An event that would come later is
// none: what has run concerns nobody, as far as is known.
func (s *Session) RunUpTo(i int, n uint64) (Event, error) {
	limit := s.Limit
	s.Limit, s.whole = min(limit, s.Steps()+n), limit
	defer func() { s.Limit, s.whole = limit, 0 }()
	return s.RunEvent(i)
}

func (s *Session) nextEvent(i int) (Event, error) {
	e := Event{Thread: i}
	waiting := s.waiting()
	s.stirs(i)
	for wait := uint64(patienceEvents); s.Runnable(i) && s.Steps() < s.Limit; wait *= 2 {
		due, err := s.untilDue(i)
		if err != nil {
			return e, err
		}
		stop, err := s.runOnce(&e, func(t int) (emu.Stop, error) { return s.m.Run(t, min(wait, s.Limit-s.Steps(), s.turnLeft(), due)) })
		if err == nil && stop.Kind == emu.Budget && !s.saw(stop) && stop.Ran == due {
			break // the clock can be moved on before the thread goes on
		}
		if err == nil && stop.Kind == emu.Budget && !s.saw(stop) && s.Steps() < s.Limit && !s.m.HasStops() && !s.closed {
			stop, err = s.goesRound(&e)
		}
		if err != nil {
			return e, err
		}
		if s.closed {
			if e.Closes || s.saw(stop) {
				break
			}
			continue
		}
		if s.saw(stop) || stop.Kind == emu.AtStop {
			s.locks.step = s.m.Steps()
			if s.abstracting() {
				if err := s.finishExclusive(&e); err != nil {
					return e, err
				}
				if err := s.joinLook(&e); err != nil {
					return e, err
				}
			}
			if err := s.comesBack(&e); err != nil {
				return e, err
			}
			break
		}
	}
	s.noteWoken(&e, waiting)
	return e, s.goneRound(i)
}

// saw tells whether a stop, or a check of what came back there, ends an event.
func (s *Session) saw(stop emu.Stop) bool {
	return stop.Event || len(s.seen) > 0 || len(s.used) > 0
}

// runOnce runs an event's thread, by a function that is given its number on the machine,
// up to wherever that stops, and adds what it did to the event.
func (s *Session) runOnce(e *Event, run func(t int) (emu.Stop, error)) (emu.Stop, error) {
	t := s.threads[e.Thread].machine
	closed := s.closed
	stop, err := run(t)
	if err != nil {
		return stop, err
	}
	if closed {
		s.turn.ran += stop.Ran
	}
	s.meet()
	e.Ran += stop.Ran
	e.Half, e.Divisible = stop.Half, stop.Divisible
	s.pass(e.Thread, stop.Ran)
	if stop.Event {
		e.PC, e.Accesses = s.lastAccesses()
		e.Objects = stop.Objects
		for _, c := range stop.Counted {
			e.Accesses = append(e.Accesses, Access(c))
		}
	}
	if stop.Kind == emu.Waits {
		s.learnLock(t)
	}
	s.seen, s.used, s.expired = s.seen[:0], s.used[:0], false
	if err := s.settle(e.Thread, stop.Kind); err != nil {
		return stop, err
	}
	e.Expired = e.Expired || s.expired
	e.Accesses = append(e.Accesses, s.seen...)
	e.Objects = append(slices.Clip(e.Objects), s.used...)
	e.Closes = stop.Kind == emu.AtGate
	e.Ends = stop.Kind == emu.Ended || e.Closes || s.verdict != nil && s.verdict.Thread >= 0
	if e.Lead = 0; e.Ends && !(e.Closes && stop.Event) {
		e.Lead = e.Ran
		if !stop.Undone && !e.Closes {
			e.Lead -= min(e.Lead, 1)
		}
	}
	s.passTurn()
	return stop, nil
}

// noteWoken adds to an event which of the threads that waited before it can go on, or were
// not there.
func (s *Session) noteWoken(e *Event, waiting []int) {
	for _, t := range waiting {
		if t != e.Thread && s.Runnable(t) {
			e.Woke = append(e.Woke, t)
		}
	}
}

// RunPart runs a thread for at most n instructions of what is left of the
// session's limit, and comes back wherever the machine stops: also where a call
// returned, the thread then standing before its next call, and at what StopAt and
// StopAfter of the machine name. What the thread did is an event only if it has
// accesses or objects, or an end of the thread's. It must be runnable.
func (s *Session) RunPart(i int, n uint64) (Event, emu.Stop, error) {
	if s.IsClock(i) {
		e, err := s.RunEvent(i)
		return e, emu.Stop{Ran: e.Ran}, err
	}
	e := Event{Thread: i}
	waiting := s.waiting()
	s.stirs(i)
	n = min(n, s.Limit-min(s.Limit, s.Steps()))
	run := func(t int) (emu.Stop, error) { return s.m.Run(t, min(n, s.turnLeft())) }
	stop, err := s.runOnce(&e, run)
	if err == nil && stop.Kind == emu.AtGate && stop.Ran == 0 {
		stop, err = s.runOnce(&e, run) // it stands where it stood
	}
	if err != nil {
		return e, stop, err
	}
	s.noteWoken(&e, waiting)
	return e, stop, nil
}

// waiting lists the threads that wait in the kernel, and those that are not there yet.
func (s *Session) waiting() []int {
	var list []int
	for i, r := range s.threads {
		if r.machine < 0 || s.m.Waiting(r.machine) {
			list = append(list, i)
		}
	}
	return list
}

// LastAccesses are those of the instruction that ran last. They are in the log from
// the start of the race on.
func (s *Session) LastAccesses() []Access {
	_, list := s.lastAccesses()
	return list
}

// lastAccesses are those of the instruction that ran last, and where it stands.
func (s *Session) lastAccesses() (pc uint64, list []Access) {
	log := s.m.Log().Of(s.m.Steps())
	list = make([]Access, 0, log.Most())
	for part := range log.Parts() { // what the instruction itself does is in one
		for k, a := range part {
			pc = a.PC
			if a.Kind == emu.LogZero {
				continue // pages that the kernel takes away or zeroes are counted as a whole
			}
			write := a.Kind != emu.LogRead
			if write && s.PutsBack(part[:k], a) {
				write = false
			}
			list = append(list, Access{Addr: a.Addr, Size: uint64(a.Size), Write: write})
		}
	}
	return pc, list
}

// PutsBack tells of a write whether an atomic instruction has put back what it had read, as a compare and swap
// that fails does on some processors: no other can tell that it has written. Before are the instruction's
// accesses in front of it.
func (s *Session) PutsBack(before []emu.LogEntry, a emu.LogEntry) bool {
	return a.Kind == emu.LogWrite && a.Old == a.Value && readBefore(before, a) && s.m.Indivisible(a.PC)
}

func readBefore(list []emu.LogEntry, w emu.LogEntry) bool {
	for _, a := range list {
		if a.Kind == emu.LogRead && a.Addr == w.Addr && a.Size == w.Size {
			return true
		}
	}
	return false
}

// RunEvents runs a slice, and returns the events in it. Instructions behind the last event
// are in none, but for those that lead to the end of the thread or the process. An
// instruction ends in its middle where the slice says so, and nowhere else.
func (s *Session) RunEvents(sl Slice) ([]Event, error) {
	s.playing = true
	defer func() { s.playing = false }()
	if sl.Seeing != nil {
		return s.eventsSeeing(sl)
	}
	if !sl.Half || sl.N == 0 || s.IsClock(sl.Thread) || s.closed {
		return s.runEvents(sl.Thread, sl.N)
	}
	var list []Event
	if sl.N > 1 {
		var err error
		if list, err = s.runEvents(sl.Thread, sl.N-1); err != nil {
			return list, err
		}
	}
	if !s.Runnable(sl.Thread) || s.Steps() >= s.Limit {
		return list, nil
	}
	if s.closed {
		last, err := s.runEvents(sl.Thread, 1)
		return append(list, last...), err
	}
	waiting := s.waiting()
	s.stirs(sl.Thread)
	e := Event{Thread: sl.Thread}
	stop, err := s.runOnce(&e, s.m.RunHalf)
	if err != nil {
		return list, err
	}
	s.noteWoken(&e, waiting)
	if s.saw(stop) || !s.Runnable(sl.Thread) {
		list = append(list, e)
	}
	return list, s.goneRound(sl.Thread)
}

func (s *Session) runEvents(i int, n uint64) ([]Event, error) {
	var list []Event
	limit := s.Limit
	if s.IsClock(i) {
		for (n == 0 || uint64(len(list)) < n) && s.Runnable(i) && s.Steps() < s.Limit {
			e, err := s.RunEvent(i)
			if err != nil {
				return list, err
			}
			list = append(list, e)
		}
		return list, nil
	}
	if n != 0 {
		s.Limit, s.whole = min(limit, s.Steps()+n), limit
	}
	defer func() { s.Limit, s.whole = limit, 0 }()
	for s.Runnable(i) && s.Steps() < s.Limit {
		e, err := s.RunEvent(i)
		if err != nil {
			return list, err
		}
		if len(e.Accesses) > 0 || len(e.Objects) > 0 || e.Closes || !s.Runnable(i) {
			list = append(list, e)
		}
	}
	return list, nil
}
