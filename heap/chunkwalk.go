package heap

import (
	"slices"

	"emurace/emu"
)

// Chunk is one of the chunks that glibc's malloc cuts its memory into.
type Chunk struct {
	Addr, Size uint64
	// Used is what the flag says that malloc keeps in the chunk behind. It stays
	// set in a free chunk that is in the thread cache or in a fast bin.
	Used bool
	// Top is the last chunk, which is what is left of the memory that malloc has
	// asked the kernel for.
	Top bool
	// Block is what was handed out last at the chunk's start, nil for nothing known.
	Block *Block
}

// Around lists the chunk that an address lies in and up to some chunks before and
// behind it, in the order of their addresses, as the memory of a machine has them
// when it is about to run the instruction of a step. It is empty when malloc is not
// glibc's or when no chunk can be made out there.
func (h *History) Around(m *emu.Process, addr, step uint64, before, behind int) []Chunk {
	if !h.glibc {
		return nil
	}
	c := chunks{m, h}
	var list []Chunk
	for _, start := range h.starts(addr) {
		if list = c.walk(start, addr, behind); list != nil {
			break
		}
	}
	if k := slices.IndexFunc(list, func(k Chunk) bool { return k.holds(addr) }); k > before {
		list = list[k-before:]
	}
	for i, k := range list {
		if b := h.Owner(k.Addr+ChunkHeader, step); b != nil && b.Addr == k.Addr+ChunkHeader {
			list[i].Block = b
		}
	}
	return list
}

// holds tells whether a word belongs to the chunk's block or to its size field.
func (k Chunk) holds(addr uint64) bool { return addr-k.Addr-ChunkHeader/2 < k.Size }

// maxWalk bounds the chunks that are walked from one that is known to the one that
// is looked for.
const maxWalk = 64

// starts are places where chunks are known to have begun, those first from which a
// walk comes by the most chunks before the address: malloc has no way backwards.
func (h *History) starts(addr uint64) []uint64 {
	var list []uint64
	for _, b := range h.blocks {
		if b.ChunkSize != 0 && b.Addr <= addr+ChunkHeader && addr-b.Addr+ChunkHeader < heapAlign {
			list = append(list, b.Addr-ChunkHeader)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > maxWalk {
		list = list[len(list)-maxWalk:]
	}
	return append(list, addr-ChunkHeader)
}

// walk follows the chunks from a start to the one that holds an address and some
// behind that; nil when they do not lead there.
func (c chunks) walk(start, addr uint64, behind int) []Chunk {
	var list []Chunk
	found := -1
	for at := start; found < 0 && len(list) < maxWalk || found >= 0 && len(list) <= found+behind; {
		size := c.size(at)
		_, end, mapped := c.m.MappingOf(at)
		if size == 0 || !mapped || size > end-at {
			break
		}
		k := Chunk{Addr: at, Size: size, Top: at+size == end}
		flags, ok := c.m.Read64(at + size + ChunkHeader/2)
		k.Used = ok && !k.Top && flags&1 != 0
		if k.holds(addr) {
			found = len(list)
		}
		list = append(list, k)
		if k.Top {
			break
		}
		at += size
	}
	if found < 0 {
		return nil
	}
	return list
}
