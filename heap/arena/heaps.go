package arena

import (
	"fmt"
	"slices"
)

// Heap is a range that an arena has cut into chunks.
type Heap struct {
	Extent
	Arena *Arena
	// Info is the address of its heap_info, 0 in the main arena.
	Info uint64
	// Certain is set when it is known that chunks begin at Lo.
	Certain bool
	// Breaks are where chunks do not follow one another, in order of address.
	Breaks []Break

	last   bool // its last chunk is top
	walked bool
	marks  []uint64 // the first chunk of each window, 0 for none
}

// Break is a place where a walk from chunk to chunk met damage.
type Break struct {
	At    uint64 // address of the chunk that is damaged
	Field uint64 // its size field
	// Gap is set when nothing is damaged: someone else has got memory from sbrk, and malloc ends the
	// chunks before it (malloc/malloc.c, sysmalloc).
	Gap bool
	// Next is where chunks were recognised again, 0 for nowhere up to the end of the heap.
	Next uint64

	// from is some chunks before: the damage may be in one of them, whose size led astray.
	from uint64
}

const maxHeaps = 1 << 16 // of one arena

// findHeaps finds the heaps of all arenas.
func (m *Malloc) findHeaps() {
	for _, a := range m.Arenas {
		if a.Top == 0 {
			continue
		}
		if a.Main {
			m.mainHeap(a)
		} else {
			m.otherHeaps(a)
		}
		m.heaps = append(m.heaps, a.Heaps...)
	}
	slices.SortStableFunc(m.heaps, func(a, b *Heap) int {
		if a.Lo < b.Lo {
			return -1
		}
		return 1
	})
	// Two arenas cannot have the same memory: of such heaps none is believed.
	kept := m.heaps[:0]
	for _, h := range m.heaps {
		if n := len(kept); n > 0 && h.Lo < kept[n-1].Hi {
			m.problem(BadArena, h.Arena.Addr, fmt.Sprintf("its heap at %#x is another arena's too", h.Lo))
			kept[n-1].Certain = false
			h.Arena.Heaps = slices.DeleteFunc(h.Arena.Heaps, func(g *Heap) bool { return g == h })
			continue
		}
		kept = append(kept, h)
	}
	m.heaps = kept
}

// otherHeaps follows the heaps of an arena that is not the main one from the one that has
// top back to the first.
func (m *Malloc) otherHeaps(a *Arena) {
	first := m.infoOf(a.Addr)
	info, found := m.heapInfo(a, first, a.Top)
	size := a.Addr - first // of heap_info
	for last := true; found && len(a.Heaps) < maxHeaps; last = false {
		used := m.mem.word(info + 16)
		lo := info + size
		if info == first {
			lo = (a.Addr+m.lay.size()+header+align-1)&^(align-1) - header
		}
		h := &Heap{Extent: Extent{lo, info + used}, Arena: a, Info: info, Certain: a.Certain, last: last}
		if last {
			h.Hi = a.Top + a.TopSize
		}
		if h.Hi <= h.Lo || h.Hi-h.Lo > maxHeapSize || !m.mem.writable(h.Lo, h.Hi-h.Lo) || last && a.Top < h.Lo {
			m.problem(BadArena, info, "a heap has no proper size")
			break
		}
		a.Heaps = append(a.Heaps, h)
		if info == first {
			slices.Reverse(a.Heaps)
			return
		}
		info = m.mem.word(info + 8)
		found = m.mem.word(info) == a.Addr && !slices.ContainsFunc(a.Heaps, func(h *Heap) bool { return h.Info == info })
	}
	m.problem(BadArena, a.Addr, "its heaps do not lead back to the first one")
	slices.Reverse(a.Heaps)
	for _, h := range a.Heaps {
		h.Certain = false
	}
}

// maxHeapSize bounds HEAP_MAX_SIZE, which is 64 MiB, and four huge pages with
// glibc.malloc.hugetlb=2 (malloc/arena.c, heap_max_size).
const maxHeapSize = 64 << 30

// heapInfo is the address of the heap_info of the heap that an address is in.
func (m *Malloc) heapInfo(a *Arena, first, addr uint64) (info uint64, ok bool) {
	if addr > first && addr-first < m.mem.word(first+16) {
		return first, true
	}
	for size := uint64(64 << 20); size <= maxHeapSize; size *= 2 {
		if info := addr &^ (size - 1); info != first && m.mem.word(info) == a.Addr {
			return info, true
		}
	}
	for size := uint64(32 << 20); size >= 1<<20; size /= 2 {
		if info := addr &^ (size - 1); info != first && m.mem.word(info) == a.Addr {
			return info, true
		}
	}
	return 0, false
}

// mainHeap finds where the main arena's memory begins: the one that top is in comes from sbrk.
func (m *Malloc) mainHeap(a *Arena) {
	span, ok := m.mem.span(a.Top)
	if !ok {
		m.problem(NoMemory, a.Top, "the main arena's top chunk is not in the core")
		return
	}
	h := &Heap{Extent: Extent{0, a.Top + a.TopSize}, Arena: a, last: true}
	// What the arena has from the kernel is usually all between here and there.
	try := func(lo uint64) bool {
		lo = (lo + align - 1) &^ (align - 1)
		if lo < span.Lo || lo > a.Top {
			return false
		}
		h.Lo = lo
		return m.reaches(h, lo)
	}
	base, known := m.Param("sbrk_base")
	whole := h.Hi - a.SystemMem
	switch {
	case known && m.Params.Certain && base >= span.Lo && base <= a.Top:
		h.Lo, h.Certain = (base+align-1)&^(align-1), a.Certain
	case a.SystemMem != 0 && try(whole) || try(span.Lo) || m.boundary(a, span, try):
		h.Certain = a.Certain
	case a.SystemMem != 0 && whole >= span.Lo && whole < a.Top:
		h.Lo = whole // damaged on the way
	default:
		h.Lo = span.Lo
	}
	a.Heaps = []*Heap{h}
}

// boundary tries where regions begin, and then pages.
func (m *Malloc) boundary(a *Arena, span Extent, try func(uint64) bool) bool {
	for _, g := range m.mem.regions {
		if g.Lo > span.Lo && g.Lo <= a.Top && try(g.Lo) {
			return true
		}
	}
	const most = 1 << 14
	for n, at := 0, span.Lo; at < a.Top && n < most; n, at = n+1, at+pageSize {
		if try(at) {
			return true
		}
	}
	return false
}

// reaches tells whether chunks follow one another from an address to top, or for so long that the rest is
// left to the walk. The work for all that is tried is bounded.
func (m *Malloc) reaches(h *Heap, at uint64) bool {
	const long = 1 << 16
	for n := 0; at < h.Arena.Top; n++ {
		if m.tried++; m.tried > maxTriedChunks {
			return false
		}
		if n == long {
			return true
		}
		size, _, ok := m.follow(h, at)
		if !ok {
			return n > 0 && m.gapAt(h, at)
		}
		at += size
	}
	return at == h.Arena.Top
}
