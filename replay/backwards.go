package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/symbolize"
)

// later is what has become, by the end of the run, of the place where the dying thread had found
// the block, and of the block's words.
type later struct {
	value uint64 // what the place holds
	// block is another block, in use, whose address that is; nil where there is none that is known.
	block *heap.Block
	// lead are how many words at its beginning are addresses of memory, where NULL is behind them;
	// 0 where it is another kind of block.
	lead int
	// same and others are the indices of the words that both blocks have, by whether they are equal.
	same, others []uint64
}

// mostCompared bounds the words that are looked at of a block, whose size is the guest's choice.
const mostCompared = 1 << 14

// addLater looks at that. The session is at the end of the run.
func (x *Explanation) addLater(h *History, blocks *heap.History) {
	p, a, m := x.use.found, x.Allocation, h.s.Process()
	if p == nil || a == nil {
		return
	}
	v, ok := m.Read64(p.addr)
	if !ok {
		return
	}
	x.use.later = &later{value: v}
	end := m.Steps() + 1
	b := blocks.Owner(v, end)
	if b == nil || b.Addr != v || b.Size == 0 || b.FreedBy(end) || v == a.Addr {
		return
	}
	x.use.later.block, x.use.later.lead = b, leading(m, b)
	both := min(a.Size, b.Size) / 8
	if p.value != a.Addr || both > mostCompared {
		return
	}
	for i := range both {
		one, ok := m.Read64(a.Addr + 8*i)
		other, ok2 := m.Read64(b.Addr + 8*i)
		switch {
		case !ok || !ok2:
		case one == other:
			x.use.later.same = append(x.use.later.same, i)
		default:
			x.use.later.others = append(x.use.later.others, i)
		}
	}
}

// leading counts the words at the beginning of a block that are addresses of memory, 0 when
// something else than NULL is behind them, or they are more than are looked at.
func leading(m *emu.Process, b *heap.Block) int {
	for n := range min(b.Size/8, mostCompared) {
		v, ok := m.Read64(b.Addr + 8*n)
		if _, _, mapped := m.MappingOf(v); !ok || v != 0 && !mapped {
			return 0
		}
		if v == 0 {
			return int(n)
		}
	}
	return 0
}

// Backwards tells a death by a value that was loaded from memory as one finds it out who has
// nothing but a core: what is in memory at the end, and then who has put it there. It is nil for
// runs that ended in another way. The facts are in the order in which they are to be told; what
// AddHeap finds out is what most of them are of.
func (x *Explanation) Backwards() []Fact {
	end := x.Outcome.End
	if x.At == nil || x.Load == nil || end == nil || end.Kind != emu.EndFault {
		return nil
	}
	list := []Fact{x.core(), x.stack(), x.register()}
	list = append(list, x.foundNow()...)
	if f, ok := x.who(); ok {
		list = append(list, f)
	}
	if f, ok := x.sequence(); ok {
		list = append(list, f)
	}
	return list
}

// atEnd is a fact about the end of the run.
func (x *Explanation) atEnd(kind FactKind, title string) Fact {
	return Fact{Kind: kind, At: x.Steps, After: x.Steps, Thread: x.Outcome.Thread, Title: title}
}

// core says who died, and what the others were doing.
func (x *Explanation) core() Fact {
	f := x.atEnd(FactCore, "The core")
	f.Long = []string{fmt.Sprintf("%s has died of a segmentation fault (SIGSEGV). A core file has the memory and the registers of all threads as they were then. What had happened before, it does not say.",
		words.Capital(x.At.Thread))}
	const most = 4
	others := 0
	for _, t := range x.Threads {
		if t.Name == x.At.Thread || t.Status == "absent" {
			continue
		}
		if others++; others <= most {
			f.Long = append(f.Long, words.Capital(t.doing())+".")
		}
	}
	if more := others - most; more > 0 {
		f.Long = append(f.Long, fmt.Sprintf("There %s more.", map[bool]string{true: "is 1 thread", false: fmt.Sprintf("are %d threads", more)}[more == 1]))
	}
	f.Ask = []string{"info threads"}
	return f
}

// doing says what a thread was doing at the end.
func (t *ThreadState) doing() string {
	switch {
	case t.Status == "ended":
		return t.Name + " has ended"
	case t.Status == "done" && t.Call == "":
		return t.Name + " has made no call"
	case t.Status == "done":
		return t.Name + " has made all its calls; the last was " + t.Call
	case t.Status == "waiting":
		return t.Name + " waits in " + t.written()
	}
	return t.Name + " is in " + t.Call
}

// stack says where the thread that died was.
func (x *Explanation) stack() Fact {
	f := x.atEnd(FactStack, "The backtrace")
	in := ""
	if x.At.Call != "" {
		in = fmt.Sprintf(" in its call of %s", written(x.At))
	}
	f.Long = []string{fmt.Sprintf("%s is%s: %s. The function on the left is where it died, and each was called by the one to its right.", words.Capital(x.At.Thread), in, symbolize.Chain(x.At.Backtrace))}
	if len(x.At.Backtrace) < 2 {
		f.Long = []string{fmt.Sprintf("%s is%s, at %s.", words.Capital(x.At.Thread), in, x.At.Location)}
	}
	f.Ask = []string{"bt"}
	return f
}

// register says which value was taken for an address, and where it was loaded from.
func (x *Explanation) register() Fact {
	f := x.atEnd(FactRegister, fmt.Sprintf("%s = %s", x.Register, words.Hex(x.Value)))
	f.Addr = x.LoadAddr
	f.Long = []string{fmt.Sprintf("The instruction that failed is %s, with %s%s.", x.At.Instruction, x.Fault(), mapped(x.Outcome.End))}
	load := x.loadFact()
	f.Long = append(f.Long, load.Long[0])
	f.Notes = load.Notes
	f.Ask = []string{"x/i $pc", "info registers " + x.Register}
	return f
}

// foundNow says where the block is found at the end, how that is another one, and how the two are alike.
func (x *Explanation) foundNow() []Fact {
	p, a, l := x.use.found, x.Allocation, x.use.later
	if p == nil || a == nil || l == nil {
		return nil
	}
	f := x.atEnd(FactPlace, p.place+" leads there")
	f.Addr, f.Place = p.addr, p.place
	f.Ask = []string{fmt.Sprintf("x/gx %#x", p.addr)}
	from := fmt.Sprintf("%s had found the block by %s. ", words.Capital(p.thread), p.place)
	if a.holds(l.value) {
		f.Long = []string{from + fmt.Sprintf("That is %s still, and leads to it: %s.", words.Hex(l.value), a.tell())}
		return []Fact{f}
	}
	f.Title = p.place + " leads elsewhere"
	if l.block == nil {
		f.Long = []string{from + fmt.Sprintf("That is %s now, which is no address in it.", words.Hex(l.value))}
		return []Fact{f}
	}
	f.Long = []string{from + fmt.Sprintf("That is %s now: a block of %s bytes, which is in use.", words.Hex(l.value), words.Both(l.block.Size))}
	if l.lead > 0 {
		f.Title = p.place + " looks fine"
		f.Long = append(f.Long, fmt.Sprintf("Its first %s are addresses of memory, and NULL is behind them: nothing is wrong there.", words.Count(uint64(l.lead), "word")))
	}
	const most = 100 // words that one cares to see
	f.Ask = append(f.Ask, fmt.Sprintf("x/%dgx %#x", min((l.block.Size+7)/8+1, most), l.block.Addr))
	list := []Fact{f, x.elsewhere()}
	if len(l.same) > 0 && len(l.same) >= len(l.others) {
		list = append(list, x.alike())
	}
	return list
}

// elsewhere says that the fatal value was not loaded from where the block is found now.
func (x *Explanation) elsewhere() Fact {
	a, b := x.Allocation, x.use.later.block
	base, title := x.use.walks, "The address is elsewhere"
	if base != "" {
		title = base + " is elsewhere"
	}
	f := x.atEnd(FactElsewhere, title)
	f.Addr = x.LoadAddr
	away := fmt.Sprintf("%s bytes before", words.Grouped(b.Addr-x.LoadAddr))
	if x.LoadAddr > b.Addr {
		away = fmt.Sprintf("%s bytes behind the beginning of", words.Grouped(x.LoadAddr-b.Addr))
	}
	const far = 1 << 32
	if max(x.LoadAddr, b.Addr)-min(x.LoadAddr, b.Addr) > far {
		away = "far away from"
	}
	f.Long = []string{
		fmt.Sprintf("%s was loaded from %s. The block that %s leads to is from %s to %s: this is %s it, in another block.",
			words.Hex(number64(x.loaded)), words.Hex(x.LoadAddr), x.use.found.place, words.Hex(b.Addr), words.Hex(b.Addr+b.Size-1), away),
		fmt.Sprintf("That one is at %s: %s.", words.Hex(a.Addr), a.tell()),
	}
	f.Ask = []string{fmt.Sprintf("x/20gx %#x", max(x.LoadAddr&^7, 40)-40)}
	if base != "" {
		f.Ask = []string{"info registers " + base, fmt.Sprintf("x/20gx $%s-40", base)}
	}
	return f
}

// alike says which words of the two blocks are the same.
func (x *Explanation) alike() Fact {
	a, l := x.Allocation, x.use.later
	f := x.atEnd(FactAlike, "The two agree")
	f.Addr = a.Addr
	copied := "So the one may be a copy of the other."
	if c := x.use.copied; c != nil && c.to == l.block.Addr {
		copied = "So the one is a copy of the other."
	}
	f.Long = []string{fmt.Sprintf("Of the %s that both blocks have, %d are the same: %s. %s",
		words.Count(uint64(len(l.same)+len(l.others)), "word"), len(l.same), ranges(l.same), copied)}
	if len(l.others) > 0 {
		f.Long = append(f.Long, fmt.Sprintf("Not the same: %s.", ranges(l.others)))
	}
	loaded := fmt.Sprintf("%s was loaded from byte %d of the old one", words.Hex(number64(x.loaded)), a.Offset)
	if a.Offset >= 0 && a.Offset%8 == 0 {
		loaded = fmt.Sprintf("%s was loaded from word %d of the old one", words.Hex(number64(x.loaded)), a.Offset/8)
	}
	if x.Correct != nil {
		loaded += fmt.Sprintf(", which held %s until the block was given up", x.Correct)
	}
	f.Long = append(f.Long, loaded+".")
	last := (max(a.Size, 8*8) - 8*6) &^ 7
	f.Ask = []string{fmt.Sprintf("x/8gx %#x", a.Addr+last), fmt.Sprintf("x/8gx %#x", l.block.Addr+last)}
	return f
}

// ranges names words by their ascending indices.
func ranges(list []uint64) string {
	const most = 6
	var parts []string
	for i := 0; i < len(list); {
		k := i
		for k+1 < len(list) && list[k+1] == list[k]+1 {
			k++
		}
		switch k - i {
		case 0:
			parts = append(parts, fmt.Sprint(list[i]))
		case 1:
			parts = append(parts, fmt.Sprint(list[i]), fmt.Sprint(list[k]))
		default:
			parts = append(parts, fmt.Sprintf("%d to %d", list[i], list[k]))
		}
		i = k + 1
	}
	if len(parts) > most {
		parts = append(parts[:most], "and more")
		return "words " + strings.Join(parts, ", ")
	}
	if len(list) == 1 {
		return "word " + parts[0]
	}
	if n := len(parts); n > 1 {
		parts = []string{strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]}
	}
	return "words " + parts[0]
}

// who says who has put the value there, and what it was doing with the block.
func (x *Explanation) who() (Fact, bool) {
	if len(x.Sources.Writers) == 0 {
		return Fact{}, false
	}
	f := x.written()[0]
	f.Kind, f.Short, f.section, f.Title = FactWho, nil, "", "Who wrote it"
	a := x.Allocation
	if a != nil && a.FreedBy != nil {
		f.Title = "Who gave the block back"
		if a.FreedBy.Func != "free" {
			f.Title = "Who moved it"
		}
	}
	if chain := symbolize.Chain(x.Writer.Backtrace); x.Writer.Call != "" && chain != x.Writer.Location.String() {
		f.Long[0] += fmt.Sprintf(" It was in its call of %s: %s.", x.Writer.Call, chain)
	}
	f.Long = append(f.Long, "A core does not know that. In emurace gdb, which can go back, a watchpoint finds it.")
	f.Ask = []string{fmt.Sprintf("watch *(long *) %#x", x.LoadAddr&^7), "reverse-continue", "bt"}
	return f, true
}

// sequence says in which order it came to that, by the numbers of instructions.
func (x *Explanation) sequence() (Fact, bool) {
	p, a := x.use.found, x.Allocation
	if p == nil || a == nil || a.FreedBy == nil {
		return Fact{}, false
	}
	f := p.fact(FactSequence, x)
	f.Title = "What came when"
	type event struct {
		step uint64
		text string
	}
	list := []event{
		{p.step, fmt.Sprintf("%s reads %s, and has the address of the block", p.thread, p.place)},
		{a.FreedBy.Step, fmt.Sprintf("%s begins to give the block back, in %s", a.FreedBy.Thread, a.FreedBy.during())},
	}
	if c := x.use.copied; c != nil {
		list = append(list, event{c.first, fmt.Sprintf("%s begins to copy %d words", a.FreedBy.Thread, c.words)})
	}
	if x.Writer != nil {
		list = append(list, event{x.Writer.Step, fmt.Sprintf("%s writes %s", x.Writer.Thread, words.Hex(x.Written))})
	}
	if m := x.use.moved; m != nil {
		list = append(list, event{m.step, fmt.Sprintf("%s changes %s", m.thread, m.place)})
	}
	list = append(list, event{x.Load.Step, fmt.Sprintf("%s loads %s", x.Load.Thread, words.Hex(number64(x.loaded)))})
	slices.SortStableFunc(list, func(a, b event) int { return cmp.Compare(a.step, b.step) })
	for _, e := range list {
		at := "Before the race: "
		if e.step > 0 {
			at = fmt.Sprintf("Instruction %s: ", words.Grouped(e.step))
		}
		f.Long = append(f.Long, at+e.text+".")
	}
	if text := x.order(); text != "" {
		f.Long = append(f.Long, text)
	}
	return f, true
}

// Replaced is the block to which, at the end of the run, the place leads where the dying thread
// had found the one that the fatal value was in; false when there is no other one.
func (x *Explanation) Replaced() (*heap.Block, bool) {
	if l := x.use.later; l != nil && l.block != nil {
		return l.block, true
	}
	return nil, false
}
