package unwind

import (
	"fmt"
	"sync"

	"emurace/loader"
)

// Registers gives the values of a thread's registers by DWARF number: 0 to 30
// and 31 for x0 to x30 and sp on arm64, 0 to 15 on amd64 (see RegisterName).
type Registers interface {
	Get(dwarf uint64) (value uint64, ok bool)
}

// Memory gives the guest's memory.
type Memory interface {
	// Read64 reads the little-endian 64-bit word at addr, or returns false if
	// a part of it is not mapped.
	Read64(addr uint64) (value uint64, ok bool)
}

// Module is an image mapped into the guest at [Lo, Hi); an address of the
// file plus Base is where it is at run time.
type Module struct {
	Lo, Hi, Base uint64
	Image        *loader.Image
}

// How says how a frame was found from the one that it called.
type How uint8

const (
	// Current is the innermost frame: where the thread is.
	Current How = iota + 1
	// CFI is by the call frame information of the called function.
	CFI
	// FramePointer is by the chain of frame pointers, x29 or rbp, as the
	// called code has no call frame information.
	FramePointer
	// Entry is by the place where a call leaves the return address, x30 or
	// the word at rsp, for code without information at the innermost frame:
	// right as long as it has not moved that address.
	Entry
)

// String returns a short description.
func (h How) String() string {
	switch h {
	case Current:
		return "current"
	case CFI:
		return "call frame information"
	case FramePointer:
		return "frame pointer"
	case Entry:
		return "return address at entry"
	}
	return fmt.Sprintf("How(%d)", uint8(h))
}

// Frame is one activation of a function.
type Frame struct {
	// PC is the address of the next instruction to run in this frame: for
	// every frame but the innermost the return address, without an arm64
	// signature.
	PC uint64
	// CFA is the address that stays the same during an activation: the value
	// of the stack pointer before the call. 0 if it is not known, which it is
	// not for the outermost frame and for code without information.
	CFA uint64
	// Module is what PC lies in, nil for none. It points into the slice given
	// to New or Stack.
	Module *Module
	// Symbol is the function, "" if unknown, and Offset the distance from its
	// start to PC. As a call that never returns may be a function's last
	// instruction, the function of a return address is that of the byte
	// before it; Offset may then be the function's size.
	Symbol string
	Offset uint64
	How    How
	// Interrupted marks a frame that made no call but was interrupted by a
	// signal: its PC is exact.
	Interrupted bool

	registers
}

// registers are the values recovered, by DWARF number.
type registers struct {
	value [tracked]uint64
	known [tracked]bool
}

// Get returns a register's value in the frame, as it will be on return to PC.
// In the innermost frame these are the thread's; further out those that called
// functions preserve: x19 to x29 and sp, rbx, rbp, r12 to r15 and rsp, and
// whatever the call frame information restores besides.
func (r *registers) Get(dwarf uint64) (value uint64, ok bool) {
	if dwarf >= tracked || !r.known[dwarf] {
		return 0, false
	}
	return r.value[dwarf], true
}

func (r *registers) set(dwarf, value uint64) {
	if dwarf < tracked {
		r.value[dwarf], r.known[dwarf] = value, true
	}
}

// lookup is the address whose call frame information and name are the frame's.
// For a return address that is the call before it.
func (f *Frame) lookup() uint64 {
	if f.How == Current || f.Interrupted {
		return f.PC
	}
	return f.PC - 1
}

// Unwinder unwinds the stacks of one process. It indexes an image's call frame
// information when it first needs it and keeps it. Its methods may be called
// from several goroutines.
type Unwinder struct {
	arch    *arch
	modules []Module

	mu     sync.Mutex
	tables map[*loader.Image]*table
}

// New returns an Unwinder for a process with these modules mapped. It fails
// only for an invalid architecture.
func New(a loader.Arch, modules []Module) (*Unwinder, error) {
	ar := archOf(a)
	if ar == nil {
		return nil, fmt.Errorf("unwind: unknown architecture %v", a)
	}
	return &Unwinder{arch: ar, modules: modules, tables: map[*loader.Image]*table{}}, nil
}

// With returns an Unwinder for other modules, after a dlopen for instance,
// that has what u has indexed already.
func (u *Unwinder) With(modules []Module) *Unwinder {
	u.mu.Lock()
	defer u.mu.Unlock()
	tables := make(map[*loader.Image]*table, len(u.tables))
	for image, t := range u.tables {
		tables[image] = t
	}
	return &Unwinder{arch: u.arch, modules: modules, tables: tables}
}

// table returns the index of an image's call frame information, empty if it
// has none.
func (u *Unwinder) table(image *loader.Image) *table {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.tables[image]
	if t == nil {
		data, vaddr, _ := image.EHFrame()
		t = parseTable(data, vaddr)
		u.tables[image] = t
	}
	return t
}

// module returns the module that an address lies in, or nil.
func (u *Unwinder) module(addr uint64) *Module {
	for i := range u.modules {
		if m := &u.modules[i]; addr >= m.Lo && addr < m.Hi {
			return m
		}
	}
	return nil
}

// place fills in what follows from PC.
func (u *Unwinder) place(f *Frame) {
	if !u.arch.link {
		// The return address column doubles as the program counter, which
		// the expressions of linkage tables refer to.
		f.set(u.arch.returnAddress, f.PC)
	}
	at := f.lookup()
	if f.Module = u.module(at); f.Module == nil || f.Module.Image == nil {
		return
	}
	if sym, _, ok := f.Module.Image.SymbolAt(at - f.Module.Base); ok {
		f.Symbol, f.Offset = sym.Name, f.PC-f.Module.Base-sym.Addr
	}
}

// Stack returns the call stack of a thread that is about to run the
// instruction at pc: the innermost frame first, at most max of them and at
// least the innermost if max allows, and why it ends there.
func (u *Unwinder) Stack(pc uint64, regs Registers, mem Memory, max int) ([]Frame, End) {
	frame := Frame{PC: pc, How: Current}
	for n := range u.arch.general {
		if v, ok := regs.Get(n); ok {
			frame.set(n, v)
		}
	}
	u.place(&frame)
	var frames []Frame
	for len(frames) < max {
		caller, cfa, err := u.caller(&frame, mem)
		frame.CFA = cfa
		frames = append(frames, frame)
		if err != nil {
			return frames, endOf(err)
		}
		// Stacks grow down, so a caller's frame is above. It may be in the
		// same place if the called function uses no stack, but then not the
		// same frame again.
		if n := len(frames); n > 1 && cfa != 0 && !frame.Interrupted &&
			(cfa < frames[n-2].CFA || cfa == frames[n-2].CFA && caller.PC == frame.PC) {
			return frames, End{Reason: NoProgress}
		}
		frame = caller
	}
	return frames, End{Reason: TooDeep}
}

// Stack is for a single call stack: New and Unwinder.Stack in one. It returns
// nil for an invalid architecture.
func Stack(a loader.Arch, pc uint64, regs Registers, mem Memory, modules []Module, max int) []Frame {
	u, err := New(a, modules)
	if err != nil {
		return nil
	}
	frames, _ := u.Stack(pc, regs, mem, max)
	return frames
}
