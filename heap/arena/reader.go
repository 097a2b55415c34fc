package arena

import (
	"encoding/binary"
	"sort"
)

var le = binary.LittleEndian

const (
	pageSize = 4096
	block    = 64 << 10 // bytes that a walk reads at once, at most
)

// reader reads words: any one straight from the memory, and those of a walk out of a block
// that is read as a whole.
type reader struct {
	Memory
	regions []Region
	lo      uint64
	buf     []byte
	ahead   uint64 // bytes that were read at once last
}

func newReader(m Memory) *reader {
	r := &reader{Memory: m}
	for _, g := range m.Regions() {
		// The order is promised; what does not keep to it is left out.
		if n := len(r.regions); g.Lo < g.Hi && g.Hi <= addressLimit && (n == 0 || g.Lo >= r.regions[n-1].Hi) {
			r.regions = append(r.regions, g)
		}
	}
	return r
}

// addressLimit is the end of what addresses of processes are, on both architectures.
const addressLimit = 1 << 48

// region is the one that has an address.
func (r *reader) region(addr uint64) (Region, bool) {
	i := sort.Search(len(r.regions), func(i int) bool { return r.regions[i].Hi > addr })
	if i == len(r.regions) || r.regions[i].Lo > addr {
		return Region{}, false
	}
	return r.regions[i], true
}

// writable tells whether size bytes at an address are in memory that the process could write.
func (r *reader) writable(addr, size uint64) bool {
	if size == 0 || addr+size < addr {
		return false
	}
	for end := addr + size; addr < end; {
		g, ok := r.region(addr)
		if !ok || !g.Writable {
			return false
		}
		addr = g.Hi
	}
	return true
}

// span is the extent of writable memory without a gap around an address; regions that
// touch are one.
func (r *reader) span(addr uint64) (Extent, bool) {
	i := sort.Search(len(r.regions), func(i int) bool { return r.regions[i].Hi > addr })
	if i == len(r.regions) || r.regions[i].Lo > addr || !r.regions[i].Writable {
		return Extent{}, false
	}
	j := i
	for i > 0 && r.regions[i-1].Writable && r.regions[i-1].Hi == r.regions[i].Lo {
		i--
	}
	for j+1 < len(r.regions) && r.regions[j+1].Writable && r.regions[j+1].Lo == r.regions[j].Hi {
		j++
	}
	return Extent{r.regions[i].Lo, r.regions[j].Hi}, true
}

// next reads a word as a walk does, one after another.
func (r *reader) next(addr uint64) (uint64, bool) {
	if off := addr - r.lo; off < uint64(len(r.buf)) && uint64(len(r.buf))-off >= 8 {
		return le.Uint64(r.buf[off:]), true
	}
	if addr%8 != 0 {
		return r.Read64(addr)
	}
	// A walk over large chunks looks at one page of many: only one that goes on into the next page
	// is read ahead for.
	if addr >= r.lo && addr-r.lo < uint64(len(r.buf))+pageSize {
		r.ahead = min(2*r.ahead, block)
	} else {
		r.ahead = pageSize
	}
	for _, size := range [2]uint64{r.ahead, pageSize} {
		lo := addr &^ (pageSize - 1)
		if buf, ok := r.Read(lo, size); ok && uint64(len(buf)) == size {
			r.lo, r.buf = lo, buf
			return le.Uint64(buf[addr-lo:]), true
		}
	}
	return r.Read64(addr)
}

// word is a word or 0.
func (r *reader) word(addr uint64) uint64 {
	v, _ := r.Read64(addr)
	return v
}

// u32 is a half word or 0.
func (r *reader) u32(addr uint64) uint32 {
	v := r.word(addr &^ 7)
	return uint32(v >> (8 * (addr & 4)))
}
