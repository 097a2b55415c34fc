package emu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"emurace/emu/internal/shim"
	"emurace/loader"
)

var le = binary.LittleEndian

// zones bound where the guest's mappings lie. They hold the addresses that a
// 47-bit Linux without address randomisation uses, on both architectures:
// fixed-address programs low, position-independent ones and the heap in the
// middle, libraries and stacks on top.
var zones = []shim.Zone{
	{Base: 0x10000, Size: 4<<30 - 0x10000},
	{Base: 0x5555_5555_0000, Size: 16 << 30},
	{Base: 0x7ff0_0000_0000, Size: 64 << 30},
}

// Addresses of a process without randomisation.
const (
	programBase = 0x5555_5555_4000
	mmapTop     = 0x7fff_f7ff_f000
	mmapEnd     = 0x7ff0_0000_0000
	stackTop    = 0x7fff_ffff_f000
	stackSize   = 8 << 20
	brkRoom     = 1 << 30
)

// memory is the engine as the kernel sees it. It keeps the ranges whose pages the
// kernel has changed, see Machine.countRemapped, and where it has mapped something,
// see Machine.noteLoads.
type memory struct {
	*shim.Engine
	m        *Machine
	remapped *[]shim.Bytes
}

// Clock is the clock of who is served by the kernel.
func (m memory) Clock(thread int) uint64 { return m.m.readClock(thread) }

func (m memory) Allows(addr, size uint64, p loader.Prot) bool {
	return m.Engine.Allows(addr, size, shim.Prot(p))
}

func (m memory) Map(addr, size uint64, p loader.Prot) error {
	m.m.mapped = append(m.m.mapped, addr)
	m.m.fresh = append(m.m.fresh, Fresh{addr, size, false})
	return m.Protect(addr, size, p)
}

func (m memory) Protect(addr, size uint64, p loader.Prot) error {
	m.note(addr, size)
	return m.SetPages(addr, size, shim.Prot(p)|shim.Mapped)
}

func (m memory) Unmap(addr, size uint64) error {
	m.note(addr, size)
	m.m.fresh = append(m.m.fresh, Fresh{addr, size, true})
	if err := m.SetPages(addr, size, 0); err != nil {
		return err
	}
	return m.Forget(addr, size)
}

func (m memory) note(addr, size uint64) {
	if r := (shim.Bytes{Addr: addr, Size: size}); !slices.Contains(*m.remapped, r) {
		*m.remapped = append(*m.remapped, r)
	}
}

func (m memory) Touched(addr uint64) bool {
	used := m.Used(addr&^(shim.PageSize-1), shim.PageSize)
	return len(used) == 1 && used[0] == shim.Touched
}

// Read copies guest memory, whatever the pages allow short of being there.
func (p *Process) Read(addr, size uint64) ([]byte, bool) {
	if size > 1<<32 || !p.eng.Allows(addr, size, 0) {
		return nil, false
	}
	return bytes.Clone(p.eng.View(addr, size)), true
}

// Peek is Read without a copy: what it returns changes when the machine runs.
func (p *Process) Peek(addr, size uint64) ([]byte, bool) {
	if !p.eng.Allows(addr, size, 0) {
		return nil, false
	}
	return p.eng.View(addr, size), true
}

// Read64 reads a little-endian word.
func (p *Process) Read64(addr uint64) (uint64, bool) {
	if !p.eng.Allows(addr, 8, 0) {
		return 0, false
	}
	b := p.eng.View(addr, 8)
	if b == nil {
		return 0, false
	}
	return le.Uint64(b), true
}

// CString reads a string up to its NUL, at most limit bytes of it.
func (p *Process) CString(addr uint64, limit int) (s string, ok bool) {
	var b []byte
	for len(b) < limit {
		n := min(uint64(limit-len(b)), loader.PageSize-addr%loader.PageSize)
		if !p.eng.Allows(addr, n, 0) {
			return string(b), false
		}
		part := p.eng.View(addr, n)
		if i := bytes.IndexByte(part, 0); i >= 0 {
			return string(append(b, part[:i]...)), true
		}
		b = append(b, part...)
		addr += n
	}
	return string(b), false
}

// Alloc returns the address of fresh zeroed bytes outside of the guest's own
// heap, 16-byte aligned: static data of the program, as it were.
func (m *Machine) Alloc(size uint64) (uint64, error) {
	addr := (m.st.data + 15) &^ 15
	if size > m.dataEnd-addr || addr > m.dataEnd {
		return 0, fmt.Errorf("alloc: %d bytes do not fit the program's %d of static data, of which %d are left",
			size, m.dataEnd-m.dataStart, m.dataEnd-min(addr, m.dataEnd))
	}
	m.st.data = addr + size
	return addr, nil
}

// Write stores into mapped memory on behalf of a thread, whatever the pages
// allow.
func (m *Machine) Write(t int, addr uint64, b []byte) error {
	if !m.eng.Allows(addr, uint64(len(b)), 0) {
		return fmt.Errorf("write: %#x: %d bytes there are not mapped", addr, len(b))
	}
	return m.eng.Store(t, addr, b)
}

// MappingOf returns the bounds of the mapping that covers addr.
func (p *Process) MappingOf(addr uint64) (lo, hi uint64, ok bool) {
	v, ok := p.kernel.State().VMA(addr)
	return v.Start, v.End, ok
}
