package loader

import (
	"debug/elf"
	"encoding/binary"
	"strconv"
	"strings"
	"sync"
)

// Sizes from the ELF-64 object file format.
const (
	ehdrSize = 64
	phdrSize = 56
	shdrSize = 64
	symSize  = 24
	dynSize  = 16
)

// Limits on what a file may ask for. addressLimit is the end of the user half
// with 47-bit addresses; maxSpan keeps one image from claiming all memory;
// maxPhdrs is the kernel's own: load_elf_phdrs in fs/binfmt_elf.c reads at most
// 64 KiB of program headers.
const (
	addressLimit = 1 << 47
	maxSpan      = 1 << 30
	maxPhdrs     = 65536 / phdrSize
)

var le = binary.LittleEndian

// Parse reads an ELF file: 64-bit, little-endian, for AArch64 or x86-64, an
// executable or a shared object. It keeps data, which must not change any
// more. name appears in Image.Name and in errors, which are one line and name
// the field, as in
//
//	libc.so.6: e_machine: 40 (EM_ARM) is not AArch64 or x86-64
//
// The header, the program headers, the dynamic section and the notes are
// checked. Section headers are not, as nothing needs them for loading; what
// later finds them broken treats them as missing.
func Parse(name string, data []byte) (*Image, error) {
	im := &Image{Name: name, data: data, hash: hashOf(data)}
	im.musl = sync.OnceValues(im.findMusl)
	im.sections = sync.OnceValue(func() []section { return readSections(data) })
	if err := im.parseHeader(); err != nil {
		return nil, err
	}
	phdrs, err := im.programHeaders()
	if err != nil {
		return nil, err
	}
	if err := im.parseLoads(phdrs); err != nil {
		return nil, err
	}
	if err := im.parseOthers(phdrs); err != nil {
		return nil, err
	}
	if im.BuildID == "" {
		im.BuildID = im.sectionBuildID()
	}
	return im, nil
}

func (im *Image) errorf(field, format string, args ...any) error {
	return fieldError(im.Name, field, format, args...)
}

// checkIdent checks the first bytes of an ELF file, e_ident.
func checkIdent(name string, data []byte) error {
	if len(data) < len(elf.ELFMAG) || string(data[:len(elf.ELFMAG)]) != elf.ELFMAG {
		return fieldError(name, "e_ident", "not an ELF file")
	}
	if len(data) < ehdrSize {
		return fieldError(name, "ELF header", "truncated: %d of %d bytes", len(data), ehdrSize)
	}
	if c := elf.Class(data[elf.EI_CLASS]); c != elf.ELFCLASS64 {
		return fieldError(name, "EI_CLASS", "%d (%v) is not 64-bit", uint8(c), c)
	}
	if d := elf.Data(data[elf.EI_DATA]); d != elf.ELFDATA2LSB {
		return fieldError(name, "EI_DATA", "%d (%v) is not little-endian", uint8(d), d)
	}
	if v := data[elf.EI_VERSION]; v != byte(elf.EV_CURRENT) {
		return fieldError(name, "EI_VERSION", "%d is not 1", v)
	}
	return nil
}

func (im *Image) parseHeader() error {
	h := im.data
	if err := checkIdent(im.Name, h); err != nil {
		return err
	}
	// glibc's ld.so (elf/dl-load.c) takes these two and no other.
	if abi := elf.OSABI(h[elf.EI_OSABI]); abi != elf.ELFOSABI_NONE && abi != elf.ELFOSABI_LINUX {
		return im.errorf("EI_OSABI", "%d (%v) is not System V or GNU/Linux", uint8(abi), abi)
	}
	im.Type = elf.Type(le.Uint16(h[16:]))
	if im.Type != elf.ET_EXEC && im.Type != elf.ET_DYN {
		return im.errorf("e_type", "%d (%v) is not an executable or shared object", uint16(im.Type), im.Type)
	}
	machine := elf.Machine(le.Uint16(h[18:]))
	arch, ok := archOf(machine)
	if !ok {
		return im.errorf("e_machine", "%d (%v) is not AArch64 or x86-64", uint16(machine), machine)
	}
	im.Arch = arch
	if v := le.Uint32(h[20:]); v != uint32(elf.EV_CURRENT) {
		return im.errorf("e_version", "%d is not 1", v)
	}
	im.Entry = le.Uint64(h[24:])
	im.Phoff = le.Uint64(h[32:])
	im.Phentsize = int(le.Uint16(h[54:]))
	im.Phnum = int(le.Uint16(h[56:]))
	return nil
}

// phdr is a program header with its number, for messages.
type phdr struct {
	Segment
	kind   elf.ProgType
	number int
}

// errorf names a field of the header, as in "PT_LOAD 2: p_filesz".
func (p phdr) errorf(im *Image, field, format string, args ...any) error {
	return im.errorf(p.kind.String()+" "+strconv.Itoa(p.number), field+": "+format, args...)
}

func (im *Image) programHeaders() ([]phdr, error) {
	if im.Phentsize != phdrSize {
		return nil, im.errorf("e_phentsize", "%d is not %d", im.Phentsize, phdrSize)
	}
	if im.Phnum == 0 || im.Phnum > maxPhdrs {
		return nil, im.errorf("e_phnum", "%d is not between 1 and %d", im.Phnum, maxPhdrs)
	}
	table, ok := part(im.data, im.Phoff, uint64(im.Phnum)*phdrSize)
	if !ok {
		return nil, im.errorf("e_phoff", "%d program headers at %#x reach beyond the file's %#x bytes", im.Phnum, im.Phoff, len(im.data))
	}
	list := make([]phdr, im.Phnum)
	for i := range list {
		p := table[i*phdrSize:]
		list[i] = phdr{
			kind:   elf.ProgType(le.Uint32(p)),
			number: i,
			Segment: Segment{
				Flags:  elf.ProgFlag(le.Uint32(p[4:])),
				Offset: le.Uint64(p[8:]),
				Vaddr:  le.Uint64(p[16:]),
				Filesz: le.Uint64(p[32:]),
				Memsz:  le.Uint64(p[40:]),
				Align:  le.Uint64(p[48:]),
			},
		}
	}
	return list, nil
}

// checkFile checks that the segment's bytes are in the file.
func (im *Image) checkFile(p phdr) error {
	if _, ok := part(im.data, p.Offset, p.Filesz); !ok {
		return p.errorf(im, "p_filesz", "%#x bytes at offset %#x reach beyond the file's %#x bytes", p.Filesz, p.Offset, len(im.data))
	}
	return nil
}

// checkMemory checks that the segment's addresses make sense by themselves.
func (im *Image) checkMemory(p phdr) error {
	if p.Filesz > p.Memsz {
		return p.errorf(im, "p_filesz", "%#x is more than p_memsz %#x", p.Filesz, p.Memsz)
	}
	if p.Vaddr >= addressLimit || p.Memsz > addressLimit-p.Vaddr {
		return p.errorf(im, "p_memsz", "%#x bytes at %#x reach beyond the address space", p.Memsz, p.Vaddr)
	}
	if p.Align&(p.Align-1) != 0 {
		return p.errorf(im, "p_align", "%#x is not a power of two", p.Align)
	}
	return nil
}

func (im *Image) parseLoads(phdrs []phdr) error {
	for _, p := range phdrs {
		if p.kind != elf.PT_LOAD {
			continue
		}
		if err := im.checkFile(p); err != nil {
			return err
		}
		if err := im.checkMemory(p); err != nil {
			return err
		}
		if (p.Vaddr-p.Offset)%PageSize != 0 {
			return p.errorf(im, "p_vaddr", "%#x and p_offset %#x differ within the page", p.Vaddr, p.Offset)
		}
		if p.Memsz == 0 {
			continue // nothing to map, as for the kernel
		}
		if n := len(im.Load); n > 0 {
			before := im.Load[n-1]
			switch {
			case p.Vaddr < before.Vaddr:
				return p.errorf(im, "p_vaddr", "%#x is below the PT_LOAD before it at %#x", p.Vaddr, before.Vaddr)
			case p.Vaddr < before.End():
				return p.errorf(im, "p_vaddr", "%#x overlaps the PT_LOAD before it, which ends at %#x", p.Vaddr, before.End())
			case p.Vaddr < pageUp(before.End()):
				// One page cannot have two contents and two protections; the
				// kernel would silently let the later segment win.
				return p.errorf(im, "p_vaddr", "%#x shares a page with the PT_LOAD before it, which ends at %#x", p.Vaddr, before.End())
			}
		}
		im.Load = append(im.Load, p.Segment)
		if lo, hi := im.Span(); hi-lo > maxSpan {
			return p.errorf(im, "p_memsz", "%#x bytes at %#x make the image larger than %#x bytes", p.Memsz, p.Vaddr, uint64(maxSpan))
		}
		// The kernel's rule for AT_PHDR: the segment whose file part has them.
		if im.PhdrVaddr == 0 && im.Phoff >= p.Offset && im.Phoff-p.Offset < p.Filesz {
			im.PhdrVaddr = im.Phoff - p.Offset + p.Vaddr
		}
	}
	if len(im.Load) == 0 {
		return im.errorf("PT_LOAD", "none in %d program headers", im.Phnum)
	}
	// A shared object's entry means nothing unless it is run, but an address
	// outside the file's own memory is never right for a program.
	if im.Type == elf.ET_EXEC {
		if _, ok := im.segmentAt(im.Entry); !ok {
			return im.errorf("e_entry", "%#x is in no PT_LOAD", im.Entry)
		}
	}
	return nil
}

// single stores a segment of which there may be only one.
func (im *Image) single(p phdr, to **Segment) error {
	if *to != nil {
		return p.errorf(im, "p_type", "there is another one before it")
	}
	s := p.Segment
	*to = &s
	return nil
}

// parseOthers reads every program header that is not a PT_LOAD.
func (im *Image) parseOthers(phdrs []phdr) error {
	var interp, dyn *Segment
	for _, p := range phdrs {
		var err error
		switch p.kind {
		case elf.PT_INTERP:
			if err = im.single(p, &interp); err == nil {
				err = im.parseInterp(p)
			}
		case elf.PT_DYNAMIC:
			if err = im.single(p, &dyn); err == nil {
				err = im.parseDynamic(p)
			}
		case elf.PT_NOTE:
			err = im.parseNotes(p)
		case elf.PT_TLS:
			if err = im.single(p, &im.TLS); err == nil {
				err = im.checkInside(p)
			}
		case elf.PT_GNU_RELRO:
			if err = im.single(p, &im.Relro); err == nil {
				err = im.checkInside(p)
			}
		case elf.PT_GNU_EH_FRAME:
			if err = im.single(p, &im.ehHdr); err == nil {
				err = im.checkInside(p)
			}
		case elf.PT_PHDR:
			err = im.checkInside(p)
		case elf.PT_GNU_STACK:
			im.ExecStack = p.Flags&elf.PF_X != 0
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkInside checks a segment that describes a part of a PT_LOAD. Two kinds
// may reach further than its bytes: the zeroes of PT_TLS (.tbss) take no place
// in the image at all, and PT_GNU_RELRO may be rounded up to the page.
func (im *Image) checkInside(p phdr) error {
	if err := im.checkFile(p); err != nil {
		return err
	}
	if err := im.checkMemory(p); err != nil {
		return err
	}
	size := p.Memsz
	if p.kind == elf.PT_TLS {
		if size > maxSpan {
			return p.errorf(im, "p_memsz", "%#x is more than %#x bytes", size, uint64(maxSpan))
		}
		size = p.Filesz
	}
	if size == 0 {
		return nil
	}
	s, ok := im.segmentAt(p.Vaddr)
	if !ok || p.Vaddr+size > pageUp(s.End()) {
		return p.errorf(im, "p_vaddr", "%#x bytes at %#x are in no PT_LOAD", size, p.Vaddr)
	}
	return nil
}

// parseInterp reads the path of the dynamic linker, with load_elf_binary's
// rule that its last byte is NUL.
func (im *Image) parseInterp(p phdr) error {
	if err := im.checkFile(p); err != nil {
		return err
	}
	if p.Filesz < 2 || p.Filesz > maxPath {
		return p.errorf(im, "p_filesz", "%d is not between 2 and %d bytes", p.Filesz, maxPath)
	}
	text := string(im.data[p.Offset : p.Offset+p.Filesz])
	path, _, found := strings.Cut(text, "\x00")
	if !found || text[len(text)-1] != 0 {
		return p.errorf(im, "path", "does not end with NUL")
	}
	if path == "" {
		return p.errorf(im, "path", "empty")
	}
	im.Interp = path
	return nil
}
