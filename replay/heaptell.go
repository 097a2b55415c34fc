package replay

import (
	"fmt"
	"slices"
	"strings"

	"emurace/heap"
	"emurace/internal/words"
	"emurace/scenario"
)

// block is what there is to say of the block that the fatal value came from, and of who
// had it.
func (x *Explanation) block() []Fact {
	var list []Fact
	if m := x.meaning(); m.Short != nil {
		list = append(list, m)
	}
	a := x.Allocation
	if a == nil {
		return list
	}
	list = append(list, x.allocated(), x.word())
	if r := a.Reused; r != nil {
		list = append(list, Fact{Kind: factReused, Thread: -1, Addr: r.Addr, Short: []Text{say("Its bytes had been handed out again: %s.", r.tell())}})
	}
	return append(list, x.passed()...)
}

// meaning says what the value is to malloc.
func (x *Explanation) meaning() Fact {
	m := x.Meaning
	value := number(words.Hex(x.Value))
	short, long := Text(nil), ""
	switch m.Kind {
	case heap.MallocSize:
		short = x.tellSize(value)
		long = fmt.Sprintf("It is the size of a chunk, %s bytes, and its flags, which malloc keeps in front of each block.", words.Both(m.ChunkSize))
		if m.Foot {
			long = fmt.Sprintf("%s is the size of the chunk that is being freed. malloc keeps the size of a free chunk in its last word, "+
				"so that it can find the chunk's beginning when the chunk behind is freed as well and the two can be made one.", words.Both(m.ChunkSize))
		}
	case heap.MallocLink:
		mangled := ""
		long = "It is a link: malloc keeps its free chunks in lists, and the links lie in the blocks themselves, which nobody should be using any more."
		if m.Mangled {
			mangled = ", mangled with its own address"
			long += " It is mangled with the address at which it lies, so that an overwritten one is noticed."
		}
		short = say("%s is a link of malloc's list of free chunks%s: %s.", value, mangled, x.tellTarget())
	case heap.MallocKey:
		short = say("%s is the key that malloc's thread cache puts into a freed block, to notice when it is freed twice.", value)
		if x.Value == 0 {
			short = say("malloc clears there the key that its thread cache had put into the freed block.")
		}
		long = "It is the key by which malloc's thread cache knows a block that it has: it lies in the free block, to notice when that is freed a second time."
	case heap.StalePointer:
		short = say("%s points into a block that is free: %s.", value, (&Allocation{Block: *m.Block}).sizes())
		long = "It points into a block that is free already."
	default:
		return Fact{}
	}
	return Fact{Kind: factMeaning, Thread: -1, Addr: x.LoadAddr, Short: []Text{short}, Long: []string{long}}
}

func (x *Explanation) tellSize(value span) Text {
	m := x.Meaning
	a := x.Allocation
	chunk := "a free chunk"
	switch {
	case a != nil && a.FreedBy != nil && m.Chunk == a.Addr-heap.ChunkHeader && m.ChunkSize == a.ChunkSize:
		chunk = "the chunk that was freed"
		if a.BeingFreed {
			chunk = "the chunk being freed"
		}
	case a != nil && a.FreedBy != nil && m.Foot:
		chunk = "the free chunk that the block became a part of"
	}
	if m.Foot {
		return say("%s is the size of %s: malloc keeps it in a free chunk's last word, the next chunk's prev_size.", value, chunk)
	}
	return say("%s is the size of a chunk, %#x bytes, with its flags: malloc keeps it in the word before each block.", value, m.ChunkSize)
}

// tellTarget says where a link leads.
func (x *Explanation) tellTarget() Text {
	m := x.Meaning
	switch {
	case m.Target == 0:
		return say("the end of the list")
	case m.Block != nil:
		return say("it leads to %s, %s", number(words.Hex(m.Target)), (&Allocation{Block: *m.Block}).sizes())
	}
	return say("it leads to %s", number(addressOf(m.Target, x.TargetPlace)))
}

// sizes names a block by its size.
func (a *Allocation) sizes() string {
	switch {
	case a.Block.Allocated != nil:
		return fmt.Sprintf("a block of %#x bytes", a.Size)
	case a.ChunkSize != 0:
		return fmt.Sprintf("a block in a chunk of %#x bytes", a.ChunkSize)
	}
	return "a block"
}

// tell says what a block is and who had it.
func (a *Allocation) tell() Text {
	t := say("%s, ", strings.TrimPrefix(a.sizes(), "a block of "))
	if a.AllocatedBy != nil {
		t = say("%sallocated by %s, ", t, a.AllocatedBy.tell())
	} else {
		t = say("%solder than the scenario, ", t)
	}
	switch {
	case a.FreedBy == nil:
		return say("%sstill in use", t)
	case a.BeingFreed:
		return say("%sbeing freed by %s", t, a.FreedBy.tell())
	}
	return say("%sfreed by %s", t, a.FreedBy.tell())
}

// pointers says what points to the block, in a line that is nil for nothing.
func (a *Allocation) pointers() []Text {
	if len(a.PointedBy) == 0 {
		return nil
	}
	verb := "points"
	if len(a.PointedBy) > 1 {
		verb = "point"
	}
	return []Text{say("As it is read, %s %s to the block.", strings.Join(a.PointedBy, " and "), verb)}
}

func (c *HeapAct) tell() Text {
	when := ""
	if c.Step == 0 {
		when = " before the race"
	}
	return say("%s in %s%s", name(c.Thread), heap.Doing(c.Func, c.Call), when)
}

// during says in which of the scenario's calls a call of malloc's was made, in a sentence
// that is about the latter.
func (c *HeapAct) during() string {
	if strings.HasPrefix(c.Call, c.Func+"(") {
		return c.Call
	}
	if c.Call == "" || c.Call == c.Func {
		return c.Func
	}
	return fmt.Sprintf("%s, within %s", c.Func, c.Call)
}

// allocated says who had the block, and how it was handed out where that is known.
func (x *Explanation) allocated() Fact {
	a := x.Allocation
	by := a.AllocatedBy
	f := Fact{Kind: FactAllocated, Thread: -1, Addr: a.Addr, Short: []Text{say("The block: %s.", a.tell())}}
	if by == nil {
		return f
	}
	f.At, f.After, f.Thread = before(by.Step), max(before(by.Step), by.Done), x.thread(by.Thread)
	f.Title = "The block is handed out"
	when := ""
	if by.Step == 0 {
		when = " This was before the race, when no other thread ran."
	}
	f.Long = []string{fmt.Sprintf("%s asks malloc for %s bytes, in %s, and gets the block at %s.%s",
		words.Capital(by.Thread), words.Both(a.Size), by.during(), words.Hex(a.Addr), when)}
	if x.use.named {
		f.Long = append(f.Long, fmt.Sprintf("From then on its address is in %s, where everybody looks for it.", x.use.found.place))
	}
	if a.ChunkSize != 0 {
		f.Long = append(f.Long, fmt.Sprintf("malloc cuts its memory into chunks, whose sizes are multiples of 16. This chunk is %s bytes long. "+
			"The word in front of the block holds that size, with flags in its lowest bits.", words.Both(a.ChunkSize)))
	}
	if a.ChunkSize != 0 && a.Size == a.ChunkSize-8 {
		f.Long = append(f.Long, "The block fills its chunk to the last word. That word has a second use: while the chunk is free, "+
			"malloc keeps its size there a second time, for the chunk behind it to find. malloc's source calls the word that chunk's prev_size, the size of the one before.")
	}
	return f
}

// word says what the loaded word was to the block.
func (x *Explanation) word() Fact {
	a := x.Allocation
	if a == nil {
		return Fact{}
	}
	place := fmt.Sprintf("at byte %d of the block", a.Offset)
	switch {
	case a.Offset < 0:
		place = "in the block's header, before its first byte"
	case a.Offset%8 == 0:
		place = fmt.Sprintf("word %d of the block", a.Offset/8)
	}
	short := say("That word is %s.", place)
	if x.Correct != nil {
		short = say("That word is %s; it held %s until the block was freed.", place, number(x.Correct.String()))
	}
	f := Fact{Kind: factWord, Thread: -1, Addr: x.LoadAddr, Short: append([]Text{short}, a.pointers()...)}
	if a.Offset < 0 || a.Offset%8 != 0 {
		return f
	}
	long := fmt.Sprintf("To %s this is %s", x.Load.Thread, place)
	if x.Correct != nil {
		long += fmt.Sprintf(", and it held %s until the block was given up", x.Correct)
	}
	f.Long = []string{long + "."}
	return f
}

// passed is what became of the block in the race, for who wants to know all of it.
func (x *Explanation) passed() []Fact {
	var list []Fact
	a, use := x.Allocation, &x.use
	if p := use.found; p != nil {
		f := p.fact(FactFound, x)
		f.Title = p.thread + " learns where the block is"
		what := "the address of the block"
		if p.value != a.Addr {
			what = fmt.Sprintf("an address in the block, %#x bytes into it", p.value-a.Addr)
		}
		f.Long = []string{fmt.Sprintf("%s reads %s: %s, %s. From now on it works with that address in a register, and nobody else can know that.",
			words.Capital(p.thread), p.place, words.Hex(p.value), what)}
		if a.FreedBy != nil && before(a.FreedBy.Step) < f.At {
			f.Long = append(f.Long, fmt.Sprintf("%s has begun to give that very block back, but has not changed %s yet.", words.Capital(a.FreedBy.Thread), p.place))
		}
		list = append(list, f)
	}
	if by := a.FreedBy; by != nil {
		f := Fact{Kind: FactFreeing, At: before(by.Step), After: before(by.Step), Thread: x.thread(by.Thread), Addr: a.Addr, Title: by.Thread + " begins to give the block back"}
		f.Long = []string{fmt.Sprintf("%s calls %s, because the block has to become another size. "+
			"When its chunk has no room for that, nor the memory behind it, that takes three steps: a new block, a copy of what is in the old one, and the old one is freed.",
			words.Capital(by.Thread), by.during())}
		if by.Func == "free" {
			f.Long = []string{fmt.Sprintf("%s frees it, in %s.", words.Capital(by.Thread), by.during())}
		}
		list = append(list, f)
	}
	if c := use.copied; c != nil {
		list = append(list, Fact{Kind: FactCopied, At: before(c.first), After: c.last, Thread: x.thread(a.FreedBy.Thread), Addr: c.to,
			Title: "What is in the block is copied",
			Long: []string{fmt.Sprintf("%s copies %d words to the new block at %s. The old block still holds all of them: whoever reads it now reads what was always there.",
				words.Capital(a.FreedBy.Thread), c.words, words.Hex(c.to))}})
	}
	if p := use.moved; p != nil {
		f := p.fact(FactMoved, x)
		f.Title = p.thread + " changes where the block is found"
		f.Long = []string{fmt.Sprintf("%s stores %s into %s. Whoever reads it from now on finds the other block.", words.Capital(p.thread), words.Hex(p.value), p.place)}
		if p.step > use.found.step {
			f.Long = append(f.Long, fmt.Sprintf("For %s that is too late: it has read %s before, and goes on in the old block.", use.found.thread, p.place))
		}
		list = append(list, f)
	}
	return list
}

// fact is one about a pointer to the block.
func (p *pointerUse) fact(kind FactKind, x *Explanation) Fact {
	return Fact{Kind: kind, At: p.step - 1, After: p.step, Thread: x.thread(p.thread), Addr: p.addr, Place: p.place}
}

// mainArena is the variable in which glibc's malloc keeps the first arena, with the heads of its lists
// of free chunks.
const mainArena = "main_arena"

// overwrittenText names the other words that were overwritten, where they are those in which glibc
// keeps the links of a free chunk: fd, bk, fd_nextsize and bk_nextsize of struct malloc_chunk
// (malloc/malloc.c).
func (u *blockUse) overwrittenText() string {
	const links = 4
	n := len(u.overwritten)
	list := slices.Sorted(slices.Values(u.overwritten))
	if n == 0 || list[n-1] >= links {
		return ""
	}
	which := fmt.Sprintf("Word %d has", list[0])
	if n > 1 {
		which = fmt.Sprintf("Words %s and %d have", strings.Trim(strings.ReplaceAll(fmt.Sprint(list[:n-1]), " ", ", "), "[]"), list[n-1])
	}
	which += " been overwritten just before, with what malloc keeps in the first words of a free chunk"
	if u.lists != mainArena {
		return which + "."
	}
	return which + fmt.Sprintf(": its links, for free chunks are in lists. They lead to %s, the variable in which malloc keeps where its lists begin and end.", mainArena)
}

// lastWord explains when the last word of a block is at the same time where its free
// chunk's size is kept, and what follows for blocks of other sizes. It is arithmetic: with
// glibc a block's chunk is the block and 8 bytes, rounded up to a multiple of 16
// (malloc/malloc.c, request2size), and realloc leaves a block whose chunk is large enough
// where it is (_int_realloc, "already big enough").
func (x *Explanation) lastWord() []scenario.Note {
	a := x.Allocation
	if a == nil || !x.Meaning.Foot || a.Size != a.ChunkSize-8 || a.Size%8 != 0 {
		return nil
	}
	count := a.Size / 8
	note := scenario.Note{
		Title: "Why just this word",
		Text: []string{
			fmt.Sprintf("A chunk is as long as its block and 8 bytes for its size, rounded up to a multiple of 16. %d words make %d bytes, and with the size %d: nothing is left over, and the block's last word is the chunk's last word.",
				count, a.Size, a.ChunkSize),
		},
	}
	if a.grownBy() == 8 {
		note.Title += ", and why an even number of entries"
		note.Text = append(note.Text, fmt.Sprintf("Of a block of %d or of %d words the chunk has 8 bytes to spare. The one word more that is asked for here then fits: realloc leaves the block where it is, and frees nothing. "+
			"So a block that grows by a word moves only where it has an odd number of words: if the last one ends a list, an even number of entries before it, here %d.", count-1, count+1, count-1))
	}
	return []scenario.Note{note}
}

// grownBy is how many bytes more than the block has the call that frees it asks for, 0 for a call
// that does not make a block longer.
func (a *Allocation) grownBy() uint64 {
	if a.Freed == nil || a.Size == 0 {
		return 0
	}
	size, ok := a.Freed.Asks()
	if !ok || size <= a.Size {
		return 0
	}
	return size - a.Size
}
