package process

import (
	"cmp"
	"debug/elf"
	"path"
	"slices"
	"sort"
	"strings"

	"emurace/emu"
	"emurace/loader"
	"emurace/loader/corefile"
)

// Origin says where the image of a module is from.
type Origin uint8

// The origins.
const (
	// NoFile: there is no file, and memory does not have all of it.
	NoFile Origin = iota
	// SameBuildID: a file with the build-id that memory has.
	SameBuildID
	// ByName: a file of the same name. Memory does not have a build-id to compare.
	ByName
	// ByWords: a file of the same name and size, all of whose words agree with memory that the dynamic
	// linker has written when it loaded it. Memory does not have a build-id to compare.
	ByWords
	// FromCore: memory has all of it; there are only the names that it exports.
	FromCore
)

// String returns the origin in words.
func (o Origin) String() string {
	return [...]string{"no file", "build-id", "name only", "its relocated words", "the core itself"}[o]
}

// Module is an image that was mapped in the process.
type Module struct {
	emu.Module // Path is as the process had it; Image is nil when Origin is NoFile
	// BuildID is what memory says, "" for nothing; Soname likewise.
	BuildID, Soname string
	Origin          Origin
	Source          string // where File is from, as "debian:bookworm"; see Source.Name
	File            string // of the image, on this machine
	Debug           bool   // there is debugging information
	// Others are files of that name with another build-id.
	Others []Other
	// Problem is why a file that is there could not be used, "" for nothing.
	Problem string

	header  *header
	dynamic uint64 // address of the dynamic section, as the dynamic linker has it; 0 for unknown
}

// Other is a file of a module's name that is not the module's.
type Other struct {
	Source  string `json:"source"`
	File    string `json:"file"`
	BuildID string `json:"build_id,omitempty"` // "" for none
}

// Name is the module's file name, as it is shown: its soname where it has no path.
func (m *Module) Name() string {
	switch {
	case m.Path != "":
		return path.Base(m.Path)
	case m.Soname != "":
		return m.Soname
	}
	return ""
}

// maxModules bounds the images of a process, and maxTried the headers of images that are read for that.
const (
	maxModules = 1 << 12
	maxTried   = 4 * maxModules
)

// findModules finds what images were mapped.
func (p *Process) findModules(f *Files) {
	for _, r := range p.Core.Ranges {
		switch {
		case r.Execute:
			p.code = append(p.code, extent{r.Lo, r.Hi})
		case r.Listed:
			p.unknown = append(p.unknown, extent{r.Lo, r.Hi})
		}
	}
	program := p.programHeader(p.Core)
	if program == nil {
		program = p.programOfFile(f)
	}
	list := links(p.Core, p.rendezvous(program))
	if list == nil {
		list = p.linksOfInterp(f)
	}
	p.fromFiles()
	p.fromMemory()
	p.fromLinks(list)
	p.nameByLinks(list)
	if program == nil && len(list) > 0 {
		p.withoutHeader(list[0])
	}
	p.markProgram(program)
}

// extent is a part of memory.
type extent struct{ lo, hi uint64 }

// overlaps tells whether a module that is known has any of a part of memory, and where one that
// is there belongs among the modules.
func (p *Process) overlaps(lo, hi uint64) (at int, some bool) {
	at = sort.Search(len(p.modules), func(i int) bool { return p.modules[i].Hi > lo })
	return at, at < len(p.modules) && p.modules[at].Lo < hi
}

// add takes a module in, unless it overlaps one that is known.
func (p *Process) add(m *Module) {
	at, some := p.overlaps(m.Lo, m.Hi)
	if len(p.modules) >= maxModules || m.Lo >= m.Hi || some {
		return
	}
	if m.header != nil {
		m.BuildID, m.Soname = m.header.buildID, m.header.soname(p.Core)
	}
	p.modules = slices.Insert(p.modules, at, m)
}

// headerAt is an image's header in memory that no module is known to have, nil when there is
// none of the process's architecture that has code.
func (p *Process) headerAt(lo uint64) *header {
	if _, some := p.overlaps(lo, lo+1); some || p.tried >= maxTried {
		return nil
	}
	h := headerAt(p.Core, lo)
	if h == nil {
		return nil
	}
	if p.tried++; h.machine != p.Core.Arch.Machine() || !p.executable(h.lo, h.hi, true) {
		return nil
	}
	return h
}

// ofHeader is a module by what memory has of its headers.
func (p *Process) ofHeader(h *header, name string) *Module {
	return &Module{Module: emu.Module{Path: name, Base: h.base, Lo: h.lo, Hi: h.hi}, header: h}
}

// fromFiles adds what NT_FILE lists: each mapping of a file's beginning, with the ones of the
// same file behind it, when it is an image.
func (p *Process) fromFiles() {
	list := p.Core.Mapped
	for i, f := range list {
		if f.Offset != 0 {
			continue
		}
		// Where the first page is not in the core: an image has a part that can be executed.
		if state, _ := p.Core.At(f.Lo); state == corefile.Stored {
			if h := p.headerAt(f.Lo); h != nil {
				p.add(p.ofHeader(h, f.Path))
			}
			continue
		}
		hi, parts := f.Hi, 1
		for _, g := range list[i+1:] {
			if g.Path != f.Path || g.Offset == 0 || g.Lo-f.Lo > maxSpan {
				break
			}
			hi = g.Hi
			parts++
		}
		if p.executable(f.Lo, hi, parts >= leastParts) {
			p.add(&Module{Module: emu.Module{Path: f.Path, Base: f.Lo, Lo: f.Lo, Hi: hi}})
		}
	}
}

// leastParts is how many mappings an image has at least of which the core has nothing: code, data and
// what is before them. Other files are mapped in one.
const leastParts = 3

// executable tells whether a part of memory can be executed. Where rights are not known, image
// says whether it is taken for that.
func (p *Process) executable(lo, hi uint64, image bool) bool {
	return meets(p.code, lo, hi) || image && meets(p.unknown, lo, hi)
}

// meets tells whether any of the parts, which are in order, has a part of memory.
func meets(list []extent, lo, hi uint64) bool {
	i := sort.Search(len(list), func(i int) bool { return list[i].hi > lo })
	return i < len(list) && list[i].lo < hi
}

// fromMemory adds images whose headers lie at the beginning of a mapping: the vDSO, and all of a
// core without NT_FILE.
func (p *Process) fromMemory() {
	vdso, _ := p.Core.Aux(loader.AT_SYSINFO_EHDR)
	for _, r := range p.Core.Ranges {
		h := p.headerAt(r.Lo)
		if h == nil {
			continue
		}
		name := ""
		if r.Lo == vdso {
			name = "[vdso]"
		}
		p.add(p.ofHeader(h, name))
	}
}

// fromLinks adds images that only the dynamic linker's list knows: their headers are not in
// memory. How far they reach is not known but from their file, see complete.
func (p *Process) fromLinks(list []link) {
	linker, _ := p.Core.Aux(loader.AT_BASE)
	for _, l := range list {
		if l.name == "" && l.base == linker {
			// The dynamic linker's name is text of the program's, which is not in memory. Glibc's has this one.
			l.name = loader.Glibc.Interp(p.Core.Arch)
		}
		if l.base == 0 || l.name == "" || p.moduleAt(l.dynamic) != nil {
			continue
		}
		if r, ok := p.Core.Range(l.base); ok && l.dynamic > l.base && l.dynamic-l.base < maxSpan {
			hi := max(r.Hi, l.dynamic+1)
			if end, ok := p.Core.Range(l.dynamic); ok {
				hi = max(hi, end.Hi)
			}
			p.add(&Module{Module: emu.Module{Path: l.name, Base: l.base, Lo: l.base, Hi: hi}, dynamic: l.dynamic})
		}
	}
}

// nameByLinks gives modules without a path the one that the dynamic linker has.
func (p *Process) nameByLinks(list []link) {
	for _, l := range list {
		if m := p.moduleAt(l.dynamic); m != nil {
			m.dynamic = cmp.Or(m.dynamic, l.dynamic)
			m.Path = cmp.Or(m.Path, l.name)
		}
	}
}

// markProgram finds the program among the modules, and gives it a name where it has none. The
// dynamic linker's too is in no list in some processes.
func (p *Process) markProgram(h *header) {
	if h != nil {
		if i, some := p.overlaps(h.lo, h.hi); some {
			p.program = p.modules[i]
		} else {
			m := p.ofHeader(h, "")
			p.add(m)
			p.program = p.moduleAt(m.Lo) // nil when there are too many
		}
	}
	if p.program != nil {
		if p.program.Path == "" {
			if at, ok := p.Core.Aux(loader.AT_EXECFN); ok {
				p.program.Path = textAt(p.Core, at)
			}
			p.program.Path = cmp.Or(p.program.Path, p.Core.Name)
		}
		if p.program.BuildID == "" {
			p.program.BuildID = p.Core.BuildID
		}
	}
	base, _ := p.Core.Aux(loader.AT_BASE)
	for _, m := range p.modules {
		if base != 0 && m.Lo == base && m.Path == "" {
			m.Path = p.interpreter(h)
		}
	}
}

// withoutHeader finds the program, whose headers are not in memory, by where they were and by its entry in
// the dynamic linker's list.
func (p *Process) withoutHeader(l link) {
	at, ok := p.Core.Aux(loader.AT_PHDR)
	end, ok2 := p.Core.Range(l.dynamic)
	if !ok || !ok2 || end.Hi <= at || end.Hi-at > maxSpan {
		return
	}
	lo := at &^ (loader.PageSize - 1)
	if p.program = p.moduleAt(at); p.program == nil && p.executable(lo, end.Hi, true) {
		p.add(&Module{Module: emu.Module{Base: l.base, Lo: lo, Hi: end.Hi}, dynamic: l.dynamic})
		p.program = p.moduleAt(at)
	}
}

// interpreter is the dynamic linker's path, as the program asks for it.
func (p *Process) interpreter(h *header) string {
	if h == nil {
		return ""
	}
	at, ok := p.Core.Aux(loader.AT_PHDR)
	count, _ := p.Core.Aux(loader.AT_PHNUM)
	table, ok2 := p.Core.Read(at, min(count, maxPhdrs)*phdrSize)
	for b := table; ok && ok2 && len(b) > 0; b = b[phdrSize:] {
		if elf.ProgType(le.Uint32(b)) == elf.PT_INTERP {
			return strings.TrimSpace(textAt(p.Core, h.base+le.Uint64(b[16:])))
		}
	}
	return ""
}
