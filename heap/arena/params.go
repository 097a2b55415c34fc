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

// malloc_par by version: until 2.25 without tcache's members, 2.26 to 2.34, 2.35 to 2.42 with those of
// huge pages, 2.43. In 2.42 tcache_bins became tcache_small_bins; it is in the same place.
var (
	paramsOld  = paramsOf("trim_threshold top_pad mmap_threshold arena_test arena_max n_mmaps* n_mmaps_max* max_n_mmaps* no_dyn_threshold* mmapped_mem max_mmapped_mem max_total_mem sbrk_base")
	params26   = paramsOf("trim_threshold top_pad mmap_threshold arena_test arena_max n_mmaps* n_mmaps_max* max_n_mmaps* no_dyn_threshold* mmapped_mem max_mmapped_mem sbrk_base tcache_bins tcache_max_bytes tcache_count tcache_unsorted_limit")
	params35   = paramsOf("trim_threshold top_pad mmap_threshold arena_test arena_max thp_pagesize hp_pagesize hp_flags* n_mmaps* n_mmaps_max* max_n_mmaps* no_dyn_threshold* mmapped_mem max_mmapped_mem sbrk_base tcache_bins tcache_max_bytes tcache_count tcache_unsorted_limit")
	params43   = paramsOf("trim_threshold top_pad mmap_threshold arena_test arena_max thp_mode* thp_pagesize hp_pagesize hp_flags* n_mmaps* n_mmaps_max* max_n_mmaps* no_dyn_threshold* mmapped_mem max_mmapped_mem sbrk_base tcache_bins tcache_max_bytes tcache_count tcache_unsorted_limit")
	paramsAll  = [][]param{params43, params35, params26}
	paramsSize = uint64(144)
)

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
		for off := uint64(0); off < max(s.Size, paramsSize) && off < 512; off += 4 {
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

// finishParams recognises mp_ when it has no symbol.
func (m *Malloc) finishParams() {}
