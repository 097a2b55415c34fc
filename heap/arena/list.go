package arena

import "fmt"

// List is one list of free chunks.
type List struct {
	Kind  State  // InCache, InFast, Unsorted, InSmall or InLarge
	Arena *Arena // nil for a cache's
	Cache *Cache // nil for an arena's
	Bin   int    // its number among those of its kind, as glibc counts them
	Size  uint64 // of its chunks, 0 when they differ
	Head  uint64 // address of the word that leads to the first one
	First uint64 // its first chunk, 0 for none that is one
	Count int    // how many chunks were found in it
	// Complete is set when it was followed to its end and all fits.
	Complete bool

	index int // in Malloc.Lists
}

// holds tells whether a chunk of a size can be in the list.
func (l *List) holds(size uint64) bool {
	switch {
	case l.Kind == InCache:
		return cacheBinHolds(l.Bin, size)
	case l.Size != 0:
		return l.Size == size
	}
	return true
}

// mangling is whether links of caches and fast bins are mangled with their position: since 2.32
// (malloc/malloc.c, PROTECT_PTR).
type mangling uint8

const (
	mangleUnknown mangling = iota
	manglePlain
	mangleOn
)

// addList takes in a list that is not empty, nil when there are too many.
func (m *Malloc) addList(l *List) bool {
	if len(m.Lists) == maxLists {
		m.doubt.all = true
		return false
	}
	l.index = len(m.Lists)
	m.Lists = append(m.Lists, l)
	return true
}

// put adds a chunk to a list.
func (m *Malloc) put(l *List, chunk uint64) {
	if l.Count == 0 {
		l.First = chunk
	}
	l.Count++
	m.free.add(chunk, l.index)
}

// broken notes that a list could not be followed beyond a chunk, and what that leaves in doubt.
func (m *Malloc) broken(l *List, chunk uint64, format string, args ...any) {
	m.problem(BadList, chunk, fmt.Sprintf("%s: ", l)+fmt.Sprintf(format, args...))
	m.doubt.list(l)
}

// String names the list: "bin 3 of the cache at 0x5555".
func (l *List) String() string {
	switch {
	case l.Cache != nil:
		return fmt.Sprintf("bin %d of the cache at %#x", l.Bin, l.Cache.Addr)
	case l.Kind == InFast:
		return fmt.Sprintf("fast bin %d of the arena at %#x", l.Bin, l.Arena.Addr)
	}
	return fmt.Sprintf("bin %d of the arena at %#x", l.Bin, l.Arena.Addr)
}

// findLists follows all free lists.
func (m *Malloc) findLists() {
	for _, a := range m.Arenas {
		bins := a.Addr + m.lay.bins
		if m.lay.fast {
			for i := range fastCount {
				head := bins + topWord - 8*fastCount + 8*uint64(i)
				m.single(&List{Kind: InFast, Arena: a, Bin: i, Size: minChunk + align*uint64(i), Head: head}, 0)
			}
		}
		for i := range binCount {
			m.double(a, bins+16*uint64(i), i+1)
		}
	}
	for _, c := range m.Caches {
		for i := range c.lay.bins {
			l := &List{Kind: InCache, Cache: c, Bin: i, Head: c.Addr + c.lay.entries + 8*uint64(i)}
			if i < smallCacheBins {
				l.Size = minChunk + align*uint64(i)
			}
			m.single(l, header)
			if n, ok := m.cacheCount(c, i); ok && l.Complete != (l.Count == 0) && n != l.Count {
				l.Complete = false
				m.broken(l, l.Head, "the cache counts %d chunks in it, and it has %d", n, l.Count)
			}
		}
	}
	m.free.sort()
}

// cacheCount is how many chunks a cache counts in a bin; since 2.42 it counts the places that are left.
func (m *Malloc) cacheCount(c *Cache, bin int) (n int, ok bool) {
	at := c.Addr + uint64(bin*c.lay.count)
	word, ok := m.mem.Read64(at &^ 7)
	n = int(word >> (8 * (at & 7)) & (1<<(8*c.lay.count) - 1))
	if c.lay.bins == smallCacheBins {
		return n, ok
	}
	most, known := m.Tcache()
	return int(most) - n, ok && known && m.Params.Certain && most < 1<<16
}

// single follows a list with links in one direction, which lead to a number of bytes
// behind a chunk's beginning.
func (m *Malloc) single(l *List, to uint64) {
	at, ok := m.mem.Read64(l.Head)
	if ok && at == 0 {
		return
	}
	if !m.addList(l) {
		return
	}
	if l.Cache != nil {
		l.Cache.Lists = append(l.Cache.Lists, l)
	}
	mark, lap := uint64(0), 1 // Brent's way to notice a cycle
	for from := l.Head; ; {
		if !ok {
			m.broken(l, from, "the link at %#x is not in the core", from)
			return
		}
		if at == 0 {
			l.Complete = true
			return
		}
		chunk := at - to
		size, fits := chunkSize(m.mem.word(chunk + sizeAt))
		if at%align != 0 || !fits || !l.holds(size) || !m.mem.writable(chunk, minChunk) {
			m.broken(l, from, "the link at %#x leads to %#x, where no chunk of its size is", from, at)
			return
		}
		if at == mark {
			m.broken(l, chunk, "it leads back to its chunk at %#x, as after a double free", chunk)
			return
		}
		if l.Count == lap {
			mark, lap = at, lap*2
		}
		if m.free.full() {
			m.problem(TooMuch, at, "there are more free chunks than are counted")
			m.doubt.all = true
			return
		}
		m.put(l, chunk)
		from = chunk + header
		v, there := m.mem.Read64(from)
		at, ok = m.reveal(l, from, v, to), there
	}
}

// reveal takes the mangling off a link. Where it is not known whether there is any, the link
// itself shows it: the end of a list is 0, or else a quarter of its position.
func (m *Malloc) reveal(l *List, at, v, to uint64) uint64 {
	mangled := v ^ at>>12
	switch m.mangle {
	case mangleOn:
		return mangled
	case manglePlain:
		return v
	default:
	}
	fits := func(at uint64) bool {
		size, ok := chunkSize(m.mem.word(at - to + sizeAt))
		return at != 0 && at%align == 0 && ok && l.holds(size)
	}
	switch {
	case v == 0 || fits(v) && !fits(mangled):
		m.mangle = manglePlain
		return v
	case mangled == 0 || fits(mangled) && !fits(v):
		m.mangle = mangleOn
		return mangled
	}
	return v
}

// double follows one of the bins that have links in both directions.
func (m *Malloc) double(a *Arena, bin uint64, number int) {
	head := bin - header
	at, ok := m.mem.Read64(bin)
	last := m.mem.word(bin + 8)
	if ok && at == head && last == head || at == 0 && last == 0 {
		return
	}
	l := &List{Kind: InLarge, Arena: a, Bin: number, Head: bin}
	switch {
	case number == 1:
		l.Kind = Unsorted
	case number < firstBig:
		l.Kind, l.Size = InSmall, align*uint64(number)
	}
	if !m.addList(l) {
		return
	}
	before := head
	for at != head {
		size, fits := chunkSize(m.mem.word(at + sizeAt))
		if !ok || at%align != 0 || !fits || !m.mem.writable(at, minChunk) {
			m.broken(l, before, "the link at %#x leads to %#x, which is no chunk", before+header, at)
			return
		}
		if bk := m.mem.word(at + header + 8); bk != before {
			m.broken(l, at, "the chunk at %#x leads back to %#x and not to %#x", at, bk, before)
			return
		}
		if !l.holds(size) || number >= firstBig && binOf(size) != number {
			m.broken(l, at, "the chunk at %#x has the size %#x, which is not of this bin", at, size)
			return
		}
		if m.free.full() {
			m.problem(TooMuch, at, "there are more free chunks than are counted")
			m.doubt.all = true
			return
		}
		m.put(l, at)
		before = at
		at, ok = m.mem.Read64(at + header)
	}
	l.Complete = last == before
	if !l.Complete {
		m.broken(l, bin, "its last chunk is %#x and not %#x", before, last)
	}
}

// doubts is what the lists that could not be followed leave in doubt: a chunk that seems
// to be in use may be in one of them.
type doubts struct {
	all    bool
	caches bool                       // some thread's cache was not found
	cached map[int]bool               // bins of caches that are broken
	fast   map[*Arena]map[uint64]bool // sizes of fast bins that are broken
	lists  map[*Arena]bool            // whose other bins are broken
}

func (d *doubts) list(l *List) {
	switch {
	case l.Cache != nil:
		if d.cached == nil {
			d.cached = map[int]bool{}
		}
		d.cached[l.Bin] = true
	case l.Kind == InFast:
		if d.fast == nil {
			d.fast = map[*Arena]map[uint64]bool{}
		}
		if d.fast[l.Arena] == nil {
			d.fast[l.Arena] = map[uint64]bool{}
		}
		d.fast[l.Arena][l.Size] = true
	default:
		if d.lists == nil {
			d.lists = map[*Arena]bool{}
		}
		d.lists[l.Arena] = true
	}
}

// about says why it is not certain that a chunk which is in no list is in use, "" when it is.
func (m *Malloc) about(a *Arena, size uint64) string {
	d := &m.doubt
	switch {
	case d.all:
		return "not all free lists were followed"
	case d.caches && size <= m.maxCached() && !m.noCaches():
		return "it may be in the cache of a thread whose cache was not found"
	case d.fast[a][size]:
		return "it may be in a fast bin that is damaged"
	}
	for bin := range d.cached {
		if cacheBinHolds(bin, size) {
			return "it may be in a cache's bin that is damaged"
		}
	}
	return ""
}

// noCaches tells whether it is known that nothing is put into threads' caches.
func (m *Malloc) noCaches() bool {
	n, ok := m.Tcache()
	return ok && n == 0 && (m.minor != 0 && m.minor < 26 || m.Params.Certain)
}

// maxCached is the size of the largest chunk that can be in a thread's cache.
func (m *Malloc) maxCached() uint64 {
	if m.minor != 0 && m.minor < 26 {
		return 0
	}
	if n, ok := m.Param("tcache_max_bytes"); ok && n < maxCached {
		return n + 2*header
	}
	if m.minor != 0 && m.minor < 42 {
		return minChunk + (smallCacheBins-1)*align
	}
	return maxCached
}
