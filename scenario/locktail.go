package scenario

import "emurace/emu"

// place is where a thread is that has taken a lock, or let it go, when it is next about
// to do something that others can see, or when its call has returned.
type place struct {
	returned bool
	pc       uint64
	does     []emu.LogEntry // what others can see of its next instruction
	regs     []emu.Register
	written  map[uint64][2]byte // bytes that it has written on its way: before, and now
}

// maxPlaces is how many places are looked at for one at which two ways to take a lock
// have come together again: compilers make two of the instructions behind a lock.
const maxPlaces = 64

// tail is the next places that a thread comes to. It ends where the thread is at the
// same place as another tail, if there is one, x.apart places from here at the nearest,
// and tells whether the thread has woken those who wait for the word, after it has let
// it go.
func (x *trial) tail(other []place) (list []place, wakes bool, err error) {
	for len(list) < maxPlaces {
		p, woken, err := x.place()
		if err != nil {
			return nil, false, err
		}
		wakes = wakes || woken
		list = append(list, p)
		k := len(list) - 1
		if other != nil && (k >= len(other) || k >= x.apart && other[k].pc == p.pc) || p.returned || p.does == nil {
			break
		}
		if other != nil {
			if err := x.tryLettingGo(); err != nil || x.bad {
				return nil, false, err
			}
		}
		if _, err := x.s.m.Run(x.thread, 1); err != nil {
			return nil, false, err
		}
	}
	return list, wakes, nil
}

// tryLettingGo tries out what the thread is about to do if that is to let the lock go:
// it is on a way that no run takes, and may do so by instructions that no run comes to.
func (x *trial) tryLettingGo() error {
	frees := false
	err := x.back(func() error {
		a, err := x.act()
		frees = a == actFree
		return err
	})
	if err != nil || !frees {
		return err
	}
	y := &trial{s: x.s, thread: x.thread, other: x.other, word: x.word, log: x.s.m.LogLen(), does: actFree}
	err = y.tryHolding()
	x.bad = x.bad || y.bad
	return err
}

// letGo tells whether the thread has let the lock go since it is tried out.
func (x *trial) letGo() bool {
	for a := range x.s.m.Log().From(x.log).Backward() {
		if int(a.Thread) == x.thread && a.Addr == x.word && a.Kind != emu.LogRead {
			return uint32(a.Value) == 0
		}
	}
	return false
}

// place runs the thread to the next place. Who has let the lock go may wake others on
// the way.
func (x *trial) place() (p place, wakes bool, err error) {
	s := x.s
	letGo := x.letGo()
	for {
		mark, err := s.Mark()
		if err != nil {
			return p, wakes, err
		}
		stop, err := s.m.Run(x.thread, tailLimit)
		if err == nil && letGo && stop.Event && stop.Kind == emu.Budget && len(stop.Objects) == 1 &&
			stop.Objects[0].Class == emu.ObjectFutex && stop.Objects[0].ID == x.word && x.wakes() {
			wakes = true
			mark.Drop()
			continue
		}
		p.returned = stop.Kind == emu.Returned
		if stop.Kind == emu.Budget && stop.Event && len(stop.Objects)+len(stop.Counted) == 0 {
			p.does = x.visible()
		}
		if err == nil && !p.returned {
			if err = mark.Rewind(); err == nil && stop.Ran > 1 {
				_, err = s.m.Run(x.thread, stop.Ran-1)
			}
		}
		mark.Drop()
		if err != nil {
			return p, wakes, err
		}
		break
	}
	if p.pc, err = s.m.PC(x.thread); err != nil {
		return p, wakes, err
	}
	if p.regs, err = s.m.Registers(x.thread); err != nil {
		return p, wakes, err
	}
	p.written = x.written()
	return p, wakes, nil
}

// written are the bytes that the thread has written since it is tried out, without the
// lock's word: what they were before, and what they are now.
func (x *trial) written() map[uint64][2]byte {
	written := map[uint64][2]byte{}
	for a := range x.s.m.Log().From(x.log).All() {
		if int(a.Thread) != x.thread || a.Kind == emu.LogRead {
			continue
		}
		for k := range uint64(a.Size) {
			at := a.Addr + k
			if at >= x.word && at < x.word+4 {
				continue
			}
			b, seen := written[at]
			if !seen {
				b[0] = byte(a.Old >> (8 * k))
			}
			b[1] = byte(a.Value >> (8 * k))
			written[at] = b
		}
	}
	return written
}

// visible are the accesses of the last instruction, without the moment and the place
// of it, and without what the lock's word holds.
func (x *trial) visible() (list []emu.LogEntry) {
	for a := range x.s.m.Log().Of(x.s.m.Steps()).Backward() {
		a.Step, a.PC = 0, 0
		if a.Addr == x.word {
			a.Old, a.Value = 0, 0
		}
		list = append(list, a)
	}
	return list
}
