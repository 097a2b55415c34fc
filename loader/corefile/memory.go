package corefile

import (
	"errors"
	"io"
	"sort"
)

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
	case addr < r.end():
		return Stored, r.end()
	case addr < r.Stored:
		return Lost, r.Stored
	}
	return LeftOut, r.Hi
}

// Range is the mapping that an address lies in.
func (f *File) Range(addr uint64) (Range, bool) {
	i := sort.Search(len(f.Ranges), func(i int) bool { return f.Ranges[i].Hi > addr })
	if i == len(f.Ranges) || addr < f.Ranges[i].Lo {
		return Range{}, false
	}
	return f.Ranges[i], true
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
		if !ok || addr >= r.end() {
			return false
		}
		n := min(uint64(len(out)), r.end()-addr)
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
	var b [8]byte
	if r := f.blocks.last; addr >= r.Lo && addr+8 <= r.Cut && addr+8 > addr {
		if !f.blocks.copy(b[:], r.offset+addr-r.Lo) {
			return 0, false
		}
		return le.Uint64(b[:]), true
	}
	if addr+8 < addr || !f.has(addr, 8) || !f.copy(b[:], addr) {
		return 0, false
	}
	f.blocks.last, _ = f.Range(addr)
	return le.Uint64(b[:]), true
}

// The blocks by which the file is read: so many of so many bytes are kept.
const (
	blockSize = 64 << 10
	maxBlocks = 512
)

// blocks keeps parts of a file that were read.
type blocks struct {
	r      io.ReaderAt
	size   uint64
	kept   map[uint64][]byte // by number
	order  []uint64          // the kept ones in the order in which they were read
	number uint64            // of current
	block  []byte            // the one that was used last
	last   Range             // that a word was last read from
}

// get is a block by its number, shorter at the end of the file, nil when it cannot be read.
func (b *blocks) get(number uint64) []byte {
	if b.block != nil && b.number == number {
		return b.block
	}
	block := b.kept[number]
	if block == nil {
		off := number * blockSize
		if off >= b.size {
			return nil
		}
		block = make([]byte, min(blockSize, b.size-off))
		if n, err := b.r.ReadAt(block, int64(off)); n < len(block) || err != nil && !errors.Is(err, io.EOF) {
			return nil
		}
		if b.kept == nil {
			b.kept = map[uint64][]byte{}
		}
		if len(b.order) >= maxBlocks {
			delete(b.kept, b.order[0])
			b.order = b.order[1:]
		}
		b.kept[number] = block
		b.order = append(b.order, number)
	}
	b.number, b.block = number, block
	return block
}

// copy fills out with the file's bytes at an offset.
func (b *blocks) copy(out []byte, off uint64) bool {
	for len(out) > 0 {
		block := b.get(off / blockSize)
		at := off % blockSize
		if at >= uint64(len(block)) {
			return false
		}
		n := copy(out, block[at:])
		out, off = out[n:], off+uint64(n)
	}
	return true
}
