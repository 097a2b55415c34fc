package oracle

import (
	"slices"

	"emurace/emu"
	"emurace/loader"
)

// mayHoldBlocks lists the memory of a process that has just booted in which malloc
// may have handed out blocks already: constructors of libraries can have asked for
// some. That is the heap, and anonymous mappings, where large ones are; musl cuts
// blocks out of what is left over in the pages of libraries too.
func mayHoldBlocks(m *emu.Process) (list []emu.Mapping) {
	for _, g := range m.Mappings() {
		library := slices.ContainsFunc(m.Modules(), func(mod *emu.Module) bool { return g.Start < mod.Hi && mod.Lo < g.End })
		program := g.Start < m.Program().Hi && m.Program().Lo < g.End
		switch {
		case g.Prot&loader.ProtWrite == 0 || g.Path == "[stack]" || program:
		case m.System().Libc == loader.Musl || !library && !g.OfFile():
			list = append(list, g)
		}
	}
	return list
}

// isEarly tells whether a block may be at p that was handed out before calls were
// traced. A mapping of glibc's has its block right behind the header.
func (p *inspector) isEarly(addr uint64) bool {
	return slices.ContainsFunc(p.early, func(g emu.Mapping) bool {
		at := addr - g.Start
		return addr >= g.Start && addr < g.End && (g.Path == "[heap]" || p.s.Process().System().Libc == loader.Musl || at%loader.PageSize == 16)
	})
}
