package core

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"slices"

	"emurace/loader"
)

// ntBuildID is NT_GNU_BUILD_ID, a note of the owner "GNU".
const ntBuildID = 3

// buildID identifies the program: by what its file says, nil where that says nothing, and the
// made-up one, which has none of its own, by a hash. It stands in
// the core and in the program's file, by which gdb knows that they belong together.
func (p *Process) buildID() []byte {
	if p.Whole {
		id, err := hex.DecodeString(p.BuildID)
		if err != nil {
			return nil
		}
		return id
	}
	sum := sha256.Sum256(p.Program)
	return sum[:20]
}

// extra is a section that the program's file gets for debuggers.
type extra struct {
	name       string
	kind       elf.SectionType
	flags      elf.SectionFlag
	addr, off  uint64
	content    []byte // where it is not part of the program already
	size       uint64
	link, info uint32
	entry      uint64
	align      uint64 // at most 8
}

// ProgramFile is the made-up program as a file that gdb takes for the executable
// of the core: without one, gdb 13 reads no symbols of the libraries. It is what the
// process was started from, and in addition has section headers, the build-id, a
// symbol _start for all of its code, and call frame information by which backtraces
// end there. Nothing of that is mapped. A whole program's file is what it was.
func (p *Process) ProgramFile() ([]byte, error) {
	if p.Whole {
		return p.Program, nil
	}
	parts, err := partsOf(p.Program)
	if err != nil {
		return nil, fmt.Errorf("core: the program: %w", err)
	}
	names := []byte("\x00_start\x00")
	// The null symbol, then Elf64_Sym: name, info, other, section, value, size.
	syms := append(make([]byte, elf.Sym64Size), 1, 0, 0, 0, elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), 0, 1, 0)
	code := parts[0]
	syms = le.AppendUint64(le.AppendUint64(syms, code.addr), code.size)
	sections := append([]extra{{}}, parts...)
	first := uint32(len(sections))
	return appendSections(slices.Clone(p.Program), append(sections,
		extra{name: ".strtab", kind: elf.SHT_STRTAB, align: 1, content: names},
		extra{name: ".symtab", kind: elf.SHT_SYMTAB, align: 8, content: syms, link: first, info: 1, entry: elf.Sym64Size},
		extra{name: ".note.gnu.build-id", kind: elf.SHT_NOTE, align: 4, content: appendNote(nil, "GNU", ntBuildID, p.buildID())},
		extra{name: ".debug_frame", kind: elf.SHT_PROGBITS, align: 8, content: p.outermost(code.addr, code.size)},
		extra{name: ".shstrtab", kind: elf.SHT_STRTAB, align: 1},
	)), nil
}

// outermost is a .debug_frame (DWARF 4, 6.4.1) that says of the code at [addr,
// addr+size) that nobody has called it: the return address is undefined. The lengths
// of entries are without their own four bytes.
func (p *Process) outermost(addr, size uint64) []byte {
	returns, sp := byte(30), byte(31) // DWARF numbers of x30 and sp
	if p.Arch == loader.AMD64 {
		returns, sp = 16, 7
	}
	const defCFA, undefined = 0x0c, 0x07
	cie := []byte{0xff, 0xff, 0xff, 0xff, // a CIE
		1, 0, // version, no augmentation
		1, 0x78, returns, // code alignment 1, data alignment -8, return address column
		defCFA, sp, 0, undefined, returns}
	cie = append(cie, 0, 0, 0, 0, 0, 0) // DW_CFA_nop
	b := append(le.AppendUint32(nil, uint32(len(cie))), cie...)
	b = le.AppendUint32(b, 4+8+8)
	b = le.AppendUint32(b, 0) // its CIE is the one at 0
	return le.AppendUint64(le.AppendUint64(b, addr), size)
}

// partsOf are the sections of a program that loader.Stub has made, and whose
// segments lie in memory as in the file: its code first.
func partsOf(program []byte) ([]extra, error) {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, err
	}
	const alloc = elf.SHF_ALLOC
	code := extra{name: ".text", kind: elf.SHT_PROGBITS, flags: alloc | elf.SHF_EXECINSTR, align: 16, addr: f.Entry}
	interp := extra{name: ".interp", kind: elf.SHT_PROGBITS, flags: alloc, align: 1}
	strings := extra{name: ".dynstr", kind: elf.SHT_STRTAB, flags: alloc, align: 1}
	dynamic := extra{name: ".dynamic", kind: elf.SHT_DYNAMIC, flags: alloc | elf.SHF_WRITE, align: 8, link: 3, entry: 16}
	for _, g := range f.Progs {
		switch {
		case g.Type == elf.PT_LOAD && f.Entry >= g.Vaddr && f.Entry-g.Vaddr < g.Filesz:
			code.size = g.Vaddr + g.Filesz - f.Entry
		case g.Type == elf.PT_INTERP:
			interp.addr, interp.size = g.Vaddr, g.Filesz
		case g.Type == elf.PT_DYNAMIC:
			dynamic.addr, dynamic.size = g.Vaddr, g.Filesz
			b := make([]byte, g.Filesz)
			if _, err := g.ReadAt(b, 0); err != nil {
				return nil, err
			}
			for ; len(b) >= 16; b = b[16:] {
				switch v := le.Uint64(b[8:]); elf.DynTag(le.Uint64(b)) {
				case elf.DT_STRTAB:
					strings.addr = v
				case elf.DT_STRSZ:
					strings.size = v
				}
			}
		}
	}
	parts := []extra{code, interp, strings, dynamic}
	for i, s := range parts {
		if s.size == 0 {
			return nil, fmt.Errorf("it has no %s", s.name)
		}
		parts[i].off = s.addr
	}
	return parts, nil
}

// appendSections adds contents and section headers behind an ELF file without
// sections. The last section gets the names of all.
func appendSections(b []byte, sections []extra) []byte {
	names := len(sections) - 1
	var offsets []uint32
	for _, s := range sections {
		offsets = append(offsets, uint32(len(sections[names].content)))
		sections[names].content = append(append(sections[names].content, s.name...), 0)
	}
	for i, s := range sections {
		if s.content == nil {
			continue
		}
		b = pad(b, 8)
		sections[i].off, sections[i].size = uint64(len(b)), uint64(len(s.content))
		b = append(b, s.content...)
	}
	b = pad(b, 8)
	le.PutUint64(b[40:], uint64(len(b))) // e_shoff
	le.PutUint16(b[60:], uint16(len(sections)))
	le.PutUint16(b[62:], uint16(names))
	for i, s := range sections {
		b = le.AppendUint32(b, offsets[i])
		b = le.AppendUint32(b, uint32(s.kind))
		for _, v := range []uint64{uint64(s.flags), s.addr, s.off, s.size} {
			b = le.AppendUint64(b, v)
		}
		b = le.AppendUint32(le.AppendUint32(b, s.link), s.info)
		b = le.AppendUint64(le.AppendUint64(b, s.align), s.entry)
	}
	return b
}
