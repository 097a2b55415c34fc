package heap

import (
	"slices"
	"sort"

	"emurace/emu"
	"emurace/loader"
)

// Piece is a block in use, or what is left of one that was freed and has not
// been handed out again.
type Piece struct {
	Lo, Hi     uint64 // bytes of it
	Addr, Size uint64 // the block
	Alloc      *emu.CallEvent
	Freed      *emu.CallEvent // nil while it is in use
}

// Range is the bytes from Lo up to Hi.
type Range struct{ Lo, Hi uint64 }

// Heap is all blocks at one moment.
type Heap struct {
	layout *layout
	pieces []Piece // by address, without overlaps
	gone   []Piece // freed ones that are large and so in no pieces, by the time they were
	spans  []Range // of malloc's memory, as far as known; by address, apart from each other
}

// New is a heap without blocks, of the malloc of a libc.
func New(libc loader.Libc) *Heap {
	if libc == loader.Musl {
		return &Heap{layout: &musl}
	}
	return &Heap{layout: &glibc}
}

// Clone is a heap of its own with the same blocks.
func (h *Heap) Clone() *Heap {
	return &Heap{layout: h.layout, pieces: slices.Clone(h.pieces), gone: slices.Clone(h.gone), spans: slices.Clone(h.spans)}
}

// Change is what a call did to the heap.
type Change struct {
	Freed, Made *Piece // the block that it freed, and the one that it handed out
	// Writes are the bytes that are in a block, or in another one, or are freed
	// with it, and were not before: those of whole blocks and no less; they may
	// overlap. Reads are bytes that the call asked about without effect.
	Writes []Range
	Reads  []uint64
	// Widens are the bytes that are between blocks now and were not before.
	Widens []Range
	// Misuse is what is wrong with the pointer that the call is to free or resize, and
	// Block the block that it leads to: the one that was freed before, or the one that
	// it points into, nil for none.
	Misuse Misuse
	Block  *Piece
}

// Misuse is a way to free what is not to be freed.
type Misuse uint8

// The ways.
const (
	Proper     Misuse = iota
	FreedTwice        // the block has been freed before
	NoBlock           // the pointer is not the address of a block
)

// Apply carries out a call's beginning, or its end when it has returned. Calls
// that another one makes are not for it.
func (h *Heap) Apply(c *emu.CallEvent) Change {
	var ch Change
	if !c.Returned {
		h.judge(c, &ch)
		if frees(c.Func) {
			h.free(c, &ch)
		} else if p := c.Args[0]; resizes(c.Func) && p != 0 {
			// It matters whether the block was handed out before or after this.
			ch.Reads = append(ch.Reads, p)
		}
		return ch
	}
	size, gives := allocates(c.Func, c.Args)
	if !gives {
		return ch
	}
	if resizes(c.Func) && (c.Result != 0 || size == 0) {
		h.overtaken(c, &ch)
		h.free(c, &ch)
		if ch.Freed != nil && c.Result == c.Args[0] {
			// It stays where it is, and so does what has happened to it. What
			// is cut off is out of its bounds.
			if i := h.from(c.Result); i < len(h.pieces) && h.pieces[i].Addr == c.Result {
				h.pieces = slices.Delete(h.pieces, i, i+1)
			}
			h.insert(c.Result, size, c, &ch)
			ch.Freed, ch.Made = nil, nil
			return ch
		}
	}
	if c.Result != 0 {
		h.insert(c.Result, size, c, &ch)
	}
	return ch
}

// from is the index of the first piece that ends behind addr.
func (h *Heap) from(addr uint64) int {
	return sort.Search(len(h.pieces), func(i int) bool { return max(h.pieces[i].Hi, h.pieces[i].Lo+1) > addr })
}

// At is the piece that a byte is in.
func (h *Heap) At(addr uint64) (Piece, bool) {
	if i := h.from(addr); i < len(h.pieces) && h.pieces[i].Lo <= addr && addr < h.pieces[i].Hi {
		return h.pieces[i], true
	}
	return Piece{}, false
}

// free marks the block of the call's first argument as freed. A block that was
// handed out only after the call had begun is another one: the call freed the
// one before it.
func (h *Heap) free(c *emu.CallEvent, ch *Change) {
	addr := c.Args[0]
	if addr == 0 {
		return
	}
	i := h.from(addr)
	if i == len(h.pieces) || h.pieces[i].Addr != addr || h.pieces[i].Lo != addr ||
		h.pieces[i].Freed != nil || h.pieces[i].Alloc.ReturnStep >= c.Step {
		ch.Reads = append(ch.Reads, addr)
		return
	}
	p := &h.pieces[i]
	p.Freed = c
	was := *p
	if was.Size >= h.layout.large {
		h.pieces = slices.Delete(h.pieces, i, i+1)
		h.gone = append(h.gone, was)
	}
	ch.Freed = &was
	ch.Writes = append(ch.Writes, Range{addr, max(was.Hi, addr+1)})
}

// insert puts a block in the place of whatever was there.
func (h *Heap) insert(addr, size uint64, c *emu.CallEvent, ch *Change) {
	if size > ^uint64(0)-addr {
		size = 0 // not even one that succeeds has so many bytes
	}
	p := Piece{Lo: addr, Hi: addr + size, Addr: addr, Size: size, Alloc: c}
	end := addr + max(size, 1)
	ch.Made = &p
	ch.Writes = append(ch.Writes, Range{addr, end})
	h.gone = slices.DeleteFunc(h.gone, func(g Piece) bool { return g.Addr >= addr && g.Addr < end })
	i := h.from(addr)
	j := i
	put := []Piece{p}
	for ; j < len(h.pieces) && h.pieces[j].Lo < end; j++ {
		old := h.pieces[j]
		if old.Freed == nil {
			ch.Writes = append(ch.Writes, Range{old.Lo, max(old.Hi, old.Lo+1)})
		}
		if old.Lo < addr {
			left := old
			left.Hi = addr
			put = []Piece{left, p}
		}
		if old.Freed != nil && old.Hi > end {
			right := old
			right.Lo = end
			put = append(put, right)
		}
	}
	h.pieces = slices.Replace(h.pieces, i, j, put...)
	if size < h.layout.large {
		h.widen(h.layout.around(addr, end), ch)
	}
}

// Nearest is the block in use that ends last before addr, within reach of it.
func (h *Heap) Nearest(addr uint64) (Piece, bool) {
	const reach = 64
	for i := h.from(addr) - 1; i >= 0 && addr-h.pieces[i].Hi < reach; i-- {
		if h.pieces[i].Freed == nil {
			return h.pieces[i], true
		}
	}
	return Piece{}, false
}
