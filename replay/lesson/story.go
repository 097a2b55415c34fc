package lesson

import (
	"cmp"
	"slices"

	"emurace/emu"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// story is a lesson while its moments are being found.
type story struct {
	line    *timeline.Timeline
	x       *replay.Explanation
	s       *scenario.Session
	names   []string
	moments []Moment

	pointer   uint64 // where the thread that dies read the block's address; 0 for unknown
	pointed   uint64 // what it read there
	foundAt   timeline.Moment
	copied    copying
	movedLate bool // the pointer was changed, but only after the thread that dies had read it
}

// copying is a copy of a block's words by the thread that frees it.
type copying struct {
	first, last timeline.Moment // its first and last instruction
	words       int
	to          uint64 // where the block's first byte went; 0 for none
}

// thread is the index of a racing thread by its name, -1 for none.
func (s *story) thread(name string) int { return slices.Index(s.names, name) }

// before is the moment before an instruction that an explanation numbers: those
// count from 1, and 0 is before the race.
func before(step uint64) timeline.Moment { return max(step, 1) - 1 }

func (s *story) add(m Moment) { s.moments = append(s.moments, m) }

// sort puts the moments into the order of the run. Of those about the same
// instruction the one that was found first comes first.
func (s *story) sort() {
	slices.SortStableFunc(s.moments, func(a, b Moment) int { return cmp.Compare(a.At, b.At) })
}

// block is the block of malloc's that the fatal word belonged to; nil for none.
func (s *story) block() *replay.Allocation { return s.x.Allocation }

func (s *story) inBlock(addr uint64) bool {
	b := s.block()
	return b != nil && addr >= b.Addr && addr < b.Addr+max(b.Size, 1)
}

func (s *story) findAllocation() error {
	b := s.block()
	if b == nil || b.AllocatedBy == nil {
		return nil
	}
	at := before(b.AllocatedBy.Step)
	m := Moment{Kind: Allocated, At: at, After: at, Thread: s.thread(b.AllocatedBy.Thread)}
	if b.AllocatedBy.Step > 0 {
		// The call takes some time; the block is there when it has returned.
		sp, ok := s.line.SP(at)
		if n, _, found := s.line.Find(at, timeline.Forwards, timeline.Return{Thread: m.Thread, SP: sp + 1}); ok && found {
			m.After = n
		}
	}
	s.tellAllocation(&m)
	s.add(m)
	return nil
}

// findPointer looks for the read by which the thread that dies had come to know
// the block: its last one, before the fatal load, of an address in the block from
// memory that is neither in the block nor on its stack.
func (s *story) findPointer() error {
	if s.block() == nil || s.x.Load == nil {
		return nil
	}
	b, thread := s.block(), s.thread(s.x.Load.Thread)
	for n := before(s.x.Load.Step); n > 0; n-- {
		if s.line.Thread(n-1) != thread {
			continue
		}
		for _, a := range s.line.Accesses(n - 1) {
			if a.Kind != emu.LogRead || a.Size != 8 || a.Value < b.Addr || a.Value > b.Addr+b.Size || s.inBlock(a.Addr) || s.onStack(thread, a.Addr) {
				continue
			}
			s.pointer, s.pointed, s.foundAt = a.Addr, a.Value, n-1
			m := Moment{Kind: Found, At: n - 1, After: n, Thread: thread}
			s.tellPointer(&m)
			s.add(m)
			return nil
		}
	}
	return nil
}

// onStack tells whether an address lies in the mapping of a thread's stack.
func (s *story) onStack(thread int, addr uint64) bool {
	sp, ok := s.s.Process().StackPointer(s.s.MachineThread(thread))
	if !ok {
		return false
	}
	lo, hi, ok := s.s.Process().MappingOf(sp)
	return ok && addr >= lo && addr < hi
}

func (s *story) findFreeing() error {
	b := s.block()
	if b == nil || b.FreedBy == nil {
		return nil
	}
	m := Moment{Kind: Freeing, At: before(b.FreedBy.Step), After: before(b.FreedBy.Step), Thread: s.thread(b.FreedBy.Thread)}
	s.tellFreeing(&m)
	s.add(m)
	return nil
}

// findCopy looks for the words of the block that the freeing thread reads and
// writes elsewhere while it is in the call. It is a copy when that is most of them.
func (s *story) findCopy() error {
	b := s.block()
	if b == nil || b.FreedBy == nil || b.FreedBy.Step == 0 {
		return nil
	}
	thread := s.thread(b.FreedBy.Thread)
	read := map[uint64]uint64{} // what was read last from the block, by value to address
	seen := map[uint64]bool{}
	for n := before(b.FreedBy.Step); n < s.line.Len(); n++ {
		if s.line.Thread(n) != thread {
			continue
		}
		for _, a := range s.line.Accesses(n) {
			switch {
			case a.Kind == emu.LogRead && s.inBlock(a.Addr):
				read[a.Value] = a.Addr
			case a.Kind == emu.LogWrite && !s.inBlock(a.Addr) && a.Value != 0:
				from, ok := read[a.Value]
				if !ok || s.onStack(thread, a.Addr) {
					continue
				}
				to := a.Addr - (from - b.Addr)
				if s.copied.to != 0 && to != s.copied.to {
					continue
				}
				if s.copied.to == 0 {
					s.copied.to, s.copied.first = to, n
				}
				if !seen[from] {
					seen[from] = true
					s.copied.words++
				}
				s.copied.last = n
			}
		}
		if s.x.Writer != nil && n >= s.x.Writer.Step {
			break
		}
	}
	if 2*8*uint64(s.copied.words) < b.Size {
		s.copied = copying{}
		return nil
	}
	m := Moment{Kind: Copied, At: s.copied.first, After: s.copied.last + 1, Thread: thread}
	s.tellCopy(&m)
	s.add(m)
	return nil
}

func (s *story) findWrite() error {
	if s.x.Writer == nil {
		return nil
	}
	m := Moment{Kind: Written, At: before(s.x.Writer.Step), After: s.x.Writer.Step, Thread: s.thread(s.x.Writer.Thread)}
	s.tellWrite(&m)
	s.add(m)
	return nil
}

// findMove looks whether the place where the dying thread had found the block is
// changed by another one, in the time from when the block is given up.
func (s *story) findMove() error {
	b := s.block()
	if s.pointer == 0 || b.FreedBy == nil {
		return nil
	}
	for n := before(b.FreedBy.Step); n < s.line.Len(); n++ {
		if s.line.Thread(n) == s.thread(s.x.Load.Thread) {
			continue
		}
		for _, a := range s.line.Accesses(n) {
			if a.Kind == emu.LogRead || a.Addr != s.pointer || a.Value == s.pointed {
				continue
			}
			s.movedLate = n > s.foundAt
			m := Moment{Kind: Moved, At: n, After: n + 1, Thread: s.line.Thread(n)}
			s.tellMove(&m, a.Value)
			s.add(m)
			return nil
		}
	}
	return nil
}

func (s *story) findUnmapped() error {
	u := s.x.Unmapped
	if u == nil {
		return nil
	}
	m := Moment{Kind: Unmapped, At: before(u.Step), After: u.Step, Thread: s.thread(u.Thread)}
	s.tellUnmapped(&m)
	s.add(m)
	return nil
}

func (s *story) findLoad() error {
	if s.x.Load == nil {
		return nil
	}
	m := Moment{Kind: Loaded, At: before(s.x.Load.Step), After: s.x.Load.Step, Thread: s.thread(s.x.Load.Thread)}
	s.tellLoad(&m)
	s.add(m)
	return nil
}

// findWaits tells a deadlock: who took what the others wait for.
func (s *story) findWaits() error {
	for _, w := range s.x.Waits {
		if w.Taken == nil {
			continue
		}
		m := Moment{Kind: Waits, At: before(w.Taken.Step), After: w.Taken.Step, Thread: s.thread(w.HeldBy)}
		s.tellTaken(&m, w)
		s.add(m)
	}
	return nil
}

func (s *story) findEnd() error {
	m := Moment{Kind: Fault, At: s.line.Len(), After: s.line.Len(), Thread: s.x.Outcome.Thread}
	s.tellEnd(&m)
	s.add(m)
	return nil
}
