package replay

import (
	"fmt"
	"path"
	"strings"

	"emurace/emu"
	"emurace/unwind"
)

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
	return hex(l.PC)
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
func Locate(m *emu.Machine, pc uint64, isReturn bool) Location {
	l := Location{PC: pc}
	mod, ok := m.Module(pc)
	if !ok {
		return l
	}
	l.Module = path.Base(mod.Path)
	l.Offset = pc - mod.Base
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

// maxFrames bounds a backtrace.
const maxFrames = 64

// machineRegisters are a thread's registers by their DWARF numbers.
type machineRegisters struct {
	m      *emu.Machine
	thread int
}

// Get reads a register by its DWARF number.
func (r machineRegisters) Get(dwarf uint64) (uint64, bool) {
	return r.m.Register(r.thread, unwind.RegisterName(r.m.Arch(), dwarf))
}

// Backtrace is the call stack of a machine's thread, innermost first, up to
// where the emulator called the outermost function.
func Backtrace(m *emu.Machine, thread int) []Location {
	var out []Location
	for i, pc := range Stack(m, thread) {
		out = append(out, Locate(m, pc, i > 0))
	}
	return out
}

// Stack is a Backtrace without names: the thread's pc and the return addresses.
func Stack(m *emu.Machine, thread int) []uint64 {
	var modules []unwind.Module
	for _, mod := range m.Modules() {
		modules = append(modules, unwind.Module{Lo: mod.Lo, Hi: mod.Hi, Base: mod.Base, Image: mod.Image})
	}
	pc, err := m.PC(thread)
	if err != nil {
		return nil
	}
	regs := machineRegisters{m, thread}
	var out []uint64
	for i, f := range unwind.Stack(m.Arch(), pc, regs, m, modules, maxFrames) {
		if i > 0 && f.Module == nil {
			break
		}
		out = append(out, f.PC)
	}
	return out
}

// chain writes a backtrace in one line, innermost first.
func chain(frames []Location) string {
	var parts []string
	for _, f := range frames {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, " < ")
}
