package symbolize

import (
	"strings"

	"emurace/emu"
	"emurace/unwind"
)

// maxFrames bounds a backtrace.
const maxFrames = 64

// machineRegisters are a thread's registers by their DWARF numbers.
type machineRegisters struct {
	m      *emu.Process
	thread int
}

// Get reads a register by its DWARF number.
func (r machineRegisters) Get(dwarf uint64) (uint64, bool) {
	return r.m.Register(r.thread, unwind.RegisterName(r.m.Arch(), dwarf))
}

// Backtrace is the call stack of a machine's thread, innermost first, up to
// where the emulator called the outermost function.
func Backtrace(m *emu.Process, thread int) []Location {
	var out []Location
	for i, pc := range Stack(m, thread) {
		out = append(out, Locate(m, pc, i > 0))
	}
	return out
}

// Stack is a Backtrace without names: the thread's pc and the return addresses.
func Stack(m *emu.Process, thread int) []uint64 {
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

// Chain writes a backtrace in one line, innermost first.
func Chain(frames []Location) string {
	var parts []string
	for _, f := range frames {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, " < ")
}
