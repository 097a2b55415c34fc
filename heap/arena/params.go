package arena

import "strings"

// Params is what malloc's variable mp_ (struct malloc_par) says, which its tunables and mallopt
// set. It is found by its symbol, or recognised.
type Params struct {
	Addr uint64 // of mp_, 0 for not found
	// Certain is set when the symbol and the type were there.
	Certain bool
	Values  map[string]uint64 // by member: "tcache_count", "mmap_threshold"
}

// param is a member of malloc_par.
type param struct {
	name string
	off  uint64
	size int
}

// paramsOf lays out malloc_par from a list of members; a name with a star is an int.
func paramsOf(names string) (list []param) {
	off := uint64(0)
	for _, name := range strings.Fields(names) {
		p := param{name: strings.TrimSuffix(name, "*"), size: 8}
		if p.name != name {
			p.size = 4
		}
		off = (off + uint64(p.size) - 1) &^ (uint64(p.size) - 1)
		p.off = off
		off += uint64(p.size)
		list = append(list, p)
	}
	return list
}

// malloc_par by version, with the first that each is of. In 2.42 tcache_bins became tcache_small_bins; it is in
// the same place.
var paramLayouts = []struct {
	since  int
	params []param
}{
	{43, paramsOf("trim_threshold top_pad mmap_threshold arena_test arena_max thp_mode* thp_pagesize hp_pagesize hp_flags* n_mmaps* n_mmaps_max* max_n_mmaps* no_dyn_threshold* mmapped_mem max_mmapped_mem sbrk_base tcache_bins tcache_max_bytes tcache_count tcache_unsorted_limit")},
	{35, paramsOf("trim_threshold top_pad mmap_threshold arena_test arena_max thp_pagesize hp_pagesize hp_flags* n_mmaps* n_mmaps_max* max_n_mmaps* no_dyn_threshold* mmapped_mem max_mmapped_mem sbrk_base tcache_bins tcache_max_bytes tcache_count tcache_unsorted_limit")},
	{26, paramsOf("trim_threshold top_pad mmap_threshold arena_test arena_max n_mmaps* n_mmaps_max* max_n_mmaps* no_dyn_threshold* mmapped_mem max_mmapped_mem sbrk_base tcache_bins tcache_max_bytes tcache_count tcache_unsorted_limit")},
}

// Param is a member of mp_, false when it is not known.
func (m *Malloc) Param(name string) (value uint64, ok bool) {
	value, ok = m.Params.Values[name]
	return value, ok
}

// Tcache is how many blocks each bin of a thread's cache may have: glibc.malloc.tcache_count,
// 7 unless it was set, and 16 since 2.42; false when it is not known. A malloc without such
// caches has none.
func (m *Malloc) Tcache() (count uint64, ok bool) {
	if m.minor != 0 && m.minor < 26 {
		return 0, true
	}
	return m.Param("tcache_count")
}

// findParams finds mp_ by its symbol and reads it by its type.
func (m *Malloc) findParams() {
	im := m.p.Libc.Image
	if im == nil {
		return
	}
	for _, s := range im.Named("mp_") {
		at := m.p.Libc.Base + s.Addr
		values := map[string]uint64{}
		for off := uint64(0); off < min(max(s.Size, 144), 512); off += 4 {
			name, ok := im.MemberOf(s.Addr, off)
			if !ok || strings.ContainsAny(name, "+.[") {
				continue
			}
			next, _ := im.MemberOf(s.Addr, off+4)
			v, there := m.mem.Read64(at + off)
			if next != name+"+0x4" {
				v = uint64(m.mem.u32(at + off))
			}
			if name == "tcache_small_bins" {
				name = "tcache_bins"
			}
			if there {
				values[name] = v
			}
		}
		if len(values) > 0 {
			m.Params = Params{Addr: at, Certain: true, Values: values}
		}
	}
}

// recogniseParams finds mp_ in libc's data where it has no symbol: it knows where the main heap begins, and
// all of its members are in bounds.
func (m *Malloc) recogniseParams() {
	if m.Params.Addr != 0 || len(m.Arenas) == 0 || !m.Arenas[0].Main || len(m.Arenas[0].Heaps) == 0 {
		return
	}
	heap := m.Arenas[0].Heaps[0]
	var found []Params
	for _, l := range paramLayouts {
		if m.minor != 0 && (m.minor < l.since || len(found) > 0) {
			continue
		}
		m.scanData(func(at uint64) bool {
			if v := m.mem.word(at); v != heap.Lo && (v+align-1)&^(align-1) != heap.Lo {
				return true
			}
			off := offsetOf(l.params, "sbrk_base")
			if values, ok := m.readParams(at-off, l.params); ok {
				found = append(found, Params{Addr: at - off, Values: values})
			}
			return len(found) < 2
		})
	}
	if len(found) == 1 {
		m.Params = found[0]
		m.Params.Certain = m.minor != 0 && heap.Certain
	}
}

func offsetOf(list []param, name string) uint64 {
	for _, p := range list {
		if p.name == name {
			return p.off
		}
	}
	return 0
}

// readParams reads malloc_par at an address; ok is set when all members may be such.
func (m *Malloc) readParams(at uint64, list []param) (values map[string]uint64, ok bool) {
	values = map[string]uint64{}
	for _, p := range list {
		v, there := m.mem.Read64((at + p.off) &^ 7)
		if !there {
			return nil, false
		}
		if p.size == 4 {
			v = v >> (8 * ((at + p.off) & 4)) & 0xffffffff
		}
		values[p.name] = v
	}
	// Limits of mallopt and of the tunables (elf/dl-tunables.list, do_set_mallopt_check).
	return values, values["n_mmaps"] <= values["max_n_mmaps"] && values["max_n_mmaps"] <= max(values["n_mmaps_max"], 1<<16) &&
		values["no_dyn_threshold"] <= 1 && values["mmap_threshold"] <= 32<<20 && values["mmapped_mem"]%align == 0 &&
		values["mmapped_mem"] <= values["max_mmapped_mem"] && values["arena_test"] <= 1<<16 &&
		values["tcache_bins"] <= 76 && values["tcache_bins"] > 0 && values["tcache_max_bytes"] <= maxCached && values["tcache_count"] <= 1<<16
}

// scanData calls f for the words of libc's variables, until it returns false.
func (m *Malloc) scanData(f func(at uint64) bool) {
	left := uint64(maxScanned)
	for _, g := range m.mem.regions {
		if !g.Writable || !m.ofLibc(g) {
			continue
		}
		for at := (max(g.Lo, m.p.Libc.Lo) + 7) &^ 7; at < min(g.Hi, m.p.Libc.Hi) && left >= 8; at, left = at+8, left-8 {
			if !f(at) {
				return
			}
		}
	}
}
