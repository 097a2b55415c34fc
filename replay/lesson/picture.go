package lesson

import (
	"fmt"

	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/timeline"
)

// Picture is a part of memory, word by word.
type Picture struct {
	Title string
	Rows  []Row
}

// Row is a word of memory, or a gap where words are left out.
type Row struct {
	Gap     int    // words left out; everything else is then empty
	Addr    uint64 // of the word
	Label   string // what the word is a part of: "word 3", "size", or a variable's name
	Size    bool   // malloc keeps a chunk's size there, with flags
	Value   uint64
	Mapped  bool   // false: there is no memory at the address, and no value
	Text    string // what the value means: a string, "NULL", ...
	Focus   bool   // the word that the story is about
	Changed bool   // differs from the same word in the picture shown before
}

// drawer makes pictures of a run.
type drawer struct {
	line *timeline.Timeline
	x    *replay.Explanation
}

// draw makes each moment's pictures: the place where the block was found, and the
// block with the words that matter. What has changed in them since the one before
// is marked, also when that was between two moments of the story.
func (d drawer) draw(moments []Moment) error {
	if _, ok := d.x.Focus(); !ok && len(d.waited()) == 0 {
		return nil
	}
	var last *Picture
	next := func(n timeline.Moment) (*Picture, error) {
		if err := d.line.Seek(n); err != nil {
			return nil, err
		}
		p := d.picture()
		if last != nil {
			for k := range p.Rows {
				a, b := &last.Rows[k], &p.Rows[k]
				b.Changed = a.Value != b.Value || a.Mapped != b.Mapped
			}
		}
		last = p
		return p, nil
	}
	for i := range moments {
		m := &moments[i]
		var err error
		if m.Was, err = next(m.At); err != nil {
			return err
		}
		m.Is = m.Was
		if m.After == m.At {
			continue
		}
		if m.Is, err = next(m.After); err != nil {
			return err
		}
	}
	return nil
}

// picture is the memory at the present moment. It has the same rows at every moment.
func (d drawer) picture() *Picture {
	at, ok := d.x.Focus()
	if !ok {
		return d.waits()
	}
	focus := at &^ 7
	b := d.x.Allocation
	if b == nil {
		p := &Picture{Title: fmt.Sprintf("memory around %#x", focus)}
		for at := focus - 16; at <= focus+16; at += 8 {
			p.Rows = append(p.Rows, d.row(Row{Addr: at, Label: replay.Symbol(d.line.Session().Process(), at)}))
		}
		return p
	}
	size := words.Both(b.Size) + " bytes"
	if b.Size == 0 { // it is older than what is traced
		size = "in a chunk of " + words.Both(b.ChunkSize) + " bytes"
	}
	p := &Picture{Title: fmt.Sprintf("the block at %#x, %s", b.Addr, size)}
	if f, ok := d.x.Fact(replay.FactFound); ok {
		p.Rows = append(p.Rows, d.row(Row{Addr: f.Addr, Label: f.Place}))
	}
	lo, hi := b.Extent()
	end := hi
	if b.ChunkSize != 0 {
		end += 8 // the next chunk's size, whose lowest bit says that this one is in use
	}
	gap := 0
	for at := lo; at < end; at += 8 {
		if !near(at, lo, hi, focus) {
			gap++
			continue
		}
		if gap > 0 {
			p.Rows = append(p.Rows, Row{Gap: gap})
			gap = 0
		}
		label, size := replay.WordLabel(&b.Block, at)
		p.Rows = append(p.Rows, d.row(Row{Addr: at, Label: label, Size: size}))
	}
	return p
}

// near tells whether a word is drawn: the ends of the chunk, where malloc writes,
// and what surrounds the word that the story is about.
func near(at, lo, hi, focus uint64) bool {
	const ends, around = 3 * 8, 2 * 8
	return at < lo+ends || at+2*8 >= hi || at+around >= focus && at <= focus+around
}

// row reads what a row shows.
func (d drawer) row(r Row) Row {
	m := d.line.Session().Process()
	if at, ok := d.x.Focus(); ok {
		r.Focus = r.Addr == at&^7
	}
	if r.Value, r.Mapped = m.Read64(r.Addr); r.Mapped {
		r.Text = d.x.WordText(m, r.Addr, r.Size)
	}
	return r
}
