package shim

// #include "shim.h"
import "C"

import (
	"errors"
	"maps"
	"slices"
)

// Bytes is a range of memory.
type Bytes struct{ Addr, Size uint64 }

// NoteBlock counts as a write of size bytes by a thread, for what is known of
// shared bytes; memory is left alone. It returns those of the bytes that are
// shared, in order, as ranges of neighbours. Its cost follows what was accessed
// of the bytes, not how many they are. Without SetSharing it does nothing.
func (e *Engine) NoteBlock(thread int, addr, size uint64) ([]Bytes, error) {
	size = min(size, -addr-1) // up to the end of what there is
	if !e.c.sharing || size == 0 {
		return nil, nil
	}
	pairs := make([]C.uint64_t, 128)
	n := -1
	for n < 0 || 2*n > len(pairs) {
		pairs = make([]C.uint64_t, max(len(pairs), 2*n))
		n = int(C.em_share_block(e.c, C.uint64_t(addr), C.uint64_t(addr+size), C.int(thread), &pairs[0], C.size_t(len(pairs)/2)))
		if n < 0 {
			return nil, errors.New("engine: no memory for the blocks")
		}
	}
	masks := make(map[uint64]uint8, n)
	for i := range n {
		masks[uint64(pairs[2*i])] = uint8(pairs[2*i+1])
	}
	var list []Bytes
	for _, at := range slices.Sorted(maps.Keys(masks)) {
		for b := range uint64(8) {
			if masks[at]&(1<<b) == 0 {
				continue
			}
			if k := len(list); k > 0 && list[k-1].Addr+list[k-1].Size == at+b {
				list[k-1].Size++
			} else {
				list = append(list, Bytes{at + b, 1})
			}
		}
	}
	return list, nil
}

// NoteRead counts as a read of one byte by a thread, as NoteBlock does as a write
// of many, and tells whether the byte is shared.
func (e *Engine) NoteRead(thread int, addr uint64) bool {
	return bool(e.c.sharing) && bool(C.em_share_access(e.c, C.uint64_t(addr), 1, false, C.int(thread), C.EM_UNLOGGED))
}

// SetSharing makes Run stop after every instruction that touches a shared byte: one to
// which there were two conflicting accesses, of different threads and one of them a
// write, without anything that orders them. What orders accesses is the order of each
// thread, the accesses to shared bytes, and what NoteObject and NoteJoin are told. The
// fetch of an instruction is a read of it. Which bytes are shared stays known when the
// machine rewinds, and when this is turned off; the accesses do not.
func (e *Engine) SetSharing(on bool) {
	if on && !bool(e.c.sharing) {
		C.em_fetch_forget(e.c)
	}
	e.c.sharing = C.bool(on)
	e.split()
	C.em_turn_sync(e.c)
}

// NoteObject notes that a thread has used an object of the kernel's, in the system call
// that it has just made: uses of one object, one of them changing it, are ordered. What
// ClockThread does orders nothing.
func (e *Engine) NoteObject(thread int, class, id uint64, write bool) error {
	if bool(e.c.sharing) && thread != ClockThread && !bool(C.em_share_object(e.c, C.int(thread), C.uint64_t(class), C.uint64_t(id), C.bool(write))) {
		return errors.New("engine: no memory for the order of system calls")
	}
	return nil
}

// NoteJoin notes that all that thread to does from now on comes after what thread from
// has done: it was made by it, or woken. ClockThread has done nothing.
func (e *Engine) NoteJoin(from, to int) error {
	if from == ClockThread {
		return nil
	}
	if bool(e.c.sharing) && !bool(C.em_share_join(e.c, C.int(from), C.int(to))) {
		return errors.New("engine: no memory for the order of threads")
	}
	return nil
}

// Fetched lists the bytes of code of which the fetch made the last instruction an event.
func (e *Engine) Fetched() []Bytes {
	var list []Bytes
	for i := range int(e.c.nfetches) {
		list = append(list, Bytes{uint64(e.c.fetches[2*i]), uint64(e.c.fetches[2*i+1])})
	}
	return list
}

// SharedGrown is how often a byte was found to be shared. When it grows, stops
// were missed before.
func (e *Engine) SharedGrown() uint64 { return uint64(e.c.share.grown) }

// sharedMask tells which of the eight bytes at addr&^7 are shared, lowest bit
// first.
func (e *Engine) sharedMask(addr uint64) uint8 {
	return uint8(C.em_share_mask(e.c, C.uint64_t(addr)))
}

// TouchedShared tells whether a Store or Touch since the last Run touched a shared byte.
func (e *Engine) TouchedShared() bool { return bool(e.c.event) }

// SharedBytes lists the shared bytes: by address, a multiple of eight, which of
// the eight bytes there, as a mask.
func (e *Engine) SharedBytes() map[uint64]uint8 {
	n := C.em_share_list(e.c, nil, 0)
	m := make(map[uint64]uint8, n)
	if n == 0 {
		return m
	}
	pairs := make([]C.uint64_t, 2*n)
	C.em_share_list(e.c, &pairs[0], n)
	for i := range int(n) {
		m[uint64(pairs[2*i])] = uint8(pairs[2*i+1])
	}
	return m
}

// AddShared takes bytes for shared, as [Engine.SharedBytes] of another engine
// lists them. SharedGrown does not count them.
func (e *Engine) AddShared(m map[uint64]uint8) error {
	for addr, mask := range m {
		if !C.em_share_add(e.c, C.uint64_t(addr), C.uint8_t(mask)) {
			return errors.New("engine: no memory for the shared bytes")
		}
	}
	return nil
}

// ForgetShared forgets the accesses so far and what was learned from them. What
// AddShared said stays. It costs the same whatever was learned.
func (e *Engine) ForgetShared() { C.em_share_forget(e.c) }
