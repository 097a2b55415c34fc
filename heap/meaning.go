package heap

import "emurace/emu"

// MeaningKind says what a word of memory is.
type MeaningKind string

// The kinds.
const (
	// MallocSize is the size of a chunk, which malloc keeps before each block
	// and, while the chunk is free, also in its last word.
	MallocSize MeaningKind = "malloc-size"
	// MallocLink is a link of one of malloc's lists of free chunks, plain or
	// mangled with its own position.
	MallocLink MeaningKind = "malloc-link"
	// MallocKey is what the thread cache puts into a block to know it again
	// when it is freed twice.
	MallocKey MeaningKind = "malloc-key"
	// StalePointer is a pointer into a block that is free.
	StalePointer MeaningKind = "stale-pointer"
	// Data is anything else.
	Data MeaningKind = "data"
)

// Meaning is what a word of memory is.
type Meaning struct {
	Kind MeaningKind
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

// Word is a word of memory of which the meaning is asked.
type Word struct {
	Addr, Value uint64 // addr is a multiple of 8
	Owner       *Block // that had the word when it was written, nil for none
	Call        *Call  // that its writer was in, nil for none
	Step        uint64 // when it was written
	Old         bool   // before the race: nobody knows by whom; step is the race's start
}

// Meaning finds out what a word is that malloc may have written, in the machine's memory as
// it is now. It is Data if malloc did not.
func (h *History) Meaning(m *emu.Process, w Word) Meaning { return chunks{m, h}.meaning(w) }

func (c chunks) meaning(w Word) Meaning {
	malloc := w.Call != nil && !c.fills(w)
	if w.Old && w.Owner != nil {
		malloc = w.Addr == w.Owner.Addr-ChunkHeader/2 || w.Owner.FreedBy(w.Step)
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
	if w.Owner == nil {
		return Meaning{Kind: Data}
	}
	chunk, ok := c.at(w.Owner, w.Addr)
	if !ok {
		return Meaning{Kind: Data}
	}
	m := Meaning{Chunk: chunk, ChunkSize: c.size(chunk)}
	// In a free chunk: fd, bk, fd_nextsize, bk_nextsize; in one of the thread
	// cache: next, key.
	const second = 8
	off := w.Addr - chunk - ChunkHeader
	if off > 3*8 {
		return Meaning{Kind: Data}
	}
	key, known := c.cacheKey()
	if off == second && (known && w.Value == key || w.Value != 0 && c.isCache(w.Value)) {
		m.Kind = MallocKey
		return m
	}
	if target, mangled, ok := c.link(w); ok && !(off == second && w.Value == 0) {
		m.Kind, m.Target, m.Mangled = MallocLink, target, mangled
		m.Block = c.heap.blockAt(target)
		return m
	}
	// The key is cleared when the block is handed out again. Without its symbol
	// it is known for its place and for pointing nowhere.
	_, mapped := c.m.Read64(w.Value)
	if off == second && (w.Value == 0 && !w.Old || !known && c.heap.minor >= 34 && !mapped) {
		m.Kind = MallocKey
		return m
	}
	return Meaning{Kind: Data}
}

// fills tells whether the word is one that its call wrote into the block it
// hands out: calloc's zeros or realloc's copy. The block may not be handed out
// yet, or have been by a call that realloc made.
func (c chunks) fills(w Word) bool {
	if _, gives := allocates(w.Call.Func, w.Call.Args); !gives || w.Call.Func == "malloc" {
		return false
	}
	for _, b := range c.heap.blocks {
		if a := b.Allocated; a != nil && a.Machine == w.Call.Machine && a.Step >= w.Call.Step && (w.Call.Done == 0 || a.Done <= w.Call.Done) &&
			w.Addr >= b.Addr && w.Addr-b.Addr < b.Size && w.Call.Step <= w.Step {
			return true
		}
	}
	return false
}

// sizeMeaning recognises a chunk's size, at its foot or in its size field.
func (c chunks) sizeMeaning(w Word) (Meaning, bool) {
	size := w.Value &^ chunkFlags
	if size < minChunk || size >= maxChunk || size%ChunkHeader != 0 {
		return Meaning{}, false
	}
	if size == w.Value && c.size(w.Addr-size) == size {
		return Meaning{Kind: MallocSize, Chunk: w.Addr - size, ChunkSize: size, Foot: true}, true
	}
	chunk := w.Addr - ChunkHeader/2
	if w.Owner == nil || !c.is(chunk) || c.size(chunk) != size {
		return Meaning{}, false
	}
	if at, ok := c.at(w.Owner, w.Addr); !ok || at != chunk {
		return Meaning{}, false
	}
	return Meaning{Kind: MallocSize, Chunk: chunk, ChunkSize: size}, true
}

// link recognises a link of a list of free chunks and says where it leads. From
// 2.32 on the links of the thread cache and of the fast bins are mangled with
// their position (malloc/malloc.c, PROTECT_PTR).
func (c chunks) link(w Word) (target uint64, mangled, ok bool) {
	if c.leads(w.Value) || w.Value == 0 {
		return w.Value, false, true
	}
	target = w.Value ^ w.Addr>>12
	if c.heap.minor >= 32 && (target == 0 || c.leads(target)) {
		return target, true, true
	}
	return 0, false, false
}

// leads tells whether an address is one that links hold: a chunk's or a block's,
// or the head of a list in an arena.
func (c chunks) leads(addr uint64) bool {
	return addr != 0 && (c.inArena(addr) || c.is(addr) || c.is(addr-ChunkHeader))
}

// blockAt is the latest block whose chunk or whose first byte is at an address.
func (h *History) blockAt(addr uint64) *Block {
	for i := len(h.blocks) - 1; i >= 0; i-- {
		if b := h.blocks[i]; b.Addr == addr || b.Addr == addr+ChunkHeader {
			return b
		}
	}
	return nil
}
