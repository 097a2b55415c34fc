package arena

import "fmt"

const (
	maxTriedChunks = 1 << 26 // chunks that are gone through to find where a heap begins
	maxBreaks      = 1 << 12 // of one heap
	maxResync      = 4 << 20 // steps to find chunks again, in one heap
	window         = 4096    // bytes of a heap, of which the first chunk's address is kept
	suspects       = 16      // chunks before damage that may be what is damaged
)

// follow reads the size of the chunk at an address of a heap; ok is set when a chunk can begin there and
// another one behind it.
func (m *Malloc) follow(h *Heap, at uint64) (size, field uint64, ok bool) {
	field, there := m.mem.next(at + sizeAt)
	size, ok = chunkSize(field)
	end := h.Hi
	if h.last {
		end = h.Arena.Top
	}
	if !there || !ok || field&isMmapped != 0 || size > end-at {
		return size, field, false
	}
	return size, field, true
}

// atEnd tells whether a chunk is what malloc puts at the end of a heap that it can no longer grow: one of 16
// bytes, before one of 16 or 0 (malloc/malloc.c, sysmalloc).
func (m *Malloc) atEnd(h *Heap, at, field uint64) bool {
	if h.last || field&^flagBits != header || h.Hi-at > 2*header {
		return false
	}
	return true
}

// gapAt tells whether the main arena's chunks end at an address, before its last ones: with two of 16 bytes.
func (m *Malloc) gapAt(h *Heap, at uint64) bool {
	const end = header | prevInUse
	return h.last && h.Arena.Main && m.mem.word(at+sizeAt)&^prevInUse == header && m.mem.word(at+header+sizeAt) == end
}

// walk goes through the chunks of a heap once and notes where they are.
func (m *Malloc) walk(h *Heap) {
	if h.walked {
		return
	}
	h.walked = true
	h.marks = make([]uint64, (h.Hi-h.Lo)/window+1)
	left := maxResync
	var latest [suspects]uint64
	n := 0
	for at := h.Lo; at < h.Hi; {
		if w := (at - h.Lo) / window; h.marks[w] == 0 {
			h.marks[w] = at
		}
		if h.last && at == h.Arena.Top {
			return
		}
		size, field, ok := m.follow(h, at)
		if ok {
			latest[n%suspects] = at
			n++
			at += size
			continue
		}
		if m.atEnd(h, at, field) {
			return
		}
		next := m.resync(h, at, &left)
		from := h.Lo
		if n >= suspects {
			from = latest[n%suspects]
		}
		h.Breaks = append(h.Breaks, Break{At: at, Field: field, Next: next, from: from})
		if b := &h.Breaks[len(h.Breaks)-1]; m.gapAt(h, at) {
			b.Gap, b.from = true, at
		} else {
			m.problem(BadChunk, at, fmt.Sprintf("the size of the chunk at %#x is %#x, which is none", at, field))
		}
		if next == 0 || len(h.Breaks) == maxBreaks {
			return
		}
		at = next
	}
}

// resync looks for chunks behind one that is damaged: a place from which chunks lead on for long,
// or to the end. What is in a free list is one for sure.
func (m *Malloc) resync(h *Heap, from uint64, left *int) uint64 {
	const long = 64
	for at := from + align; at < h.Hi; at += align {
		if *left--; *left < 0 {
			return 0
		}
		if len(m.free.at(at)) > 0 || h.last && at == h.Arena.Top {
			return at
		}
		p, n := at, 0
		for ; n < long; n++ {
			size, field, ok := m.follow(h, p)
			if *left--; !ok {
				if n > 0 && m.atEnd(h, p, field) {
					n = long
				}
				break
			}
			if p += size; h.last && p == h.Arena.Top {
				n = long
				break
			}
		}
		if n >= long {
			return at
		}
	}
	return 0
}

// heapAt is the heap that an address is in.
func (m *Malloc) heapAt(addr uint64) *Heap {
	lo, hi := 0, len(m.heaps)
	for lo < hi {
		if mid := (lo + hi) / 2; m.heaps[mid].Hi > addr {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo < len(m.heaps) && m.heaps[lo].Lo <= addr {
		return m.heaps[lo]
	}
	return nil
}

// chunksFrom calls f for the chunks of a heap, from the last one known to begin at or before an address on, until it
// returns false.
func (m *Malloc) chunksFrom(h *Heap, addr uint64, f func(at, size, field uint64) bool) {
	m.walk(h)
	w := min((addr-h.Lo)/window, uint64(len(h.marks)-1))
	for w > 0 && (h.marks[w] == 0 || h.marks[w] > addr) {
		w--
	}
	at := h.marks[w]
	b := 0
	for b < len(h.Breaks) && h.Breaks[b].At < at {
		b++
	}
	for at != 0 && at < h.Hi {
		if h.last && at == h.Arena.Top {
			f(at, h.Arena.TopSize, m.mem.word(at+sizeAt))
			return
		}
		if b < len(h.Breaks) && h.Breaks[b].At == at {
			next := h.Breaks[b].Next
			end := next
			if end == 0 {
				end = h.Hi
			}
			if !f(at, end-at, h.Breaks[b].Field) {
				return
			}
			at, b = next, b+1
			continue
		}
		size, field, ok := m.follow(h, at)
		if !ok {
			if m.atEnd(h, at, field) {
				f(at, h.Hi-at, field)
			}
			return
		}
		if !f(at, size, field) {
			return
		}
		at += size
	}
}
