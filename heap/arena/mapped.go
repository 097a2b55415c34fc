package arena

import "sort"

// mapping is a block that has a mapping of its own: the chunk, and the pages from lo to hi that malloc
// asked for (malloc/malloc.c, sysmalloc_mmap).
type mapping struct {
	chunk, size, lo, hi uint64
	certain             bool
}

const (
	maxMappings = 1 << 20
	maxPages    = 1 << 22 // that are looked at for them
	maxInPages  = 1 << 20 // positions within pages
)

// mappingAt recognises such a block by its chunk: its flags are IS_MMAPPED alone, prev_size is how far it
// is from the mapping's beginning, and it reaches to the mapping's end; since 2.42 that is 16 bytes more.
func (m *Malloc) mappingAt(chunk uint64) (g mapping, ok bool) {
	field := m.mem.word(chunk + sizeAt)
	size, ok := chunkSize(field)
	if !ok || field&flagBits != isMmapped {
		return g, false
	}
	lead := m.mem.word(chunk) &^ (align - 1) // since 2.43 its last bit is about huge pages
	end := chunk + size
	if end%pageSize == pageSize-align && (m.minor == 0 || m.minor >= 42) {
		end += align
	}
	g = mapping{chunk: chunk, size: size, lo: chunk - lead, hi: end}
	if lead > chunk || g.lo%pageSize != 0 || g.hi%pageSize != 0 || g.hi-g.lo < pageSize || !m.mem.writable(g.lo, g.hi-g.lo) {
		return g, false
	}
	return g, true
}

// findMappings looks for all such blocks.
func (m *Malloc) findMappings() {
	m.mapsKnown = true
	total, n := uint64(0), uint64(0)
	pages, inPages := maxPages, maxInPages
	add := func(g mapping) {
		m.maps = append(m.maps, g)
		total += g.hi - g.lo
		n++
	}
	// In most the chunk is at the start. Of those with a large alignment it is not, which
	// is looked for when more are counted.
	m.eachPage(&pages, func(at, end uint64) uint64 {
		if g, ok := m.mappingAt(at); ok && g.hi <= end && len(m.maps) < maxMappings {
			add(g)
			return g.hi
		}
		return at + pageSize
	})
	count, known := m.Param("n_mmaps")
	memory, _ := m.Param("mmapped_mem")
	if known && n < count {
		first := m.maps
		pages = maxPages
		m.eachPage(&pages, func(at, end uint64) uint64 {
			if i := sort.Search(len(first), func(i int) bool { return first[i].hi > at }); i < len(first) && first[i].lo <= at {
				return first[i].hi
			}
			for c := at + align; c < at+pageSize && inPages > 0 && len(m.maps) < maxMappings; c += align {
				inPages--
				if v, ok := m.mem.next(c + sizeAt); !ok || v&flagBits != isMmapped {
					continue
				}
				if g, ok := m.mappingAt(c); ok && g.lo <= at && g.hi <= end {
					add(g)
					return g.hi
				}
			}
			return at + pageSize
		})
	}
	sort.Slice(m.maps, func(i, j int) bool { return m.maps[i].chunk < m.maps[j].chunk })
	// Since 2.42 what realloc moves is counted with 16 bytes more or less than it is.
	drift := max(total, memory) - min(total, memory)
	all := known && m.Params.Certain && n == count && (drift == 0 || drift < block && m.minor >= 42)
	for i := range m.maps {
		// Without the counts it must be just a mapping, or several side by side.
		m.maps[i].certain = all
		if r, ok := m.mem.region(m.maps[i].lo); ok && r.Lo == m.maps[i].lo && r.Hi == m.maps[i].hi && !known {
			m.maps[i].certain = m.known
		}
	}
}

// eachPage calls f for pages that such a block may begin in, with the end of the mapping; f returns
// where to go on.
func (m *Malloc) eachPage(left *int, f func(at, end uint64) uint64) {
	for _, r := range m.mem.regions {
		if !r.Writable || r.File != "" {
			continue
		}
		span, _ := m.mem.span(r.Lo)
		for at := (r.Lo + pageSize - 1) &^ (pageSize - 1); at < r.Hi && *left > 0; *left-- {
			if h := m.heapAt(at); h != nil {
				at = max(h.Hi+pageSize-1, at+pageSize) &^ (pageSize - 1)
				continue
			}
			at = max(f(at, span.Hi), at+pageSize)
		}
	}
}

// mapped is the block around an address that has a mapping of its own.
func (m *Malloc) mapped(addr uint64) (Chunk, bool) {
	if !m.mapsKnown {
		m.findMappings()
	}
	i := sort.Search(len(m.maps), func(i int) bool { return m.maps[i].hi > addr })
	if i == len(m.maps) || addr < m.maps[i].chunk+sizeAt {
		return Chunk{}, false
	}
	g := m.maps[i]
	c := Chunk{Addr: g.chunk, Size: g.size, Flags: isMmapped, State: Mmapped, Certain: g.certain, block: Extent{g.chunk + header, g.hi}}
	if g.hi != g.chunk+g.size {
		c.block.Hi = g.chunk + g.size + sizeAt
	}
	if !c.Certain {
		c.Doubt = "it is recognised by its look only"
	}
	return c, true
}
