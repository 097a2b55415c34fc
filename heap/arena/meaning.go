package arena

import (
	"cmp"
	"slices"
)

// Kind says what a word is.
type Kind string

// The kinds.
const (
	SizeField Kind = "size"          // the size of Chunk, with flags
	Foot      Kind = "foot"          // the size of the free Chunk, in the last word of it
	FreeLink  Kind = "link"          // a link of a bin: fd, bk, fd_nextsize or bk_nextsize
	CacheLink Kind = "cache-link"    // a link of a thread's cache or of a fast bin
	CacheKey  Kind = "cache-key"     // what marks a block as being in a thread's cache
	ToFree    Kind = "to-free-block" // a pointer into a free block
	ToUsed    Kind = "to-used-block" // a pointer into a block in use
	ToTop     Kind = "to-top"        // a pointer into a top chunk
	ToArena   Kind = "to-arena"      // a pointer into a malloc_state
	ToCache   Kind = "to-cache"      // a pointer into a tcache_perthread_struct
	ToOther   Kind = "to-other"      // a pointer into what else is malloc's own, or is damaged
)

// Meaning is one thing that a word may be.
type Meaning struct {
	Kind Kind
	// Certain is set when the word is where malloc keeps such a word, has just the value
	// that it must have, and the chunk is certain.
	Certain bool
	// Stale is set when the word can only be left over from before: the chunk that it is
	// about is no more what it was.
	Stale bool
	// Field is the word's own place in its chunk: "size", "prev_size" for a foot, which is in the
	// chunk behind, "fd", "bk", "fd_nextsize", "bk_nextsize", "next", "key"; "" for none.
	Field   string
	Chunk   *Chunk // that the word is a field of, or the foot of; nil for none
	Target  uint64 // where it leads once it is demangled; 0 for nowhere, or the end of a list
	Mangled bool   // it was, with its own position
	To      *Chunk // that has Target, nil for none
	Arena   *Arena // that has Target in its malloc_state, nil for none
	Bin     int    // of Arena, when Target is the head of one; 0 for none
	Cache   *Cache // that Target is in, nil for none or unknown
	// Evidence is what it was concluded from, the strongest first.
	Evidence []Fact
}

// Fact is a word of memory that speaks for a conclusion, and what it says.
type Fact struct {
	Addr, Value uint64
	Says        string
}

// Meaning says what a value is that lies or once lay at an address, which is 0 for unknown. The
// best comes first: what is certain, and of that what its own place tells before where it leads.
// It is empty when the value means nothing to malloc.
func (m *Malloc) Meaning(addr, value uint64) []Meaning {
	var list []Meaning
	add := func(s Meaning, ok bool) {
		if ok {
			list = append(list, s)
		}
	}
	if addr != 0 && addr%8 == 0 {
		if c, ok := m.At(addr); ok {
			now, there := m.mem.Read64(addr)
			w := word{c: c, addr: addr, value: value, still: there && now == value}
			add(m.sizeMeaning(w))
			add(m.footMeaning(w))
			add(m.oldFoot(w))
			add(m.linkMeaning(w))
			add(m.keyMeaning(w))
		}
	} else if s, ok := m.anyKey(value); ok {
		add(s, true)
	}
	add(m.pointer(value))
	slices.SortStableFunc(list, func(a, b Meaning) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

func rank(s Meaning) int {
	switch {
	case s.Certain:
		return 0
	case s.Stale:
		return 2
	}
	return 1
}

// word is one in a chunk.
type word struct {
	c           Chunk
	addr, value uint64
	still       bool // the memory still has the value there
}

func (w word) off() uint64 { return w.addr - w.c.Addr - header }

func (w word) fact() Fact {
	if w.still {
		return Fact{w.addr, w.value, "the word that is there"}
	}
	return Fact{w.addr, w.value, "it is not there any more"}
}

// sizeMeaning recognises the size field of a chunk.
func (m *Malloc) sizeMeaning(w word) (Meaning, bool) {
	size, ok := chunkSize(w.value)
	if w.addr != w.c.Addr+sizeAt || !ok && w.c.State != Damaged {
		return Meaning{}, false
	}
	c := w.c
	s := Meaning{Kind: SizeField, Field: "size", Chunk: &c, Evidence: []Fact{w.fact()}}
	switch {
	case w.still:
		s.Certain = c.Certain
		s.Evidence = append(s.Evidence, Fact{c.Addr + c.Size, m.mem.word(c.Addr + c.Size), "the chunk behind begins here"})
	case size == c.Size:
		s.Evidence = append(s.Evidence, Fact{w.addr, m.mem.word(w.addr), "the size is the same, with other flags"})
	default:
		s.Stale = true
	}
	return s, true
}

// footMeaning recognises the foot of a free chunk, also one that is in use again.
func (m *Malloc) footMeaning(w word) (Meaning, bool) {
	if w.addr != w.c.Addr+w.c.Size || w.value != w.c.Size || w.c.State == Damaged || w.c.State == Top {
		return Meaning{}, false
	}
	c := w.c
	s := Meaning{Kind: Foot, Field: "prev_size", Chunk: &c, Evidence: []Fact{
		{c.Addr + sizeAt, m.mem.word(c.Addr + sizeAt), "the size of the chunk that ends here"}, w.fact(),
	}}
	if c.State.binned() {
		s.Certain = c.Certain && w.still
		s.Evidence = append(s.Evidence, Fact{c.Addr + c.Size + sizeAt, m.mem.word(c.Addr + c.Size + sizeAt), "the flag of the chunk behind says that it is free"})
	} else {
		s.Stale = true
	}
	return s, true
}

// oldFoot recognises the foot of a chunk that has since become a part of another one: its own size
// is still before it.
func (m *Malloc) oldFoot(w word) (Meaning, bool) {
	size, ok := chunkSize(w.value)
	if !ok || size != w.value || w.addr%align != 0 || size > w.addr {
		return Meaning{}, false
	}
	at := w.addr - size
	if at <= w.c.Addr || w.addr == w.c.Addr+w.c.Size {
		return Meaning{}, false
	}
	was, ok := chunkSize(m.mem.word(at + sizeAt))
	if !ok || was != size {
		return Meaning{}, false
	}
	c := w.c
	return Meaning{Kind: Foot, Field: "prev_size", Chunk: &c, Stale: true, Evidence: []Fact{
		{at + sizeAt, m.mem.word(at + sizeAt), "a size as of a chunk that ended here, now a part of a larger one"}, w.fact(),
	}}, true
}

// linkMeaning recognises the links of free chunks.
func (m *Malloc) linkMeaning(w word) (Meaning, bool) {
	c := w.c
	s := Meaning{Chunk: &c, Evidence: []Fact{w.fact()}}
	off := w.off()
	switch {
	case w.addr < c.Addr+header || off >= 32 || c.State == Top || c.State == Damaged || c.State == Internal:
		return Meaning{}, false
	case c.State == InCache || c.State == InFast:
		if off != 0 {
			return m.oldLink(w)
		}
		to := uint64(0)
		if s.Kind, s.Field = CacheLink, "fd"; c.State == InCache {
			s.Field, to = "next", header
		}
		s.Target = w.value
		if m.mangle == mangleOn {
			s.Target, s.Mangled = w.value^w.addr>>12, true
		}
		if !m.leads(s.Target, to, c.Size) && s.Target != 0 {
			return Meaning{}, false
		}
		s.Certain = c.Certain && w.still && m.mangle != mangleUnknown
	case c.State.binned():
		s.Kind, s.Field, s.Target = FreeLink, linkFields[off/8], w.value
		if off >= 16 && c.State != InLarge {
			return m.oldLink(w)
		}
		if w.value == 0 || !m.head(w.value) && !m.leads(w.value, 0, 0) {
			return Meaning{}, false
		}
		s.Certain = c.Certain && w.still
	default: // in use: what is left of when it was free
		return m.oldLink(w)
	}
	m.aim(&s)
	return s, true
}

var linkFields = [...]string{"fd", "bk", "fd_nextsize", "bk_nextsize"}

// oldLink recognises a link that is left over from when the chunk was in another list: it leads to the
// head of a bin or to a chunk's beginning, where no program has a pointer to.
func (m *Malloc) oldLink(w word) (Meaning, bool) {
	c := w.c
	s := Meaning{Chunk: &c, Stale: true, Evidence: []Fact{w.fact()}}
	switch target := w.value ^ w.addr>>12; {
	case w.value == 0:
		return Meaning{}, false
	case m.head(w.value) || m.leads(w.value, 0, 0):
		s.Kind, s.Field, s.Target = FreeLink, linkFields[w.off()/8], w.value
	case w.off() == 0 && m.mangle == mangleOn && (target == 0 || m.leads(target, header, c.Size) || m.leads(target, 0, c.Size)):
		s.Kind, s.Field, s.Target, s.Mangled = CacheLink, "next", target, true
	default:
		return Meaning{}, false
	}
	m.aim(&s)
	return s, true
}

// leads tells whether an address is a number of bytes behind the beginning of a chunk, of a size if that
// is not 0.
func (m *Malloc) leads(at, to, size uint64) bool {
	if at < to+header || at%align != 0 {
		return false
	}
	c, ok := m.At(at - to + header)
	return ok && c.Addr == at-to && c.State != Damaged && (size == 0 || c.Size == size)
}

// head tells whether an address is that of the head of a bin, as links lead to it.
func (m *Malloc) head(at uint64) bool {
	a := m.arenaAt(at)
	return a != nil && m.binHead(a, at) != 0
}

// arenaAt is the arena that has an address in its malloc_state.
func (m *Malloc) arenaAt(at uint64) *Arena {
	for _, a := range m.Arenas {
		if at-a.Addr < m.lay.size() {
			return a
		}
	}
	return nil
}

// binHead is the number of the bin that has its head at an address, 0 for none. A head counts as a
// chunk, of which only fd and bk are there.
func (m *Malloc) binHead(a *Arena, at uint64) int {
	off := at + header - a.Addr - m.lay.bins
	if off%16 != 0 || off >= binsSize {
		return 0
	}
	return int(off/16) + 1
}

// aim fills in what a target is.
func (m *Malloc) aim(s *Meaning) {
	if s.Target == 0 {
		return
	}
	if a := m.arenaAt(s.Target); a != nil {
		s.Arena, s.Bin = a, m.binHead(a, s.Target)
		return
	}
	at := s.Target
	if s.Field != "" && s.Field != "next" {
		at += header // to a chunk's beginning, whose first word is the one before's
	}
	if c, ok := m.At(at); ok {
		s.To, s.Cache = &c, c.Cache
	}
}

// keyMeaning recognises what the second word of a block in a thread's cache is.
func (m *Malloc) keyMeaning(w word) (Meaning, bool) {
	if w.addr < w.c.Addr+header || w.off() != 8 || w.value == 0 {
		return Meaning{}, false
	}
	s, ok := m.anyKey(w.value)
	if !ok {
		return Meaning{}, false
	}
	c := w.c
	s.Chunk, s.Field = &c, "key"
	s.Evidence = append(s.Evidence, w.fact())
	// It may be left in a block that has gone from a cache to another list when its thread ended.
	s.Certain = s.Certain && c.Certain && c.State == InCache && w.still
	s.Stale = c.State != InCache
	return s, true
}

// anyKey tells whether a value is the key: since 2.34 a random number, and before that the address
// of the cache (malloc/malloc.c, tcache_key).
func (m *Malloc) anyKey(value uint64) (Meaning, bool) {
	if m.minor == 0 || m.minor < 34 {
		for _, k := range m.Caches {
			if k.Addr == value {
				return Meaning{Kind: CacheKey, Certain: k.Certain && m.minor != 0, Target: value, Cache: k, Evidence: []Fact{{k.Addr, m.mem.word(k.Addr), "a thread's cache is here"}}}, true
			}
		}
	}
	if at, key, certain := m.key(); value != 0 && key == value {
		return Meaning{Kind: CacheKey, Certain: certain, Evidence: []Fact{{at, key, "the key that marks blocks in caches"}}}, true
	}
	return Meaning{}, false
}

// key is tcache_key, 0 for unknown: by its symbol, or what two and more blocks of caches agree on.
func (m *Malloc) key() (at, key uint64, certain bool) {
	if !m.keyKnown {
		m.keyKnown = true
		m.keyAt, m.keyValue, m.keyCertain = m.findKey()
	}
	return m.keyAt, m.keyValue, m.keyCertain
}

func (m *Malloc) findKey() (at, key uint64, certain bool) {
	if m.minor != 0 && m.minor < 34 {
		return 0, 0, false
	}
	if at := m.symbol("tcache_key"); at != 0 {
		if key, ok := m.mem.Read64(at); ok && key != 0 {
			return at, key, true
		}
	}
	// A random number is no address, and no two words of programs are the same one by chance.
	const enough = 4
	agree, others := 0, 0
	for _, l := range m.Lists {
		if l.Kind != InCache || l.First == 0 {
			continue
		}
		switch v := m.mem.word(l.First + header + 8); {
		case agree == 0:
			at, key, agree = l.First+header+8, v, 1
		case v == key:
			agree++
		default:
			others++
		}
	}
	if agree < 2 || others > 1 || m.mapsAt(key) {
		return 0, 0, false
	}
	return at, key, others == 0 && agree >= enough && m.minor >= 34
}

// mapsAt tells whether anything is mapped at an address.
func (m *Malloc) mapsAt(addr uint64) bool {
	_, ok := m.mem.region(addr)
	return ok
}

// pointer recognises a value that leads to memory of malloc's.
func (m *Malloc) pointer(value uint64) (Meaning, bool) {
	s := Meaning{Target: value}
	if a := m.arenaAt(value); a != nil {
		s.Kind, s.Arena, s.Bin, s.Certain = ToArena, a, m.binHead(a, value), a.Certain
		s.Evidence = []Fact{{a.Addr, m.mem.word(a.Addr), "an arena begins here"}}
		return s, true
	}
	c, ok := m.At(value)
	if !ok {
		return Meaning{}, false
	}
	s.To, s.Cache, s.Certain = &c, c.Cache, c.Certain
	s.Evidence = []Fact{{c.Addr + sizeAt, m.mem.word(c.Addr + sizeAt), "the size of the chunk around it"}}
	switch {
	case c.State.Free():
		s.Kind = ToFree
		for _, l := range c.Lists {
			s.Evidence = append(s.Evidence, Fact{l.Head, m.mem.word(l.Head), "the list that has the chunk begins here"})
		}
	case c.State == InUse || c.State == Mmapped:
		s.Kind = ToUsed
	case c.State == Top:
		s.Kind = ToTop
	case c.Cache != nil:
		s.Kind = ToCache
	default:
		s.Kind = ToOther
	}
	return s, true
}

// MeaningOf says what a value may be whose address is not known, when someone has it who walks the memory
// around the addresses of near: the content of other registers. It is one of malloc's words there; what it
// is without any is what [Malloc.Meaning] says. None of the former is certain, for the value may come
// from elsewhere.
func (m *Malloc) MeaningOf(value uint64, near ...uint64) []Meaning {
	list := m.Meaning(0, value)
	seen := map[uint64]bool{}
	for _, n := range near {
		n &^= 7
		c, ok := m.At(n)
		if !ok {
			continue
		}
		// Where the walk is, and where malloc keeps its words of the chunk.
		for _, at := range [...]uint64{n, n - 8, n + 8, c.Addr + c.Size, c.Addr + sizeAt, c.Addr + header, c.Addr + header + 8, c.Addr + c.Size + sizeAt} {
			if v, ok := m.mem.Read64(at); !ok || v != value || seen[at] {
				continue
			}
			seen[at] = true
			for _, s := range m.Meaning(at, value) {
				if s.Field != "" {
					s.Certain = false
					list = append(list, s)
				}
			}
		}
	}
	return list
}
