package replay

import (
	"emurace/emu"
	"emurace/scenario"
)

// odds are the instructions of a schedule that meet memory as it does not stand, by their step in the log.
func odds(s *scenario.Session, schedule scenario.Schedule) map[uint64]*scenario.Seeing {
	var list map[uint64]*scenario.Seeing
	step := s.Base()
	for _, sl := range schedule {
		if !s.IsClock(sl.Thread) {
			step += sl.N
		}
		if sl.Seeing != nil {
			if list == nil {
				list = map[uint64]*scenario.Seeing{}
			}
			list[step] = sl.Seeing
		}
	}
	return list
}

// seen tells whether the instruction of a step has found a byte that the schedule gives it, and which.
func (h *History) seen(step, at uint64) (b scenario.Seen, ok bool) {
	if y := h.odd[step]; y != nil {
		for _, b := range y.Sees {
			if at-b.Addr < uint64(len(b.Data)) {
				return b, true
			}
		}
	}
	return b, false
}

// covered tells whether a byte that the instruction of a step has written had been overwritten already, so that
// memory does not hold it.
func (h *History) covered(step, at uint64) bool {
	if y := h.odd[step]; y != nil {
		for _, b := range y.Leaves {
			if at-b.Addr < uint64(len(b.Data)) {
				return true
			}
		}
	}
	return false
}

// writes are the entries of the log with which an instruction has written a byte, numbered as a trace does, so that
// the race's first is 1; of 0, what was before the race, there are none.
func (h *History) writes(number, at uint64) (list []emu.LogEntry) {
	if number == 0 {
		return nil
	}
	for _, a := range h.Accesses(number + h.s.Base()) {
		if a.Kind != emu.LogRead && at-a.Addr < uint64(a.Size) {
			list = append(list, a)
		}
	}
	return list
}

// oddBytes tells whether a byte of some is one that the instruction of a step has been given.
func (h *History) oddBytes(addr, size, step uint64) bool {
	for i := range size {
		if _, ok := h.seen(step, addr+i); ok {
			return true
		}
	}
	return false
}

// lastSeen is lastWrite for an instruction that is given some of the bytes.
func (h *History) lastSeen(addr, size, step uint64) (last emu.LogEntry, found bool) {
	for at := addr; at < addr+size; at++ {
		w, ok := emu.LogEntry{}, false
		if b, given := h.seen(step, at); !given {
			w, ok = h.lastStanding(at, 1, step)
		} else if list := h.writes(b.Step, at); len(list) > 0 {
			w, ok = list[len(list)-1], true
		}
		if ok && (!found || w.Step > last.Step) {
			last, found = w, true
		}
	}
	return last, found
}
