package report

import (
	"fmt"
	"strconv"

	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
)

// Bounds of what is shown of the environment.
const (
	maxArrays  = 4   // arrays
	maxEntries = 400 // entries of one; of a longer one those at both ends
)

// findTables chooses the words of memory that are followed through the run.
func (r *recorder) findTables() error {
	r.pictureTable()
	r.waitTable()
	return r.environTables()
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
			t.Rows = append(t.Rows, TableRow{Word: r.follow(row.Addr, row.Size), Label: row.Label, Focus: row.Focus})
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

// waitTable is, for a deadlock, what the threads wait for, where that is not what the lesson shows.
func (r *recorder) waitTable() {
	if _, of := r.x.Focus(); !of && r.picture() != nil {
		return
	}
	t := Table{Title: "what the threads wait for"}
	for _, w := range r.x.Waits {
		if w.For != "" {
			continue // there is no word
		}
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
		if addr != 0 && len(list) < maxArrays {
			list = append(list, array{addr, uint64(replay.Entries(r.machine(), addr)), title, name})
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
	text := r.texts.add(r.x.WordText(r.machine(), w.addr, w.size))
	v, ok := r.machine().Read64(w.addr)
	if !ok {
		return held{0, text}
	}
	return held{r.value(v), text}
}
