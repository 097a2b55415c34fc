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
	return bool(e.c.sharing) && bool(C.em_share_access(e.c, C.uint64_t(addr), 1, false, C.int(thread)))
}
