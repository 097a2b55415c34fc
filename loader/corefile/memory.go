package corefile

import "sort"

// State is what a core says of a byte of memory.
type State uint8

// The states.
const (
	Unmapped State = iota // nothing was there
	Stored                // the byte is in the core
	LeftOut               // mapped, and not written into the core: read it from the mapped file, if there is one
	Lost                  // the core's file ends before it
)

// String returns the state in words.
func (s State) String() string {
	return [...]string{"not mapped", "in the core", "left out of the core", "lost: the core is cut short"}[s]
}

// At tells what the core says of the byte at an address, and up to where it says the same.
func (f *File) At(addr uint64) (s State, hi uint64) {
	i := sort.Search(len(f.Ranges), func(i int) bool { return f.Ranges[i].Hi > addr })
	if i == len(f.Ranges) {
		return Unmapped, ^uint64(0)
	}
	r := &f.Ranges[i]
	switch {
	case addr < r.Lo:
		return Unmapped, r.Lo
	case addr < r.Known():
		return Stored, r.Known()
	case addr < r.Stored:
		return Lost, r.Stored
	}
	return LeftOut, r.Hi
}

// Range is the mapping that an address lies in.
func (f *File) Range(addr uint64) (Range, bool) {
	i := f.index(addr)
	if i < 0 {
		return Range{}, false
	}
	return f.Ranges[i], true
}

// index is the place in Ranges of the mapping that an address lies in, -1 for none.
func (f *File) index(addr uint64) int {
	i := sort.Search(len(f.Ranges), func(i int) bool { return f.Ranges[i].Hi > addr })
	if i == len(f.Ranges) || addr < f.Ranges[i].Lo {
		return -1
	}
	return i
}

// maxRead bounds one Read, in bytes.
const maxRead = 64 << 20

// Read returns memory, false unless all of it is in the core. The bytes are the caller's.
func (f *File) Read(addr, size uint64) ([]byte, bool) {
	if size > maxRead || addr+size < addr || !f.has(addr, size) {
		return nil, false
	}
	out := make([]byte, size)
	return out, f.copy(out, addr)
}

// has tells whether all of the bytes are in the core.
func (f *File) has(addr, size uint64) bool {
	for end := addr + size; addr < end; {
		s, hi := f.At(addr)
		if s != Stored {
			return false
		}
		addr = hi
	}
	return true
}

// copy fills out with memory that is in the core.
func (f *File) copy(out []byte, addr uint64) bool {
	for len(out) > 0 {
		r, ok := f.Range(addr)
		if !ok || addr >= r.Known() {
			return false
		}
		n := min(uint64(len(out)), r.Known()-addr)
		if addr >= r.Cut {
			clear(out[:n])
		} else if n = min(n, r.Cut-addr); !f.blocks.copy(out[:n], r.offset+addr-r.Lo) {
			return false
		}
		out, addr = out[n:], addr+n
	}
	return true
}

// Read64 returns the word at an address, false unless all of it is in the core.
func (f *File) Read64(addr uint64) (uint64, bool) {
	if addr+8 < addr {
		return 0, false
	}
	r := f.blocks.last
	if r == nil || addr < r.Lo || addr+8 > r.Cut {
		i := f.index(addr)
		if i < 0 || addr+8 > f.Ranges[i].Cut {
			var b [8]byte // of two mappings, or of zeros that are not stored
			ok := f.has(addr, 8) && f.copy(b[:], addr)
			return le.Uint64(b[:]), ok
		}
		r = &f.Ranges[i]
		f.blocks.last = r
	}
	return f.blocks.word(r.offset + addr - r.Lo)
}
