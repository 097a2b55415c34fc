package heap

import (
	"slices"

	"emurace/emu"
)

// Code is the allocator's own code: where instructions may use memory that is in no
// block, since they keep its books.
type Code struct{ ranges []Range }

// maxOwn bounds the code of an allocator whose functions are known by address only,
// in bytes: more than any libc's has.
const maxOwn = 64 << 10

// Own finds the code of the process's allocator. It is all that was compiled
// together with one of its functions, as the debug files tell: so the functions that
// glibc calls when a thread ends, which nobody else can, are among it. Without debug
// files it is what lies between the exported functions of others around them, for a
// linker puts together what was compiled together.
func Own(m *emu.Process) Code { return places(m).code() }

// place is where one of the allocator's functions begins.
type place struct {
	mod *emu.Module
	off uint64 // from the module's base
}

// found are the allocator's functions that a process has.
type found struct {
	sys  *emu.System
	list []place
}

// places finds the allocator's functions. It may run the machine, as Lookup does; what is found
// may then be asked for its code at any time.
func places(m *emu.Process) found {
	f := found{sys: m.System()}
	for _, name := range functions {
		if name == "reallocarray" {
			continue // in glibc a file of its own, far away, which only calls realloc
		}
		addr, err := m.Lookup(name)
		if err != nil {
			continue // there is none of that name
		}
		if mod, ok := m.Module(addr); ok {
			f.list = append(f.list, place{mod, addr - mod.Base})
		}
	}
	return f
}

func (f found) code() Code {
	f.sys.LoadDebug()
	var c Code
	lineless := map[*emu.Module][]uint64{} // functions without lines
	for _, p := range f.list {
		unit := p.mod.Image.Unit(p.off)
		for _, r := range unit {
			c.ranges = append(c.ranges, Range{p.mod.Base + r[0], p.mod.Base + r[1]})
		}
		if unit == nil {
			lineless[p.mod] = append(lineless[p.mod], p.off)
		}
	}
	for mod, addrs := range lineless {
		c.ranges = append(c.ranges, bare(mod, addrs).ranges...)
	}
	return c
}

// bare is the allocator's code in a module of which it is known where some of its
// functions begin.
func bare(mod *emu.Module, addrs []uint64) (c Code) {
	lo, hi := between(mod, addrs)
	if hi-lo <= maxOwn {
		return Code{[]Range{{mod.Base + lo, mod.Base + hi}}}
	}
	for _, addr := range addrs {
		if sym, _, ok := mod.Image.SymbolAt(addr); ok {
			c.ranges = append(c.ranges, Range{mod.Base + sym.Addr, mod.Base + sym.Addr + max(sym.Size, 1)})
		}
	}
	return c
}

// between is the range around some functions of a module up to the next exported
// ones that are not among the allocator's.
func between(mod *emu.Module, addrs []uint64) (lo, hi uint64) {
	first, last := slices.Min(addrs), slices.Max(addrs)
	lo, hi = 0, mod.Hi-mod.Base
	for _, sym := range mod.Image.Symbols() {
		switch {
		case !sym.Dynamic || !sym.Function() || sym.Addr >= first && sym.Addr <= last:
		case sym.Addr < first:
			lo = max(lo, sym.Addr+sym.Size)
		case !slices.Contains(addrs, sym.Addr):
			hi = min(hi, sym.Addr)
		}
	}
	return min(lo, first), hi
}

// Has tells whether the instruction at pc is the allocator's own.
func (c Code) Has(pc uint64) bool {
	return slices.ContainsFunc(c.ranges, func(r Range) bool { return r.Lo <= pc && pc < r.Hi })
}
