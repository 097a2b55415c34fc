package process

import (
	"debug/elf"

	"emurace/loader"
)

// maxLinks bounds the dynamic linker's list: a process has few libraries, and a damaged list has
// no end.
const maxLinks = 1 << 14

// link is an entry of the dynamic linker's list of images: struct link_map of glibc's and musl's
// <link.h>: the load bias, the name, the dynamic section, the next entry.
type link struct {
	base, dynamic uint64
	name          string
}

// links is the dynamic linker's list, as DT_DEBUG of the program's dynamic section leads to it
// (struct r_debug: version, the list, ...). It is nil where memory does not have that.
func links(m reader, program *header) (list []link) {
	if program == nil {
		return nil
	}
	debug, ok := entry(program.entries(m), elf.DT_DEBUG)
	if !ok || debug == 0 {
		return nil
	}
	return linksAt(m, debug)
}

// linksAt is the list that a struct r_debug leads to.
func linksAt(m reader, debug uint64) (list []link) {
	at, ok := m.Read64(debug + 8)
	seen := map[uint64]bool{}
	for ok && at != 0 && !seen[at] && len(list) < maxLinks {
		seen[at] = true
		base, ok1 := m.Read64(at)
		name, ok2 := m.Read64(at + 8)
		dynamic, ok3 := m.Read64(at + 16)
		if !ok1 || !ok2 || !ok3 {
			break
		}
		list = append(list, link{base: base, dynamic: dynamic, name: textAt(m, name)})
		at, ok = m.Read64(at + 24)
	}
	return list
}

// programHeader is the program's image, which the auxiliary vector leads to; nil where memory does not have
// its headers.
func (p *Process) programHeader(m reader) *header {
	at, ok := p.Core.Aux(loader.AT_PHDR)
	count, ok2 := p.Core.Aux(loader.AT_PHNUM)
	if size, _ := p.Core.Aux(loader.AT_PHENT); !ok || !ok2 || size != phdrSize || count == 0 || count > maxPhdrs {
		return nil
	}
	table, ok := m.Read(at, count*phdrSize)
	if !ok {
		return nil
	}
	// PT_PHDR tells the load bias; a program without has its headers behind its first bytes.
	bias, known := uint64(0), false
	for b := table; len(b) > 0; b = b[phdrSize:] {
		if elf.ProgType(le.Uint32(b)) == elf.PT_PHDR {
			bias, known = at-le.Uint64(b[16:]), true
		}
	}
	h := &header{typ: elf.ET_DYN, machine: p.Core.Arch.Machine()}
	return h.read(m, at, count, func(first elf.Prog64) uint64 {
		if known {
			return bias
		}
		return at&^(loader.PageSize-1) - (first.Vaddr-first.Off)&^(loader.PageSize-1)
	})
}
