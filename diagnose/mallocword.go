package diagnose

import (
	"fmt"

	"emurace/heap/arena"
)

// malloced tells of a value by the block that it was read from: a word of malloc's, or what the
// program has left there.
func (d *Diagnosis) malloced(s source) bool {
	if d.Malloc == nil || !s.known {
		return false
	}
	list := d.Malloc.Meaning(s.addr, s.value)
	if len(list) == 0 || list[0].Chunk == nil || list[0].Field == "" || list[0].Stale {
		return d.content(s)
	}
	d.wordOf(list[0], s)
	return true
}

// facts writes what package arena has found, with the words that it has seen.
func facts(list []arena.Fact) (out []string) {
	for _, e := range list {
		out = append(out, fmt.Sprintf("the word at %#x is %#x: %s", e.Addr, e.Value, e.Says))
	}
	return out
}

// wordOf tells of a word that is malloc's own.
func (d *Diagnosis) wordOf(m arena.Meaning, s source) {
	c := m.Chunk
	evidence := append([]string{d.sourceText(s)}, facts(m.Evidence)...)
	block := c.Block()
	sure := s.certain && m.Certain
	word := fmt.Sprintf("word %d of %s", (s.addr-block.Lo)/8, blockText(*c))
	text := ""
	switch m.Kind {
	case arena.Foot:
		text = fmt.Sprintf("is the size of the free chunk that %s walks: malloc keeps it in the chunk's last word, which is %s", s.by, word)
	case arena.SizeField:
		text = fmt.Sprintf("is a chunk's size, with its flags: malloc keeps it in the word before %s", blockText(*c))
	default:
		text = fmt.Sprintf("is malloc's: %s. It is %s", d.wordText(m), word)
	}
	d.state(sure, BadValue, d.Dead.TID, evidence, "%#x %s.", s.value, text)
	if c.State.Free() {
		d.freed(*c, s)
	}
}

// wordText says what a word of a free block is to malloc.
func (d *Diagnosis) wordText(m arena.Meaning) string {
	switch m.Kind {
	case arena.Foot:
		return fmt.Sprintf("the size of a free chunk, which malloc keeps in the chunk's last word: of %s", blockText(*m.Chunk))
	case arena.FreeLink:
		return fmt.Sprintf("the link %s of a list of free chunks, %s", m.Field, d.linkText(m))
	case arena.CacheLink:
		text := fmt.Sprintf("the link %s of a list of free blocks", m.Field)
		if m.Mangled {
			text += ", mangled with its own position"
		}
		return text + ", " + d.linkText(m)
	case arena.CacheKey:
		text := "the key by which a thread's cache knows a block that is in it"
		if m.Cache != nil {
			text += fmt.Sprintf(": the address of the cache%s", d.cacheOf(m.Cache))
		}
		return text
	default:
	}
	return m.String()
}

// cacheOf names whose a cache is: " of thread 7", "" for unknown.
func (d *Diagnosis) cacheOf(c *arena.Cache) string {
	if c == nil || c.Thread < 0 {
		return ""
	}
	return " of " + d.name(d.Malloc.Threads[c.Thread].ID)
}

// linkText says where a link leads.
func (d *Diagnosis) linkText(m arena.Meaning) string {
	switch {
	case m.Target == 0:
		return "at the end of its list"
	case m.Arena != nil && m.Bin != 0:
		return fmt.Sprintf("to the head of bin %d of %s", m.Bin, arenaText(m.Arena))
	case m.Arena != nil:
		return "into " + arenaText(m.Arena)
	case m.To != nil:
		return fmt.Sprintf("to %s", blockText(*m.To))
	}
	return fmt.Sprintf("to %#x", m.Target)
}

// pointers are evidence of the static data that leads to a block.
func (d *Diagnosis) pointers(c arena.Chunk) []string {
	names := d.pointing(c)
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s to %#x", leads(names, ""), c.Block().Lo)}
}

// freed tells that a thread used a block that is free, and whose it is.
func (d *Diagnosis) freed(c arena.Chunk, s source) {
	d.block = &c
	block := c.Block()
	var evidence []string
	if c.Doubt != "" {
		evidence = append(evidence, c.Doubt)
	}
	for _, l := range c.Lists {
		evidence = append(evidence, fmt.Sprintf("it is in %s%s, whose first word is at %#x", l, d.cacheOf(l.Cache), l.Head))
	}
	text := fmt.Sprintf("%s uses memory that is free: %s", capital(d.Title(d.Dead)), blockText(c))
	if threads, where, _ := d.owner(block.Lo); where != "" {
		text += fmt.Sprintf(", of %s", where)
		if len(threads) > 0 {
			text += fmt.Sprintf(" (that of %s)", d.names(threads))
		}
	}
	if names := d.pointing(c); len(names) > 0 {
		text += "; " + leads(names, "still ") + " to it"
	}
	d.state(c.Certain && s.certain, FreedBlock, d.Dead.TID, evidence, "%s.", text)
	d.freedBy(c)
}

// freedBy tells which thread has freed a block, by the cache that it is in: each thread puts what it
// frees into its own. Malloc also takes blocks out of the bins of its thread's arena into the
// cache, so that this is certain only of a block of another arena.
func (d *Diagnosis) freedBy(c arena.Chunk) {
	if len(c.Lists) != 1 || c.Lists[0].Cache == nil || c.Lists[0].Cache.Thread < 0 {
		return
	}
	cache := c.Lists[0].Cache
	t := d.Malloc.Threads[cache.Thread]
	evidence := []string{fmt.Sprintf("it is in %s, which is that of %s", c.Lists[0], d.name(t.ID))}
	foreign := t.Arena != nil && c.Arena != nil && t.Arena != c.Arena && c.Arena.Certain
	if foreign {
		evidence = append(evidence, fmt.Sprintf("the block is of %s, and that thread takes its own blocks from %s", arenaText(c.Arena), arenaText(t.Arena)))
	}
	d.state(c.Certain && cache.Certain && t.Certain && foreign, FreedBy, t.ID, evidence, "%s has freed the block at %#x: it is in that thread's cache of free blocks.", capital(d.name(t.ID)), c.Block().Lo)
}

// content tells of a value that the program wrote where it was read, into a block that is free by
// now or in use, or over the end of another one.
func (d *Diagnosis) content(s source) bool {
	c, ok := d.chunk(s.addr)
	if !ok || !c.Block().Has(s.addr) || c.State == arena.Top || c.State == arena.Internal {
		return false
	}
	around, from, isText := d.textAround(s.addr)
	isText = isText && characters(s.value) != ""
	switch {
	case isText && d.overrun(s, c, around, from):
		return true
	case c.State.Free():
		d.state(s.certain && c.Certain, BadValue, d.Dead.TID, []string{d.sourceText(s)}, "%#x is what is left in %s: word %d of it.", s.value, blockText(c), (s.addr-c.Block().Lo)/8)
		d.freed(c, s)
		return true
	case !isText:
		return false
	}
	evidence := []string{d.sourceText(s), fmt.Sprintf("the characters around it, from %#x: %s", from, quote(d.Shown(around)))}
	d.state(s.certain, Text, d.Dead.TID, evidence, "%#x is no pointer but text: %s.", s.value, quote(d.Shown(characters(s.value))))
	d.inBlock(s.addr, c)
	d.reused(c)
	return true
}

// reused tells of a block that more than one variable leads to, as one that was freed and handed
// out again.
func (d *Diagnosis) reused(c arena.Chunk) {
	names := d.pointing(c)
	if len(names) < 2 || c.State != arena.InUse {
		return
	}
	d.likely(Reused, d.Dead.TID, d.pointers(c), "The block at %#x was freed while it was in use, and handed out again: %s lead to it, and what is in it is not what %s expects.",
		c.Block().Lo, listed(names), d.Title(d.Dead))
}

// overrun tells of a text that runs over the end of a block into the one where it was read.
func (d *Diagnosis) overrun(s source, c arena.Chunk, text string, from uint64) bool {
	sizeAt := c.Addr + 8
	if from > sizeAt || uint64(len(text)) < s.addr-from || s.addr <= sizeAt {
		return false
	}
	evidence := []string{d.sourceText(s), fmt.Sprintf("the characters from %#x on: %s", from, quote(d.Shown(text)))}
	if size, ok := d.Process.Core.Read64(sizeAt); ok {
		evidence = append(evidence, fmt.Sprintf("the word at %#x, where the size of the chunk behind should be, is %#x: %s", sizeAt, size, quote(d.Shown(characters(size)))))
	}
	where := fmt.Sprintf("It begins at %#x", from)
	before, ok := d.chunk(from)
	sure := ok && before.Addr+before.Size == c.Addr && (c.State == arena.Damaged || before.Certain)
	if ok {
		where = fmt.Sprintf("It begins in %s, at byte %d", blockText(before), from-before.Block().Lo)
		evidence = append(evidence, d.pointers(before)...)
	}
	evidence = append(evidence, d.pointers(c)...)
	d.state(s.certain, Text, d.Dead.TID, evidence[:2], "%#x is no pointer but text: %s.", s.value, quote(d.Shown(characters(s.value))))
	d.state(s.certain && sure, Overrun, d.Dead.TID, evidence, "A text was written over the end of its block: %s, and runs into the block behind, at %#x, which %s reads. It has overwritten the size of that one.",
		where, c.Addr+16, d.Title(d.Dead))
	return true
}

// chunkFact tells which block an address lies in.
func (d *Diagnosis) chunkFact(addr uint64) bool {
	c, ok := d.chunk(addr)
	if !ok {
		return false
	}
	if c.State.Free() {
		d.freed(c, source{known: true, addr: addr, certain: true})
		return true
	}
	d.inBlock(addr, c)
	return true
}

func (d *Diagnosis) inBlock(addr uint64, c arena.Chunk) {
	text := fmt.Sprintf("%#x lies in %s", addr, blockText(c))
	if names := d.pointing(c); len(names) > 0 {
		text += "; " + leads(names, "") + " to it"
	}
	d.state(c.Certain, OtherBlock, d.Dead.TID, nil, "%s.", text)
}
