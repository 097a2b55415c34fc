package step

import (
	"fmt"
	"slices"
	"strconv"

	"emurace/heap"
	"emurace/internal/words"
	"emurace/replay"
)

// viewKind is one of the views of memory.
type viewKind int

const (
	blockView viewKind = iota
	environView
	heapView
	stackView
	addressView
	viewCount
)

// view is a part of memory, word by word.
type view struct {
	name  string
	title string
	rows  []row
	focus int // the row that the story is about, or that the view begins at
}

// row is a word of memory.
type row struct {
	addr   uint64
	label  string
	value  uint64
	mapped bool
	text   string
	focus  bool      // the word that the story is about
	at     []pointer // the registers that point to it
}

// pointer is a register that holds an address.
type pointer struct {
	thread int
	reg    string
}

// index is the row of the word that an address lies in, -1 for none.
func (v *view) index(addr uint64) int {
	return slices.IndexFunc(v.rows, func(r row) bool { return addr >= r.addr && addr-r.addr < 8 })
}

// lookMemory reads all views, since what has changed is marked also in one that is
// looked at only later.
func (m *Model) lookMemory() [viewCount]view {
	var list [viewCount]view
	list[blockView] = m.lookBlock()
	list[environView] = m.lookEnviron()
	list[heapView] = m.lookHeap()
	list[stackView] = m.lookStack()
	list[addressView] = m.lookAddress()
	pointers := m.pointers()
	for i := range list {
		for k := range list[i].rows {
			r := &list[i].rows[k]
			r.focus = r.focus || r.addr == m.focusWord()
			for word := r.addr; word < r.addr+8; word++ {
				r.at = append(r.at, pointers[word]...)
			}
		}
	}
	return list
}

// pointers are the general registers by their values.
func (m *Model) pointers() map[uint64][]pointer {
	at := map[uint64][]pointer{}
	for i := range m.now.threads {
		t := &m.now.threads[i]
		for _, r := range t.regs {
			if len(r.Value) == 8 && r.Name != m.s.Process().PCName() {
				at[r.Uint64()] = append(at[r.Uint64()], pointer{i, r.Name})
			}
		}
	}
	return at
}

// focusWord is the word that the fatal value was loaded from, 0 for none.
func (m *Model) focusWord() uint64 {
	x := m.story.Explanation
	if x == nil {
		x = m.o.Story.Explanation
	}
	switch {
	case x == nil:
		return 0
	case x.Load != nil:
		return x.LoadAddr &^ 7
	}
	for _, w := range x.Waits {
		if w.For == "" {
			return w.Address &^ 7
		}
	}
	return 0
}

// word reads a row. What it means is said by what it points to.
func (m *Model) word(addr uint64, label string) row {
	r := row{addr: addr, label: label}
	r.value, r.mapped = m.s.Process().Read64(addr)
	switch {
	case !r.mapped:
		r.text = "no memory"
	case r.value == 0:
		r.text = "NULL"
	default:
		r.text = m.meaning(r.value, m.now)
	}
	return r
}

// addressWord reads a word that should be an address, and says when it is none.
func (m *Model) addressWord(addr uint64, label string) row {
	r := m.word(addr, label)
	if _, _, ok := m.s.Process().MappingOf(r.value); r.text == "" && r.mapped && !ok {
		r.text = replay.NoAddress
	}
	return r
}

// lookBlock shows malloc's block that the story is about, from the size in front
// of it to the size of the next chunk; without one, what is around the word that
// matters.
func (m *Model) lookBlock() view {
	const most = 1 << 14 // words
	v := view{name: "block"}
	b := m.block()
	if b == nil {
		v.title = "no block of malloc's is to blame"
		around := m.focusWord()
		if around == 0 {
			return v
		}
		v.title = fmt.Sprintf("memory around %#x", around)
		for at := around - 8*8; at < around+9*8; at += 8 {
			v.rows = append(v.rows, m.word(at, ""))
		}
		v.focus = 8
		return v
	}
	v.title = fmt.Sprintf("block %#x, %#x bytes, %s", b.Addr, b.Size, m.owned(b))
	lo, hi := b.Extent()
	end := hi
	if b.ChunkSize != 0 {
		end += 8
	}
	for at := lo; at < end && len(v.rows) < most; at += 8 {
		label, size := replay.WordLabel(b, at)
		r := m.addressWord(at, label)
		switch {
		case size && r.mapped:
			r.text = replay.SizeText(r.value)
		case r.value == b.ChunkSize && r.value != 0:
			r.text = "this chunk's size"
		}
		v.rows = append(v.rows, r)
	}
	v.focus = max(0, v.index(m.focusWord()))
	return v
}

// owned says who has a block at this moment.
func (m *Model) owned(b *heap.Block) string {
	step := m.logStep()
	if m.story.Heap == nil {
		return "in use or not is not known"
	}
	now := m.story.Heap.Owner(b.Addr, step)
	switch {
	case now == nil:
		return "not handed out yet"
	case now.FreedBy(step) && (now.Freed.Done == 0 || now.Freed.Done >= step):
		return fmt.Sprintf("being freed by %s", clean(now.Freed.Thread))
	case now.FreedBy(step):
		return fmt.Sprintf("freed by %s", clean(now.Freed.Thread))
	}
	return "in use"
}

// lookEnviron shows the present array of the environment.
func (m *Model) lookEnviron() view {
	v := view{name: "environ"}
	if m.env == 0 {
		v.title = "environ: none"
		return v
	}
	v.title = fmt.Sprintf("environ = %#x, %s", m.env, words.Count(uint64(m.entries), "entry"))
	variable := m.word(m.environAt, "environ")
	v.rows = append(v.rows, variable)
	for i := 0; i <= m.entries; i++ {
		at := m.env + 8*uint64(i)
		r := m.addressWord(at, "["+strconv.Itoa(i)+"]")
		v.rows = append(v.rows, r)
	}
	return v
}

// lookStack shows the stack of the thread that runs next, from its top on.
func (m *Model) lookStack() view {
	const shown = 64
	v := view{name: "stack", title: "stack: none"}
	if m.now.thread < 0 {
		return v
	}
	t := &m.now.threads[m.now.thread]
	sp, ok := t.reg(m.s.Process().StackPointerName())
	if !ok {
		return v
	}
	v.title = fmt.Sprintf("stack of %s from %#x", t.name, sp)
	for i := range uint64(shown) {
		r := m.word(sp+8*i, fmt.Sprintf("sp+%#x", 8*i))
		if !r.mapped {
			break
		}
		v.rows = append(v.rows, r)
	}
	return v
}

// lookAddress shows the memory that :x has asked for.
func (m *Model) lookAddress() view {
	const shown = 64
	v := view{name: "address", title: "address: say which with :x ADDRESS"}
	if !m.examining {
		return v
	}
	v.title = fmt.Sprintf("memory from %#x", m.examined)
	for i := range uint64(shown) {
		v.rows = append(v.rows, m.word(m.examined+8*i, fmt.Sprintf("+%#x", 8*i)))
	}
	return v
}
