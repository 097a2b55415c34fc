package heap

import (
	"slices"
	"sort"
)

// layout is how a malloc keeps its blocks: what is certain to be its own memory
// besides them.
type layout struct {
	// Blocks from large on may have a mapping of their own, so what is around them
	// is not the heap, and neither are they once freed.
	large uint64
	// header bytes come before a block; from its end on, behind bytes more belong to
	// malloc, and what is left up to a multiple of 16, and after bytes behind that.
	header, behind, after uint64
	// windowBits is the size of one part of the heap as a power of two: all between
	// two blocks in one part is malloc's. 0 for none.
	windowBits uint
}

// A chunk of glibc's begins with a header of two words and ends at a multiple of 16,
// within 16 bytes of the end of the block in it. There is always another one behind
// it (malloc/malloc.c, struct malloc_chunk). Its arenas but the first are made of
// heaps of 64 MiB (HEAP_MAX_SIZE), aligned to that; blocks of M_MMAP_THRESHOLD and
// more are mapped.
var glibc = layout{large: 128 << 10, header: 16, behind: 16, after: 16, windowBits: 26}

// Musl cuts groups of slots out of mappings, out of each other's slots, and out of
// what the linker has left over in the pages of libraries' data, so that what is
// between two blocks may be anything. In its slot a block begins at a multiple of 16,
// with 4 bytes of header before it, and there is room for 4 more behind it, where the
// next slot's header is (src/malloc/mallocng/meta.h, IB, UNIT and enframe). Blocks of
// MMAP_THRESHOLD and more are mapped.
var musl = layout{large: 131052, header: 4, behind: 4}

// around is the memory that is certain to be malloc's when a block is in [addr, end).
func (l *layout) around(addr, end uint64) Range {
	return Range{addr - l.header, (end+l.behind+15)&^15 + l.after}
}

// window is the bytes [lo, hi) of the part of the heap that a range begins in.
func (l *layout) window(r Range) (lo, hi uint64) {
	at := (r.Lo + l.header) >> l.windowBits
	return at << l.windowBits, (at + 1) << l.windowBits
}

// widen makes a range, and all between it and another one in the same window, part of
// where blocks are.
func (h *Heap) widen(r Range, ch *Change) {
	if h.layout.windowBits != 0 {
		r = h.join(r)
	}
	i := sort.Search(len(h.spans), func(i int) bool { return h.spans[i].Hi >= r.Lo })
	j, at := i, r.Lo
	for ; j < len(h.spans) && h.spans[j].Lo <= r.Hi; j++ {
		if s := h.spans[j]; at < s.Lo {
			ch.Widens = append(ch.Widens, Range{at, s.Lo})
		}
		at = max(at, h.spans[j].Hi)
	}
	if at < r.Hi {
		ch.Widens = append(ch.Widens, Range{at, r.Hi})
	}
	if i < j {
		r = Range{min(r.Lo, h.spans[i].Lo), max(r.Hi, h.spans[j-1].Hi)}
	}
	h.spans = slices.Replace(h.spans, i, j, r)
}

// join makes a range reach up to the spans of its window that are nearest to it.
func (h *Heap) join(r Range) Range {
	lo, hi := h.layout.window(r)
	i := sort.Search(len(h.spans), func(i int) bool { return h.spans[i].Hi >= r.Lo })
	// What belongs to the last block of the window before may reach into this one.
	if over := h.layout.behind + h.layout.after; i > 0 && h.spans[i-1].Hi > lo+over {
		r.Lo = h.spans[i-1].Hi
	}
	i = sort.Search(len(h.spans), func(i int) bool { return h.spans[i].Lo > r.Hi })
	if i < len(h.spans) && h.spans[i].Lo+h.layout.header < hi {
		r.Hi = h.spans[i].Lo
	}
	return r
}

// Within tells whether a byte lies between blocks.
func (h *Heap) Within(addr uint64) bool {
	i := sort.Search(len(h.spans), func(i int) bool { return h.spans[i].Hi > addr })
	return i < len(h.spans) && h.spans[i].Lo <= addr
}
