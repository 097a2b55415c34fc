package loader

import "debug/elf"

// Prot is a set of page protections, with the values of mmap's PROT_ flags.
type Prot uint8

// The protections that Prot combines.
const (
	ProtRead Prot = 1 << iota
	ProtWrite
	ProtExec
)

// String returns the form of /proc/PID/maps, as in "r-x".
func (p Prot) String() string {
	b := []byte("---")
	for i, c := range []byte("rwx") {
		if p&(1<<i) != 0 {
			b[i] = c
		}
	}
	return string(b)
}

func protOf(f elf.ProgFlag) Prot {
	var p Prot
	if f&elf.PF_R != 0 {
		p |= ProtRead
	}
	if f&elf.PF_W != 0 {
		p |= ProtWrite
	}
	if f&elf.PF_X != 0 {
		p |= ProtExec
	}
	return p
}

// Mapping is a run of whole pages. The first FileSize bytes at Addr come from
// the file at FileOffset, the rest up to Size is zero; FileSize is 0 for
// anonymous memory. Addr and Size are multiples of PageSize, and so is
// FileOffset.
type Mapping struct {
	Addr, Size           uint64
	FileOffset, FileSize uint64
	Prot                 Prot
}

// Plan returns the mappings that make up the image, ascending, when base is
// added to each of its addresses (the load bias, not the lowest address). They
// are what elf_load and set_brk in Linux's fs/binfmt_elf.c make: whole pages of
// the file, also where a segment uses only part of the first or last page;
// with a bss, zeroes after the file's bytes in that last page, then anonymous
// pages. Pages between segments stay unmapped.
//
// base must be a multiple of PageSize, 0 for an ET_EXEC image, and small enough
// for all addresses to stay below 1<<47.
func (im *Image) Plan(base uint64) ([]Mapping, error) {
	if base%PageSize != 0 {
		return nil, im.errorf("base", "%#x is not a multiple of the page size", base)
	}
	if im.Type == elf.ET_EXEC && base != 0 {
		return nil, im.errorf("base", "%#x for an executable at a fixed address", base)
	}
	if _, hi := im.Span(); hi > addressLimit || base > addressLimit-hi {
		return nil, im.errorf("base", "%#x puts the image beyond the address space", base)
	}
	var plan []Mapping
	for _, s := range im.Load {
		start, end := pageDown(s.Vaddr), pageUp(s.End())
		prot := protOf(s.Flags)
		if s.Filesz > 0 {
			fileEnd := pageUp(s.Vaddr + s.Filesz)
			m := Mapping{Addr: base + start, Size: fileEnd - start, FileOffset: pageDown(s.Offset), Prot: prot}
			if s.Memsz > s.Filesz {
				m.FileSize = s.Vaddr - start + s.Filesz
			} else {
				m.FileSize = min(m.Size, uint64(len(im.data))-m.FileOffset)
			}
			plan = append(plan, m)
			start = fileEnd
		}
		if start < end {
			plan = append(plan, Mapping{Addr: base + start, Size: end - start, Prot: prot})
		}
	}
	return plan, nil
}
