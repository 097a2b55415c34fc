package shim

// #include "shim.h"
import "C"

import (
	"unsafe"

	"emurace/loader"
)

// RunHalf runs the thread for one instruction, which ends in its middle if it is one of
// amd64 that reads memory and then writes to memory, and has no lock prefix: [Engine.Holds]
// tells whether it has. What it would have written is held, and the next step of the thread,
// by Run too, is that these stores are made, and nothing else. A thread that holds stores has
// nothing but that to run.
//
// Where a page of the stores has changed meanwhile, or does not allow them any more, that
// step has the instruction begin again instead.
func (e *Engine) RunHalf(thread int) (Stop, error) {
	e.c.halves = true
	defer func() { e.c.halves = false }()
	return e.Run(thread, 1)
}

// Holds tells whether the thread's last instruction has ended in its middle.
func (e *Engine) Holds(thread int) bool { return e.held(thread) != nil }

func (e *Engine) held(thread int) *C.em_held {
	return C.em_held_of(e.c, C.int(thread))
}

// Store is bytes that an instruction writes.
type Store struct {
	Addr, Value uint64 // little-endian
	Size        uint8  // 1 to 8
}

// Held are the stores that the thread holds, in their order, and the address of their
// instruction.
func (e *Engine) Held(thread int) (pc uint64, stores []Store) {
	h := e.held(thread)
	if h == nil {
		return 0, nil
	}
	first := (*C.em_hold_store)(unsafe.Add(unsafe.Pointer(h), C.sizeof_em_held))
	for _, s := range unsafe.Slice(first, int(h.n)) {
		stores = append(stores, Store{uint64(s.addr), uint64(s.value), uint8(s.size)})
	}
	return uint64(h.pc), stores
}

// Indivisible tells whether no other thread's access can come between those of the
// instruction at pc: it has a lock prefix, or needs none.
func (e *Engine) Indivisible(pc uint64) bool { return bool(C.em_indivisible(e.c, C.uint64_t(pc))) }

// SetSplits has instructions that could end in their middle do so where they read and write
// shared bytes, while SetSharing is on: their two steps are two events. Otherwise Divisible
// tells of them.
func (e *Engine) SetSplits(on bool) {
	e.splits = on
	e.split()
}

// CanSplit tells whether SetSplits comes to anything.
func (e *Engine) CanSplit() bool { return bool(e.c.generates) && e.arch == loader.AMD64 }

func (e *Engine) split() {
	switch {
	case !bool(e.c.sharing) || !e.CanSplit():
		e.c.splits = C.EM_SPLITS_NONE
	case e.splits:
		e.c.splits = C.EM_SPLITS
	default:
		e.c.splits = C.EM_SPLITS_TELL
	}
}

// Divisible tells whether the instruction that ran last has read and written shared bytes in
// one step, and could have ended in its middle.
func (e *Engine) Divisible() bool { return bool(e.c.divisible) }
