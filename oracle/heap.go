package oracle

import (
	"maps"
	"slices"
	"sort"

	"emurace/emu"
)

// Allocators are the functions whose calls tell what is in the heap. The later
// ones neither give nor take a block, but look at the heap all the same.
var allocators = []string{
	"malloc", "free", "calloc", "realloc", "reallocarray", "aligned_alloc", "memalign", "posix_memalign",
	"valloc", "pvalloc", "cfree", "free_sized", "free_aligned_sized",
	"malloc_usable_size", "malloc_trim", "mallopt", "mallinfo", "mallinfo2", "malloc_stats", "malloc_info",
}

// sizeOf is how many bytes a call asks for, false when it asks for none.
func sizeOf(c *emu.CallEvent) (uint64, bool) {
	a := c.Args
	switch c.Func {
	case "malloc", "valloc", "pvalloc":
		return a[0], true
	case "calloc":
		return a[0] * a[1], true // one that overflows is refused
	case "realloc", "aligned_alloc", "memalign":
		return a[1], true
	case "reallocarray":
		return a[1] * a[2], true
	case "posix_memalign":
		return a[2], true
	}
	return 0, false
}

func frees(name string) bool {
	switch name {
	case "free", "cfree", "free_sized", "free_aligned_sized":
		return true
	}
	return false
}

func resizes(name string) bool { return name == "realloc" || name == "reallocarray" }

// piece is a block in use, or what is left of one that was freed and has not
// been handed out again.
type piece struct {
	lo, hi     uint64 // bytes of it
	addr, size uint64 // the block
	alloc      *emu.CallEvent
	freed      *emu.CallEvent // nil while it is in use
}

// Blocks from large on may have a mapping of their own (M_MMAP_THRESHOLD), so
// what is around them is not the heap, and neither are they once freed.
const large = 128 << 10

// windowBits is the size of one part of a heap as a power of two: glibc's arenas
// but the first are made of heaps of 64 MiB (HEAP_MAX_SIZE), aligned to that.
const windowBits = 26

// A chunk of glibc's begins with a header and ends at a multiple of align, within
// 16 bytes of the end of the block in it. There is always another one behind it
// (malloc/malloc.c, struct malloc_chunk).
const (
	header = 16
	align  = 16
)

// span is where blocks have been in one window, with their headers and that of
// the chunk behind them.
type span struct{ lo, hi uint64 }

// heap is all blocks at one moment.
type heap struct {
	pieces []piece // by address, without overlaps
	spans  map[uint64]span
}

func newHeap() *heap { return &heap{spans: map[uint64]span{}} }

func (h *heap) clone() *heap {
	return &heap{pieces: slices.Clone(h.pieces), spans: maps.Clone(h.spans)}
}

// change is what a call did to the heap.
type change struct {
	freed, made *piece // the block that it freed, and the one that it handed out
}

// apply carries out a call.
func (h *heap) apply(c *emu.CallEvent) change {
	if !c.Returned {
		if frees(c.Func) {
			return change{freed: h.free(c.Args[0], c)}
		}
		return change{}
	}
	size, gives := sizeOf(c)
	if !gives {
		return change{}
	}
	var ch change
	if resizes(c.Func) && (c.Result != 0 || size == 0) {
		ch.freed = h.free(c.Args[0], c)
		if ch.freed != nil && c.Result == c.Args[0] {
			// It stays where it is, and so does what has happened to it. What
			// is cut off is out of its bounds.
			if i := h.from(c.Result); i < len(h.pieces) && h.pieces[i].addr == c.Result {
				h.pieces = slices.Delete(h.pieces, i, i+1)
			}
			h.insert(c.Result, size, c)
			return change{}
		}
	}
	if c.Result != 0 {
		ch.made = h.insert(c.Result, size, c)
	}
	return ch
}

// from is the index of the first piece that ends behind addr.
func (h *heap) from(addr uint64) int {
	return sort.Search(len(h.pieces), func(i int) bool { return max(h.pieces[i].hi, h.pieces[i].lo+1) > addr })
}

// at is the piece that a byte is in.
func (h *heap) at(addr uint64) (piece, bool) {
	if i := h.from(addr); i < len(h.pieces) && h.pieces[i].lo <= addr && addr < h.pieces[i].hi {
		return h.pieces[i], true
	}
	return piece{}, false
}

// free marks the block at addr as freed. A block that was handed out only after
// the call had begun is another one: the call freed the one before it.
func (h *heap) free(addr uint64, c *emu.CallEvent) *piece {
	i := h.from(addr)
	if addr == 0 || i == len(h.pieces) {
		return nil
	}
	p := &h.pieces[i]
	if p.addr != addr || p.lo != addr || p.freed != nil || p.alloc.ReturnStep >= c.Step {
		return nil
	}
	p.freed = c
	was := *p
	if was.size >= large {
		h.pieces = slices.Delete(h.pieces, i, i+1)
	}
	return &was
}

// insert puts a block in the place of whatever was there.
func (h *heap) insert(addr, size uint64, c *emu.CallEvent) *piece {
	if size > ^uint64(0)-addr {
		size = 0 // not even one that succeeds has so many bytes
	}
	p := piece{lo: addr, hi: addr + size, addr: addr, size: size, alloc: c}
	end := addr + max(size, 1)
	i := h.from(addr)
	j := i
	put := []piece{p}
	for ; j < len(h.pieces) && h.pieces[j].lo < end; j++ {
		old := h.pieces[j]
		if old.lo < addr {
			left := old
			left.hi = addr
			put = []piece{left, p}
		}
		if old.freed != nil && old.hi > end {
			right := old
			right.lo = end
			put = append(put, right)
		}
	}
	h.pieces = slices.Replace(h.pieces, i, j, put...)
	if size < large {
		lo, hi := addr-header, (end+align+align-1)&^(align-1)+header
		s, ok := h.spans[addr>>windowBits]
		if !ok {
			s = span{lo, hi}
		}
		h.spans[addr>>windowBits] = span{min(s.lo, lo), max(s.hi, hi)}
	}
	return &p
}

// within tells whether a byte lies between blocks.
func (h *heap) within(addr uint64) bool {
	s, ok := h.spans[addr>>windowBits]
	return ok && addr >= s.lo && addr < s.hi
}

// nearest is the block in use that ends last before addr, within reach of it.
func (h *heap) nearest(addr uint64) (piece, bool) {
	const reach = 64
	for i := h.from(addr) - 1; i >= 0 && addr-h.pieces[i].hi < reach; i-- {
		if h.pieces[i].freed == nil {
			return h.pieces[i], true
		}
	}
	return piece{}, false
}
