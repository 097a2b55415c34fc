package gdb

import (
	"debug/elf"

	"emurace/emu"
	"emurace/loader"
)

// programName is what the made-up program's traps are called. Its routines have names
// of their own.
const programName = "emurace_program"

// sectionSize and symbolSize are those of 64-bit ELF.
const (
	sectionSize = 64
	symbolSize  = 24
)

// programFile is the made-up program as a file for gdb: what is mapped, with
// sections behind it, names for its code, and the rules that nobody called its traps
// and how to come back from its routines. A whole program has a file of its own, which is as it is.
func programFile(m *emu.Process) []byte {
	p := m.Program()
	if m.RunsProgram() {
		return p.Image.Data()
	}
	out := append([]byte(nil), p.Image.Data()...)
	entry, _, _ := m.Traps()
	routines, end := m.Routines()
	code := entry - p.Base
	traps, size := routines-entry, end-entry

	names := []byte{0}
	type section struct {
		name       uint32
		kind       elf.SectionType
		flags      elf.SectionFlag
		addr       uint64
		off, size  uint64
		link, info uint32
		entry      uint64
	}
	sections := []section{{}}
	add := func(name string, s section) {
		s.name = uint32(len(names))
		names = append(append(names, name...), 0)
		sections = append(sections, s)
	}
	content := func(b []byte) (off, size uint64) {
		for len(out)%8 != 0 {
			out = append(out, 0)
		}
		off = uint64(len(out))
		out = append(out, b...)
		return off, uint64(len(b))
	}

	for _, h := range programHeaders(out) {
		switch h.kind { // the file is its own memory image
		case elf.PT_INTERP:
			add(".interp", section{kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC, addr: h.vaddr, off: h.vaddr, size: h.size})
		case elf.PT_DYNAMIC:
			add(".dynamic", section{kind: elf.SHT_DYNAMIC, flags: elf.SHF_ALLOC | elf.SHF_WRITE, addr: h.vaddr, off: h.vaddr, size: h.size, entry: 16})
		}
	}
	text := len(sections)
	add(".text", section{kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, addr: code, off: code, size: size})
	off, n := content(callRules(m.Arch(), code, traps, size))
	add(".debug_frame", section{kind: elf.SHT_PROGBITS, off: off, size: n})

	symbols, strings := make([]byte, symbolSize), []byte{0} // the first is null
	symbol := func(name string, addr, size uint64) {
		symbols = le.AppendUint32(symbols, uint32(len(strings)))
		symbols = append(symbols, elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), 0)
		symbols = le.AppendUint16(symbols, uint16(text))
		symbols = le.AppendUint64(le.AppendUint64(symbols, addr), size)
		strings = append(append(strings, name...), 0)
	}
	symbol(programName, code, traps)
	for _, s := range p.Image.Symbols() {
		symbol(s.Name, s.Addr, s.Size)
	}
	off, n = content(symbols)
	add(".symtab", section{kind: elf.SHT_SYMTAB, off: off, size: n, link: uint32(len(sections) + 1), info: 1, entry: symbolSize})
	off, n = content(strings)
	add(".strtab", section{kind: elf.SHT_STRTAB, off: off, size: n})
	add(".shstrtab", section{kind: elf.SHT_STRTAB})
	last := &sections[len(sections)-1]
	last.off, last.size = content(names)

	var table []byte
	for _, s := range sections {
		table = le.AppendUint32(table, s.name)
		table = le.AppendUint32(table, uint32(s.kind))
		for _, v := range []uint64{uint64(s.flags), s.addr, s.off, s.size} {
			table = le.AppendUint64(table, v)
		}
		table = le.AppendUint32(le.AppendUint32(table, s.link), s.info)
		table = le.AppendUint64(le.AppendUint64(table, 8), s.entry) // alignment
	}
	off, _ = content(table)
	le.PutUint64(out[40:], off)                     // e_shoff
	le.PutUint16(out[58:], sectionSize)             // e_shentsize
	le.PutUint16(out[60:], uint16(len(sections)))   // e_shnum
	le.PutUint16(out[62:], uint16(len(sections)-1)) // e_shstrndx
	return out
}

// callRules is .debug_frame (DWARF 4, 6.4) for the code: the return address of the
// traps is undefined, which ends a backtrace; that of the routines behind them is
// where the call has put it.
func callRules(arch loader.Arch, code, traps, size uint64) []byte {
	const defCFA, undefined, offset = 0x0c, 0x07, 0x80
	ret, sp := byte(16), byte(7) // the numbers of rip and rsp
	pushed := []byte{defCFA, sp, 8, offset | ret, 1}
	if arch == loader.ARM64 {
		ret, sp = 30, 31
		pushed = []byte{defCFA, sp, 0} // still in x30
	}
	var out []byte
	record := func(body []byte) (at int) {
		for len(body)%8 != 4 { // with its length a multiple of 8; 0 is DW_CFA_nop
			body = append(body, 0)
		}
		at = len(out)
		out = append(le.AppendUint32(out, uint32(len(body))), body...)
		return at
	}
	rule := func(from, size uint64, program ...byte) {
		cie := le.AppendUint32(nil, 0xffffffff)
		at := record(append(append(cie, 1, 0, 1, 0x78, ret), program...)) // 0x78: -8 as SLEB128
		fde := le.AppendUint32(nil, uint32(at))
		record(le.AppendUint64(le.AppendUint64(fde, from), size))
	}
	rule(code, traps, defCFA, sp, 0, undefined, ret)
	rule(code+traps, size-traps, pushed...)
	return out
}
