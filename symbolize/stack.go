package symbolize

import (
	"slices"
	"strings"
	"sync"

	"emurace/emu"
	"emurace/loader"
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
	var out []uint64
	for _, f := range frames(m, thread) {
		out = append(out, f.PC)
	}
	return out
}

// frames is a Stack with what there is to know of each frame.
func frames(m *emu.Process, thread int) []unwind.Frame {
	var modules []unwind.Module
	for _, mod := range m.Modules() {
		modules = append(modules, unwind.Module{Lo: mod.Lo, Hi: mod.Hi, Base: mod.Base, Image: mod.Image})
	}
	pc, err := m.PC(thread)
	if err != nil {
		return nil
	}
	list, _ := unwinder(m.Arch(), modules).Stack(pc, machineRegisters{m, thread}, m, maxFrames)
	for i, f := range list {
		if i > 0 && f.Module == nil {
			return list[:i]
		}
	}
	return list
}

// latest is the unwinder that was used last. Views ask for the stacks of one process after
// each of its instructions, and to index call frame information takes a millisecond.
var latest struct {
	sync.Mutex
	arch    loader.Arch
	modules []unwind.Module
	*unwind.Unwinder
}

// unwinder is one for these modules, of a known architecture.
func unwinder(arch loader.Arch, modules []unwind.Module) *unwind.Unwinder {
	latest.Lock()
	defer latest.Unlock()
	if latest.arch == arch && slices.Equal(latest.modules, modules) {
		return latest.Unwinder
	}
	// A machine's architecture is one that unwind knows.
	u, err := unwind.New(arch, modules)
	if err == nil {
		latest.arch, latest.modules, latest.Unwinder = arch, modules, u
	}
	return u
}

// Chain writes a backtrace in one line, innermost first.
func Chain(frames []Location) string {
	var parts []string
	for _, f := range frames {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, " < ")
}
