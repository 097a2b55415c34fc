package process

import (
	"debug/elf"
	"sort"

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

// links is the dynamic linker's list, as struct r_debug of <link.h> leads to it: version, the list,
// and so on. It is nil where memory does not have that.
func links(m reader, debug uint64) (list []link) {
	if debug == 0 {
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

// maxLinker is how far behind the dynamic linker's beginning its variables are looked for.
const maxLinker = 4 << 20

// rendezvous is the address of r_debug, 0 for unknown: as DT_DEBUG of the program's dynamic section
// has it, and where the program's headers are not in memory, as in cores of qemu's, by what it looks like: version,
// list, r_brk in the dynamic linker, state, and the address that the dynamic linker was loaded at.
func (p *Process) rendezvous(program *header) uint64 {
	if program != nil {
		debug, _ := entry(program.entries(p.Core), elf.DT_DEBUG)
		return debug
	}
	base, _ := p.Core.Aux(loader.AT_BASE)
	if base == 0 {
		return 0
	}
	i := sort.Search(len(p.Core.Ranges), func(i int) bool { return p.Core.Ranges[i].Hi > base })
	for ; i < len(p.Core.Ranges) && p.Core.Ranges[i].Lo-base < maxLinker; i++ {
		r := p.Core.Ranges[i]
		for at := (max(r.Lo, base) + 7) &^ 7; at+8 <= r.Known() && at-base < maxLinker; at += 8 {
			if v, ok := p.Core.Read64(at); !ok || v != base || at < base+debugBase {
				continue
			}
			debug := at - debugBase
			version, ok := p.Core.Read64(debug)
			first, ok1 := p.Core.Read64(debug + 8)
			brk, ok2 := p.Core.Read64(debug + 16)
			state, ok3 := p.Core.Read64(debug + 24)
			if !ok || !ok1 || !ok2 || !ok3 || uint32(version) == 0 || uint32(version) > 2 || brk < base || brk-base > maxLinker || uint32(state) > 2 {
				continue
			}
			// The first of the list has none before it.
			if before, ok := p.Core.Read64(first + 32); ok && before == 0 && first != 0 {
				return debug
			}
		}
	}
	return 0
}

// debugBase is the place of r_ldbase in struct r_debug.
const debugBase = 32
