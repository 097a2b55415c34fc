package heap

import (
	"slices"

	"emurace/emu"
)

// judge says what is wrong with the block that a call is about to free or resize.
func (h *Heap) judge(c *emu.CallEvent, ch *Change) {
	addr := c.Args[0]
	if !Releases(c.Func) || addr == 0 {
		return
	}
	p, ok := h.reaches(addr)
	switch {
	case !ok:
		ch.Misuse = NoBlock
	case p.Addr != addr || p.Lo != addr:
		ch.Misuse, ch.Block = NoBlock, &p
	case p.Freed != nil:
		ch.Misuse, ch.Block = FreedTwice, &p
	}
}

// overtaken is about a call that has resized a block, and so has freed it: whether
// another one has freed the same block since it began. If the block was handed out
// again in between it is no longer the same.
func (h *Heap) overtaken(c *emu.CallEvent, ch *Change) {
	addr := c.Args[0]
	p, ok := h.reaches(addr)
	if ok && addr != 0 && p.Addr == addr && p.Lo == addr && p.Freed != nil && p.Freed.Step > c.Step && p.Alloc.ReturnStep < c.Step {
		ch.Misuse, ch.Block = FreedTwice, &p
	}
}

// reaches is the block that a pointer leads to, in use or freed, also an empty or a
// large one.
func (h *Heap) reaches(addr uint64) (Piece, bool) {
	if i := h.from(addr); i < len(h.pieces) && h.pieces[i].Lo <= addr {
		return h.pieces[i], true
	}
	for _, g := range slices.Backward(h.gone) {
		if g.Addr == addr {
			return g, true
		}
	}
	return Piece{}, false
}
