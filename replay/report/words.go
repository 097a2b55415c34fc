package report

import (
	"fmt"
	"strconv"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
)

// Bounds of what is shown of the environment.
const (
	maxArrays  = 4   // arrays
	maxEntries = 400 // entries of one; of a longer one those at both ends
	maxScan    = 1 << 14
)

// findTables chooses the words of memory that are followed through the run.
func (r *recorder) findTables() error {
	r.findCopy()
	r.pictureTable()
	r.waitTable()
	return r.environTables()
}

// findCopy finds out where a block is copied to, by the moment of the lesson that
// tells of it: the first word that is written elsewhere with the value of just one
// word of the block.
func (r *recorder) findCopy() {
	b := r.x.Allocation
	if r.l == nil || b == nil {
		return
	}
	for _, m := range r.l.Moments {
		if m.Kind != lesson.Copied {
			continue
		}
		from := map[uint64]uint64{} // by value
		for n := r.start(m); n < m.After; n++ {
			for _, a := range r.line.Accesses(n) {
				inside := a.Addr >= b.Addr && a.Addr < b.Addr+b.Size
				if a.Kind == emu.LogRead && inside && a.Value != 0 {
					from[a.Value] = a.Addr
				}
				if at, ok := from[a.Value]; ok && a.Kind == emu.LogWrite && !inside && n >= m.At {
					r.copied = a.Addr - (at - b.Addr)
					return
				}
			}
		}
	}
}

// start is from where on the words are read that a copy then writes.
func (r *recorder) start(copied lesson.Moment) timeline.Moment {
	for _, m := range r.l.Moments {
		if m.Kind == lesson.Freeing {
			return min(m.At, copied.At)
		}
	}
	return copied.At
}

// pictureTable is the lesson's picture, or, without one, the memory around the word
// that the fatal value was loaded from.
func (r *recorder) pictureTable() {
	if p := r.picture(); p != nil {
		t := Table{Title: p.Title}
		for _, row := range p.Rows {
			if row.Gap > 0 {
				t.Rows = append(t.Rows, TableRow{Word: -1, Gap: row.Gap})
				continue
			}
			// The lesson calls the words so that hold a chunk's size.
			size := row.Label == "size" || row.Label == "next size"
			t.Rows = append(t.Rows, TableRow{Word: r.follow(row.Addr, size), Label: row.Label, Focus: row.Focus})
		}
		r.run.Tables = append(r.run.Tables, t)
		return
	}
	if r.x.Load == nil {
		return
	}
	const around = 4 * 8
	focus := r.x.LoadAddr &^ 7
	t := Table{Title: "memory around the word that was loaded"}
	for at := focus - around; at <= focus+around; at += 8 {
		t.Rows = append(t.Rows, TableRow{Word: r.follow(at, false), Focus: at == focus})
	}
	r.run.Tables = append(r.run.Tables, t)
}

// picture is one of the lesson's; they have the same rows all of them.
func (r *recorder) picture() *lesson.Picture {
	if r.l == nil {
		return nil
	}
	for _, m := range r.l.Moments {
		if m.Is != nil {
			return m.Is
		}
	}
	return nil
}

// waitTable is, for a deadlock, what the threads wait for.
func (r *recorder) waitTable() {
	t := Table{Title: "what the threads wait for"}
	for _, w := range r.x.Waits {
		label := "of " + w.Thread
		if w.What != "" {
			label = w.What + ", " + label
		}
		t.Rows = append(t.Rows, TableRow{Word: r.follow(w.Address&^7, false), Label: label, Focus: true})
	}
	if len(t.Rows) > 0 {
		r.run.Tables = append(r.run.Tables, t)
	}
}

// array is one that environ has pointed to, or that its entries are copied to.
type array struct {
	addr    uint64
	entries uint64
	title   string
	name    string // for an entry of it: NAME[66]
}

// environTables has every array that was the process's environ in the run, entry by
// entry, and the one that is being made when the run ends.
func (r *recorder) environTables() error {
	symbol, err := r.machine().Lookup("environ")
	if err != nil {
		return nil // a libc without one, or none at all
	}
	var list []array
	add := func(addr uint64, title, name string) {
		for _, a := range list {
			if a.addr == addr {
				return
			}
		}
		if n := r.entries(addr); addr != 0 && len(list) < maxArrays {
			list = append(list, array{addr, n, title, name})
		}
	}
	if err := r.line.Seek(0); err != nil {
		return err
	}
	first, ok := r.machine().Read64(symbol)
	if !ok {
		return nil
	}
	add(first, "environ as the race begins", "environ")
	watch := timeline.Watch{Addr: symbol, Size: 8, Writes: true}
	for n := timeline.Moment(0); len(list) < maxArrays; {
		at, _, found := r.line.Find(n, timeline.Forwards, watch)
		if !found {
			break
		}
		if err := r.line.Seek(at); err != nil {
			return err
		}
		if v, ok := r.machine().Read64(symbol); ok {
			add(v, fmt.Sprintf("environ from moment %s on", words.Grouped(at)), "new environ")
		}
		n = at
	}
	if b := r.x.Allocation; b != nil && b.Addr == first && r.copied != 0 {
		if err := r.line.Seek(r.line.Len()); err != nil {
			return err
		}
		add(r.copied, "the new array, which environ does not name yet", "new array")
	}
	for i, a := range list {
		t := Table{Title: fmt.Sprintf("%s: %s at %#x", a.title, words.Count(a.entries, "entry"), a.addr), Name: a.name, Long: true}
		if i == 0 {
			t.Rows = append(t.Rows, TableRow{Word: r.follow(symbol, false), Label: pointerLabel})
		}
		r.run.Tables = append(r.run.Tables, r.entryRows(t, a))
	}
	return nil
}

// entries counts the entries of an array before its NULL.
func (r *recorder) entries(addr uint64) uint64 {
	for n := uint64(0); n < maxScan; n++ {
		if v, ok := r.machine().Read64(addr + 8*n); !ok || v == 0 {
			return n
		}
	}
	return maxScan
}

// pointerLabel is the label of the variable that names the array.
const pointerLabel = "environ"

// entryRows adds the entries of an array to a table.
func (r *recorder) entryRows(t Table, a array) Table {
	gap := 0
	for n := uint64(0); n <= a.entries; n++ {
		addr := a.addr + 8*n
		focus := r.x.Load != nil && addr == r.x.LoadAddr&^7
		if n >= maxEntries/2 && n+maxEntries/2 <= a.entries && !focus {
			gap++
			continue
		}
		if gap > 0 {
			t.Rows = append(t.Rows, TableRow{Word: -1, Gap: gap})
			gap = 0
		}
		label := "[" + strconv.FormatUint(n, 10) + "]"
		if n == a.entries {
			label += " end"
		}
		t.Rows = append(t.Rows, TableRow{Word: r.follow(addr, false), Label: label, Focus: focus})
	}
	return t
}

// read is a followed word as it is now.
func (r *recorder) read(i int) held {
	w := r.words[i]
	v, ok := r.machine().Read64(w.addr)
	if !ok {
		return held{0, r.texts.add("nothing is mapped here")}
	}
	return held{r.value(v), r.texts.add(r.meaning(w, v))}
}

// meaning says what the value of a word is.
func (r *recorder) meaning(w word, v uint64) string {
	const most = 60
	m := r.machine()
	b := r.x.Allocation
	switch {
	case w.size:
		text := fmt.Sprintf("%#x (%d) bytes", v&^7, v&^7)
		if v&1 == 0 {
			return text + "; the chunk before it is free"
		}
		return text
	case v == 0:
		return "NULL"
	case r.x.Meaning.Kind == heap.MallocSize && r.x.Meaning.Foot && v == r.x.Meaning.ChunkSize && w.addr == r.x.LoadAddr&^7:
		return "the size of the free chunk"
	case b != nil && v >= b.Addr && v < b.Addr+b.Size:
		return within("the block", v-b.Addr)
	case b != nil && r.copied != 0 && v >= r.copied && v < r.copied+b.Size:
		return within("the new block", v-r.copied)
	}
	// Before it is taken for text: a library's variables may look like some.
	if name, off, ok := m.Symbol(v); ok {
		if off == 0 {
			return "the address of " + name
		}
		return fmt.Sprintf("in %s+%#x", name, off)
	}
	text, ok := m.CString(v, most)
	if !ok && len(text) == most {
		text, ok = text+"...", true
	}
	switch _, _, mapped := m.MappingOf(v); {
	case ok && printable(text):
		return strconv.Quote(text)
	case mapped:
		return "an address"
	}
	return "no address of anything"
}

func within(what string, offset uint64) string {
	if offset == 0 {
		return what
	}
	return fmt.Sprintf("%#x bytes into %s", offset, what)
}

// printable tells whether bytes look like text that somebody wrote.
func printable(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return text != ""
}
