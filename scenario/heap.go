package scenario

import (
	"emurace/emu"
	"emurace/heap"
)

// StartHeap is StartWith for a search that has to tell apart in which order
// blocks of memory are used, freed and handed out. A call that frees a block
// counts as a write of all of it, at the moment when the call begins, and one that
// hands out a block likewise, when it returns; package heap says which calls those
// are, and which bytes. Where threads share any of these bytes that is part of an
// event.
func StartHeap(sys *emu.System, plan *Plan, seed uint64, prepare func(*emu.Machine) error) (*Session, error) {
	s := &Session{heap: heap.New()}
	return s.startOn(sys, plan, seed, func(m *emu.Machine) error {
		if prepare != nil {
			if err := prepare(m); err != nil {
				return err
			}
		}
		return heap.Trace(m, s.heapCall)
	})
}

// heapCall follows a call of an allocating function. A heap that the session had
// is never changed, so that marks may keep it.
func (s *Session) heapCall(c emu.CallEvent) {
	if c.Depth != 0 {
		return // made by another one, as the allocator sees fit
	}
	s.heap = s.heap.Clone()
	change := s.heap.Apply(&c)
	for _, r := range change.Writes {
		s.M.CountWrite(c.Thread, r.Lo, r.Hi-r.Lo)
	}
	for _, addr := range change.Reads {
		s.M.CountRead(c.Thread, addr)
	}
}
