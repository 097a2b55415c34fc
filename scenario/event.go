package scenario

import (
	"emurace/emu"
)

// Event is what a thread did between two scheduling points: instructions that
// concern no other thread, and then one that does, or the end of its calls.
type Event struct {
	Thread   int
	Ran      uint64 // instructions, the one that matters last
	PC       uint64 // of that one, where it has accessed memory; else 0
	Accesses []Access
	Objects  []emu.Object // kernel objects that a system call used
	Woke     []int        // threads that it let go on
	// Acquire and Release are the lock that the event took or let go, 0 for
	// none; only with abstract locks.
	Acquire, Release uint64
	// Ends tells that the process ended, by a crash or otherwise. Whatever
	// another thread would have done next depends on it.
	Ends bool
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
	for _, a := range e.Accesses {
		for _, b := range o.Accesses {
			if (a.Write || b.Write) && a.Addr < b.Addr+b.Size && b.Addr < a.Addr+a.Size {
				return true
			}
		}
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

// RunEvent runs a thread up to and over its next event, or to its end. The
// machine must want events.
func (s *Session) RunEvent(i int) (Event, error) {
	e, err := s.nextEvent(i)
	if err != nil {
		return e, err
	}
	s.lockUse(&e)
	return e, s.findLockedOut()
}

func (s *Session) nextEvent(i int) (Event, error) {
	e := Event{Thread: i}
	waiting := s.waiting()
	r := &s.threads[i]
	for s.Runnable(i) && s.Steps() < s.Limit {
		stop, err := s.M.Run(r.machine, s.Limit-s.Steps())
		if err == nil {
			err = unsupported(stop)
		}
		if err != nil {
			return e, err
		}
		e.Ran += stop.Ran
		if stop.Event {
			e.PC, e.Accesses = s.lastAccesses()
			e.Objects = stop.Objects
			for _, c := range stop.Counted {
				e.Accesses = append(e.Accesses, Access(c))
			}
		}
		if stop.Kind == emu.Waits {
			s.learnLock(r.machine, stop.Objects)
		}
		e.Ends = stop.Kind == emu.Ended
		if err := s.settle(i, stop.Kind); err != nil {
			return e, err
		}
		if stop.Event {
			break
		}
	}
	for _, t := range waiting {
		if t != i && s.Runnable(t) {
			e.Woke = append(e.Woke, t)
		}
	}
	return e, nil
}

// waiting lists the threads that wait in the kernel.
func (s *Session) waiting() []int {
	var list []int
	for i, r := range s.threads {
		if s.M.Waiting(r.machine) {
			list = append(list, i)
		}
	}
	return list
}

// lastAccesses are those of the instruction that ran last, and where it stands.
func (s *Session) lastAccesses() (pc uint64, list []Access) {
	log := s.M.Log()
	from := len(log)
	for from > 0 && log[from-1].Step == s.M.Steps() {
		from--
	}
	for k, a := range log[from:] {
		pc = a.PC
		write := a.Kind != emu.LogRead
		if a.Kind == emu.LogWrite && a.Old == a.Value && readBefore(log[from:from+k], a) {
			write = false
		}
		list = append(list, Access{Addr: a.Addr, Size: uint64(a.Size), Write: write})
	}
	return pc, list
}

func readBefore(list []emu.LogEntry, w emu.LogEntry) bool {
	for _, a := range list {
		if a.Kind == emu.LogRead && a.Addr == w.Addr && a.Size == w.Size {
			return true
		}
	}
	return false
}

// RunEvents runs a thread for n instructions, or with n 0 to its end, and
// returns the events in them. Instructions behind the last event are in none,
// but for those that lead to the end of the thread or the process.
func (s *Session) RunEvents(i int, n uint64) ([]Event, error) {
	var list []Event
	limit := s.Limit
	if n != 0 {
		s.Limit = min(limit, s.Steps()+n)
	}
	defer func() { s.Limit = limit }()
	for s.Runnable(i) && s.Steps() < s.Limit {
		e, err := s.RunEvent(i)
		if err != nil {
			return list, err
		}
		if len(e.Accesses) > 0 || len(e.Objects) > 0 || !s.Runnable(i) {
			list = append(list, e)
		}
	}
	return list, nil
}
