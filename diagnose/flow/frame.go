package flow

import (
	"fmt"

	"emurace/loader"
	"emurace/symbolize"
	"emurace/unwind"
)

// Frame is what is known of an activation of a function.
type Frame struct {
	PC uint64 // the next instruction
	// Return says that the frame has called the next inner one, and PC is where that returns to.
	Return bool
	// Doubtful says that the frame was found without unwind tables: nothing in it is certain.
	Doubtful bool
	// CFA is the stack pointer before the call of the function; 0 when it is not known.
	CFA uint64
	// Register is a register's value in the frame by its canonical name, as x19 or rbx; of an
	// outer frame those are known that calls preserve.
	Register func(name string) (uint64, bool)
}

// Of is a frame that was unwound.
func Of(arch loader.Arch, f *unwind.Frame) Frame {
	return Frame{
		PC: f.PC, CFA: f.CFA,
		Return:   f.How != unwind.Current && !f.Interrupted,
		Doubtful: f.How == unwind.FramePointer || f.How == unwind.Entry,
		Register: func(name string) (uint64, bool) {
			n, ok := unwind.RegisterNumber(arch, name)
			if !ok {
				return 0, false
			}
			return f.Get(n)
		},
	}
}

// Flow analyses functions of a process, and keeps what it has found. It is for one goroutine at a
// time.
type Flow struct {
	space     symbolize.Space
	abi       *abi
	functions map[uint64]*function // by entry
	stubs     map[uint64]uint64    // entries of linkage tables, with the words that they jump by
}

// New makes one for a process. It fails only for an unknown architecture.
func New(space symbolize.Space) (*Flow, error) {
	a := abiOf(space.Arch())
	if a == nil {
		return nil, fmt.Errorf("flow: unknown architecture %v", space.Arch())
	}
	return &Flow{space: space, abi: a, functions: map[uint64]*function{}, stubs: map[uint64]uint64{}}, nil
}

// word reads 8 bytes of memory.
func (fl *Flow) word(addr uint64) (uint64, bool) { return fl.read(addr, 8, false) }

// read reads size bytes of memory, extended to a word.
func (fl *Flow) read(addr uint64, size int, signed bool) (uint64, bool) {
	b, ok := fl.space.Read(addr, uint64(size))
	if !ok || len(b) != size {
		return 0, false
	}
	var v uint64
	for i := size - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	if signed && size < 8 {
		shift := 64 - 8*size
		v = uint64(int64(v<<shift) >> shift)
	}
	return v, true
}

// Kind tells the kinds of Origin apart.
type Kind uint8

// The kinds of origins.
const (
	Unknown  Kind = iota
	Loaded        // read from memory
	Constant      // the code has it
	Argument      // what the function was called with, plus a constant
	Returned      // the result of a call
	Computed      // made by an instruction that does more than hand on
)

// String returns the kind in words.
func (k Kind) String() string {
	return [...]string{"unknown", "loaded", "constant", "argument", "result of a call", "computed"}[k]
}

// Origin is where a register's value comes from.
type Origin struct {
	Kind Kind
	// Certain: all paths agree. Otherwise, and unless Kind is Unknown, it is likely: one
	// path does, and for Loaded the memory there holds the value now.
	Certain bool

	Addr   uint64 // Loaded: where it was loaded from
	Size   int    // Loaded: the bytes that were loaded
	Signed bool   // Loaded: extended by the sign
	Holds  bool   // Loaded: the memory there still has what was loaded
	Base   string // Loaded: a register that has the address now, less Disp; "" for none
	Disp   int64

	Value    uint64 // Constant
	Argument int    // Argument: its number, from 0
	Function string // Returned: the function that was called, "" for not known
	Plus     int64  // added to what was loaded, passed or returned

	At  []uint64 // instructions that may have done it, the first few
	How string   // in words, as "x19 was loaded from [x20]"
}

// Value is what is known of an argument.
type Value struct {
	Value   uint64
	Known   bool
	Certain bool // likely when not
	Bits    int  // how many of the low bits are known, 64 or 32; the others of Value are 0
	How     string
}
