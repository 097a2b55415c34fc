package emu

import (
	"debug/elf"
	"fmt"
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
func (m *Machine) Modules() []*Module {
	// The list is made anew only when the mappings are others than last time.
	vmas := m.kernel.State().VMAs
	if slices.Equal(m.modulesOf, vmas) {
		return m.modules
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
		im, err := m.sys.Image(v.Path)
		if err != nil || v.Offset != 0 {
			continue // a data file
		}
		lo, hi := im.Span()
		mods = append(mods, &Module{Path: v.Path, Image: im, Base: v.Start - lo, Lo: v.Start, Hi: v.Start - lo + hi})
	}
	m.modules, m.modulesOf = mods, slices.Clone(vmas)
	return mods
}

// Module returns the image that addr lies in. What the process has mapped into
// a gap between an image's segments is not the image's.
func (m *Machine) Module(addr uint64) (*Module, bool) {
	for _, mod := range m.Modules() {
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

// Symbol names the function that addr lies in, and the distance from its
// start.
func (m *Machine) Symbol(addr uint64) (name string, off uint64, ok bool) {
	mod, ok := m.Module(addr)
	if !ok {
		return "", 0, false
	}
	sym, off, ok := mod.Image.SymbolAt(addr - mod.Base)
	return sym.Name, off, ok
}

// Libc is the C library's image. Musl's is the dynamic linker too.
func (m *Machine) Libc() (*Module, bool) {
	for _, mod := range m.Modules() {
		if m.sys.Libc == loader.Musl && m.isLinker(mod) || mod.Image.Soname == loader.Glibc.Soname() {
			return mod, true
		}
	}
	return nil, false
}

// Linker is the image of the dynamic linker.
func (m *Machine) Linker() (*Module, bool) {
	i := slices.IndexFunc(m.Modules(), m.isLinker)
	if i < 0 {
		return nil, false
	}
	return m.modules[i], true
}

func (m *Machine) isLinker(mod *Module) bool { return mod.Path == m.linker }

// Lookup finds the address of a function or object that a library exports, as
// a program that links with it would get it: the default version, from the
// first library that has it, an IFUNC resolved by its own resolver.
func (m *Machine) Lookup(name string) (uint64, error) {
	mods := slices.Clone(m.Modules())
	libc, _ := m.Libc()
	rank := func(mod *Module) int {
		if mod == libc {
			return slices.Index(m.libs, m.sys.Libc.Soname())
		}
		if i := slices.Index(m.libs, mod.Image.Soname); i >= 0 {
			return i
		}
		if i := slices.Index(m.libs, path.Base(mod.Path)); i >= 0 {
			return i
		}
		return len(m.libs)
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
			return m.resolve(name, addr)
		}
		return addr, nil
	}
	return 0, fmt.Errorf("no library of the process exports %q", name)
}

// resolve runs an IFUNC resolver on an idle thread and takes back all that it
// did.
func (m *Machine) resolve(name string, resolver uint64) (uint64, error) {
	t := slices.IndexFunc(m.st.threads, func(t Thread) bool { return t.Idle })
	if t < 0 {
		return 0, fmt.Errorf("resolve %q: no thread is idle to run its resolver", name)
	}
	mark, err := m.Mark()
	if err != nil {
		return 0, err
	}
	defer mark.Drop()
	// arm64's resolvers get AT_HWCAP (sysdeps/aarch64/dl-irel.h); x86's ask
	// the processor.
	addr, err := m.Call(t, resolver, name+" resolver", m.arch.hwcap)
	if err != nil {
		return 0, err
	}
	return addr, mark.Rewind()
}
