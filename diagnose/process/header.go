package process

import (
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"emurace/loader"
)

var le = binary.LittleEndian

// Sizes of a 64-bit ELF file's structures.
const (
	ehdrSize = 64
	phdrSize = 56
	dynSize  = 16
)

// Limits on what an image in memory may have; loader.Parse has the same ones for files.
const (
	maxPhdrs   = 65536 / phdrSize
	maxSpan    = 1 << 30
	maxDynamic = 1 << 10
	maxNotes   = 64 << 10 // bytes of a segment of notes
	// maxNoteParts bounds the segments of notes.
	maxNoteParts = 16
	maxText      = 4096
)

// header is what memory has of an image: its program headers and what they lead to.
type header struct {
	typ     elf.Type
	machine elf.Machine
	load    []elf.Prog64
	dynamic *elf.Prog64
	notes   []elf.Prog64
	base    uint64 // load bias
	lo, hi  uint64 // extent, in whole pages
	buildID string
}

// headerAt reads an image's headers from memory, where its first bytes are mapped at lo; nil when
// there is none, or it is not all there.
func headerAt(m reader, lo uint64) *header {
	b, ok := m.Read(lo, ehdrSize)
	if !ok || string(b[:4]) != elf.ELFMAG || elf.Class(b[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(b[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil
	}
	h := &header{typ: elf.Type(le.Uint16(b[16:])), machine: elf.Machine(le.Uint16(b[18:]))}
	phoff, count := le.Uint64(b[32:]), uint64(le.Uint16(b[56:]))
	if h.typ != elf.ET_EXEC && h.typ != elf.ET_DYN || le.Uint16(b[54:]) != phdrSize || count == 0 || count > maxPhdrs || phoff > maxSpan {
		return nil
	}
	return h.read(m, lo+phoff, count, func(first elf.Prog64) uint64 { return lo - (first.Vaddr-first.Off)&^(loader.PageSize-1) })
}

// read goes through program headers in memory. The load bias follows from the first PT_LOAD.
func (h *header) read(m reader, at, count uint64, bias func(first elf.Prog64) uint64) *header {
	table, ok := m.Read(at, count*phdrSize)
	if !ok {
		return nil
	}
	for ; len(table) > 0; table = table[phdrSize:] {
		p := elf.Prog64{Type: le.Uint32(table), Flags: le.Uint32(table[4:]), Off: le.Uint64(table[8:]), Vaddr: le.Uint64(table[16:]),
			Filesz: le.Uint64(table[32:]), Memsz: le.Uint64(table[40:]), Align: le.Uint64(table[48:])}
		switch elf.ProgType(p.Type) {
		case elf.PT_LOAD:
			if p.Memsz > 0 {
				h.load = append(h.load, p)
			}
		case elf.PT_DYNAMIC:
			h.dynamic = &p
		case elf.PT_NOTE:
			if len(h.notes) < maxNoteParts {
				h.notes = append(h.notes, p)
			}
		}
	}
	if len(h.load) == 0 {
		return nil
	}
	first, last := h.load[0], h.load[len(h.load)-1]
	if last.Vaddr+last.Memsz < first.Vaddr || last.Vaddr+last.Memsz-first.Vaddr > maxSpan || last.Vaddr >= 1<<63 {
		return nil
	}
	h.base = bias(first)
	h.lo = h.base + first.Vaddr&^(loader.PageSize-1)
	h.hi = h.base + (last.Vaddr+last.Memsz+loader.PageSize-1)&^(loader.PageSize-1)
	if h.hi <= h.lo {
		return nil
	}
	h.buildID = h.readBuildID(m)
	return h
}

// readBuildID is the build-id of the notes in memory, in hex, "" for none.
func (h *header) readBuildID(m reader) string {
	for _, p := range h.notes {
		b, ok := m.Read(h.base+p.Vaddr, min(p.Filesz, maxNotes))
		for ok && len(b) >= 16 {
			name, desc, kind := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), le.Uint32(b[8:])
			at := (12 + name + 3) &^ 3
			end := at + desc
			if end > uint64(len(b)) || end < at {
				break
			}
			if kind == 3 && string(b[12:12+name]) == "GNU\x00" && desc >= 2 && desc <= 64 { // NT_GNU_BUILD_ID
				return hex.EncodeToString(b[at:end])
			}
			align := uint64(4)
			if p.Align == 8 {
				align = 8
			}
			b = b[min((end+align-1)&^(align-1), uint64(len(b))):]
		}
	}
	return ""
}

// entries are the dynamic section's, up to DT_NULL, nil when memory does not have it.
func (h *header) entries(m reader) (list []elf.Dyn64) {
	if h.dynamic == nil {
		return nil
	}
	for i := range min(h.dynamic.Memsz/dynSize, maxDynamic) {
		at := h.base + h.dynamic.Vaddr + i*dynSize
		tag, ok := m.Read64(at)
		value, ok2 := m.Read64(at + 8)
		if !ok || !ok2 || elf.DynTag(tag) == elf.DT_NULL {
			break
		}
		list = append(list, elf.Dyn64{Tag: int64(tag), Val: value})
	}
	return list
}

// entry is one value of the dynamic section.
func entry(list []elf.Dyn64, tag elf.DynTag) (uint64, bool) {
	i := slices.IndexFunc(list, func(d elf.Dyn64) bool { return elf.DynTag(d.Tag) == tag })
	if i < 0 {
		return 0, false
	}
	return list[i].Val, true
}

// soname is DT_SONAME as memory has it, "" for nothing. The dynamic linker adds the load bias to
// the addresses in the section where it can write to it (elf/get-dynamic-info.h of glibc).
func (h *header) soname(m reader) string {
	list := h.entries(m)
	tab, ok := entry(list, elf.DT_STRTAB)
	off, ok2 := entry(list, elf.DT_SONAME)
	if !ok || !ok2 || off > maxSpan {
		return ""
	}
	if tab < h.lo || tab >= h.hi {
		tab += h.base
	}
	return textAt(m, tab+off)
}

// textAt is a C string in memory, cut at a limit and at what is not in memory.
func textAt(m reader, addr uint64) string {
	var s strings.Builder
	for s.Len() < maxText {
		n := min(64-addr%64, maxText-uint64(s.Len()))
		b, ok := m.Read(addr, n)
		if !ok {
			break
		}
		text, _, ended := strings.Cut(string(b), "\x00")
		s.WriteString(text)
		if ended {
			break
		}
		addr += n
	}
	return s.String()
}
