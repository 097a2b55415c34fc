package replay

import (
	"emurace/heap"
	"emurace/internal/words"
	"fmt"
	"io"
	"strings"
)

// Meant says in a sentence what the fatal value is, or nothing when that is not
// known; the explanation must be complete with its heap.
func (x *Explanation) Meant() string { return x.tellMeaning(NewPrinter(io.Discard, false)) }

// whyHeap are the sentences about the block that the value came from.
func (x *Explanation) whyHeap(p *Printer) []string {
	var lines []string
	if s := x.tellMeaning(p); s != "" {
		lines = append(lines, s)
	}
	a := x.Allocation
	if a == nil {
		return lines
	}
	lines = append(lines, fmt.Sprintf("The block: %s.", a.tell(p)))
	where := fmt.Sprintf("That word is %s", a.place())
	if x.Correct != nil {
		where += fmt.Sprintf("; it held %s until the block was freed", p.Number(x.Correct.String()))
	}
	lines = append(lines, where+".")
	if r := a.Reused; r != nil {
		lines = append(lines, fmt.Sprintf("Its bytes had been handed out again: %s.", r.tell(p)))
	}
	return lines
}

// tellMeaning says what the value is.
func (x *Explanation) tellMeaning(p *Printer) string {
	m := x.Meaning
	value := p.Number(words.Hex(x.Value))
	switch m.Kind {
	case heap.MallocSize:
		return x.tellSize(value)
	case heap.MallocLink:
		return fmt.Sprintf("%s is a link of malloc's list of free chunks%s: %s.", value, x.mangling(), x.tellTarget(p))
	case heap.MallocKey:
		if x.Value == 0 {
			return "malloc clears there the key that its thread cache had put into the freed block."
		}
		return fmt.Sprintf("%s is the key that malloc's thread cache puts into a freed block, to notice when it is freed twice.", value)
	case heap.StalePointer:
		return fmt.Sprintf("%s points into a block that is free: %s.", value, (&Allocation{Block: *m.Block}).sizes())
	}
	return ""
}

func (x *Explanation) tellSize(value string) string {
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
		return fmt.Sprintf("%s is the size of %s: malloc keeps it in a free chunk's last word, the next chunk's prev_size.", value, chunk)
	}
	return fmt.Sprintf("%s is the size of a chunk, %#x bytes, with its flags: malloc keeps it in the word before each block.", value, m.ChunkSize)
}

func (x *Explanation) mangling() string {
	if !x.Meaning.Mangled {
		return ""
	}
	return ", mangled with its own address"
}

// tellTarget says where a link leads.
func (x *Explanation) tellTarget(p *Printer) string {
	m := x.Meaning
	switch {
	case m.Target == 0:
		return "the end of the list"
	case m.Block != nil:
		return fmt.Sprintf("it leads to %s, %s", p.Number(words.Hex(m.Target)), (&Allocation{Block: *m.Block}).sizes())
	}
	return fmt.Sprintf("it leads to %s", p.Number(words.Hex(m.Target)))
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
func (a *Allocation) tell(p *Printer) string {
	parts := []string{strings.TrimPrefix(a.sizes(), "a block of ")}
	if a.AllocatedBy != nil {
		parts = append(parts, "allocated by "+a.AllocatedBy.tell(p))
	} else {
		parts = append(parts, "older than the scenario")
	}
	switch {
	case a.FreedBy != nil && a.BeingFreed:
		parts = append(parts, "being freed by "+a.FreedBy.tell(p))
	case a.FreedBy != nil:
		parts = append(parts, "freed by "+a.FreedBy.tell(p))
	default:
		parts = append(parts, "still in use")
	}
	return strings.Join(parts, ", ")
}

func (c *HeapAct) tell(p *Printer) string {
	s := p.Name(c.Thread) + " in "
	// A call that the scenario makes itself needs no other name.
	if !strings.HasPrefix(c.Call, c.Func+"(") {
		s += c.Func + " of "
	}
	s += c.Call
	if c.Step == 0 {
		s += " before the race"
	}
	return s
}

// place says where in the block the loaded bytes are.
func (a *Allocation) place() string {
	switch {
	case a.Offset < 0:
		return "in the block's header, before its first byte"
	case a.Offset%8 == 0:
		return fmt.Sprintf("word %d of the block", a.Offset/8)
	}
	return fmt.Sprintf("at byte %d of the block", a.Offset)
}

// deadlock says who waits for whom, in a few words. Where a thread waits for something
// that none of those has which wait as well, such as a semaphore that another one was to
// post before it ended, nobody is left to wake it.
func (x *Explanation) deadlock() string {
	held := map[string]bool{} // the thread waits for one that waits
	for _, w := range x.Waits {
		for _, o := range x.Waits {
			held[w.Thread] = held[w.Thread] || w.HeldBy == o.Thread
		}
	}
	var waiting, forNobody []string
	for _, t := range x.Threads {
		if t.Status != "waiting" {
			continue
		}
		waiting = append(waiting, t.Name)
		if !held[t.Name] {
			forNobody = append(forNobody, t.Name)
		}
	}
	switch {
	case len(forNobody) == 0 && len(waiting) == 1:
		return waiting[0] + " waits for itself: a deadlock"
	case len(forNobody) == 0:
		return "every remaining thread waits for another: a deadlock"
	case len(forNobody) == 1:
		return forNobody[0] + " waits, and nobody is left to wake it: a deadlock"
	}
	n := len(forNobody) - 1
	return fmt.Sprintf("%s and %s wait, and nobody is left to wake them: a deadlock", strings.Join(forNobody[:n], ", "), forNobody[n])
}

// whyDeadlock are the sentences about who waits for whom.
func (x *Explanation) whyDeadlock(p *Printer) []string {
	var lines []string
	for _, w := range x.Waits {
		lines = append(lines, w.tell(p))
	}
	if x.Cycle == 0 {
		return lines
	}
	var names []string
	for _, w := range x.Waits[:x.Cycle] {
		names = append(names, p.Name(w.Thread))
	}
	names = append(names, p.Name(x.Waits[0].Thread))
	return append(lines, "Each waits for the next: "+strings.Join(names, ", ")+".")
}

func (w *Wait) tell(p *Printer) string {
	s := fmt.Sprintf("%s waits for %s", p.Name(w.Thread), p.Number(words.Hex(w.Address)))
	switch {
	case w.What == "thread":
		return s + fmt.Sprintf(", which %s clears when it ends.", p.Name(w.HeldBy))
	case w.HeldBy == "":
		return s + ", and nobody is left to change it."
	}
	holder := p.Name(w.HeldBy)
	if w.HeldBy == w.Thread {
		holder += " itself"
	}
	s += fmt.Sprintf(", a %s that %s holds", w.What, holder)
	if w.Taken == nil {
		return s + " since before the race."
	}
	return s + fmt.Sprintf(": taken at %s in %s.", p.Name(w.Taken.Location.String()), w.Taken.Call)
}
