package lesson

import (
	"fmt"
	"slices"

	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// Backwards tells a run from its end back, as New does from its beginning on: as somebody finds
// it out who has a core file and then asks further. Of a death by a value that was loaded from
// memory the cards are those of [replay.Explanation.Backwards]; of any other failure they are
// those of New, the last one first. The timeline is left at the end of the run.
func Backwards(line *timeline.Timeline, x *replay.Explanation, notes []scenario.Note) (*Lesson, error) {
	l, err := New(line, x, notes)
	if err != nil {
		return nil, err
	}
	l.Title += ", from the crash backwards"
	facts := x.Backwards()
	if facts == nil {
		slices.Reverse(l.Moments)
		return l, nil
	}
	l.Title, l.Summary = "From the crash backwards: why "+x.Headline(), nil
	l.Moments = nil
	d := drawer{line: line, x: x}
	for _, f := range facts {
		m := Moment{Fact: f}
		if err := d.drawBackwards(&m); err != nil {
			return nil, fmt.Errorf("lesson: %w", err)
		}
		l.Moments = append(l.Moments, m)
	}
	return l, line.Seek(line.Len())
}

// drawBackwards makes the pictures of a card of a lesson that is told backwards. Each is by itself:
// what it shows has not changed since the card before, but is of another place.
func (d drawer) drawBackwards(m *Moment) error {
	if err := d.line.Seek(m.At); err != nil {
		return err
	}
	switch m.Kind {
	case replay.FactPlace:
		m.Was = d.found(m)
	case replay.FactElsewhere:
		m.Was = d.loaded()
	case replay.FactWho:
		m.Was = d.picture()
	case replay.FactAlike:
		m.Was = d.beside()
	default: // what is no memory
	}
	m.Is = m.Was
	if m.Was == nil || m.After == m.At {
		return nil
	}
	if err := d.line.Seek(m.After); err != nil {
		return err
	}
	m.Is = d.picture()
	return nil
}

// lastWords is how many words of the end of a block are drawn.
const lastWords = 6

// tail are the last words of an array of so many words, behind a gap for the others.
func (d drawer) tail(addr uint64, count int, change func(*Row)) (rows []Row) {
	first := max(0, count-lastWords)
	if first > 0 {
		rows = append(rows, Row{Gap: first})
	}
	for i := first; i < count; i++ {
		r := d.row(Row{Addr: addr + 8*uint64(i), Label: fmt.Sprintf("word %d", i)})
		change(&r)
		rows = append(rows, r)
	}
	return rows
}

// loaded is the end of the block that the fatal value was loaded from. What that value is, is the
// question of the cards to come.
func (d drawer) loaded() *Picture {
	b := d.x.Allocation
	lo, hi := b.Extent()
	if lo == b.Addr || b.Size == 0 {
		return d.picture()
	}
	p := &Picture{Title: fmt.Sprintf("the block at %#x", b.Addr)}
	p.Rows = d.tail(b.Addr, int(b.Size+7)/8, func(r *Row) {
		if r.Focus {
			r.Text = "loaded from here"
		}
	})
	p.Rows = append(p.Rows, d.row(Row{Addr: hi, Label: "next size", Size: true}))
	return p
}

// found is the place where the block was found, and the end of what it leads to now.
func (d drawer) found(m *Moment) *Picture {
	p := &Picture{Title: m.Place + " and what it leads to", Rows: []Row{d.row(Row{Addr: m.Addr, Label: m.Place})}}
	now, ok := d.x.Replaced()
	if !ok {
		return p
	}
	p.Rows = append(p.Rows, d.tail(now.Addr, int(now.Size+7)/8, func(*Row) {})...)
	return p
}

// beside is the end of the old block, with what the new one has in the same words.
func (d drawer) beside() *Picture {
	now, ok := d.x.Replaced()
	if !ok {
		return nil
	}
	old := d.x.Allocation
	p := &Picture{Title: fmt.Sprintf("the old block at %#x, beside the one at %#x", old.Addr, now.Addr)}
	p.Rows = d.tail(old.Addr, int(old.Size)/8, func(r *Row) {
		at := r.Addr - old.Addr
		other, mapped := d.line.Session().Process().Read64(now.Addr + at)
		switch {
		case !mapped || at+8 > now.Size:
			r.Text = "the new one is shorter"
		case other == r.Value:
			r.Text = "the same in the new one"
		default:
			r.Text = words.Hex(other) + " in the new one"
		}
	})
	return p
}
