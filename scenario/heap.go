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
//
// With bounds, a call that makes the heap larger also counts as a write of what
// lies around its block, for a search that has to tell whether memory outside of
// all blocks is of the heap. Malloc uses that memory itself, so there are more
// orders to tell apart than for the blocks alone.
func StartHeap(sys *emu.System, plan *Plan, seed uint64, bounds bool, prepare func(*emu.Process) error) (*Session, error) {
	s := &Session{state: state{heap: heap.New(sys.Libc)}, heapEvents: true}
	return s.startOn(sys, plan, seed, func(m *emu.Process) error {
		if prepare != nil {
			if err := prepare(m); err != nil {
				return err
			}
		}
		return heap.Trace(m, func(c emu.CallEvent) { s.heapCall(c, bounds) })
	})
}

// StartBlocks is StartWith for those who want to know of each block of memory whose
// it is. What counts as an event is not changed by it.
func StartBlocks(sys *emu.System, plan *Plan, seed uint64, prepare func(*emu.Process) error) (*Session, error) {
	s := &Session{state: state{heap: heap.New(sys.Libc)}}
	return s.startOn(sys, plan, seed, func(m *emu.Process) error {
		if prepare != nil {
			if err := prepare(m); err != nil {
				return err
			}
		}
		return heap.Trace(m, func(c emu.CallEvent) { s.heapCall(c, false) })
	})
}

// Block is the block of the heap that an address lies in now, in use or freed and
// not handed out again; false where there is none, and without StartHeap or
// StartBlocks.
func (s *Session) Block(addr uint64) (heap.Piece, bool) {
	if s.heap == nil {
		return heap.Piece{}, false
	}
	return s.heap.At(addr)
}

// heapCall follows a call of an allocating function. A heap that the session had
// is never changed, so that marks may keep it.
func (s *Session) heapCall(c emu.CallEvent, bounds bool) {
	if c.Depth != 0 {
		return // made by another one, as the allocator sees fit
	}
	s.heap = s.heap.Clone()
	change := s.heap.Apply(&c)
	if !s.heapEvents {
		return
	}
	writes := change.Writes
	if bounds {
		writes = append(writes, change.Widens...)
	}
	for _, r := range writes {
		s.m.CountWrite(c.Thread, r.Lo, r.Hi-r.Lo)
	}
	for _, addr := range change.Reads {
		s.m.CountRead(c.Thread, addr)
	}
}
