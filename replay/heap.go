package replay

import (
	"fmt"
	"slices"

	"emurace/emu"
	"emurace/scenario"
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
	Allocated *HeapCall // nil: before calls were traced
	Freed     *HeapCall // nil: never. The call may still be in progress at the end
}

// HeapCall is a call of a function that allocates or frees.
type HeapCall struct {
	Thread string
	Func   string    // as the library exports it
	Args   [6]uint64 // the integer arguments
	Call   string    // what the thread was doing: the call that the scenario made
	Step   uint64    // number of the call's first instruction, as in the access log
	Done   uint64    // number of its last one; 0: still in progress at the end
	Result uint64

	machine int      // the thread's number
	stack   []uint64 // return addresses, innermost first; the first is Func's entry
}

// covers tells whether the call was in progress when the thread ran the step.
func (c *HeapCall) covers(machine int, step uint64) bool {
	return c.machine == machine && c.Step <= step && (c.Done == 0 || step <= c.Done)
}

// Heap is every block that the allocating functions handed out in one run, from
// the moment when the process had booted.
type Heap struct {
	m      *emu.Machine
	blocks []*Block    // in the order in which they were handed out
	calls  []*HeapCall // in the order in which they began
	places map[uint64]symbolize.Location
	glibc  bool // the functions are glibc's own
	minor  int  // of glibc 2.36: 36
}

// Blocks lists the blocks in the order in which they were handed out. Blocks
// that were there before calls were traced are listed only if they are freed.
func (h *Heap) Blocks() []*Block { return h.blocks }

// Calls lists the calls in the order in which they began, those in Setup
// included; a call that another one makes comes after it.
func (h *Heap) Calls() []*HeapCall { return h.calls }

// Glibc tells whether the functions are glibc's own. Of the memory of another malloc
// it is not known how its blocks are kept.
func (h *Heap) Glibc() bool { return h.glibc }

// Backtrace is how the program came to a call, innermost first.
func (h *Heap) Backtrace(c *HeapCall) []symbolize.Location {
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
func (h *Heap) InCall(machine int, step uint64) *HeapCall {
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
func (h *Heap) Owners(addr, step uint64) []*Block {
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
func (h *Heap) Owner(addr, step uint64) *Block {
	if list := h.Owners(addr, step); len(list) > 0 {
		return list[0]
	}
	return nil
}

// Starter makes a new session of a plan, with [scenario.StartWith].
type Starter func(prepare func(*emu.Machine) error) (*scenario.Session, error)

// HeapTracer repeats runs on a session of its own with the calls of the
// allocating functions traced.
type HeapTracer struct {
	s     *scenario.Session
	rec   *recorder
	setup snapshot
}

// NewHeapTracer makes a session and traces its setup.
func NewHeapTracer(start Starter) (*HeapTracer, error) {
	t := &HeapTracer{}
	var err error
	t.s, err = start(func(m *emu.Machine) error {
		t.rec = &recorder{m: m, live: map[uint64]*Block{}, stacks: map[string][]uint64{}, places: map[uint64]symbolize.Location{}}
		return t.rec.begin()
	})
	if err != nil {
		return nil, err
	}
	t.setup = t.rec.snapshot()
	return t, nil
}

// Close frees the session.
func (t *HeapTracer) Close() { t.s.Close() }

// Run repeats a run, from the start of the race to where the schedule leads.
// The result is valid until Close.
func (t *HeapTracer) Run(schedule scenario.Schedule) (*Heap, error) {
	if err := t.s.Restart(); err != nil {
		return nil, err
	}
	t.rec.restore(t.setup)
	if err := t.s.Play(schedule); err != nil {
		return nil, fmt.Errorf("trace malloc: %w", err)
	}
	h := &Heap{m: t.s.M, blocks: t.rec.blocks, calls: t.rec.calls, places: t.rec.places, glibc: t.rec.glibc, minor: minorVersion(t.s.Libc().Version)}
	t.rec.restore(t.setup) // the next run gets lists of its own
	return h, nil
}
