package replay

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/words"
)

// blockUse is what threads did with the block that the fatal word belonged to, as far as
// the log of the race has it.
type blockUse struct {
	// found is the read by which the thread that dies had come to know the block, nil for
	// none; named, that the place had the block's address as soon as the block was there.
	found *pointerUse
	named bool
	// moved is the write by which another thread changed that place, since that read or since
	// it had begun to give the block back.
	moved  *pointerUse
	copied *blockCopy
	// overwritten are the other words of the block that the writer of the fatal value has
	// written since it began to give the block back.
	overwritten []uint64
	// lists is the static data that all of these words then lead to, where there is any.
	lists string
	// later is what has become of all that by the end, nil where the block was not found by a pointer.
	later *later
	// walks is the register by which the fatal value was loaded, if it still has that address.
	walks string
}

// pointerUse is a read or a write of a word with an address.
type pointerUse struct {
	thread      string
	step        uint64 // of the race
	addr, value uint64
	place       string // what addr is called
}

// blockCopy is a copy of the block's words by the thread that frees it.
type blockCopy struct {
	first, last uint64 // steps of the race: its first and its last write
	words       int
	to          uint64 // where the block's first byte went
}

// addUse looks through the log for what became of the block. The session is left at the
// end of the run.
func (x *Explanation) addUse(h *History, blocks *heap.History) error {
	a := x.Allocation
	if a == nil {
		return nil
	}
	x.use.walks = x.findWalks(h)
	base := h.s.Base()
	if e, ok := h.pointer(x.loader, a.Addr, a.Addr+a.Size, base, x.Load.Step+base); ok {
		x.use.found = h.pointerUse(e)
	}
	x.addLater(h, blocks)
	if a.FreedBy != nil {
		x.use.moved = x.findMove(h)
	}
	if a.FreedBy != nil && a.FreedBy.Step != 0 {
		x.use.copied = x.findCopy(h)
		if x.Writer != nil && x.Writer.Thread == a.FreedBy.Thread {
			x.use.overwritten, x.use.lists = x.findOverwritten(h)
		}
	}
	if x.use.found == nil || a.AllocatedBy == nil {
		return nil
	}
	if err := h.SeekTo(a.AllocatedBy.Done); err != nil {
		return err
	}
	v, ok := h.s.Process().Read64(x.use.found.addr)
	x.use.named = ok && v == a.Addr
	return h.SeekEnd()
}

// findWalks is the register of the operand from which the fatal value was loaded, if it has that
// address at the end too.
func (x *Explanation) findWalks(h *History) string {
	m := h.s.Process()
	for _, op := range x.hops[len(x.hops)-1].Inst.Mem {
		if v, ok := m.Register(x.loader, op.Base); ok && op.Base != "" && v == x.LoadAddr {
			return op.Base
		}
	}
	return ""
}

// pointer finds the last read by a thread of an address within [lo, hi], by an instruction
// after one step and before another, from memory that is neither there nor on the thread's
// stack.
func (h *History) pointer(machine int, lo, hi, after, before uint64) (emu.LogEntry, bool) {
	for _, a := range slices.Backward(h.log[:h.logFrom(before)]) {
		if a.Step <= after {
			break
		}
		if int(a.Thread) == machine && a.Kind == emu.LogRead && a.Size == 8 && a.Value >= lo && a.Value <= hi &&
			!(a.Addr >= lo && a.Addr < max(hi, lo+1)) && !h.onStack(machine, a.Addr) {
			return a, true
		}
	}
	return emu.LogEntry{}, false
}

// logFrom is where the log is that of a step, or of the first one after it.
func (h *History) logFrom(step uint64) int {
	return sort.Search(len(h.log), func(i int) bool { return h.log[i].Step >= step })
}

func (h *History) pointerUse(a emu.LogEntry) *pointerUse {
	m := h.s.Process()
	return &pointerUse{
		thread: m.Threads()[a.Thread].Name, step: a.Step - h.s.Base(), addr: a.Addr, value: a.Value,
		place: cmp.Or(Symbol(m, a.Addr), words.Hex(a.Addr)),
	}
}

// holds tells whether a byte is one of the block's.
func (a *Allocation) holds(addr uint64) bool { return addr-a.Addr < max(a.Size, 1) }

// findMove looks whether the place where the dying thread had found the block is changed by
// another one, in the time from when it is read there, or the block is given up.
func (x *Explanation) findMove(h *History) *pointerUse {
	p := x.use.found
	if p == nil {
		return nil
	}
	for _, a := range h.log[h.logFrom(min(p.step, x.Allocation.FreedBy.Step)+h.s.Base()):] {
		if a.Kind != emu.LogRead && a.Addr == p.addr && a.Value != p.value && int(a.Thread) != x.loader {
			return h.pointerUse(a)
		}
	}
	return nil
}

// findCopy looks for the words of the block that the freeing thread reads and writes
// elsewhere while it is in the call, up to the write of the fatal value. It is a copy when
// that is most of them.
func (x *Explanation) findCopy(h *History) *blockCopy {
	b, base := x.Allocation, h.s.Base()
	machine := b.Freed.Machine
	var c blockCopy
	read := map[uint64]uint64{} // what was read last from the block, by value to address
	seen := map[uint64]bool{}
	for _, a := range h.log[h.logFrom(b.Freed.Step):] {
		switch {
		case x.Writer != nil && a.Step > x.Writer.Step+base:
		case int(a.Thread) != machine:
		case a.Kind == emu.LogRead && b.holds(a.Addr):
			read[a.Value] = a.Addr
		case a.Kind == emu.LogWrite && !b.holds(a.Addr) && a.Value != 0:
			from, ok := read[a.Value]
			to := a.Addr - (from - b.Addr)
			if !ok || h.onStack(machine, a.Addr) || c.to != 0 && to != c.to {
				continue
			}
			if c.to == 0 {
				c.to, c.first = to, a.Step-base
			}
			if !seen[from] {
				seen[from] = true
				c.words++
			}
			c.last = a.Step - base
		}
	}
	if c.words == 0 || 2*8*uint64(c.words) < b.Size {
		return nil
	}
	return &c
}

// findOverwritten lists the words of the block that the freeing thread changes before it
// writes the fatal value, and the static data that they then lead to.
func (x *Explanation) findOverwritten(h *History) (list []uint64, lists string) {
	b := x.Allocation
	last := map[uint64]uint64{} // what was written last, by word
	for _, a := range h.log[h.logFrom(b.Freed.Step):h.logFrom(x.Writer.Step+h.s.Base())] {
		w := (a.Addr - b.Addr) / 8
		if a.Kind == emu.LogWrite && int(a.Thread) == b.Freed.Machine && b.holds(a.Addr) && a.Value != a.Old && w != (x.LoadAddr-b.Addr)/8 {
			last[w] = a.Value
		}
	}
	list = slices.Sorted(maps.Keys(last))
	for i, w := range list {
		at, _, _ := strings.Cut(Symbol(h.s.Process(), last[w]), "+")
		if i > 0 && at != lists {
			return list, ""
		}
		lists = at
	}
	return list, lists
}
