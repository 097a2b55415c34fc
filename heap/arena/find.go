package arena

import "fmt"

const (
	maxArenas  = 1 << 14
	goodScore  = 120       // bins that must fit each other where an arena is recognised
	maxTries   = 1 << 10   // places that are looked at closely
	maxScanned = 128 << 20 // bytes of memory that are searched for one thing
)

// binFits tells whether a bin, by its index from 0, is what malloc leaves it: empty, which is linked
// to itself, or with a first and a last chunk that lead back to it.
func (m *Malloc) binFits(bins uint64, i int) bool {
	at := bins + 16*uint64(i)
	head := at - header
	fd, bk := m.mem.word(at), m.mem.word(at+8)
	if fd == head && bk == head {
		return true
	}
	return fd != 0 && bk != 0 && m.mem.word(fd+header+8) == head && m.mem.word(bk+header) == head
}

// score is how many of the bins at an address fit; it stops counting when they are too few.
func (m *Malloc) score(bins uint64) int {
	misses := 0
	for i := range binCount {
		if !m.binFits(bins, i) {
			if misses++; misses > binCount-goodScore {
				return 0
			}
		}
	}
	return binCount - misses
}

// findMain finds the bins of an arena: the main one by its symbol, or any that libc's data, and
// after that the beginnings of the rest of the memory, show.
func (m *Malloc) findMain() (bins uint64, bySymbol bool) {
	at := m.symbol("main_arena")
	if at != 0 {
		most := 0
		for _, l := range layouts {
			if n := m.score(at + l.bins); n > most {
				bins, most = at+l.bins, n
			}
		}
		if most > 0 {
			m.mainAt = at
			return bins, true
		}
	}
	budget := uint64(maxScanned)
	tries := maxTries
	for _, ours := range []bool{true, false} {
		for _, g := range m.mem.regions {
			if !g.Writable || ours != m.ofLibc(g) {
				continue
			}
			size := min(g.Hi-g.Lo, budget)
			if !ours {
				size = min(size, maxEdge)
			}
			if bins, ok := m.scanBins(Extent{g.Lo, g.Lo + size}, &tries); ok {
				if at != 0 {
					m.problem(Unknown, at, "main_arena is elsewhere than the file of libc has it: it is another libc's")
					m.p.Libc.Image = nil
					m.forget()
				}
				return bins, false
			}
			budget -= size
		}
	}
	if at != 0 {
		m.problem(BadArena, at, "main_arena has no bins: malloc was not used yet, or they are overwritten, or not in the core")
	}
	return 0, false
}

// forget drops the version, which is not the right one.
func (m *Malloc) forget() { m.minor, m.mangle = 0, mangleUnknown }

// symbol is the address of a variable of libc's, 0 for unknown.
func (m *Malloc) symbol(name string) uint64 {
	if m.p.Libc.Image != nil {
		for _, s := range m.p.Libc.Image.Named(name) {
			return m.p.Libc.Base + s.Addr
		}
	}
	return 0
}

// ofLibc tells whether a region may have libc's variables.
func (m *Malloc) ofLibc(g Region) bool { return g.Lo < m.p.Libc.Hi && g.Hi > m.p.Libc.Lo }

// scanBins looks for the bins of an arena: most are empty, and an empty one leads to itself.
func (m *Malloc) scanBins(e Extent, tries *int) (bins uint64, ok bool) {
	for at := (e.Lo + 7) &^ 7; at < e.Hi && *tries > 0; at += 8 {
		v, ok := m.mem.next(at)
		if !ok {
			at = (at | (pageSize - 1)) - 7
			continue
		}
		if v != at-header {
			continue
		}
		if w, _ := m.mem.next(at + 8); w != v {
			continue
		}
		*tries--
		best, most := uint64(0), 0
		for k := range uint64(binCount) {
			if s := m.score(at - 16*k); s > most {
				best, most = at-16*k, s
			}
		}
		if most >= goodScore {
			return best, true
		}
	}
	return 0, false
}

// ring follows the ring of arenas from one whose bins are known, for a layout; ok is set when
// it comes back.
func (m *Malloc) ring(bins uint64, l layout) (list []uint64, ok bool) {
	first := bins - l.bins
	list = []uint64{first}
	for len(list) < maxArenas {
		at, there := m.mem.Read64(list[len(list)-1] + l.bins + nextAt)
		if !there || at%8 != 0 {
			return list, false
		}
		if at == first {
			return list, true
		}
		if m.score(at+l.bins) == 0 {
			return list, false
		}
		list = append(list, at)
	}
	return list, false
}

// findArenas finds all arenas and how they are laid out.
func (m *Malloc) findArenas() {
	bins, bySymbol := m.findMain()
	if bins == 0 {
		if len(m.Problems) == 0 {
			m.problem(NoArena, 0, "no arena of glibc's malloc was found in the memory")
		}
		return
	}
	list, closed := m.findLayout(bins)
	if !closed {
		m.problem(BadArena, list[len(list)-1], "the ring of arenas is broken behind this one")
	}
	seen := map[uint64]bool{}
	for _, at := range list {
		seen[at] = true
		m.addArena(at, closed || bySymbol && at == m.mainAt)
	}
	for _, at := range m.strays() {
		if !seen[at] {
			seen[at] = true
			m.addArena(at, false)
			m.problem(BadArena, at, "an arena is not in the ring of arenas")
		}
	}
	m.sortArenas()
	m.checkVersion()
}

// findLayout finds out how arenas are laid out: with the right layout their ring closes.
func (m *Malloc) findLayout(bins uint64) (list []uint64, closed bool) {
	order := layouts
	if m.minor != 0 {
		order = append([]layout{layoutOf(m.minor)}, layouts...)
	}
	var longest []uint64
	for _, l := range order {
		if m.mainAt != 0 && m.mainAt != bins-l.bins {
			continue
		}
		list, closed := m.ring(bins, l)
		if closed {
			// From 2.23 on, before system_mem comes the number of threads, which is
			// no number of bytes that an arena can have.
			if first := list[0] + l.bins + nextAt + 16; m.minor == 0 && !l.attached {
				l.attached = m.mem.word(first) < pageSize
			}
			m.lay, m.known = l, true
			return list, true
		}
		if len(list) > len(longest) {
			longest, m.lay = list, l
		}
	}
	return longest, false
}

// strays are the addresses of arenas by what stands at the start of their heaps.
func (m *Malloc) strays() (list []uint64) {
	const step = 1 << 20 // of glibc's sizes of heaps, the least
	for _, g := range m.mem.regions {
		if !g.Writable {
			continue
		}
		for at := (g.Lo + step - 1) &^ (step - 1); at < g.Hi && len(list) < maxArenas; at += step {
			v := m.mem.word(at)
			for _, info := range heapInfoSizes {
				if v == at+info && m.score(v+m.lay.bins) > 0 {
					list = append(list, v)
				}
			}
		}
	}
	return list
}

func (m *Malloc) addArena(at uint64, certain bool) {
	a := &Arena{Addr: at, Certain: certain, Attached: -1}
	bins := at + m.lay.bins
	a.Main = m.infoOf(at) == 0
	a.Locked = m.mem.u32(at) != 0
	a.SystemMem = m.mem.word(at + m.lay.systemMem())
	if n := m.mem.word(bins + nextAt + 16); m.lay.attached && n < 1<<20 {
		a.Attached = int(n)
	}
	// Of an arena without memory, top leads to its own first bin.
	if top := m.mem.word(bins - 16); top != bins-header {
		if size, ok := chunkSize(m.mem.word(top + sizeAt)); ok && top%align == 0 && m.mem.writable(top, size) {
			a.Top, a.TopSize = top, size
		} else {
			m.problem(BadArena, at, fmt.Sprintf("its top chunk %#x has no proper size", top))
			a.Certain = false
		}
	}
	m.Arenas = append(m.Arenas, a)
}

// infoOf is the address of the heap_info of an arena's first heap, 0 for the main arena.
func (m *Malloc) infoOf(arena uint64) uint64 {
	for _, size := range heapInfoSizes {
		if at := arena - size; at%(1<<20) == 0 && m.mem.word(at) == arena {
			return at
		}
	}
	return 0
}

// sortArenas puts the main one first and numbers them.
func (m *Malloc) sortArenas() {
	for i, a := range m.Arenas {
		if a.Main && (m.mainAt == 0 || a.Addr == m.mainAt) {
			copy(m.Arenas[1:i+1], m.Arenas[:i])
			m.Arenas[0] = a
			break
		}
	}
	mains := 0
	for i, a := range m.Arenas {
		a.index = i
		if a.Main {
			if mains++; mains > 1 {
				m.problem(BadArena, a.Addr, "an arena that is not the main one has no heap of its own")
				a.Main, a.Certain = false, false
			}
		}
	}
}

// checkVersion compares how the arenas are laid out with what the version and the debug information say.
func (m *Malloc) checkVersion() {
	if m.minor != 0 && m.known && layoutOf(m.minor).bins != m.lay.bins {
		m.problem(Unknown, m.Arenas[0].Addr, "the arenas are not laid out as those of glibc "+m.p.Version)
		m.forget()
	}
	if m.p.Libc.Image == nil || m.mainAt == 0 {
		return
	}
	vaddr := m.mainAt - m.p.Libc.Base
	want := map[string]uint64{
		"top": m.lay.bins + topWord, "bins[0]": m.lay.bins, "next": m.lay.bins + nextAt, "system_mem": m.lay.systemMem(),
	}
	if m.lay.fast {
		want["fastbinsY[0]"] = m.lay.bins + topWord - 8*fastCount
	}
	for name, off := range want {
		if path, ok := m.p.Libc.Image.MemberOf(vaddr, off); ok && path != name {
			m.problem(Unknown, m.mainAt, fmt.Sprintf("debug information has %s where %s is expected: an unknown malloc", path, name))
			for _, a := range m.Arenas {
				a.Certain = false
			}
			return
		}
	}
}
