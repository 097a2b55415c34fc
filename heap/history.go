package heap

import (
	"slices"
	"strings"

	"emurace/emu"
	"emurace/symbolize"
)

// Block is what one call of an allocating function handed out, from that call
// until it is freed or resized. A block that realloc resizes in place counts as
// freed, and as handed out anew with its new size.
type Block struct {
	Addr uint64
	Size uint64 // bytes that were asked for; 0 when Allocated is nil
	// ChunkSize is what glibc's malloc reserved for the block, its own header
	// included: the size field before the block, without flags, when the block
	// was handed out (malloc/malloc.c, struct malloc_chunk). 0 when it is not
	// glibc's malloc.
	ChunkSize uint64
	Allocated *Call // nil: before calls were traced
	Freed     *Call // nil: never. The call may still be in progress at the end
}

// Call is a call of a function that allocates or frees.
type Call struct {
	Thread string
	Func   string    // as the library exports it
	Args   [6]uint64 // the integer arguments
	Call   string    // what the thread was doing: the call that the scenario made
	Step   uint64    // number of the call's first instruction, as in the access log
	Done   uint64    // number of its last one; 0: still in progress at the end
	Result uint64

	Machine int // the thread's number

	stack []uint64 // return addresses, innermost first; the first is Func's entry
}

// Doing names a call of an allocating function within what its thread was doing, which is
// that call itself where the scenario makes it.
func Doing(function, call string) string {
	switch {
	case strings.HasPrefix(call, function+"("):
		return call
	case call == "" || call == function:
		return function
	}
	return function + " of " + call
}

// Text says who made the call: "main in realloc of setenv(...)".
func (c *Call) Text() string { return c.Thread + " in " + Doing(c.Func, c.Call) }

// Asks is how many bytes the call asks for, false for one that hands out nothing.
func (c *Call) Asks() (size uint64, ok bool) { return allocates(c.Func, c.Args) }

// covers tells whether the call was in progress when the thread ran the step.
func (c *Call) covers(machine int, step uint64) bool {
	return c.Machine == machine && c.Step <= step && (c.Done == 0 || step <= c.Done)
}

// History is every block that the allocating functions handed out in one run, from
// the moment when the process had booted.
type History struct {
	m      *emu.Process
	blocks []*Block // in the order in which they were handed out
	calls  []*Call  // in the order in which they began
	places map[uint64]symbolize.Location
	glibc  bool // the functions are glibc's own
	minor  int  // of glibc 2.36: 36
}

// Blocks lists the blocks in the order in which they were handed out. Blocks
// that were there before calls were traced are listed only if they are freed.
func (h *History) Blocks() []*Block { return h.blocks }

// Calls lists the calls in the order in which they began, those in Setup
// included; a call that another one makes comes after it.
func (h *History) Calls() []*Call { return h.calls }

// Glibc tells whether the functions are glibc's own. Of the memory of another malloc
// it is not known how its blocks are kept.
func (h *History) Glibc() bool { return h.glibc }

// Backtrace is how the program came to a call, innermost first.
func (h *History) Backtrace(c *Call) []symbolize.Location {
	var out []symbolize.Location
	for i, pc := range c.stack {
		l := symbolize.Locate(h.m, pc, i > 0)
		if was, ok := h.places[pc]; ok && l.Module == "" {
			l = was // of a library that has been unmapped since
		}
		out = append(out, l)
	}
	return out
}

// InCall is the innermost call that a thread of the machine was in when it ran
// the instruction of a step, nil for none.
func (h *History) InCall(machine int, step uint64) *Call {
	for _, c := range slices.Backward(h.calls) {
		if c.covers(machine, step) {
			return c
		}
	}
	return nil
}

// Extent is the range of bytes [lo, hi) that belong to the block. With glibc
// that is all of its chunk from the size field on; the last word of it is where
// the next chunk keeps its prev_size while this one is free.
func (b *Block) Extent() (lo, hi uint64) {
	if b.ChunkSize == 0 {
		return b.Addr, b.Addr + b.Size
	}
	return b.Addr - 8, b.Addr - 8 + b.ChunkSize
}

// FreedBy tells whether the block was free, or being freed, at a step.
func (b *Block) FreedBy(step uint64) bool { return b.Freed != nil && b.Freed.Step <= step }

// Owners lists the blocks that a byte had belonged to before the instruction of
// a step, the latest first. The first is in use unless FreedBy says otherwise:
// a freed block owns its bytes until they are handed out again.
func (h *History) Owners(addr, step uint64) []*Block {
	var list []*Block
	for _, b := range slices.Backward(h.blocks) {
		lo, hi := b.Extent()
		if addr-lo < hi-lo && (b.Allocated == nil || b.Allocated.Done < step) {
			list = append(list, b)
		}
	}
	return list
}

// Owner is the first of Owners, nil when the byte is in no block.
func (h *History) Owner(addr, step uint64) *Block {
	if list := h.Owners(addr, step); len(list) > 0 {
		return list[0]
	}
	return nil
}
