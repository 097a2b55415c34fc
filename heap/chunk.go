package heap

import (
	"strconv"
	"strings"

	"emurace/emu"
)

// What glibc's malloc keeps in memory beside the blocks, on 64-bit machines
// (malloc/malloc.c, "Chunk representations"): before each block a word with the
// chunk's size and three flags, and before that the size of the chunk before it
// while that one is free; else that word is the last of the chunk before. In a
// free block, the first words are links of a list.
const (
	ChunkHeader = 16 // from a chunk's start to its block
	chunkFlags  = 7  // PREV_INUSE, IS_MMAPPED, NON_MAIN_ARENA
	minChunk    = 32
	maxChunk    = 1 << 47
	// A thread's arena lies at the start of a mapping aligned to this
	// (malloc/arena.c, HEAP_MAX_SIZE), which begins with the arena's address.
	heapAlign = 64 << 20
	arenaSize = 4096 // at least what precedes the first chunk there
)

// chunks reads malloc's structures in a machine's memory as it is now.
type chunks struct {
	m    *emu.Process
	heap *History
}

// size is the size of the chunk that starts at an address, 0 if there is none.
func (c chunks) size(chunk uint64) uint64 {
	v, ok := c.m.Read64(chunk + ChunkHeader/2)
	if size := v &^ chunkFlags; ok && size >= minChunk && size < maxChunk && size%ChunkHeader == 0 {
		return size
	}
	return 0
}

// is tells whether a chunk can start at the address: it has a size, and so has
// what follows it.
func (c chunks) is(chunk uint64) bool {
	if chunk%ChunkHeader != 0 {
		return false
	}
	size := c.size(chunk)
	if size == 0 {
		return false
	}
	_, ok := c.m.Read64(chunk + size + ChunkHeader/2)
	return ok
}

// at finds the chunk that a word lies in, by walking from the chunk of a block
// that had the word: since then it may have been split, or merged with those
// behind it. The size field belongs to the chunk, prev_size to the one before.
func (c chunks) at(b *Block, addr uint64) (chunk uint64, ok bool) {
	chunk = b.Addr - ChunkHeader
	const most = 1 << 16
	for range most {
		size := c.size(chunk)
		if size == 0 || addr < chunk+ChunkHeader/2 {
			return 0, false
		}
		if addr < chunk+ChunkHeader/2+size {
			return chunk, true
		}
		chunk += size
	}
	return 0, false
}

// inArena tells whether an address is in an arena's own structure, where the
// lists of free chunks begin: the main one in libc's data, a thread's at the
// start of its heap.
func (c chunks) inArena(addr uint64) bool {
	if libc, ok := c.m.Libc(); ok && addr >= libc.Lo && addr < libc.Hi {
		return true
	}
	start := addr &^ (heapAlign - 1)
	arena, ok := c.m.Read64(start)
	return ok && addr-start < arenaSize && arena > start && arena-start < arenaSize
}

// cacheKey is the value of glibc's variable tcache_key, which its symbol tells.
func (c chunks) cacheKey() (uint64, bool) {
	libc, ok := c.m.Libc()
	if !ok {
		return 0, false
	}
	for _, s := range libc.Image.Named("tcache_key") {
		return c.m.Read64(libc.Base + s.Addr)
	}
	return 0, false
}

// isCache tells whether an address is that of a thread's tcache_perthread_struct,
// which glibc before 2.34 used as the key: a block of 0x240 bytes, from 2.30 on
// of 0x280, that no caller was handed.
func (c chunks) isCache(addr uint64) bool {
	if c.heap.minor >= 34 || addr%ChunkHeader != 0 {
		return false
	}
	size := c.size(addr - ChunkHeader)
	return (size == 0x250 || size == 0x290) && c.is(addr-ChunkHeader) && !c.heap.known(addr)
}

// known tells whether a block was ever handed out at the address.
func (h *History) known(addr uint64) bool {
	for _, b := range h.blocks {
		if b.Addr == addr {
			return true
		}
	}
	return false
}

// minorVersion is the 36 of a glibc version "2.36", 0 for none.
func minorVersion(version string) int {
	_, minor, _ := strings.Cut(version, ".")
	minor, _, _ = strings.Cut(minor, ".")
	n, err := strconv.Atoi(minor)
	if err != nil {
		return 0
	}
	return n
}
