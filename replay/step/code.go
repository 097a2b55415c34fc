package step

import (
	"emurace/disasm"
	"emurace/emu"
	"emurace/symbolize"
)

// codeLine is one instruction of a listing.
type codeLine struct {
	addr   uint64
	off    uint64 // from the function's start
	in     disasm.Inst
	source string // file:line, where known
}

// function is the listing of a function, or of what lies behind an address that
// belongs to none.
type function struct {
	name  string // "" without a symbol
	start uint64
	lines []codeLine
}

// index is the line of an address, -1 for none.
func (f *function) index(addr uint64) int {
	for i, l := range f.lines {
		if l.addr == addr {
			return i
		}
	}
	return -1
}

// listings decodes functions once. The code is taken not to change during a race.
type listings struct {
	m     *emu.Process
	insts map[uint64]disasm.Inst
	fns   map[uint64]*function
}

func newListings(m *emu.Process) *listings {
	return &listings{m: m, insts: map[uint64]disasm.Inst{}, fns: map[uint64]*function{}}
}

// inst is the instruction at an address. A symbol's name may be anything.
func (c *listings) inst(pc uint64) disasm.Inst {
	in, ok := c.insts[pc]
	if !ok {
		in = symbolize.Disassemble(c.m, pc)
		in.Text = clean(in.Text)
		c.insts[pc] = in
	}
	return in
}

// locate is replay.Locate with clean names.
func (c *listings) locate(pc uint64) symbolize.Location {
	l := symbolize.Locate(c.m, pc, false)
	l.Function, l.Module, l.File = clean(l.Function), clean(l.Module), clean(l.File)
	return l
}

// Bounds of a listing: instructions, and bytes from the function's start.
const (
	maxLines = 4096
	maxBytes = 1 << 16
)

// of is the listing of the function that an address lies in. It begins at the
// function's start, since only from there are the bounds of amd64's instructions
// certain, unless the address cannot be reached from there.
func (c *listings) of(pc uint64) *function {
	if f := c.around(pc); f.index(pc) >= 0 {
		return f
	}
	return c.from(pc)
}

// around is the listing of the function that a byte lies in, be it within an
// instruction.
func (c *listings) around(addr uint64) *function {
	if name, off, ok := c.m.Symbol(addr); ok && name != "" && off < maxBytes {
		addr -= off
	}
	return c.from(addr)
}

func (c *listings) from(start uint64) *function {
	f, ok := c.fns[start]
	if !ok {
		f = c.list(start)
		c.fns[start] = f
	}
	return f
}

// before is the instruction that ends where another one begins.
func (c *listings) before(pc uint64) (codeLine, bool) {
	for _, l := range c.around(pc - 1).lines {
		if l.addr+uint64(l.in.Len) == pc {
			return l, true
		}
	}
	return codeLine{}, false
}

func (c *listings) list(start uint64) *function {
	const unknown = 32 // instructions shown of what has no name
	f := &function{start: start}
	symbol, first, _ := c.m.Symbol(start)
	f.name = clean(symbol)
	for pc := start; len(f.lines) < maxLines; {
		in := c.inst(pc)
		loc := c.locate(pc)
		f.lines = append(f.lines, codeLine{addr: pc, off: pc - start + first, in: in, source: loc.Source()})
		if in.Undecoded && f.name == "" || f.name == "" && len(f.lines) >= unknown {
			break
		}
		pc += uint64(max(in.Len, 1))
		if f.name == "" {
			continue
		}
		if name, off, ok := c.m.Symbol(pc); !ok || name != symbol || off != pc-start+first {
			break
		}
	}
	return f
}
