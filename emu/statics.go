package emu

import (
	"cmp"
	"slices"
)

// Static is a piece of the program's static data that has a name.
type Static struct {
	Name       string
	Addr, Size uint64 // in bytes
}

// NameData gives a name to static data that Alloc has handed out, for those who show addresses. A
// program of a file has its own names, in its symbol table.
func (m *Machine) NameData(name string, addr, size uint64) {
	i, _ := slices.BinarySearchFunc(m.statics, addr, func(s Static, addr uint64) int { return cmp.Compare(s.Addr, addr) })
	m.statics = slices.Insert(m.statics, i, Static{name, addr, size})
}

// Statics are the named pieces of static data, by address.
func (p *Process) Statics() []Static { return p.statics }

// Static is the named piece of static data that an address lies in.
func (p *Process) Static(addr uint64) (Static, bool) {
	i, found := slices.BinarySearchFunc(p.statics, addr, func(s Static, addr uint64) int { return cmp.Compare(s.Addr, addr) })
	if !found {
		i--
	}
	if i < 0 || addr-p.statics[i].Addr >= p.statics[i].Size {
		return Static{}, false
	}
	return p.statics[i], true
}
