package process

import (
	"debug/elf"
	"emurace/loader"
)

// Relocations that add the load bias to a constant (R_*_RELATIVE).
const (
	relativeARM64 = 1027
	relativeAMD64 = 8
)

// maxCompared bounds the relocations that are looked at.
const maxCompared = 256

// fits tells whether a file can be a module's of which no build-id is known: by its size in memory,
// by where its dynamic section is, and by the words that the dynamic linker has written into the part of it
// that cannot be written to afterwards (PT_GNU_RELRO). Same is how many of these agree; none may differ.
func (p *Process) fits(m *Module, im *loader.Image) (ok bool, same int) {
	lo, hi := im.Span()
	if m.header != nil && (m.Lo != m.Base+lo || m.Hi != m.Base+hi) {
		return false, 0
	}
	if m.header == nil && m.Hi-m.Lo > hi-lo {
		return false, 0
	}
	base := m.Base
	if m.header == nil {
		base = m.Lo - lo
	}
	if m.dynamic != 0 && m.dynamic != base+dynamicAt(im) {
		return false, 0
	}
	if entry, ok := p.Core.Aux(loader.AT_ENTRY); ok && m == p.program {
		if base+im.Entry != entry {
			return false, 0
		}
		same = leastSame - 1
	}
	for _, r := range relatives(im) {
		if im.Relro == nil {
			break
		}
		if r.at < im.Relro.Vaddr || r.at+8 > im.Relro.End() {
			continue
		}
		v, ok := p.Core.Read64(base + r.at)
		if ok && v != base+r.value {
			return false, 0
		}
		if ok {
			same++
		}
	}
	if m.header == nil {
		m.Base = base
	}
	return true, same
}

// leastSame is how many words have to agree of a file that the user has named the place of; for a program its
// entry stands for most of them. Any other file has to agree in more: of another build nearly all of them are
// others, since they are addresses of its functions and data.
const (
	leastSame    = 8
	leastUnnamed = 32
)

// relative is a word at an address of an image that becomes the load bias plus a value.
type relative struct{ at, value uint64 }

// relatives are some of the relocations of DT_RELA that do not depend on other images.
func relatives(im *loader.Image) (list []relative) {
	data := im.Data()
	var rela, size uint64
	f := elfDynamic(im, data)
	rela, _ = entry(f, elf.DT_RELA)
	size, _ = entry(f, elf.DT_RELASZ)
	kind := uint64(relativeAMD64)
	if im.Arch == loader.ARM64 {
		kind = relativeARM64
	}
	list = packed(f, im)
	for _, s := range im.Load {
		if rela < s.Vaddr || rela-s.Vaddr >= s.Filesz {
			continue
		}
		b := data[s.Offset+rela-s.Vaddr : s.Offset+s.Filesz]
		b = b[:min(size, uint64(len(b)))]
		for ; len(b) >= 24 && len(list) < maxCompared; b = b[24:] {
			if le.Uint64(b[8:])&0xffffffff == kind {
				list = append(list, relative{le.Uint64(b), le.Uint64(b[16:])})
			}
		}
	}
	return list
}

// packed are some of the relocations of DT_RELR (generic ABI, "Relative Relocation Table"): an even word is the
// place of one, an odd one has a bit for each of the 63 words behind. What is added to the load bias
// stands at the place itself.
func packed(f []elf.Dyn64, im *loader.Image) (list []relative) {
	at, ok := entry(f, dtRelr)
	size, ok2 := entry(f, dtRelrsz)
	table := fileAt(im, at)
	table = table[:min(size, uint64(len(table)))]
	if !ok || !ok2 {
		return nil
	}
	add := func(place uint64) {
		if b := fileAt(im, place); len(b) >= 8 && len(list) < maxCompared {
			list = append(list, relative{place, le.Uint64(b)})
		}
	}
	next := uint64(0)
	for ; len(table) >= 8 && len(list) < maxCompared; table = table[8:] {
		v := le.Uint64(table)
		if v&1 == 0 {
			add(v)
			next = v + 8
			continue
		}
		for i := range uint64(63) {
			if v>>(i+1)&1 != 0 {
				add(next + 8*i)
			}
		}
		next += 63 * 8
	}
	return list
}

// Tags of the dynamic section, of packed relocations.
const (
	dtRelrsz elf.DynTag = 35
	dtRelr   elf.DynTag = 36
)

// fileAt are the bytes of a file that are mapped from an address of it on.
func fileAt(im *loader.Image, at uint64) []byte {
	for _, s := range im.Load {
		if at >= s.Vaddr && at-s.Vaddr < s.Filesz {
			return im.Data()[s.Offset+at-s.Vaddr : s.Offset+s.Filesz]
		}
	}
	return nil
}

// dynamicAt is the address of a file's dynamic section, 0 for none.
func dynamicAt(im *loader.Image) uint64 {
	for i := range im.Phnum {
		if p := im.Data()[im.Phoff+uint64(i)*phdrSize:]; elf.ProgType(le.Uint32(p)) == elf.PT_DYNAMIC {
			return le.Uint64(p[16:])
		}
	}
	return 0
}

// elfDynamic is the dynamic section of a file.
func elfDynamic(im *loader.Image, data []byte) (list []elf.Dyn64) {
	for i := range im.Phnum {
		p := data[im.Phoff+uint64(i)*phdrSize:]
		if elf.ProgType(le.Uint32(p)) != elf.PT_DYNAMIC {
			continue
		}
		off, size := le.Uint64(p[8:]), le.Uint64(p[32:])
		for b := data[off : off+size]; len(b) >= dynSize; b = b[dynSize:] {
			list = append(list, elf.Dyn64{Tag: int64(le.Uint64(b)), Val: le.Uint64(b[8:])})
		}
	}
	return list
}
