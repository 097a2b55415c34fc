package shim

// #include "shim.h"
import "C"

import (
	"unsafe"
)

// RunHalf runs the thread for one instruction, which ends in its middle if it is one of
// amd64 that reads memory and then writes to memory, and has no lock prefix: [Engine.Holds]
// tells whether it has. What it would have written is held, and the next step of the thread,
// by Run too, is that these stores are made, and nothing else. A thread that holds stores has
// nothing but that to run. A load or store of a pair of registers of arm64 ends between the two
// registers: what is held, and loaded or stored by the next step, is the second one.
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

// Store is bytes that an instruction writes, or that it loads.
type Store struct {
	Addr, Value uint64 // little-endian; of a load, 0
	Size        uint8  // 1 to 8
	Load        bool   // the bytes are to be read into the second register of a pair
	Register    string // which that is; "" where the value goes nowhere
}

// Held are the stores that the thread holds, or the loads, in their order, and the address of
// their instruction.
func (e *Engine) Held(thread int) (pc uint64, stores []Store) {
	h := e.held(thread)
	if h == nil {
		return 0, nil
	}
	load, register := bool(h.pair.load), ""
	for _, r := range Regs(e.arch) {
		if load && r.id == C.em_pair_register(&h.pair) {
			register = r.Name
		}
	}
	first := (*C.em_hold_store)(unsafe.Add(unsafe.Pointer(h), C.sizeof_em_held))
	for _, s := range unsafe.Slice(first, int(h.n)) {
		value := uint64(s.value)
		if load {
			value = 0
		}
		stores = append(stores, Store{uint64(s.addr), value, uint8(s.size), load, register})
	}
	return uint64(h.pc), stores
}

// Indivisible tells whether no other thread's access can come between those of the
// instruction at pc: it has a lock prefix, or needs none, and is no load or store of a pair.
func (e *Engine) Indivisible(pc uint64) bool { return bool(C.em_indivisible(e.c, C.uint64_t(pc))) }

// SetSplits has instructions that could end in their middle do so where both their halves are
// accesses of shared bytes, while SetSharing is on: their two steps are two events. Otherwise
// Divisible tells of them.
func (e *Engine) SetSplits(on bool) {
	e.splits = on
	e.split()
}

// CanSplit tells whether SetSplits comes to anything.
func (e *Engine) CanSplit() bool { return bool(e.c.generates) }

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

// Divisible tells whether the instruction that ran last has touched shared bytes with both its
// halves in one step, and could have ended in its middle.
func (e *Engine) Divisible() bool { return bool(e.c.divisible) }
