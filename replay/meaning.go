package replay

import "emurace/heap"

// CauseKind says what the value behind a failure is.
type CauseKind string

// The kinds.
const (
	// MallocSize is the size of a chunk, which malloc keeps before each block
	// and, while the chunk is free, also in its last word.
	MallocSize CauseKind = "malloc-size"
	// MallocLink is a link of one of malloc's lists of free chunks, plain or
	// mangled with its own position.
	MallocLink CauseKind = "malloc-link"
	// MallocKey is what the thread cache puts into a block to know it again
	// when it is freed twice.
	MallocKey CauseKind = "malloc-key"
	// StalePointer is a pointer into a block that is free.
	StalePointer CauseKind = "stale-pointer"
	// Data is anything else.
	Data CauseKind = "data"
)

// Meaning is what a word of memory is.
type Meaning struct {
	Kind CauseKind
	// Chunk and ChunkSize are the chunk whose size it is, or that has the link
	// or key in it.
	Chunk, ChunkSize uint64
	Foot             bool // for MallocSize: the copy in the chunk's last word
	// Target is where a link leads, or a stale pointer, once it is
	// demangled; 0 is the end of the list.
	Target  uint64
	Mangled bool
	Block   *Block // the one that Target is in, nil if it is in none
}

// word is a word of memory of which the meaning is asked.
type word struct {
	addr, value uint64    // addr is a multiple of 8
	owner       *Block    // that had the word when it was written, nil for none
	call        *HeapCall // that its writer was in, nil for none
	step        uint64    // when it was written
	old         bool      // before the race: nobody knows by whom; step is the race's start
}

// meaning finds out what a word is that malloc may have written, in memory as
// it is now. It is Data if malloc did not.
func (c chunks) meaning(w word) Meaning {
	malloc := w.call != nil && !c.fills(w)
	if w.old && w.owner != nil {
		malloc = w.addr == w.owner.Addr-chunkHeader/2 || w.owner.FreedBy(w.step)
	}
	if !malloc {
		return Meaning{Kind: Data}
	}
	if !c.heap.glibc {
		return Meaning{} // another malloc's own affair
	}
	if m, ok := c.sizeMeaning(w); ok {
		return m
	}
	if w.owner == nil {
		return Meaning{Kind: Data}
	}
	chunk, ok := c.at(w.owner, w.addr)
	if !ok {
		return Meaning{Kind: Data}
	}
	m := Meaning{Chunk: chunk, ChunkSize: c.size(chunk)}
	// In a free chunk: fd, bk, fd_nextsize, bk_nextsize; in one of the thread
	// cache: next, key.
	const second = 8
	off := w.addr - chunk - chunkHeader
	if off > 3*8 {
		return Meaning{Kind: Data}
	}
	key, known := c.cacheKey()
	if off == second && (known && w.value == key || w.value != 0 && c.isCache(w.value)) {
		m.Kind = MallocKey
		return m
	}
	if target, mangled, ok := c.link(w); ok && !(off == second && w.value == 0) {
		m.Kind, m.Target, m.Mangled = MallocLink, target, mangled
		m.Block = c.heap.blockAt(target)
		return m
	}
	// The key is cleared when the block is handed out again. Without its symbol
	// it is known for its place and for pointing nowhere.
	_, mapped := c.m.Read64(w.value)
	if off == second && (w.value == 0 && !w.old || !known && c.heap.minor >= 34 && !mapped) {
		m.Kind = MallocKey
		return m
	}
	return Meaning{Kind: Data}
}

// fills tells whether the word is one that its call wrote into the block it
// hands out: calloc's zeros or realloc's copy. The block may not be handed out
// yet, or have been by a call that realloc made.
func (c chunks) fills(w word) bool {
	if _, gives := heap.Allocates(w.call.Func, w.call.Args); !gives || w.call.Func == "malloc" {
		return false
	}
	for _, b := range c.heap.blocks {
		if a := b.Allocated; a != nil && a.machine == w.call.machine && a.Step >= w.call.Step && (w.call.Done == 0 || a.Done <= w.call.Done) &&
			w.addr >= b.Addr && w.addr-b.Addr < b.Size && w.call.Step <= w.step {
			return true
		}
	}
	return false
}

// sizeMeaning recognises a chunk's size, at its foot or in its size field.
func (c chunks) sizeMeaning(w word) (Meaning, bool) {
	size := w.value &^ chunkFlags
	if size < minChunk || size >= maxChunk || size%chunkHeader != 0 {
		return Meaning{}, false
	}
	if size == w.value && c.size(w.addr-size) == size {
		return Meaning{Kind: MallocSize, Chunk: w.addr - size, ChunkSize: size, Foot: true}, true
	}
	chunk := w.addr - chunkHeader/2
	if w.owner == nil || !c.is(chunk) || c.size(chunk) != size {
		return Meaning{}, false
	}
	if at, ok := c.at(w.owner, w.addr); !ok || at != chunk {
		return Meaning{}, false
	}
	return Meaning{Kind: MallocSize, Chunk: chunk, ChunkSize: size}, true
}

// link recognises a link of a list of free chunks and says where it leads. From
// 2.32 on the links of the thread cache and of the fast bins are mangled with
// their position (malloc/malloc.c, PROTECT_PTR).
func (c chunks) link(w word) (target uint64, mangled, ok bool) {
	if c.leads(w.value) || w.value == 0 {
		return w.value, false, true
	}
	target = w.value ^ w.addr>>12
	if c.heap.minor >= 32 && (target == 0 || c.leads(target)) {
		return target, true, true
	}
	return 0, false, false
}

// leads tells whether an address is one that links hold: a chunk's or a block's,
// or the head of a list in an arena.
func (c chunks) leads(addr uint64) bool {
	return addr != 0 && (c.inArena(addr) || c.is(addr) || c.is(addr-chunkHeader))
}

// blockAt is the latest block whose chunk or whose first byte is at an address.
func (h *Heap) blockAt(addr uint64) *Block {
	for i := len(h.blocks) - 1; i >= 0; i-- {
		if b := h.blocks[i]; b.Addr == addr || b.Addr == addr+chunkHeader {
			return b
		}
	}
	return nil
}
