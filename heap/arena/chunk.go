package arena

import (
	"cmp"
	"fmt"
	"sort"
)

// State is what malloc has a chunk as.
type State string

// The states.
const (
	InUse    State = "in use"
	InCache  State = "free, in a thread's cache"
	InFast   State = "free, in a fast bin"
	Unsorted State = "free, in the unsorted bin"
	InSmall  State = "free, in a small bin"
	InLarge  State = "free, in a large bin"
	// Loose is free by the flag of the chunk behind and by its foot, but in no list that
	// could be followed.
	Loose    State = "free, in no known list"
	Top      State = "the top chunk"
	Mmapped  State = "in use, in a mapping of its own"
	Internal State = "malloc's own" // a thread's cache, or what ends a heap
	Damaged  State = "damaged"      // its size is none; Size reaches up to the next chunk that was recognised
)

// Free tells whether the state is one of a block that was freed, top left out.
func (s State) Free() bool {
	switch s {
	case InCache, InFast, Unsorted, InSmall, InLarge, Loose:
		return true
	default:
	}
	return false
}

// binned tells whether the state is one that the flag of the chunk behind tells.
func (s State) binned() bool { return s.Free() && s != InCache && s != InFast }

// Chunk is a piece that malloc has cut its memory into.
type Chunk struct {
	Addr  uint64 // of the chunk; its block begins 16 bytes behind
	Size  uint64 // of the chunk, without flags
	Flags uint64 // PREV_INUSE 1, IS_MMAPPED 2, NON_MAIN_ARENA 4
	State State
	// Certain is set when the chunk and its state follow from malloc's books without a doubt.
	Certain bool
	Doubt   string  // why it is not certain
	Arena   *Arena  // whose memory it is in; nil for Mmapped
	Lists   []*List // where it is free; more than one after a double free
	Cache   *Cache  // the cache that it holds, for Internal
	block   Extent
}

// Block is the bytes of the chunk that a program may use, or might if it were not free. While a
// chunk is in use the first word of the one behind belongs to its block.
func (c Chunk) Block() Extent { return c.block }

// Holds tells whether a word belongs to the chunk's block or is its size: an address from its size
// field up to that of the chunk behind.
func (c Chunk) Holds(addr uint64) bool { return addr-c.Addr-sizeAt < c.Size }

// At is the chunk that an address lies in, as [Chunk.Holds] says; false when none is known there.
func (m *Malloc) At(addr uint64) (Chunk, bool) {
	list := m.Around(addr, 0, 0)
	if len(list) == 0 {
		return Chunk{}, false
	}
	return list[0], true
}

// Around is the chunk that an address lies in, and up to some chunks before and behind it in the
// same heap, by ascending address; empty when none is known there.
func (m *Malloc) Around(addr uint64, before, behind int) []Chunk {
	if addr < header || addr >= addressLimit {
		return nil
	}
	h := m.heapAt(addr - sizeAt)
	if h == nil {
		if c, ok := m.mapped(addr); ok {
			return []Chunk{c}
		}
		return nil
	}
	type place struct{ at, size, field uint64 }
	var found []place
	hit := -1
	from := addr - sizeAt
	collect := func(from uint64) {
		found, hit = nil, -1
		m.chunksFrom(h, from, func(at, size, field uint64) bool {
			if at > addr-sizeAt && hit < 0 {
				return false
			}
			found = append(found, place{at, size, field})
			if hit < 0 && addr-at-sizeAt < size {
				hit = len(found) - 1
			}
			if hit < 0 && len(found) > 2*before+64 { // keep the latest only
				found = append(found[:0:0], found[len(found)-before-1:]...)
			}
			return hit < 0 || len(found) <= hit+behind
		})
	}
	for {
		collect(from)
		if hit < 0 {
			return nil
		}
		if hit >= before || from <= h.Lo {
			break
		}
		from -= min(from-h.Lo, block)
	}
	var list []Chunk
	for _, p := range found[max(hit-before, 0):] {
		list = append(list, m.chunk(h, p.at, p.size, p.field))
	}
	return list
}

// chunk says what is known of a chunk of a heap.
func (m *Malloc) chunk(h *Heap, at, size, field uint64) Chunk {
	end := at + size
	c := Chunk{Addr: at, Size: size, Flags: field & flagBits, Arena: h.Arena, State: InUse, block: Extent{at + header, end + sizeAt}}
	doubt := ""
	if !h.Certain || !h.Arena.Certain {
		doubt = "the heap that it is in is not certain"
	}
	i := sort.Search(len(h.Breaks), func(i int) bool { return h.Breaks[i].At >= at })
	switch {
	case i < len(h.Breaks) && h.Breaks[i].At == at:
		if c.block = (Extent{at + header, end}); h.Breaks[i].Gap {
			c.State, c.Doubt, c.Certain = Internal, doubt, doubt == ""
			return c
		}
		c.State = Damaged
		c.Doubt = fmt.Sprintf("its size field is %#x", field)
		return c
	case h.last && at == h.Arena.Top:
		c.State, c.block = Top, Extent{at + header, end}
		c.Doubt, c.Certain = doubt, doubt == ""
		return c
	}
	stray := ""
	if i > 0 {
		stray = fmt.Sprintf("the chunks before it end at %#x", h.Breaks[i-1].At)
	} else if i < len(h.Breaks) && at >= h.Breaks[i].from {
		stray = fmt.Sprintf("no chunk is at %#x, where the sizes lead", h.Breaks[i].At)
	}
	switch behind, there := m.mem.Read64(end + sizeAt); {
	case m.atEnd(h, at, field) || !h.last && h.Hi-end == align && behind&^flagBits == 0:
		c.State, c.block = Internal, Extent{at + header, h.Hi}
	case !there:
		doubt = cmp.Or(doubt, "the chunk behind it is not in the core")
	default:
		why, known := m.state(&c, behind&prevInUse != 0)
		if doubt = cmp.Or(doubt, why); known {
			stray = "" // a list leads to it as well
		}
	}
	c.Doubt = cmp.Or(doubt, stray)
	c.Certain = c.Doubt == ""
	return c
}

// state finds what malloc has a chunk as, and says why that is not certain. used is the flag of the
// chunk behind. confirmed is set when that does not rest on the chunks before it.
func (m *Malloc) state(c *Chunk, used bool) (doubt string, confirmed bool) {
	for _, i := range m.free.at(c.Addr) {
		c.Lists = append(c.Lists, m.Lists[i])
	}
	foot := m.mem.word(c.Addr + c.Size)
	switch {
	case len(c.Lists) > 1:
		c.State = c.Lists[0].Kind
		return fmt.Sprintf("it is in %d free lists", len(c.Lists)), false
	case len(c.Lists) == 1:
		c.State = c.Lists[0].Kind
		switch l := c.Lists[0]; {
		case !l.holds(c.Size):
			return "its size is not that of its list", false
		case l.Cache != nil && !l.Cache.Certain:
			return "the cache that it is in was recognised only", false
		case c.State.binned() == used:
			return "the flag of the chunk behind says otherwise", false
		case c.State.binned() && foot != c.Size:
			return fmt.Sprintf("its foot is %#x", foot), false
		}
		return "", true
	case !used && foot == c.Size:
		c.State = Loose
		if c.Arena.Locked || !m.doubt.lists[c.Arena] {
			return "no list has it", false
		}
		return "", false
	case !used:
		return fmt.Sprintf("the flag of the chunk behind says that it is free, and its foot is %#x", foot), false
	}
	for _, k := range m.Caches {
		if k.Addr == c.Addr+header {
			c.State, c.Cache = Internal, k
			return "", k.Certain
		}
	}
	switch {
	case c.Flags&nonMain != 0 == c.Arena.Main:
		return "its flags are those of another arena's chunk", false
	case m.free.within(c.Addr+1, c.Addr+c.Size):
		return "there are free chunks within it", false
	}
	return m.about(c.Arena, c.Size), false
}

// Chunks goes through all chunks of a heap by ascending address, until f returns false.
func (m *Malloc) Chunks(h *Heap, f func(Chunk) bool) {
	m.chunksFrom(h, h.Lo, func(at, size, field uint64) bool { return f(m.chunk(h, at, size, field)) })
}
