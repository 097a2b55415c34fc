package emu

import (
	"debug/elf"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"

	"emurace/loader"
)

// Module is an ELF image that is mapped in the process.
type Module struct {
	Path   string // in the guest
	Image  *loader.Image
	Base   uint64 // load bias: run-time address less the image's own
	Lo, Hi uint64 // extent in memory
}

// Modules lists the mapped images in ascending order of address, the
// made-up program left out.
func (p *Process) Modules() []*Module {
	// The list is made anew only when the mappings are others than last time.
	vmas := p.kernel.State().VMAs
	if slices.Equal(p.modulesOf, vmas) {
		return p.modules
	}
	var mods []*Module
	for _, v := range vmas {
		if v.Path == "" || v.Path[0] != '/' || v.Path == programPath {
			continue
		}
		if n := len(mods); n > 0 && mods[n-1].Path == v.Path {
			mods[n-1].Hi = max(mods[n-1].Hi, v.End)
			continue
		}
		im, err := p.files.Image(v.Path)
		if err != nil || v.Offset != 0 {
			continue // a data file
		}
		lo, hi := im.Span()
		mods = append(mods, &Module{Path: v.Path, Image: im, Base: v.Start - lo, Lo: v.Start, Hi: v.Start - lo + hi})
	}
	p.modules, p.modulesOf = mods, slices.Clone(vmas)
	return mods
}

// Module returns the image that addr lies in. What the process has mapped into
// a gap between an image's segments is not the image's. Of the made-up program only
// the routines count, as a Module of their extent: the return address of a call is
// in no module, which is where backtraces end.
func (p *Process) Module(addr uint64) (*Module, bool) {
	if r := p.routines; r != nil && addr >= r.Lo && addr < r.Hi {
		return r, true
	}
	for _, mod := range p.Modules() {
		if addr < mod.Lo || addr >= mod.Hi {
			continue
		}
		page := (addr - mod.Base) &^ (loader.PageSize - 1)
		for _, s := range mod.Image.Load {
			if page+loader.PageSize > s.Vaddr && page < s.End() {
				return mod, true
			}
		}
	}
	return nil, false
}

// Symbol names the function that addr lies in, or the static data, and the distance from its
// start.
func (p *Process) Symbol(addr uint64) (name string, off uint64, ok bool) {
	if s, ok := p.Static(addr); ok {
		return s.Name, addr - s.Addr, true
	}
	mod, ok := p.Module(addr)
	if !ok {
		return "", 0, false
	}
	sym, off, ok := mod.Image.SymbolAt(addr - mod.Base)
	return sym.Name, off, ok
}

// Libc is the C library's image. Musl's is the dynamic linker too.
func (p *Process) Libc() (*Module, bool) {
	for _, mod := range p.Modules() {
		if p.sys.Libc == loader.Musl && p.isLinker(mod) || mod.Image.Soname == loader.Glibc.Soname() {
			return mod, true
		}
	}
	return nil, false
}

// Linker is the image of the dynamic linker.
func (p *Process) Linker() (*Module, bool) {
	i := slices.IndexFunc(p.Modules(), p.isLinker)
	if i < 0 {
		return nil, false
	}
	return p.modules[i], true
}

func (p *Process) isLinker(mod *Module) bool { return mod.Path == p.linker }

// Lookup finds the address of a function or object that a library exports, as
// a program that links with it would get it: the default version, from the
// first library that has it, an IFUNC resolved by its own resolver. Names that begin
// with RoutinePrefix are those of the made-up program's own functions.
func (p *Process) Lookup(name string) (uint64, error) {
	if addr, ok := p.routine(name); ok {
		return addr, nil
	}
	mods := slices.Clone(p.Modules())
	libc, _ := p.Libc()
	rank := func(mod *Module) int {
		if mod == libc {
			return slices.Index(p.libs, p.sys.Libc.Soname())
		}
		if i := slices.Index(p.libs, mod.Image.Soname); i >= 0 {
			return i
		}
		if i := slices.IndexFunc(p.libs, func(lib string) bool { return lib == path.Base(mod.Path) || lib == mod.Path }); i >= 0 {
			return i
		}
		return len(p.libs)
	}
	slices.SortStableFunc(mods, func(a, b *Module) int { return rank(a) - rank(b) })
	for _, mod := range mods {
		sym, ok := mod.Image.Symbol(name)
		if !ok {
			continue
		}
		if sym.Type == elf.STT_TLS {
			return 0, fmt.Errorf("%q is thread-local: it has an address in every thread", name)
		}
		addr := mod.Base + sym.Addr
		if sym.Type == elf.STT_GNU_IFUNC {
			return p.machine.resolve(name, addr)
		}
		return addr, nil
	}
	return 0, p.unknown(name, mods)
}

// exported are the names that libraries export, each as often as it is.
func exported(mods []*Module) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, mod := range mods {
			for _, sym := range mod.Image.Symbols() {
				if _, ok := mod.Image.Symbol(sym.Name); ok && !yield(sym.Name) {
					return
				}
			}
		}
	}
}

// resolve runs an IFUNC resolver and takes back all that it did. It runs on an
// idle thread, or else on one that is put back into its call afterwards.
func (m *Machine) resolve(name string, resolver uint64) (addr uint64, err error) {
	if m.RunsProgram() {
		return 0, fmt.Errorf("%q: which function it is the program finds out itself (STT_GNU_IFUNC), and it has nowhere to be asked", name)
	}
	t := slices.IndexFunc(m.st.threads, func(t Thread) bool { return t.Idle })
	busy := t < 0
	for i := range m.st.threads {
		if t < 0 && m.Runnable(i) {
			t = i
		}
	}
	if t < 0 {
		return 0, fmt.Errorf("resolve %q: no thread can run its resolver", name)
	}
	mark, err := m.Mark()
	if err != nil {
		return 0, err
	}
	defer mark.Drop()
	defer func() { err = errors.Join(err, mark.Rewind()) }()
	if busy {
		if err := m.makeIdle(t); err != nil {
			return 0, err
		}
	}
	// arm64's resolvers get AT_HWCAP (sysdeps/aarch64/dl-irel.h); x86's ask
	// the processor.
	err = m.WithoutStops(func() (err error) {
		addr, err = m.Call(t, resolver, name+" resolver", m.arch.hwcap)
		return err
	})
	return addr, err
}
