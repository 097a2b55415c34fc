package process

import (
	"cmp"
	"debug/elf"
	"path"
	"slices"
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
	// FromCore: memory has all of it; there are only the names that it exports.
	FromCore
)

// String returns the origin in words.
func (o Origin) String() string {
	return [...]string{"no file", "build-id", "name only", "the core itself"}[o]
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

	header *header
}

// Other is a file of a module's name that is not the module's.
type Other struct{ Source, File, BuildID string }

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

// maxModules bounds the images of a process.
const maxModules = 1 << 14

// findModules finds what images were mapped.
func (p *Process) findModules(f *Files) {
	program := p.programHeader(p.Core)
	if program == nil {
		program = p.programOfFile(f)
	}
	list := links(p.Core, program)
	if list == nil {
		list = p.linksOfInterp(f)
	}
	p.fromFiles()
	p.fromMemory()
	p.fromLinks(list)
	p.nameByLinks(list)
	p.markProgram(program)
	slices.SortFunc(p.modules, func(a, b *Module) int { return cmp.Compare(a.Lo, b.Lo) })
}

// add takes a module in, unless it overlaps one that is known.
func (p *Process) add(m *Module) {
	if len(p.modules) >= maxModules || m.Lo >= m.Hi {
		return
	}
	for _, o := range p.modules {
		if m.Lo < o.Hi && o.Lo < m.Hi {
			return
		}
	}
	if m.header != nil {
		m.BuildID, m.Soname = m.header.buildID, m.header.soname(p.Core)
	}
	p.modules = append(p.modules, m)
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
		if h := headerAt(p.Core, f.Lo); h != nil {
			if h.machine == p.Core.Arch.Machine() && p.executable(h.lo, h.hi, true) {
				p.add(p.ofHeader(h, f.Path))
			}
			continue
		}
		// The first page is not in the core: an image has a part that can be executed.
		if state, _ := p.Core.At(f.Lo); state == corefile.Stored {
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
	for _, r := range p.Core.Ranges {
		if r.Hi > lo && r.Lo < hi && (r.Execute || r.Listed && image) {
			return true
		}
	}
	return false
}

// fromMemory adds images whose headers lie at the beginning of a mapping: the vDSO, and all of a
// core without NT_FILE.
func (p *Process) fromMemory() {
	vdso, _ := p.Core.Aux(loader.AT_SYSINFO_EHDR)
	for _, r := range p.Core.Ranges {
		h := headerAt(p.Core, r.Lo)
		if h == nil || h.machine != p.Core.Arch.Machine() || !p.executable(h.lo, h.hi, true) {
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
	for _, l := range list {
		if l.base == 0 || l.name == "" || slices.ContainsFunc(p.modules, func(m *Module) bool { return l.dynamic >= m.Lo && l.dynamic < m.Hi }) {
			continue
		}
		if r, ok := p.Core.Range(l.base); ok && l.dynamic > l.base && l.dynamic-l.base < maxSpan {
			hi := max(r.Hi, l.dynamic+1)
			if end, ok := p.Core.Range(l.dynamic); ok {
				hi = max(hi, end.Hi)
			}
			p.add(&Module{Module: emu.Module{Path: l.name, Base: l.base, Lo: l.base, Hi: hi}})
		}
	}
}

// nameByLinks gives modules without a path the one that the dynamic linker has.
func (p *Process) nameByLinks(list []link) {
	for _, m := range p.modules {
		for _, l := range list {
			if m.Path == "" && l.name != "" && l.dynamic >= m.Lo && l.dynamic < m.Hi {
				m.Path = l.name
			}
		}
	}
}

// markProgram finds the program among the modules, and gives it a name where it has none. The
// dynamic linker's too is in no list in some processes.
func (p *Process) markProgram(h *header) {
	if h != nil {
		if i := slices.IndexFunc(p.modules, func(m *Module) bool { return h.lo < m.Hi && m.Lo < h.hi }); i >= 0 {
			p.program = p.modules[i]
		} else {
			m := p.ofHeader(h, "")
			p.add(m)
			if slices.Contains(p.modules, m) {
				p.program = m
			}
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
