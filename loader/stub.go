package loader

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"
)

// Limits of a stub. They only keep a mistaken caller from asking for an image
// that Parse would refuse.
const (
	maxStubCode   = 1 << 20
	maxStubData   = 1 << 29
	maxStubNeeded = 256
	maxStubNames  = 256
)

// StubSpec describes a program for Stub.
type StubSpec struct {
	Arch     Arch
	Interp   string   // dynamic linker; the architecture's own when empty
	Needed   []string // libraries to load (DT_NEEDED), in order
	RPath    string   // folders with colons between them, where libraries are looked for first (DT_RPATH); "" for none
	Code     []byte   // machine code at the entry, position-independent; not empty
	DataSize uint64   // bytes of zeroed, writable memory
	Symbols  []StubSymbol
}

// StubSymbol names a function in a stub's code.
type StubSymbol struct {
	Name      string
	Off, Size uint64 // in Code, in bytes
}

// StubLayout says where a stub has its parts, before the load bias.
type StubLayout struct {
	CodeVaddr uint64 // first byte of the code, the entry; a multiple of 64
	DataVaddr uint64 // first byte of the data, page-aligned; 0 without data
}

// stubPhdrs is the number of program headers that a stub has.
const stubPhdrs = 6

// Stub makes a position-independent program that does nothing of its own but
// name a dynamic linker and libraries: the guest's ld.so loads and relocates
// them as for any program and then jumps to Code. It exports and imports no symbol;
// Symbols are for whoever looks at it, in a .symtab behind all that is mapped. Only
// with them has the file section headers, which executables may do without.
//
// It has two pages and the data:
//
//	0       ELF header, program headers, interpreter, .hash, .dynsym, .dynstr, code   R+X
//	next    .dynamic                                                                  R+W
//	next    data (no bytes in the file)                                               R+W
func Stub(spec StubSpec) ([]byte, StubLayout, error) {
	if spec.Interp == "" {
		spec.Interp = spec.Arch.Interp()
	}
	if err := spec.check(); err != nil {
		return nil, StubLayout{}, err
	}

	// The first segment, in order of address.
	interp := uint64(ehdrSize + stubPhdrs*phdrSize)
	text := make([]byte, interp)
	text = append(append(text, spec.Interp...), 0)
	interpSize := uint64(len(text)) - interp

	// One bucket with no chain, for the only symbol: the mandatory null one.
	text = alignTo(text, 8)
	hash := uint64(len(text))
	for _, word := range []uint32{1, 1, 0, 0} {
		text = le.AppendUint32(text, word)
	}
	dynsym := uint64(len(text))
	text = append(text, make([]byte, symSize)...)

	dynstr := uint64(len(text))
	text = append(text, 0)
	var needed []uint64
	for _, name := range spec.Needed {
		needed = append(needed, uint64(len(text))-dynstr)
		text = append(append(text, name...), 0)
	}
	rpath := uint64(len(text)) - dynstr
	if spec.RPath != "" {
		text = append(append(text, spec.RPath...), 0)
	}
	dynstrSize := uint64(len(text)) - dynstr

	text = alignTo(text, 64)
	code := uint64(len(text))
	text = append(text, spec.Code...)
	textSize := uint64(len(text))

	// The second segment. DT_DEBUG is where ld.so leaves its list of libraries.
	text = alignTo(text, PageSize)
	dyn := uint64(len(text))
	out := text
	add := func(tag elf.DynTag, value uint64) {
		out = le.AppendUint64(le.AppendUint64(out, uint64(tag)), value)
	}
	for _, n := range needed {
		add(elf.DT_NEEDED, n)
	}
	if spec.RPath != "" {
		// Not DT_RUNPATH, which would not count for what the libraries themselves need.
		add(elf.DT_RPATH, rpath)
	}
	add(elf.DT_HASH, hash)
	add(elf.DT_STRTAB, dynstr)
	add(elf.DT_SYMTAB, dynsym)
	add(elf.DT_STRSZ, dynstrSize)
	add(elf.DT_SYMENT, symSize)
	add(elf.DT_DEBUG, 0)
	add(elf.DT_FLAGS, uint64(elf.DF_BIND_NOW))
	add(elf.DT_FLAGS_1, uint64(elf.DF_1_NOW|elf.DF_1_PIE))
	add(elf.DT_NULL, 0)
	dynSize := uint64(len(out)) - dyn
	memSize := dynSize
	layout := StubLayout{CodeVaddr: code}
	if spec.DataSize > 0 {
		layout.DataVaddr = pageUp(dyn + dynSize)
		memSize = layout.DataVaddr + spec.DataSize - dyn
	}

	putStubHeader(out, spec.Arch, code)
	const r, rw, rx = elf.PF_R, elf.PF_R | elf.PF_W, elf.PF_R | elf.PF_X
	for i, p := range []phdr{
		{kind: elf.PT_PHDR, Segment: Segment{Offset: ehdrSize, Filesz: stubPhdrs * phdrSize, Flags: r, Align: 8}},
		{kind: elf.PT_INTERP, Segment: Segment{Offset: interp, Filesz: interpSize, Flags: r, Align: 1}},
		{kind: elf.PT_LOAD, Segment: Segment{Offset: 0, Filesz: textSize, Flags: rx, Align: PageSize}},
		{kind: elf.PT_LOAD, Segment: Segment{Offset: dyn, Filesz: dynSize, Memsz: memSize, Flags: rw, Align: PageSize}},
		{kind: elf.PT_DYNAMIC, Segment: Segment{Offset: dyn, Filesz: dynSize, Flags: rw, Align: 8}},
		{kind: elf.PT_GNU_STACK, Segment: Segment{Flags: rw, Align: 16}},
	} {
		p.Vaddr = p.Offset // the file is its own memory image
		p.Memsz = max(p.Memsz, p.Filesz)
		putPhdr(out[ehdrSize+i*phdrSize:], p)
	}
	if len(spec.Symbols) > 0 {
		out = appendStubSections(out, spec, code, Segment{Offset: dynstr, Filesz: dynstrSize}, Segment{Offset: dyn, Filesz: dynSize})
	}
	return out, layout, nil
}

// stubText is the number of the section that a stub's code is in.
const stubText = 1

// appendStubSections puts the symbols behind a stub, and the section headers
// through which they are found.
func appendStubSections(out []byte, spec StubSpec, code uint64, dynstr, dynamic Segment) []byte {
	symtab, strtab := make([]byte, symSize), []byte{0} // the first symbol is null
	for _, s := range spec.Symbols {
		symtab = le.AppendUint32(symtab, uint32(len(strtab)))
		symtab = append(symtab, elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), 0)
		symtab = le.AppendUint16(symtab, stubText)
		symtab = le.AppendUint64(le.AppendUint64(symtab, code+s.Off), s.Size)
		strtab = append(append(strtab, s.Name...), 0)
	}
	const names = "\x00.text\x00.dynstr\x00.dynamic\x00.symtab\x00.strtab\x00.shstrtab\x00"
	const alloc, write, exec = elf.SHF_ALLOC, elf.SHF_WRITE, elf.SHF_EXECINSTR
	var headers []byte
	header := func(name string, kind elf.SectionType, flags elf.SectionFlag, at Segment, link, info uint32, entry uint64) {
		headers = le.AppendUint32(headers, uint32(max(0, strings.Index(names, name+"\x00"))))
		headers = le.AppendUint32(headers, uint32(kind))
		for _, v := range []uint64{uint64(flags), at.Vaddr, at.Offset, at.Filesz} {
			headers = le.AppendUint64(headers, v)
		}
		headers = le.AppendUint32(le.AppendUint32(headers, link), info)
		headers = le.AppendUint64(le.AppendUint64(headers, 8), entry) // alignment
	}
	mapped := func(s Segment) Segment {
		s.Vaddr = s.Offset
		return s
	}
	place := func(b []byte) Segment {
		out = alignTo(out, 8)
		out = append(out, b...)
		return Segment{Offset: uint64(len(out) - len(b)), Filesz: uint64(len(b))}
	}
	header("", elf.SHT_NULL, 0, Segment{}, 0, 0, 0)
	header(".text", elf.SHT_PROGBITS, alloc|exec, mapped(Segment{Offset: code, Filesz: uint64(len(spec.Code))}), 0, 0, 0)
	header(".dynstr", elf.SHT_STRTAB, alloc, mapped(dynstr), 0, 0, 0)
	header(".dynamic", elf.SHT_DYNAMIC, alloc|write, mapped(dynamic), 2, 0, dynSize)
	header(".symtab", elf.SHT_SYMTAB, 0, place(symtab), 5, 1, symSize) // one local symbol: the null one
	header(".strtab", elf.SHT_STRTAB, 0, place(strtab), 0, 0, 0)
	header(".shstrtab", elf.SHT_STRTAB, 0, place([]byte(names)), 0, 0, 0)
	le.PutUint64(out[40:], place(headers).Offset)           // e_shoff
	le.PutUint16(out[60:], uint16(len(headers)/shdrSize))   // e_shnum
	le.PutUint16(out[62:], uint16(len(headers)/shdrSize)-1) // e_shstrndx
	return out
}

func (spec *StubSpec) check() error {
	if spec.Arch.Machine() == elf.EM_NONE {
		return fmt.Errorf("stub: arch: %v is unknown", spec.Arch)
	}
	if len(spec.Code) == 0 || len(spec.Code) > maxStubCode {
		return fmt.Errorf("stub: code: %d bytes, not between 1 and %d", len(spec.Code), maxStubCode)
	}
	if spec.DataSize > maxStubData {
		return fmt.Errorf("stub: data: %#x bytes, at most %#x", spec.DataSize, maxStubData)
	}
	if len(spec.Needed) > maxStubNeeded {
		return fmt.Errorf("stub: needed: %d libraries, at most %d", len(spec.Needed), maxStubNeeded)
	}
	if err := checkStubName(spec.Interp); err != nil {
		return fmt.Errorf("stub: interp: %w", err)
	}
	if spec.RPath != "" {
		if err := checkStubName(spec.RPath); err != nil {
			return fmt.Errorf("stub: rpath: %w", err)
		}
	}
	for i, name := range spec.Needed {
		if err := checkStubName(name); err != nil {
			return fmt.Errorf("stub: needed[%d]: %w", i, err)
		}
	}
	if len(spec.Symbols) > maxStubNames {
		return fmt.Errorf("stub: symbols: %d, at most %d", len(spec.Symbols), maxStubNames)
	}
	for i, s := range spec.Symbols {
		if err := checkStubName(s.Name); err != nil {
			return fmt.Errorf("stub: symbols[%d]: %w", i, err)
		}
		if n := uint64(len(spec.Code)); s.Off >= n || s.Size > n-s.Off {
			return fmt.Errorf("stub: symbols[%d]: %s: %d bytes at %d of %d", i, s.Name, s.Size, s.Off, n)
		}
	}
	return nil
}

func checkStubName(s string) error {
	switch {
	case s == "":
		return errors.New("empty")
	case len(s) >= maxPath:
		return fmt.Errorf("%d bytes, at most %d", len(s), maxPath-1)
	case strings.IndexByte(s, 0) >= 0:
		return errors.New("contains NUL")
	}
	return nil
}

func putStubHeader(out []byte, arch Arch, entry uint64) {
	copy(out, elf.ELFMAG)
	out[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	out[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	out[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	le.PutUint16(out[16:], uint16(elf.ET_DYN))
	le.PutUint16(out[18:], uint16(arch.Machine()))
	le.PutUint32(out[20:], uint32(elf.EV_CURRENT))
	le.PutUint64(out[24:], entry)
	le.PutUint64(out[32:], ehdrSize) // e_phoff
	le.PutUint16(out[52:], ehdrSize) // e_ehsize
	le.PutUint16(out[54:], phdrSize)
	le.PutUint16(out[56:], stubPhdrs)
	le.PutUint16(out[58:], shdrSize) // e_shentsize, of a table with no entries
}

func putPhdr(out []byte, p phdr) {
	le.PutUint32(out, uint32(p.kind))
	le.PutUint32(out[4:], uint32(p.Flags))
	le.PutUint64(out[8:], p.Offset)
	le.PutUint64(out[16:], p.Vaddr)
	le.PutUint64(out[24:], p.Vaddr) // p_paddr
	le.PutUint64(out[32:], p.Filesz)
	le.PutUint64(out[40:], p.Memsz)
	le.PutUint64(out[48:], p.Align)
}

// alignTo pads b with zeroes to a multiple of n.
func alignTo(b []byte, n int) []byte {
	return append(b, make([]byte, (n-len(b)%n)%n)...)
}
