package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"emurace/heap/arena"
)

// maxEnviron bounds the entries that are read.
const maxEnviron = 1 << 16

// Environ is the process's environment as environ leads to it.
type Environ struct {
	Variable uint64 // address of environ
	Block    uint64 // of the array
	Entries  []Entry
	// Ended tells that the array ends with NULL, as it should.
	Ended bool
}

// Entry is a variable of the environment.
type Entry struct {
	Addr  uint64 // of its text
	Text  string // NAME=value; "" when it is not in the core
	Known bool
}

// Name is the variable's name.
func (e Entry) Name() string {
	name, _, _ := strings.Cut(e.Text, "=")
	return name
}

// readEnviron reads the environment, nil when it is not known where it is.
func (d *Diagnosis) readEnviron() *Environ {
	p := d.Process
	at, ok := p.Copied("environ")
	if !ok {
		at, ok = p.Copied("__environ")
	}
	if !ok {
		d.gap("Where environ is is not known: there is no file of the C library at hand.")
		return nil
	}
	block, ok := p.Core.Read64(at)
	if !ok {
		d.gap("environ is not in the core.")
		return nil
	}
	e := &Environ{Variable: at, Block: block}
	most := uint64(maxEnviron)
	if c, ok := d.chunk(block); ok && c.Block().Has(block) {
		most = min(most, (c.Block().Hi-block)/8) // what is behind the block is no entry of it
	}
	for i := range most {
		v, ok := p.Core.Read64(block + 8*i)
		if !ok || v == 0 || !p.Mapped(v) {
			e.Ended = ok && v == 0
			break
		}
		text, known := p.Text(v)
		e.Entries = append(e.Entries, Entry{Addr: v, Text: text, Known: known})
	}
	return e
}

// oldEnviron is an array that environ led to once.
type oldEnviron struct {
	block   uint64
	entries int // that it had
	agree   int // of them, that environ has too, at the same place
	differ  []int
	free    bool
	chunk   arena.Chunk
	holder  string // the register of the dead thread that points into it
	at      uint64 // that register's value
}

// Least agreement that makes an array an old environ.
const (
	leastAgree = 8
	mostDiffer = 4 // malloc's own words of a free chunk
)

// compare looks whether an array in a block is an old environ: its entries are those of the new
// one, at the same places, but for words that malloc has written since.
func (d *Diagnosis) compare(block, end uint64) *oldEnviron {
	e := d.Environ
	if e == nil || block == e.Block {
		return nil
	}
	o := &oldEnviron{block: block}
	for i, entry := range e.Entries {
		at := block + 8*uint64(i)
		if at+8 > end {
			break
		}
		v, ok := d.Process.Core.Read64(at)
		if !ok {
			break
		}
		if v == entry.Addr {
			o.agree++
			o.entries = i + 1
		} else {
			o.differ = append(o.differ, i)
		}
	}
	o.differ = slices.DeleteFunc(o.differ, func(i int) bool { return i >= o.entries })
	if o.agree < leastAgree || len(o.differ) > mostDiffer {
		return nil
	}
	return o
}

// environ tells of the environment, when the dead thread walks an array that is not it any more.
func (d *Diagnosis) environ() {
	d.old = d.walked()
	if d.old == nil {
		return
	}
	e, o := d.Environ, d.old
	evidence := []string{
		fmt.Sprintf("environ leads to %#x, and has %d entries", e.Block, len(e.Entries)),
		fmt.Sprintf("%s = %#x lies in the block at %#x, of whose first %d words %d are the same as there", o.holder, o.at, o.block, o.entries, o.agree),
	}
	if len(o.differ) > 0 {
		evidence = append(evidence, fmt.Sprintf("words %s are others: malloc writes into a block that is free", list(o.differ)))
	}
	d.certain(EnvironMoved, d.Dead.TID, evidence, "environ was moved: %s walks the array that it led to before, with %d entries; now it is at %#x.", d.Title(d.Dead), o.entries, e.Block)
	d.added()
}

// walked is the old environ that a register of the dead thread points into, nil for none.
func (d *Diagnosis) walked() *oldEnviron {
	for _, name := range d.registers() {
		at := d.Dead.Registers[name]
		c, ok := d.chunk(at)
		if !ok {
			continue
		}
		b := c.Block()
		if o := d.compare(b.Lo, b.Hi); o != nil {
			o.chunk, o.free, o.holder, o.at = c, c.State.Free(), name, at
			return o
		}
	}
	return nil
}

// list writes numbers one after the other.
func list(numbers []int) string {
	var s []string
	for _, n := range numbers {
		s = append(s, fmt.Sprint(n))
	}
	return strings.Join(s, ", ")
}

// added tells which entries the old array did not have, and whose their text is.
func (d *Diagnosis) added() {
	e, o := d.Environ, d.old
	if o.entries >= len(e.Entries) {
		return
	}
	fresh := e.Entries[o.entries:]
	var numbers []int
	var evidence, names []string
	for i, entry := range fresh {
		numbers = append(numbers, o.entries+i)
		text := "its text is not in the core"
		if entry.Known {
			text = d.variable(entry)
		}
		evidence = append(evidence, fmt.Sprintf("environ[%d] = %#x: %s", o.entries+i, entry.Addr, text))
		names = append(names, entry.Name())
	}
	noun, verb := "entries", "are"
	if len(fresh) == 1 {
		noun, verb = "entry", "is"
	}
	d.certain(EnvironAdded, 0, evidence, "%s %s %s new: %s.", capital(noun), list(numbers), verb, strings.Join(names, ", "))
	d.setters(fresh)
}

// variable is an entry as it is told.
func (d *Diagnosis) variable(e Entry) string {
	name, value, found := strings.Cut(e.Text, "=")
	if !found || !d.private {
		return quote(d.Shown(e.Text))
	}
	return quote(name + "=" + d.Shown(value))
}

// setters tells which thread has set variables: setenv keeps their text in blocks of its thread's
// arena.
func (d *Diagnosis) setters(fresh []Entry) {
	var who []uint32
	known, sure, where := true, true, ""
	for _, entry := range fresh {
		threads, name, certain := d.owner(entry.Addr)
		if len(threads) == 0 {
			known = false
			continue
		}
		sure = sure && certain
		where = name
		if who == nil {
			who = threads
		}
		who = slices.DeleteFunc(slices.Clone(who), func(tid uint32) bool { return !slices.Contains(threads, tid) })
	}
	if len(who) == 0 {
		if !known {
			d.gap("Which thread has set the new variables is not known: their text is in no arena whose threads are known.")
		}
		return
	}
	evidence := []string{"setenv and putenv take the memory for a variable's text from the arena of the thread that calls them"}
	text := fmt.Sprintf("The text of the new entries lies in %s, which is that of %s", where, d.names(who))
	if sure && known {
		text += " and of no other thread"
	}
	d.state(sure && known, Whose, who[0], evidence, "%s.", text)
	if len(who) != 1 {
		return
	}
	var calls []string
	for _, entry := range fresh {
		if !entry.Known {
			continue
		}
		name, value, _ := strings.Cut(entry.Text, "=")
		calls = append(calls, fmt.Sprintf("setenv(%s, %s)", quote(name), quote(d.Shown(value))))
		d.Calls = append(d.Calls, Call{Thread: who[0], Function: "setenv", Finished: true, Why: "of the new entry of environ", Args: []Arg{
			{IsText: true, Text: name, Known: true}, {IsText: true, Text: value, Known: true}, {Value: 1, Known: true}}})
	}
	var because []string
	if o := d.old; o.free {
		because = append(because, fmt.Sprintf("the array that %s walks is free: %s", d.Title(d.Dead), blockText(o.chunk)))
	}
	d.likely(Cause, who[0], because, "%s called %s while %s went through environ: the array was too small for it, so that setenv moved it and freed the old one.",
		capital(d.names(who)), strings.Join(calls, " and "), d.Title(d.Dead))
}
