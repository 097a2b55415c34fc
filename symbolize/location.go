package symbolize

import (
	"fmt"
	"path"
	"strings"

	"emurace/emu"
	"emurace/loader"
)

// Space is a process in which addresses are named: a machine's, or one that is known from
// elsewhere, such as a core file.
type Space interface {
	Arch() loader.Arch
	// Module is the image that an address lies in. Its Image may be nil: it is known that there
	// is one, and not its file.
	Module(addr uint64) (*emu.Module, bool)
	// Modules are all of them but the program.
	Modules() []*emu.Module
	// Program is the program's own image, nil for none.
	Program() *emu.Module
	// Symbol names an address: the function or object it lies in, and how far from its beginning.
	Symbol(addr uint64) (name string, off uint64, ok bool)
	// Read returns memory, false unless all of it can be read; Peek likewise, and its bytes are
	// valid until the process goes on, and not to be written to.
	Read(addr, size uint64) ([]byte, bool)
	Peek(addr, size uint64) ([]byte, bool)
}

// Location is a place in the code, named as far as it has a name.
type Location struct {
	PC       uint64
	Function string // "" when no symbol covers PC
	Offset   uint64 // from the function's start, or the module's without a function
	Module   string // file name of the library, "" outside of all
	File     string // source file and line, where the debug files know them
	Line     int
}

// String writes the location as function+0xoffset, or as an address.
func (l Location) String() string {
	switch {
	case l.Function != "":
		return fmt.Sprintf("%s+%#x", l.Function, l.Offset)
	case l.Module != "":
		return fmt.Sprintf("%s+%#x", l.Module, l.Offset)
	}
	return fmt.Sprintf("%#x", l.PC)
}

// Source writes the source line as file:line, or nothing.
func (l Location) Source() string {
	if l.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", path.Base(l.File), l.Line)
}

// Locate names a place in the code of a machine. For a return address the line
// is that of the call, which is why it is looked up one byte before.
func Locate(m Space, pc uint64, isReturn bool) Location {
	l := Location{PC: pc}
	mod, ok := m.Module(pc)
	if !ok {
		return l
	}
	l.Module = path.Base(mod.Path)
	l.Offset = pc - mod.Base
	if mod.Image == nil {
		return l
	}
	at := pc
	if isReturn {
		at--
	}
	if sym, _, ok := mod.Image.SymbolAt(at - mod.Base); ok {
		l.Function, l.Offset = sym.Name, pc-mod.Base-sym.Addr
	}
	if file, line, ok := mod.Image.LineAt(at - mod.Base); ok {
		l.File, l.Line = file, line
	}
	return l
}

// Data names an address in a library's or program's data: environ, main_arena+0x60; "" for none.
func Data(m Space, addr uint64) string {
	name, off, ok := m.Symbol(addr)
	if ok && off > 0 {
		name = fmt.Sprintf("%s+%#x", name, off)
	}
	return name
}

// Member names an address that an instruction accesses: as Data, but by the member of a variable
// whose type is known: main_arena.top, table[3]. A pointer to there need not be one to the
// member: those in malloc's lists point to where a chunk would begin.
func Member(m Space, addr uint64) string {
	name, off, ok := m.Symbol(addr)
	if !ok {
		return ""
	}
	if mod, ok := m.Module(addr); ok && mod.Image != nil {
		member, ok := mod.Image.MemberOf(addr-off-mod.Base, off)
		switch {
		case !ok || off == 0 && strings.HasPrefix(member, "["):
		case strings.HasPrefix(member, "["):
			return name + member
		default:
			return name + "." + member
		}
	}
	return Data(m, addr)
}
