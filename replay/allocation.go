package replay

import (
	"fmt"

	"emurace/heap"
	"emurace/internal/words"
	"emurace/symbolize"
)

// Allocation is a block of malloc's with respect to bytes that were loaded from
// it.
type Allocation struct {
	heap.Block
	Offset      int64 // of those bytes from the block's start; negative in its header
	AllocatedBy *HeapAct
	FreedBy     *HeapAct
	// BeingFreed tells that the call that frees it was still in progress when
	// the bytes were loaded.
	BeingFreed bool
	// PointedBy names the static data that pointed to the block when the bytes were loaded, as
	// environ; nil for none.
	PointedBy []string
	// Reused is the block that the same bytes belonged to when they were loaded,
	// if they had been handed out again; its Offset is that in the other block.
	Reused *Allocation
}

// HeapAct is a call that allocated or freed a block.
type HeapAct struct {
	Thread    string
	Func      string
	Call      string // what the thread was doing: the call that the scenario made
	Step      uint64 // number of the call's first instruction since the race began; 0: before the race
	Done      uint64 // number of its last one, likewise; 0 also while it is in progress
	Backtrace []symbolize.Location
}

// Correct is what bytes held before they became malloc's again.
type Correct struct {
	Value uint64
	Text  string // the string that Value points to
	IsStr bool
}

// AddHeap completes an explanation with what a run's heap tells of the word that
// the fatal value was loaded from: which block it belonged to, who allocated and
// freed that, what the value is, and what was there before. The heap must be of
// the history's schedule. The session is left at the end of the run.
func (x *Explanation) AddHeap(h *History, blocks *heap.History) error {
	if err := x.addBlocks(h, blocks); err != nil || x.Load == nil {
		return err
	}
	base := h.s.Base()
	load := x.Load.Step + base
	w := heap.Word{Addr: x.LoadAddr &^ 7, Step: base, Old: true}
	if x.Writer != nil {
		w.Old = false
		w.Step = x.Writer.Step + base
		w.Call = blocks.InCall(x.writer, w.Step)
	}
	w.Owner = blocks.Owner(w.Addr, w.Step)
	if w.Old {
		w.Owner = blocks.Owner(w.Addr, load)
	}
	if err := x.addMeaning(h, blocks, w, load); err != nil {
		return err
	}
	freed := x.addAllocation(h, blocks, load)
	if err := x.Allocation.pointed(h, load); err != nil {
		return err
	}
	if freed != nil && freed.Freed.Step > base {
		if err := x.addCorrect(h, freed.Freed.Step); err != nil {
			return err
		}
	}
	if err := h.SeekEnd(); err != nil {
		return err
	}
	return x.addUse(h, blocks)
}

// addMeaning looks at the word when it was loaded and, if malloc has changed what
// is around it since it was written, just after that.
func (x *Explanation) addMeaning(h *History, blocks *heap.History, w heap.Word, load uint64) error {
	base := h.s.Base()
	for _, step := range []uint64{load - 1, w.Step} {
		if err := h.SeekTo(step - base); err != nil {
			return err
		}
		var ok bool
		if w.Value, ok = h.s.Process().Read64(w.Addr); !ok {
			continue
		}
		if m := blocks.Meaning(h.s.Process(), w); m.Kind != heap.Data {
			x.Meaning, x.TargetPlace = m, Symbol(h.s.Process(), m.Target)
			return nil
		}
	}
	x.Meaning = heap.Meaning{Kind: heap.Data}
	if b := blocks.Owner(x.Value, load); b != nil && b.FreedBy(load) {
		x.Meaning = heap.Meaning{Kind: heap.StalePointer, Target: x.Value, Block: b}
	}
	return nil
}

// addAllocation finds the block that the reader took the word for a part of.
// When the bytes have been handed out again since, that is the block before, if
// the reader neither was handed the new one nor has come by an address in it: it
// holds on to a stale pointer. The freed block is returned, if it is one.
func (x *Explanation) addAllocation(h *History, blocks *heap.History, load uint64) *heap.Block {
	owners := blocks.Owners(x.LoadAddr, load)
	if len(owners) == 0 {
		return nil
	}
	now := owners[0]
	if now.FreedBy(load) {
		x.Allocation = x.allocation(h, blocks, now, load)
		return now
	}
	x.Allocation = x.allocation(h, blocks, now, load)
	if now.Allocated == nil || now.Allocated.Machine == x.loader {
		return nil
	}
	if _, reads := h.pointer(x.loader, now.Addr, now.Addr+now.Size, now.Allocated.Step, load); reads {
		return nil
	}
	for _, b := range owners[1:] {
		if b.FreedBy(load) && b.Freed.Step > h.s.Base() && b.Freed.Result != b.Addr {
			reused := x.Allocation
			x.Allocation = x.allocation(h, blocks, b, load)
			x.Allocation.Reused = reused
			return b
		}
	}
	return nil
}

func (x *Explanation) allocation(h *History, blocks *heap.History, b *heap.Block, load uint64) *Allocation {
	return allocation(h, blocks, b, x.LoadAddr, load)
}

// allocation describes a block with respect to an address, at an instruction.
func allocation(h *History, blocks *heap.History, b *heap.Block, addr, load uint64) *Allocation {
	a := &Allocation{Block: *b, Offset: int64(addr - b.Addr)}
	act := func(c *heap.Call) *HeapAct {
		if c == nil {
			return nil
		}
		act := &HeapAct{Thread: c.Thread, Func: c.Func, Call: c.Call, Backtrace: blocks.Backtrace(c)}
		base := h.s.Base()
		act.Step, act.Done = c.Step-min(c.Step, base), c.Done-min(c.Done, base)
		return act
	}
	a.AllocatedBy = act(b.Allocated)
	if b.FreedBy(load) {
		a.FreedBy = act(b.Freed)
		a.BeingFreed = b.Freed.Done == 0 || load <= b.Freed.Done
	}
	return a
}

// addCorrect reads the word as it was when the block was about to be freed.
func (x *Explanation) addCorrect(h *History, freed uint64) error {
	if err := h.SeekTo(freed - 1 - h.s.Base()); err != nil {
		return err
	}
	m := h.s.Process()
	b, ok := m.Read(x.LoadAddr, uint64(x.loadSize))
	if !ok || len(b) > 8 {
		return nil
	}
	correct := &Correct{}
	for i, v := range b {
		correct.Value |= uint64(v) << (8 * i)
	}
	const most = 80
	if s, ok := m.CString(correct.Value, most); ok && len(b) == 8 && looksWritten(s) {
		correct.Text, correct.IsStr = s, true
	}
	x.Correct = correct
	return nil
}

// String writes the value, and the string that it points to.
func (c *Correct) String() string {
	switch {
	case c.IsStr:
		return fmt.Sprintf("%s, %q", words.Hex(c.Value), c.Text)
	case c.Value == 0:
		return "0 (NULL)"
	}
	return words.Hex(c.Value)
}

// pointed finds what points to a block before the instruction of a step.
func (a *Allocation) pointed(h *History, step uint64) error {
	if a == nil {
		return nil
	}
	if err := h.SeekTo(max(step, h.s.Base()+1) - 1 - h.s.Base()); err != nil {
		return err
	}
	a.PointedBy = symbolize.Pointers(h.s.Process(), a.Addr)
	return nil
}
