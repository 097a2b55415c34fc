package step

import (
	"fmt"
	"slices"

	"emurace/heap"
)

// What glibc's malloc keeps in front of each block, on 64-bit machines
// (malloc/malloc.c, "Chunk representations").
const (
	chunkHeader = 16 // from a chunk's start to its block
	chunkFlags  = 7  // PREV_INUSE, IS_MMAPPED, NON_MAIN_ARENA
	prevInUse   = 1
	minChunk    = 32
)

// chunk is a piece of malloc's memory.
type chunk struct{ start, size uint64 }

// lookHeap shows the chunks around the block that the story is about, or around
// the last one that was handed out.
func (m *Model) lookHeap() view {
	v := view{name: "heap", title: "heap: malloc's chunks are not known"}
	if m.story.Heap == nil || !m.story.Heap.Glibc() {
		return v
	}
	around := uint64(0)
	if b := m.block(); b != nil {
		around = b.Addr
	} else {
		for _, b := range m.story.Heap.Blocks() {
			if b.ChunkSize != 0 && (b.Allocated == nil || b.Allocated.Done < m.logStep()) {
				around = b.Addr
			}
		}
	}
	if around < chunkHeader {
		return v
	}
	list := m.chunksAround(around - chunkHeader)
	if len(list) == 0 {
		return v
	}
	v.title = fmt.Sprintf("heap: %s around %#x", count(uint64(len(list)), "chunk"), around)
	_, top, _ := m.s.Process().MappingOf(around)
	for i, c := range list {
		r := row{addr: c.start + chunkHeader/2, label: "chunk"}
		r.value, r.mapped = m.s.Process().Read64(r.addr)
		r.text = m.chunkState(c, top)
		if around-c.start < c.size {
			v.focus = i
			r.label = "the block"
		}
		v.rows = append(v.rows, r)
	}
	return v
}

// chunkState says whether a chunk is in use, and by whom.
func (m *Model) chunkState(c chunk, top uint64) string {
	if c.start+c.size >= top {
		return "top: what is left"
	}
	step := m.logStep()
	b := m.story.Heap.Owner(c.start+chunkHeader, step)
	if b != nil && b.Addr != c.start+chunkHeader {
		b = nil // the block has been made a part of another chunk
	}
	next, ok := m.s.Process().Read64(c.start + c.size + chunkHeader/2)
	marked := ok && next&prevInUse == 0
	switch {
	case b != nil && b.FreedBy(step):
		verb := "freed by "
		if b.Freed.Done == 0 || b.Freed.Done >= step {
			verb = "being freed by "
		}
		return verb + act(b.Freed)
	case marked:
		return "free"
	case b != nil && b.Allocated != nil:
		return "in use: " + act(b.Allocated)
	}
	return "in use"
}

func act(c *heap.Call) string { return clean(c.Thread) + " in " + clean(c.Call) }

// chunksAround lists the chunks near the one that an address lies in. malloc has
// no list of them; each leads to the next one by its size. So the walk begins at
// the heap's start, or else at a block that is known, and counts only if it comes
// past the address.
func (m *Model) chunksAround(addr uint64) []chunk {
	lo, hi, ok := m.s.Process().MappingOf(addr)
	if !ok {
		return nil
	}
	starts := []uint64{lo}
	for _, b := range m.story.Heap.Blocks() {
		if b.ChunkSize != 0 && b.Addr-chunkHeader >= lo && b.Addr-chunkHeader <= addr {
			starts = append(starts, b.Addr-chunkHeader)
		}
	}
	slices.Sort(starts)
	for _, start := range slices.Compact(starts) {
		if list := m.walk(start, addr, hi); list != nil {
			return list
		}
	}
	return nil
}

// walk goes from chunk to chunk up to a mapping's end. It returns some before and
// behind the one with the address, or nil if it does not come to it.
func (m *Model) walk(start, addr, end uint64) []chunk {
	const most, before, after = 1 << 14, 24, 24
	var list []chunk
	found := -1
	for at := start; at < end && len(list) < most; {
		word, ok := m.s.Process().Read64(at + chunkHeader/2)
		size := word &^ chunkFlags
		if !ok || size < minChunk || size%chunkHeader != 0 || size > end-at {
			break
		}
		if addr >= at && addr-at < size {
			found = len(list)
		}
		list = append(list, chunk{at, size})
		if at += size; found >= 0 && len(list) > found+after {
			break
		}
	}
	if found < 0 {
		return nil
	}
	return list[max(0, found-before):]
}
