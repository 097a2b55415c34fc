package process

import (
	"slices"
	"strings"

	"emurace/loader"
	"emurace/loader/corefile"
	"emurace/symbolize"
	"emurace/unwind"
)

// Process is the process of a core file. It is for one goroutine at a time.
type Process struct {
	Core    *corefile.File
	Threads []*Thread // in the core's order: who died first

	modules  []*Module // by address
	code     []extent  // mappings that can be executed, by address
	unknown  []extent  // those of which nothing but the mapped file is known
	tried    int       // headers of images that were read
	made     uint64    // bytes of images that were made out of memory
	frames   int       // of all threads
	program  *Module   // nil when it was not found
	unwinder *unwind.Unwinder
	images   []unwind.Module
}

var _ symbolize.Space = (*Process)(nil)

// New makes the process of a core, with the files that are found for its modules.
func New(core *corefile.File, f *Files) (*Process, error) {
	p := &Process{Core: core}
	p.findModules(f)
	p.complete(f)
	for _, m := range p.modules {
		p.images = append(p.images, unwind.Module{Lo: m.Lo, Hi: m.Hi, Base: m.Base, Image: m.Image})
	}
	u, err := unwind.New(core.Arch, p.images)
	if err != nil {
		return nil, err
	}
	p.unwinder = u
	for i := range core.Threads {
		p.Threads = append(p.Threads, &Thread{Thread: &core.Threads[i], process: p})
	}
	return p, nil
}

// List are all modules, by address.
func (p *Process) List() []*Module { return p.modules }

// Main is the program's module, nil when it was not found.
func (p *Process) Main() *Module { return p.program }

// Libc is the C library's module, nil when none is known: by its soname, or by the names that
// its file has had.
func (p *Process) Libc() *Module {
	for _, m := range p.modules {
		name := m.Name()
		if m.Soname == "libc.so.6" || strings.HasPrefix(name, "libc.so") || strings.HasPrefix(name, "libc-2.") || strings.HasPrefix(name, "ld-musl") {
			return m
		}
	}
	// A program that is linked statically is its own C library.
	if m := p.program; m != nil && m.Image != nil && len(m.Image.Named("malloc")) > 0 && len(p.modules) <= 2 {
		return m
	}
	return nil
}

// Glibc is the version of the process's glibc, as "2.36"; known is false when its file is not at
// hand and its name does not tell.
func (p *Process) Glibc() (version string, known bool) {
	m := p.Libc()
	if m == nil {
		return "", false
	}
	if m.Image != nil {
		return m.Image.GlibcVersion()
	}
	if v, ok := strings.CutPrefix(strings.TrimSuffix(m.Name(), ".so"), "libc-"); ok && strings.HasPrefix(v, "2.") {
		return v, true
	}
	return "", false
}

// Lookup is the address of the first of a name's symbols in any module whose names are known, the
// C library first.
func (p *Process) Lookup(name string) (uint64, bool) {
	list := p.modules
	if libc := p.Libc(); libc != nil {
		list = append([]*Module{libc}, list...)
	}
	for _, m := range list {
		if m.Image == nil {
			continue
		}
		if s, ok := m.Image.Symbol(name); ok {
			return m.Base + s.Addr, true
		}
		if all := m.Image.Named(name); len(all) > 0 {
			return m.Base + all[0].Addr, true
		}
	}
	return 0, false
}

// Copied is the address of an object as the program sees it: a program that is linked at a fixed
// address has a copy of its own of what libraries export (R_*_COPY), and everybody uses that.
func (p *Process) Copied(name string) (uint64, bool) {
	if m := p.program; m != nil && m.Image != nil {
		if s, ok := m.Image.Symbol(name); ok && s.Addr != 0 {
			return m.Base + s.Addr, true
		}
		// The symbol may have an alias's name only, as __environ of environ.
		if all := m.Image.Named(name); len(all) > 0 && !all[0].Function() {
			return m.Base + all[0].Addr, true
		}
	}
	return p.Lookup(name)
}

// Stack is the memory of a thread's stack, as far as it is known: the mapping that the stack
// pointer is in.
func (p *Process) Stack(t *Thread) (lo, hi uint64, ok bool) {
	r, ok := p.Core.Range(t.SP())
	return r.Lo, r.Hi, ok
}

// Thread is a thread with its call stack.
type Thread struct {
	*corefile.Thread
	process *Process
	frames  []Frame
	end     unwind.End
	done    bool
}

// Frame is an activation of a function: where, and how that is known.
type Frame struct {
	unwind.Frame
	At symbolize.Location
}

// Bounds of call stacks: of each, and of all together, from which on each has the last few only.
const (
	maxFrames    = 1024
	maxAllFrames = 1 << 17
	fewFrames    = 4
)

// Get reads a register by its DWARF number, for unwind.
func (t *Thread) Get(dwarf uint64) (uint64, bool) {
	v, ok := t.Registers[unwind.RegisterName(t.process.Core.Arch, dwarf)]
	return v, ok
}

// Frames is the thread's call stack, innermost first, and why it ends. The first call unwinds it.
func (t *Thread) Frames() ([]Frame, unwind.End) {
	if t.done {
		return t.frames, t.end
	}
	t.done = true
	most := min(maxFrames, max(maxAllFrames-t.process.frames, fewFrames))
	list, end := t.process.unwinder.Stack(t.Thread.PC(), t, t.process, most)
	t.process.frames += len(list)
	for i, f := range list {
		t.frames = append(t.frames, Frame{f, symbolize.Locate(t.process, f.PC, i > 0 && !f.Interrupted)})
	}
	// What is in no module is no frame, unless it is the first one: a wild jump.
	if i := slices.IndexFunc(t.frames, func(f Frame) bool { return f.Module == nil }); i > 0 {
		t.frames = t.frames[:i]
	}
	t.end = end
	return t.frames, t.end
}

// Doubtful tells whether a frame was found without unwind tables.
func (f *Frame) Doubtful() bool { return f.How == unwind.FramePointer || f.How == unwind.Entry }

// Interp tells whether a module is a dynamic linker.
func (p *Process) Interp(m *Module) bool {
	for _, l := range []loader.Libc{loader.Glibc, loader.Musl} {
		if m.Path == l.Interp(p.Core.Arch) {
			return true
		}
	}
	return strings.HasPrefix(m.Name(), "ld-") || strings.HasPrefix(m.Name(), "ld.so")
}
