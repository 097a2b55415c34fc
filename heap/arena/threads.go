package arena

import (
	"fmt"
	"slices"

	"emurace/loader"
)

// A thread's variables lie before its thread pointer on amd64 and behind it on arm64 (ELF Handling
// for Thread-Local Storage, variants II and I). Those of libc, which is loaded with the program, are at
// the same distance from it in every thread.
const (
	tlsWindow  = 8192 // bytes that are searched for libc's variables
	maxModules = 64   // entries of a dtv that are looked at
	nearby     = 256  // libc's variables are not farther from each other
)

// arenaNames are names of the variable that has a thread's arena: thread_arena, and before 2.21 what
// malloc/arena.c's arena_key stands for.
var arenaNames = []string{"thread_arena", "__libc_tsd_MALLOC"}

// findThreads finds the arena and the cache of each thread.
func (m *Malloc) findThreads() {
	for _, t := range m.p.Threads {
		m.Threads = append(m.Threads, ThreadHeap{Thread: t})
	}
	m.findPointers()
	arenas := map[uint64]*Arena{}
	for _, a := range m.Arenas {
		arenas[a.Addr] = a
	}
	at, sure := m.variable(arenaNames, func(v uint64) bool { return arenas[v] != nil })
	cacheAt, cacheSure := m.cacheVariable(at, sure)
	lost := 0
	for i := range m.Threads {
		t := &m.Threads[i]
		v, ok := m.mem.Read64(t.TP + at)
		if t.TP == 0 || !ok || at == 0 {
			lost++
			continue
		}
		t.Arena, t.ArenaCertain = arenas[v], sure && (v == 0 || arenas[v] != nil)
		t.Certain = t.ArenaCertain
		if t.Arena != nil {
			t.Arena.Threads = append(t.Arena.Threads, i)
		}
		if v, ok = m.mem.Read64(t.TP + cacheAt); cacheAt == 0 || !ok {
			t.Certain = t.Certain && m.minor != 0 && m.minor < 26
			m.doubt.caches = m.doubt.caches || !t.Certain
			continue
		}
		k, fits := m.cacheAt(v)
		switch {
		case fits:
			k.Thread, k.Certain = i, cacheSure
			t.Cache = k
			m.Caches = append(m.Caches, k)
		case v == 0 || v < m.p.Libc.Hi && v >= m.p.Libc.Lo: // 2.42 has one that is always empty there
		default:
			t.Certain, m.doubt.caches = false, true
			m.problem(NoThread, t.TP+cacheAt, fmt.Sprintf("thread %d: tcache is %#x, where no cache is", t.ID, v))
		}
		if !cacheSure {
			t.Certain, m.doubt.caches = false, true
		}
	}
	if lost > 0 {
		m.problem(NoThread, 0, fmt.Sprintf("of %d of %d threads it is not known where their arena and their cache are", lost, len(m.Threads)))
		m.doubt.caches = true
	}
	m.doubt.caches = m.doubt.caches && (m.minor == 0 || m.minor >= 26)
	if m.doubt.caches {
		m.recogniseCaches()
	}
	for _, a := range m.Arenas {
		if n := len(a.Threads); lost == 0 && a.Attached >= 0 && n > a.Attached {
			m.problem(NotAttached, a.Addr, fmt.Sprintf("the arena counts %d threads, and %d have it", a.Attached, n))
		}
	}
}

// variable finds how far from the thread pointer a variable of libc's lies: by its symbol in the
// block of each module that a thread has, or where the most threads have a value that fits. 0 is nowhere.
func (m *Malloc) variable(names []string, fits func(uint64) bool) (distance uint64, sure bool) {
	off, named := m.offset(names...)
	votes := map[uint64]int{}
	for _, t := range m.Threads {
		if t.TP == 0 {
			continue
		}
		if named {
			for _, at := range m.modules(t.TP) {
				if v, ok := m.mem.Read64(at + off); ok && fits(v) {
					votes[at+off-t.TP]++
				}
			}
			continue
		}
		lo, hi := m.window(t.TP)
		for at := lo; at < hi; at += 8 {
			if v, ok := m.mem.next(at); ok && fits(v) {
				votes[at-t.TP]++
			}
		}
	}
	return most(votes)
}

// most is the distance with the most votes; it is sure when no other has as many.
func most(votes map[uint64]int) (distance uint64, sure bool) {
	best := 0
	for at, n := range votes {
		if n > best || n == best && at < distance {
			sure = n > best
			distance, best = at, n
		} else if n == best {
			sure = false
		}
	}
	return distance, sure
}

// window is where a thread's variables are looked for.
func (m *Malloc) window(tp uint64) (lo, hi uint64) {
	if m.p.Arch == loader.AMD64 {
		return tp - tlsWindow, tp
	}
	return tp + 2*8, tp + tlsWindow
}

// offset is where a variable of a thread lies in libc's block of them, by its symbol.
func (m *Malloc) offset(names ...string) (off uint64, ok bool) {
	if m.p.Libc.Image == nil {
		return 0, false
	}
	for _, name := range names {
		if s, ok := m.p.Libc.Image.ThreadLocal(name); ok {
			return s.Addr, true
		}
	}
	return 0, false
}

// modules are the blocks of variables that a thread has, one for each module: its dtv leads to
// them (elf/dl-tls.c), which the word behind the thread pointer leads to on amd64, and the word at it on arm64.
func (m *Malloc) modules(tp uint64) (list []uint64) {
	at := tp
	if m.p.Arch == loader.AMD64 {
		at += 8
	}
	dtv, ok := m.mem.Read64(at)
	if !ok || dtv%8 != 0 || dtv < 16 {
		return nil
	}
	length := min(m.mem.word(dtv-16), maxModules)
	for i := uint64(1); i <= length; i++ {
		v, ok := m.mem.Read64(dtv + 16*i)
		if !ok {
			break
		}
		if v != 0 && v%8 == 0 && v < addressLimit && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// cacheVariable is how far from the thread pointer the variable tcache lies.
func (m *Malloc) cacheVariable(arenaAt uint64, sure bool) (distance uint64, ok bool) {
	if m.minor != 0 && m.minor < 26 || arenaAt == 0 {
		return 0, false
	}
	offArena, _ := m.offset(arenaNames...)
	if off, named := m.offset("tcache"); named {
		return arenaAt + off - offArena, sure
	}
	return m.variable(nil, func(v uint64) bool {
		_, ok := m.cacheAt(v)
		return ok
	})
}

// cacheAt recognises a cache at an address: it is a block in a heap that is large enough for nothing
// else, and its lists lead to blocks of their sizes.
func (m *Malloc) cacheAt(addr uint64) (*Cache, bool) {
	if addr%align != 0 || m.heapAt(addr) == nil {
		return nil, false
	}
	size, ok := chunkSize(m.mem.word(addr - header + sizeAt))
	if !ok {
		return nil, false
	}
	for _, l := range cacheLayouts {
		if l.chunk != size || m.minor != 0 && l != cacheLayoutOf(m.minor) {
			continue
		}
		k := &Cache{Addr: addr, Thread: -1, lay: l}
		return k, m.cacheFits(k)
	}
	return nil, false
}

// cacheLayoutOf is the layout of a version.
func cacheLayoutOf(minor int) cacheLayout {
	switch {
	case minor < 30:
		return cacheLayouts[0]
	case minor < 42:
		return cacheLayouts[1]
	}
	return cacheLayouts[2]
}

// cacheFits tells whether all lists of a cache may be some. Of a damaged cache at least what leads
// to memory has to: it takes three that do not to give it up.
func (m *Malloc) cacheFits(k *Cache) bool {
	wrong := 0
	for i := range k.lay.bins {
		at, ok := m.mem.Read64(k.Addr + k.lay.entries + 8*uint64(i))
		if ok && at == 0 {
			continue
		}
		if !ok || at%align != 0 || at < header {
			wrong++
			continue
		}
		if size, ok := chunkSize(m.mem.word(at - sizeAt)); !ok || !cacheBinHolds(i, size) {
			wrong++
		}
	}
	return wrong < 3
}

// recogniseCaches looks through all heaps for caches of threads that were not found: they are recognised
// when they have something in them.
func (m *Malloc) recogniseCaches() {
	known := map[uint64]bool{}
	for _, k := range m.Caches {
		known[k.Addr] = true
	}
	const most = 1 << 14
	for _, h := range m.heaps {
		m.chunksFrom(h, h.Lo, func(at, size, _ uint64) bool {
			if k, ok := m.cacheAt(at + header); ok && !known[k.Addr] && m.cacheCounts(k) {
				m.Caches = append(m.Caches, k)
			}
			return len(m.Caches) < most
		})
		h.walked = false // before the free lists are known, it does not see all
		h.Breaks = nil
	}
}

// cacheCounts tells whether a cache has something in it, and counts it as it should.
func (m *Malloc) cacheCounts(k *Cache) bool {
	some := false
	data, ok := m.mem.Read(k.Addr, k.lay.entries)
	if !ok {
		return false
	}
	for i := range k.lay.bins {
		count := uint16(data[i])
		if k.lay.count == 2 {
			count = le.Uint16(data[2*i:])
		}
		at := m.mem.word(k.Addr + k.lay.entries + 8*uint64(i))
		if k.lay.bins == smallCacheBins && (at == 0) != (count == 0) {
			return false
		}
		if at != 0 {
			if size, ok := chunkSize(m.mem.word(at - sizeAt)); !ok || !cacheBinHolds(i, size) {
				return false
			}
			some = true
		}
	}
	return some
}
