package lesson

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"emurace/emu"
	"emurace/heap"
	"emurace/replay"
	"emurace/scenario"
	"emurace/symbolize"
)

func hex(v uint64) string { return fmt.Sprintf("%#x", v) }

// both writes a size as C's headers and debuggers do, and as people do.
func both(v uint64) string { return fmt.Sprintf("%#x (%d)", v, v) }

// symbol names a place in a library's memory, or is its address.
func (s *story) symbol(addr uint64) string {
	if name, off, ok := s.s.Process().Symbol(addr); ok {
		if off == 0 {
			return name
		}
		return fmt.Sprintf("%s+%#x", name, off)
	}
	return hex(addr)
}

func act(a *symbolize.Act) string { return fmt.Sprintf("%s (%s)", a.Location, a.Instruction) }

// during says in which of the scenario's calls something happens.
func during(fn, call string) string {
	if strings.HasPrefix(call, fn+"(") {
		return call
	}
	return fmt.Sprintf("%s, within %s", fn, call)
}

func (s *story) title() string { return "Why " + s.x.Headline() }

// summary is the cause in as few sentences as it takes.
func (s *story) summary() []string {
	x := s.x
	lines := []string{capital(x.Headline()) + "."}
	const most = 3
	for _, t := range x.Ticks[:min(len(x.Ticks), most)] {
		lines = append(lines, fmt.Sprintf("After %d instructions %s.", t.Step, t.Text))
	}
	if x.Load == nil {
		return lines
	}
	lines = append(lines, fmt.Sprintf("%s takes %s for an address, but nothing can be read there.", capital(x.At.Thread), hex(x.Value)))
	if x.Writer != nil {
		lines = append(lines, fmt.Sprintf("%s had put that value where %s read it, at %s.", capital(x.Writer.Thread), x.At.Thread, hex(x.LoadAddr)))
	}
	if x.Meaning.Kind == heap.MallocSize && x.Meaning.Foot {
		lines = append(lines, fmt.Sprintf("%s was never meant as an address. It is a length: malloc notes in the last word of a piece of memory that is given back how many bytes it has, here %d.",
			hex(x.Meaning.ChunkSize), x.Meaning.ChunkSize))
	}
	if b := s.block(); b != nil && b.FreedBy != nil {
		lines = append(lines, fmt.Sprintf("The memory belonged to a block that %s was giving back to malloc, while %s was still using it.", b.FreedBy.Thread, x.At.Thread))
	}
	return lines
}

// capital makes a sentence's beginning of a word, such as a thread's name.
func capital(text string) string {
	if text == "" {
		return text
	}
	_, n := utf8.DecodeRuneInString(text)
	return strings.ToUpper(text[:n]) + text[n:]
}

func (s *story) tellAllocation(m *Moment) {
	b := s.block()
	m.Title = "The block is handed out"
	when := ""
	if b.AllocatedBy.Step == 0 {
		when = " This was before the race began; from here on nothing runs at the same time."
	}
	m.Text = []string{fmt.Sprintf("%s asks malloc for %s bytes, in %s, and gets the block at %s.%s",
		capital(b.AllocatedBy.Thread), both(b.Size), during(b.AllocatedBy.Func, b.AllocatedBy.Call), hex(b.Addr), when)}
	if b.ChunkSize == 0 {
		return
	}
	m.Text = append(m.Text, fmt.Sprintf("malloc cuts its memory into chunks, whose sizes are multiples of 16. This chunk is %s bytes long. "+
		"The word in front of the block holds that size, with flags in its lowest bits.", both(b.ChunkSize)))
	if b.Size == b.ChunkSize-8 {
		m.Text = append(m.Text, "The block fills its chunk to the last word. That word has a second use: while the chunk is free, "+
			"malloc keeps its size there a second time, for the chunk behind it to find.")
	}
}

func (s *story) tellPointer(m *Moment) {
	b := s.block()
	place := s.symbol(s.pointer)
	m.Title = fmt.Sprintf("%s learns where the block is", s.x.Load.Thread)
	what := "the address of the block"
	if s.pointed != b.Addr {
		what = fmt.Sprintf("an address in the block, %#x bytes into it", s.pointed-b.Addr)
	}
	m.Text = []string{fmt.Sprintf("%s reads %s: %s, %s. From now on it works with that address in a register, and nobody else can know that.",
		capital(s.x.Load.Thread), place, hex(s.pointed), what)}
	if b.FreedBy != nil && before(b.FreedBy.Step) < m.At {
		m.Text = append(m.Text, fmt.Sprintf("%s is giving that very block back at this moment, but it has not changed %s yet.", capital(b.FreedBy.Thread), place))
	}
}

func (s *story) tellFreeing(m *Moment) {
	f := s.block().FreedBy
	m.Title = fmt.Sprintf("%s begins to give the block back", f.Thread)
	if f.Func == "free" {
		m.Text = []string{fmt.Sprintf("%s frees it, in %s.", capital(f.Thread), during(f.Func, f.Call))}
		return
	}
	m.Text = []string{fmt.Sprintf("%s calls %s, because the block has to become another size. "+
		"When there is no room behind it, that takes three steps: a new block, a copy of what is in the old one, and the old one is freed.",
		capital(f.Thread), during(f.Func, f.Call))}
}

func (s *story) tellCopy(m *Moment) {
	m.Title = "What is in the block is copied"
	m.Text = []string{fmt.Sprintf("%s copies %d words to the new block at %s. The old block still holds all of them: whoever reads it now reads what was always there.",
		capital(s.names[m.Thread]), s.copied.words, hex(s.copied.to))}
}

func (s *story) tellWrite(m *Moment) {
	x := s.x
	m.Title = fmt.Sprintf("%s writes %s", x.Writer.Thread, hex(x.Written))
	m.Text = []string{fmt.Sprintf("%s runs %s and stores %s at %s.", capital(x.Writer.Thread), act(x.Writer), hex(x.Written), hex(x.LoadAddr))}
	if why := s.meaning(); why != "" {
		m.Text = append(m.Text, why)
	}
	if words := s.overwritten(); words != "" {
		m.Text = append(m.Text, fmt.Sprintf("%s been overwritten a moment before, with what malloc keeps in the first words of a free chunk.", words))
	}
	if x.Correct != nil {
		m.Text = append(m.Text, fmt.Sprintf("Until the block was given up, this word held %s.", x.Correct))
	}
	if a := s.lastWordAside(); a != nil {
		m.Asides = append(m.Asides, *a)
	}
}

// overwritten names the other words of the block that the writer has written since
// it began to give the block back: "Words 0 and 1 have".
func (s *story) overwritten() string {
	b := s.block()
	if b == nil || b.FreedBy == nil || b.FreedBy.Step == 0 || s.x.Writer == nil || b.FreedBy.Thread != s.x.Writer.Thread {
		return ""
	}
	var words []uint64
	for n := before(b.FreedBy.Step); n < before(s.x.Writer.Step); n++ {
		if s.line.Thread(n) != s.thread(b.FreedBy.Thread) {
			continue
		}
		for _, a := range s.line.Accesses(n) {
			w := (a.Addr - b.Addr) / 8
			if a.Kind == emu.LogWrite && s.inBlock(a.Addr) && a.Value != a.Old && !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
	}
	const most = 4
	switch slices.Sort(words); {
	case len(words) == 0 || len(words) > most:
		return ""
	case len(words) == 1:
		return fmt.Sprintf("Word %d has", words[0])
	}
	var list []string
	for _, w := range words[:len(words)-1] {
		list = append(list, fmt.Sprint(w))
	}
	return fmt.Sprintf("Words %s and %d have", strings.Join(list, ", "), words[len(words)-1])
}

// meaning says what the fatal value is to malloc.
func (s *story) meaning() string {
	x := s.x
	switch x.Meaning.Kind {
	case heap.MallocSize:
		if x.Meaning.Foot {
			return fmt.Sprintf("%s is the size of the chunk that is being freed. malloc keeps the size of a free chunk in its last word, "+
				"so that it can find the chunk's beginning when the chunk behind is freed as well and the two can be made one.", both(x.Meaning.ChunkSize))
		}
		return fmt.Sprintf("It is the size of a chunk, %s bytes, and its flags, which malloc keeps in front of each block.", both(x.Meaning.ChunkSize))
	case heap.MallocLink:
		how := ""
		if x.Meaning.Mangled {
			how = " It is mangled with the address at which it lies, so that an overwritten one is noticed."
		}
		return "It is a link: malloc keeps its free chunks in lists, and the links lie in the blocks themselves, which nobody should be using any more." + how
	case heap.MallocKey:
		return "It is the key by which malloc's thread cache knows a block that it has: it lies in the free block, to notice when that is freed a second time."
	case heap.StalePointer:
		return "It points into a block that is free already."
	}
	return ""
}

// lastWordAside explains when the last word of a block is at the same time where
// its free chunk's size is kept.
func (s *story) lastWordAside() *Aside {
	b := s.block()
	if b == nil || !s.x.Meaning.Foot || b.Size != b.ChunkSize-8 || b.Size%8 != 0 {
		return nil
	}
	words := b.Size / 8
	return &Aside{
		Title: "Why just this word, and why an even number of entries",
		Text: []string{
			fmt.Sprintf("A chunk is as long as its block and 8 bytes for its size, rounded up to a multiple of 16. %d words make %d bytes, and with the size %d: nothing is left over, and the block's last word is the chunk's last word.",
				words, b.Size, b.ChunkSize),
			fmt.Sprintf("With one word more or less there would be a word to spare at the end, and the size would be written there and harm nobody. So it takes an odd number of words: if the last one ends a list, an even number of entries before it, here %d.", words-1),
		},
	}
}

func (s *story) tellMove(m *Moment, value uint64) {
	place := s.symbol(s.pointer)
	m.Title = fmt.Sprintf("%s changes where the block is found", s.names[m.Thread])
	m.Text = []string{fmt.Sprintf("%s stores %s into %s. Whoever reads it from now on finds the other block.", capital(s.names[m.Thread]), hex(value), place)}
	if s.movedLate {
		m.Text = append(m.Text, fmt.Sprintf("For %s that is too late: it has read %s before, and goes on in the old block.", s.x.Load.Thread, place))
	}
}

func (s *story) tellLoad(m *Moment) {
	x := s.x
	m.Title = fmt.Sprintf("%s loads %s", x.Load.Thread, hex(x.Value))
	m.Text = []string{fmt.Sprintf("%s runs %s and gets %s from %s into %s.", capital(x.Load.Thread), act(x.Load), hex(x.Value), hex(x.LoadAddr), x.Register)}
	if b := s.block(); b != nil && b.Offset >= 0 && b.Offset%8 == 0 {
		text := fmt.Sprintf("To %s this is word %d of the block", x.Load.Thread, b.Offset/8)
		if x.Correct != nil {
			text += fmt.Sprintf(". Had the block not been given up, it would have read %s", x.Correct)
			if x.Correct.Value == 0 {
				text += " and stopped"
			}
		}
		m.Text = append(m.Text, text+".")
	}
	if strings.HasSuffix(x.Load.Instruction, "]!") {
		m.Asides = append(m.Asides, Aside{
			Title: "The exclamation mark",
			Text: []string{fmt.Sprintf("%s does two things. It adds the number to the register in the brackets, and then loads from that address: "+
				"the ! says that the register keeps the sum. It is the whole step to the next word of an array in one instruction, called pre-indexed addressing.", x.Load.Instruction)},
		})
	}
}

// tellTaken says that a thread takes what another will wait for.
func (s *story) tellTaken(m *Moment, w replay.Wait) {
	m.Title = fmt.Sprintf("%s takes the %s that %s will wait for", w.HeldBy, w.What, w.Thread)
	m.Text = []string{fmt.Sprintf("%s takes the %s at %s, in %s: %s.", capital(w.HeldBy), w.What, hex(w.Address), w.Taken.Call, act(w.Taken))}
}

func (s *story) tellEnd(m *Moment) {
	x := s.x
	m.Title = "The end"
	switch x.Outcome.Kind {
	case scenario.Segv:
		m.Title = "The fault"
		m.Text = []string{s.fault()}
		if s.pointer != 0 && !s.moved() {
			m.Text = append(m.Text, fmt.Sprintf("In %s there is still the address of the old block: %s has not come to change it.", s.symbol(s.pointer), s.block().FreedBy.Thread))
		}
	case scenario.Deadlock:
		for _, w := range x.Waits {
			holder := "somebody"
			if w.HeldBy != "" {
				holder = w.HeldBy
			}
			m.Text = append(m.Text, fmt.Sprintf("%s waits for the word at %s, which %s would have to let go.", capital(w.Thread), hex(w.Address), holder))
		}
		m.Text = append(m.Text, "Nobody can go on.")
	default:
		m.Text = []string{capital(x.Headline()) + "."}
		if x.Message != "" {
			m.Text = append(m.Text, "It said: "+strings.TrimSpace(x.Message))
		}
	}
}

// moved tells whether the place where the block was found was changed in the run.
func (s *story) moved() bool {
	for _, m := range s.moments {
		if m.Kind == Moved {
			return true
		}
	}
	return s.block() == nil || s.block().FreedBy == nil
}

func (s *story) fault() string {
	x := s.x
	end := x.Outcome.End
	why := "nothing is mapped there"
	if end.Mapped {
		why = "the page there forbids it"
	}
	text := fmt.Sprintf("%s runs %s: it wants to %s at %s, and %s. The kernel ends the process with a segmentation fault.",
		capital(x.At.Thread), act(x.At), end.Access, hex(end.Addr), why)
	if x.Load != nil && x.Register != "" && end.Addr == x.Value {
		text += fmt.Sprintf(" The address is what it has just loaded into %s.", x.Register)
	}
	return text
}

func (s *story) tellUnmapped(m *Moment) {
	u, end := s.x.Unmapped, s.x.Outcome.End
	m.Title = "The page is taken away"
	did := "takes the page of " + hex(end.Addr) + " away from the process"
	if end.Mapped {
		did = "has the page of " + hex(end.Addr) + " forbid such an access"
	}
	m.Text = []string{fmt.Sprintf("%s calls the kernel in %s: it %s. That is in its call of %s. Whoever uses an address there from now on dies of it.",
		capital(u.Thread), u.Location.String(), did, u.Call)}
}

// asides are what is true of every such run.
func (s *story) asides() []Aside {
	x := s.x
	if x.Load == nil || x.Writer == nil {
		return nil
	}
	return []Aside{{
		Title: "It is no matter of the memory model",
		Text: []string{"In this run every write was seen by all threads at once, and one thread ran at a time. " +
			"That is the strictest order that a machine can have, and the failure is there all the same. " +
			"It needs no reordering by a processor, and no particular processor: only that " + x.Writer.Thread + " writes before " + x.Load.Thread + " reads."},
	}}
}
