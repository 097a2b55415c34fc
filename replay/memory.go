package replay

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/symbolize"
)

// Symbol names an address in a library: environ, main_arena+0x60; "" for none.
func Symbol(m *emu.Process, addr uint64) string {
	return symbolize.Data(m, addr)
}

// Quoted is the string at an address in quotes, with dots behind it where it goes on after
// most bytes or beyond what is mapped; "" when there is no memory. written tells that it
// looks like a string that somebody wrote.
func Quoted(m *emu.Process, addr uint64, most int) (text string, written bool) {
	s, whole := m.CString(addr, most)
	switch {
	case whole:
		return strconv.Quote(s), looksWritten(s)
	case s == "":
		return "", false
	}
	return strconv.Quote(s) + "...", len(s) == most && looksWritten(s)
}

// looksWritten tells whether bytes look like a string that somebody wrote.
func looksWritten(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}

// NoAddress is what is said of a value that is taken for an address and is none.
const NoAddress = "no address of anything"

// WordText says what a word of memory means, in a run that the explanation is of, at the
// present moment of its process. The words in which malloc keeps a chunk's size have to be
// told apart.
func (x *Explanation) WordText(m *emu.Process, addr uint64, size bool) string {
	const most = 60
	v, ok := m.Read64(addr)
	b, c, meaning := x.Allocation, x.use.copied, x.Meaning
	switch {
	case !ok:
		return "nothing is mapped here"
	case size:
		return SizeText(v)
	case v == 0:
		return "NULL"
	case meaning.Kind == heap.MallocSize && meaning.Foot && v == meaning.ChunkSize && addr == x.LoadAddr&^7:
		return "the size of the free chunk"
	case b != nil && b.holds(v):
		return within("the block", v-b.Addr)
	case c != nil && v-c.to < b.Size:
		return within("the new block", v-c.to)
	}
	// Before it is taken for text: a library's variables may look like some.
	if name, off, ok := m.Symbol(v); ok && off == 0 {
		return "the address of " + name
	} else if ok {
		return "in " + Symbol(m, v)
	}
	text, written := Quoted(m, v, most)
	switch _, _, mapped := m.MappingOf(v); {
	case written:
		return text
	case mapped:
		return "an address"
	}
	return NoAddress
}

func within(what string, offset uint64) string {
	if offset == 0 {
		return what
	}
	return fmt.Sprintf("%#x bytes into %s", offset, what)
}

// WordLabel names a word of a block, or of the two in which malloc keeps the sizes of its
// chunk and of the next one: word 3, size, next size.
func WordLabel(b *heap.Block, addr uint64) (label string, size bool) {
	switch _, hi := b.Extent(); {
	case addr < b.Addr:
		return "size", true
	case addr >= hi:
		return "next size", true
	}
	return "word " + strconv.FormatUint((addr-b.Addr)/8, 10), false
}

// SizeText says what is in a word in which malloc keeps a chunk's size.
func SizeText(v uint64) string {
	if v&1 == 0 {
		return fmt.Sprintf("%#x bytes; the one before is free", v&^7)
	}
	return words.Both(v&^7) + " bytes"
}

// The states of a chunk of malloc's.
const (
	ChunkUsed    = "used"
	ChunkFreeing = "freeing" // the call that frees it is in progress
	ChunkFree    = "free"
	ChunkTop     = "top"
)

// ChunkText says in which state a chunk is before the instruction of a step, and who has or
// had it.
func ChunkText(k heap.Chunk, step uint64) (state, text string) {
	b := k.Block
	freed := b != nil && b.FreedBy(step)
	switch {
	case k.Top:
		return ChunkTop, "what is left of the heap"
	case freed && (b.Freed.Done == 0 || b.Freed.Done >= step):
		text = "by " + b.Freed.Text()
		if !k.Used {
			text += "; malloc has marked it free"
		}
		return ChunkFreeing, text
	case freed && k.Used:
		return ChunkFree, "freed by " + b.Freed.Text() + ", kept for the next call"
	case freed:
		return ChunkFree, "freed by " + b.Freed.Text()
	case !k.Used:
		return ChunkFree, ""
	case b != nil && b.Allocated != nil:
		return ChunkUsed, words.Count(b.Size, "byte") + ", " + b.Allocated.Text()
	}
	return ChunkUsed, ""
}
