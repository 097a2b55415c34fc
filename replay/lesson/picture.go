package lesson

import (
	"fmt"
	"slices"
	"strconv"

	"emurace/emu"
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
	Value   uint64
	Mapped  bool   // false: there is no memory at the address, and no value
	Text    string // what the value means: a string, "NULL", ...
	Focus   bool   // the word that the story is about
	Changed bool   // differs from the same word in the picture shown before
}

// draw makes each moment's pictures: the place where the block was found, and the
// block with the words that matter. What has changed in them since the one before
// is marked, also when that was between two moments of the story.
func (s *story) draw() error {
	if s.x.Load == nil {
		return nil
	}
	var last *Picture
	next := func(n timeline.Moment) (*Picture, error) {
		p, err := s.picture(n)
		if err == nil && last != nil {
			for k := range p.Rows {
				a, b := &last.Rows[k], &p.Rows[k]
				b.Changed = a.Value != b.Value || a.Mapped != b.Mapped
			}
		}
		last = p
		return p, err
	}
	for i := range s.moments {
		m := &s.moments[i]
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
	s.tellWhere()
	return nil
}

// tellWhere adds to the allocation where the block can be found from then on. That
// is seen in its picture, as it is known only from the end of the story.
func (s *story) tellWhere() {
	for i := range s.moments {
		m := &s.moments[i]
		if m.Kind == Allocated && s.pointer != 0 && m.Is.Rows[0].Text == theBlock {
			where := fmt.Sprintf("From then on its address is in %s, where everybody looks for it.", s.symbol(s.pointer))
			m.Text = slices.Insert(m.Text, 1, where)
		}
	}
}

// theBlock is what the picture says of a word that holds the block's address.
const theBlock = "the block"

// picture is the memory at a moment. It has the same rows at every moment.
func (s *story) picture(n timeline.Moment) (*Picture, error) {
	if err := s.line.Seek(n); err != nil {
		return nil, err
	}
	m := s.s.Process()
	focus := s.x.LoadAddr &^ 7
	b := s.block()
	if b == nil {
		p := &Picture{Title: fmt.Sprintf("memory around %s", hex(focus))}
		for at := focus - 16; at <= focus+16; at += 8 {
			p.Rows = append(p.Rows, s.row(m, at, ""))
		}
		return p, nil
	}
	p := &Picture{Title: fmt.Sprintf("the block at %s, %s bytes", hex(b.Addr), both(b.Size))}
	if s.pointer != 0 {
		row := s.row(m, s.pointer, s.symbol(s.pointer))
		if row.Mapped && row.Value == b.Addr {
			row.Text = theBlock
		}
		if s.copied.to != 0 && row.Value == s.copied.to {
			row.Text = "the new block"
		}
		p.Rows = append(p.Rows, row)
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
		label := ""
		switch {
		case at < b.Addr:
			label = "size"
		case at >= hi:
			label = "next size"
		default:
			label = "word " + strconv.FormatUint((at-b.Addr)/8, 10)
		}
		row := s.row(m, at, label)
		s.explain(&row, at < b.Addr || at >= hi)
		p.Rows = append(p.Rows, row)
	}
	return p, nil
}

// near tells whether a word is drawn: the ends of the chunk, where malloc writes,
// and what surrounds the word that the story is about.
func near(at, lo, hi, focus uint64) bool {
	const ends, around = 3 * 8, 2 * 8
	return at < lo+ends || at+2*8 >= hi || at+around >= focus && at <= focus+around
}

func (s *story) row(m *emu.Process, at uint64, label string) Row {
	r := Row{Addr: at, Label: label, Focus: at == s.x.LoadAddr&^7}
	r.Value, r.Mapped = m.Read64(at)
	return r
}

// explain says what a word of the block means.
func (s *story) explain(r *Row, size bool) {
	const most = 40
	m := s.s.Process()
	switch {
	case !r.Mapped:
	case size:
		r.Text = fmt.Sprintf("%s bytes", both(r.Value&^7))
		if r.Label == "next size" && r.Value&1 == 0 {
			r.Text = fmt.Sprintf("%#x bytes; the one before is free", r.Value&^7)
		}
	case r.Value == 0:
		r.Text = "NULL"
	case s.x.Meaning.ChunkSize != 0 && r.Value == s.x.Meaning.ChunkSize:
		r.Text = "the size of the free chunk"
	default:
		// Before it is taken for text: a library's variables may look like some.
		if name, off, ok := m.Symbol(r.Value); ok {
			r.Text = fmt.Sprintf("in %s+%#x", name, off)
			return
		}
		text, ok := m.CString(r.Value, most)
		if !ok && len(text) == most {
			text += "..."
			ok = true
		}
		switch _, _, mapped := m.MappingOf(r.Value); {
		case ok && printable(text):
			r.Text = strconv.Quote(text)
		case mapped:
			r.Text = "an address"
		default:
			r.Text = "no address of anything"
		}
	}
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
