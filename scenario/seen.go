package scenario

import (
	"fmt"
	"slices"

	"emurace/emu"
)

// Bytes are bytes of the guest's memory.
type Bytes struct {
	Addr uint64 `json:"addr"`
	Data []byte `json:"data"`
}

// Seen is bytes that an instruction finds in memory instead of those that memory holds.
type Seen struct {
	Bytes
	// Step is the instruction of the run that has written them, counted from 1; 0 where they are what was
	// there at the start of the race.
	Step uint64 `json:"step,omitempty"`
}

// Seeing is how an instruction, or a system call, meets memory where that is not as the instructions before have
// left it: a processor may read what another one has overwritten already, and may see the writes of two others in
// another order than they were made in.
type Seeing struct {
	// Sees is what it finds. Behind it memory holds there what it did, but for what it has written. A store
	// exclusive that is given bytes succeeds.
	Sees []Seen `json:"sees,omitempty"`
	// Leaves is what memory holds behind it: what it has written there has been overwritten already.
	Leaves []Bytes `json:"leaves,omitempty"`
}

// Bounds of a Seeing; an instruction accesses less.
const (
	mostSeen  = 64  // ranges
	widestSee = 256 // bytes of each
)

// check finds what no instruction can be given.
func (y *Seeing) check() error {
	if y == nil {
		return nil
	}
	if len(y.Sees)+len(y.Leaves) > mostSeen {
		return fmt.Errorf("it sees and leaves %d ranges of memory, at most %d", len(y.Sees)+len(y.Leaves), mostSeen)
	}
	for _, b := range y.ranges() {
		if len(b.Data) == 0 || len(b.Data) > widestSee || b.Addr+uint64(len(b.Data)) < b.Addr {
			return fmt.Errorf("it sees or leaves %d bytes at %#x, which is not 1 to %d", len(b.Data), b.Addr, widestSee)
		}
	}
	return nil
}

func (y *Seeing) ranges() []Bytes {
	list := slices.Clone(y.Leaves)
	for _, b := range y.Sees {
		list = append(list, b.Bytes)
	}
	return list
}

// RunSeeing runs a slice, the last instruction of it with memory as the slice's Seeing says. What is returned is
// the event that this is, with all of the slice's instructions counted.
func (s *Session) RunSeeing(sl Slice) (Event, error) {
	list, err := s.eventsSeeing(sl)
	if err != nil {
		return Event{Thread: sl.Thread}, err
	}
	var e Event
	ran := uint64(0)
	for _, e = range list {
		ran += e.Ran
	}
	e.Ran, e.Thread = ran, sl.Thread
	return e, nil
}

// eventsSeeing is RunEvents for a slice whose last instruction is told what it sees. The last event is that
// instruction, whether it is one or not.
func (s *Session) eventsSeeing(sl Slice) (list []Event, err error) {
	if s.IsClock(sl.Thread) || s.closed || sl.N == 0 {
		return nil, fmt.Errorf("scenario: a slice of %d instructions of %s cannot be told what it sees", sl.N, s.ScheduleNames()[sl.Thread])
	}
	if err := sl.Seeing.check(); err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	playing := s.playing
	s.playing = true
	defer func() { s.playing = playing }()
	before := s.Steps()
	if sl.N > 1 {
		if list, err = s.runEvents(sl.Thread, sl.N-1); err != nil {
			return list, err
		}
	}
	e := Event{Thread: sl.Thread, Ran: s.Steps() - before}
	for _, l := range list {
		e.Ran -= l.Ran
	}
	if !s.Runnable(sl.Thread) || s.Steps() >= s.Limit {
		return append(list, e), nil
	}
	waiting := s.waiting()
	s.stirs(sl.Thread)
	_, err = s.runOnce(&e, func(t int) (emu.Stop, error) { return s.seeing(t, sl) })
	if err != nil {
		return list, err
	}
	s.noteWoken(&e, waiting)
	return append(list, e), s.goneRound(sl.Thread)
}

// seeing runs the last instruction of a slice.
func (s *Session) seeing(t int, sl Slice) (emu.Stop, error) {
	run := func() (emu.Stop, error) {
		if sl.Half {
			return s.m.RunHalf(t)
		}
		return s.m.Run(t, 1)
	}
	y := sl.Seeing
	if y == nil {
		return run()
	}
	exclusive := false
	if len(y.Sees) > 0 {
		pc, err := s.m.PC(t)
		if exclusive = err == nil && s.m.StoreExclusive(pc); exclusive {
			if err := s.m.KeepMonitor(t); err != nil {
				return emu.Stop{}, err
			}
		}
	}
	was := make([]Bytes, len(y.Sees))
	for i, b := range y.Sees {
		held, ok := s.m.Read(b.Addr, uint64(len(b.Data)))
		if !ok {
			return emu.Stop{}, fmt.Errorf("scenario: an instruction is to see %d bytes at %#x, where nothing is mapped", len(b.Data), b.Addr)
		}
		was[i] = Bytes{b.Addr, held}
		if err := s.m.Poke(b.Addr, b.Data); err != nil {
			return emu.Stop{}, err
		}
	}
	from := s.m.LogLen()
	stop, err := run()
	if err != nil {
		return stop, err
	}
	written := map[uint64]bool{}
	for part := range s.m.Log().From(from).Parts() {
		for i, a := range part {
			if a.Kind == emu.LogRead || !exclusive && s.PutsBack(part[:i], a) { // a store exclusive writes, also what is there
				continue
			}
			for k := range uint64(a.Size) {
				written[a.Addr+k] = true
			}
		}
	}
	for _, b := range was {
		for k := range b.Data {
			if at := b.Addr + uint64(k); !written[at] {
				if err := s.lay(at, b.Data[k:k+1]); err != nil {
					return stop, err
				}
			}
		}
	}
	for _, b := range y.Leaves {
		if err := s.lay(b.Addr, b.Data); err != nil {
			return stop, err
		}
	}
	return stop, nil
}

// lay puts bytes back where they are mapped still.
func (s *Session) lay(addr uint64, b []byte) error {
	if _, ok := s.m.Peek(addr, uint64(len(b))); !ok {
		return nil
	}
	return s.m.Poke(addr, b)
}

// Odd tells whether a slice of the schedule says what an instruction sees.
func (s Schedule) Odd() bool {
	return slices.ContainsFunc(s, func(sl Slice) bool { return sl.Seeing != nil })
}
