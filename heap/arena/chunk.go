package arena

import "fmt"

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
	c := Chunk{Addr: at, Size: size, Flags: field & flagBits, Arena: h.Arena, State: InUse}
	c.block = Extent{at + header, at + sizeAt + size}
	end := at + size
	unsure := func(format string, args ...any) {
		c.Certain = false
		if c.Doubt == "" {
			c.Doubt = fmt.Sprintf(format, args...)
		}
	}
	c.Certain = true
	if !h.Certain || !h.Arena.Certain {
		unsure("the heap that it is in is not certain")
	}
	for _, b := range h.Breaks {
		if b.At == at {
			c.State, c.block = Damaged, Extent{at + header, end}
			unsure("its size field is %#x", field)
			return c
		}
		if b.At < at {
			unsure("the chunk at %#x before it is damaged", b.At)
			break
		}
	}
	if h.last && at == h.Arena.Top {
		c.State, c.block = Top, Extent{at + header, end}
		return c
	}
	if m.atEnd(h, at, field) || !h.last && h.Hi-end == align && m.mem.word(end+sizeAt)&^flagBits == 0 {
		c.State, c.block = Internal, Extent{at + header, h.Hi}
		return c
	}
	behind, there := m.mem.Read64(end + sizeAt)
	foot := m.mem.word(end)
	if !there {
		unsure("the chunk behind it is not in the core")
	}
	for _, i := range m.free.at(at) {
		c.Lists = append(c.Lists, m.Lists[i])
	}
	used := behind&prevInUse != 0
	switch {
	case len(c.Lists) > 0:
		c.State = c.Lists[0].Kind
		if len(c.Lists) > 1 {
			unsure("it is in %d free lists", len(c.Lists))
		}
		if l := c.Lists[0]; !l.holds(size) {
			unsure("its size is not that of its list")
		} else if l.Cache != nil && !l.Cache.Certain {
			unsure("the cache that it is in was recognised only")
		}
		if c.State.binned() == used {
			unsure("the flag of the chunk behind says otherwise")
		} else if c.State.binned() && foot != size {
			unsure("its foot is %#x", foot)
		}
	case !used && foot == size:
		c.State = Loose
		if h.Arena.Locked || !m.doubt.lists[h.Arena] {
			unsure("no list has it")
		}
	case !used:
		unsure("the flag of the chunk behind says that it is free, and its foot is %#x", foot)
	default:
		if why := m.about(h.Arena, size); why != "" {
			unsure("%s", why)
		}
		if field&nonMain != 0 == h.Arena.Main {
			unsure("its flags are those of another arena's chunk")
		}
		for _, k := range m.Caches {
			if k.Addr == at+header {
				c.State, c.Cache = Internal, k
			}
		}
	}
	return c
}

// Chunks goes through all chunks of a heap by ascending address, until f returns false.
func (m *Malloc) Chunks(h *Heap, f func(Chunk) bool) {
	m.chunksFrom(h, h.Lo, func(at, size, field uint64) bool { return f(m.chunk(h, at, size, field)) })
}
