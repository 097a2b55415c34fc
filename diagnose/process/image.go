package process

import (
	"debug/elf"

	"emurace/loader"
	"emurace/loader/corefile"
)

// Bounds of images that are made out of memory, in bytes: of each, and of all together.
const (
	maxImage  = 64 << 20
	maxImages = 256 << 20
)

// pointers are the entries of a dynamic section that are addresses, which the dynamic linker has
// added the load bias to.
var pointers = map[elf.DynTag]bool{
	elf.DT_PLTGOT: true, elf.DT_HASH: true, elf.DT_STRTAB: true, elf.DT_SYMTAB: true, elf.DT_RELA: true, elf.DT_REL: true,
	elf.DT_JMPREL: true, elf.DT_VERSYM: true, elf.DT_VERDEF: true, elf.DT_VERNEED: true, elf.DT_GNU_HASH: true,
}

// fromCore makes the image of a module out of memory: its file as far as it was mapped, which has
// the names that it exports and its unwind tables. It is nil unless all that cannot be written to
// is in the core.
func (p *Process) fromCore(m *Module) *loader.Image {
	if m.header == nil {
		return nil
	}
	size := uint64(0)
	for _, l := range m.header.load {
		end := l.Off + l.Filesz
		if end < l.Off || end > maxImage {
			return nil
		}
		if l.Flags&uint32(elf.PF_W) == 0 && !p.stored(m.Base+l.Vaddr, l.Filesz) {
			return nil
		}
		size = max(size, end)
	}
	if p.made+size > maxImages {
		m.Problem = "it is in the core, and too much else is"
		return nil
	}
	p.made += size
	data := make([]byte, size)
	for _, l := range m.header.load {
		for at := uint64(0); at < l.Filesz; {
			state, hi := p.Core.At(m.Base + l.Vaddr + at)
			n := min(hi-(m.Base+l.Vaddr+at), l.Filesz-at)
			if n == 0 {
				break // at the end of the address space
			}
			if state == corefile.Stored {
				if b, ok := p.Core.Read(m.Base+l.Vaddr+at, n); ok {
					copy(data[l.Off+at:], b)
				}
			}
			at += n
		}
	}
	if len(data) < ehdrSize {
		return nil
	}
	// What was not mapped is not there: section headers.
	le.PutUint64(data[40:], 0)
	le.PutUint16(data[60:], 0)
	le.PutUint16(data[62:], 0)
	m.unrelocate(data)
	im, err := loader.Parse(m.Name(), data)
	if err != nil {
		return nil // it is no image that could be loaded
	}
	return im
}

// unrelocate takes the load bias from the addresses of the dynamic section.
func (m *Module) unrelocate(data []byte) {
	d := m.header.dynamic
	if d == nil || d.Off > uint64(len(data)) || d.Filesz > uint64(len(data))-d.Off {
		return
	}
	for b := data[d.Off : d.Off+d.Filesz]; len(b) >= dynSize; b = b[dynSize:] {
		tag, value := elf.DynTag(le.Uint64(b)), le.Uint64(b[8:])
		if tag == elf.DT_NULL {
			return
		}
		if pointers[tag] && value >= m.Lo && value < m.Hi {
			le.PutUint64(b[8:], value-m.Base)
		}
	}
}

// stored tells whether all of a part of memory is in the core.
func (p *Process) stored(addr, size uint64) bool {
	for end := addr + size; addr < end; {
		s, hi := p.Core.At(addr)
		if s != corefile.Stored {
			return false
		}
		addr = hi
	}
	return true
}
