package lesson

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/execution"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/symbolize"
)

// Lesson is a failure told in cards.
type Lesson struct {
	Title   string
	Summary []string        // sentences: what happened, in short
	Moments []Moment        // the cards, in the order in which they are told; never empty
	Asides  []scenario.Note // beside the story
	Length  uint64          // of the run, in instructions
	// Execution is who has seen what of the memory that threads share, nil where they have told each other nothing.
	Execution *execution.Graph
}

// Moment is a card of the story: a fact, and the memory before and after what it tells.
type Moment struct {
	replay.Fact
	Was, Is *Picture // at the fact's At and After; nil where there is nothing to show
	Code    []string // the lines of the scenario's script that it is about, as FILE:LINE and the text
}

// When says where in a run of a length the card is, by the numbers that instructions have
// everywhere: from 1, those of all threads in the order in which they ran.
func (m *Moment) When(length uint64) string {
	switch {
	case m.At == length && m.After == m.At:
		return "the end, behind instruction " + words.Grouped(length)
	case m.After == 0:
		return "before the race"
	case m.After <= m.At:
		return "before instruction " + words.Grouped(m.At+1)
	case m.After == m.At+1:
		return "instruction " + words.Grouped(m.After)
	}
	return fmt.Sprintf("instructions %s to %s", words.Grouped(m.At+1), words.Grouped(m.After))
}

// ErrNothing is returned for a run that did not fail.
var ErrNothing = errors.New("lesson: the run did not fail, so there is nothing to tell")

// New tells a run. The explanation must be of the run that the timeline was made
// of, and, for a story about a block of malloc's, be completed with its heap. The
// timeline is left at the end of the run.
func New(line *timeline.Timeline, x *replay.Explanation, notes []scenario.Note) (*Lesson, error) {
	if !x.Outcome.Failed() && len(x.Problems) == 0 {
		return nil, ErrNothing
	}
	l := &Lesson{Title: "Why " + strings.TrimPrefix(x.Headline(), "deadlock: "), Summary: x.Summary(), Length: line.Len()}
	for _, f := range x.Facts() {
		if f.Title != "" {
			l.Moments = append(l.Moments, Moment{Fact: f})
		}
	}
	l.Moments = joinStale(l.Moments)
	slices.SortStableFunc(l.Moments, func(a, b Moment) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Kind, b.Kind)) })
	d := drawer{line: line, x: x}
	err := d.draw(l.Moments)
	if err != nil {
		return nil, fmt.Errorf("lesson: %w", err)
	}
	if !line.Schedule().Odd() {
		l.Asides = asides(x)
	}
	l.Asides = append(l.Asides, notes...)
	if l.Execution, err = execution.Of(line, about(x)...); err != nil {
		return nil, fmt.Errorf("lesson: %w", err)
	}
	return l, line.Seek(line.Len())
}

// joinStale has a read of an older value told on the card that there is of the read, if there is one, and not more of
// them than a reader needs.
func joinStale(list []Moment) (out []Moment) {
	const most = 3
	told := 0
	for _, m := range list {
		if m.Kind != replay.FactStale {
			out = append(out, m)
		}
	}
	for _, m := range list {
		if m.Kind != replay.FactStale || told == most {
			continue
		}
		told++
		i := slices.IndexFunc(out, func(o Moment) bool { return o.After == m.After && o.Thread == m.Thread && o.After > o.At })
		if i < 0 {
			out = append(out, m)
			continue
		}
		out[i].Title, out[i].Long = m.Title, append(out[i].Long[:1:1], m.Long...)
	}
	return out
}

// about are the instructions that a story is about.
func about(x *replay.Explanation) (list []uint64) {
	for _, a := range []*symbolize.Act{x.Load, x.Writer} {
		if a != nil {
			list = append(list, a.Step)
		}
	}
	for _, l := range x.Looks {
		if l.Load != nil {
			list = append(list, l.Load.Step)
		}
	}
	return list
}

// asides are what is true of every such run.
func asides(x *replay.Explanation) []scenario.Note {
	if x.Load == nil || x.Writer == nil {
		return nil
	}
	return []scenario.Note{{
		Title: "It is no matter of the memory model",
		Text: []string{"In this run every write was seen by all threads at once, and one thread ran at a time. " +
			"That is the strictest order that a machine can have, and the failure is there all the same. " +
			"So it needs no reordering by a processor: only that " + x.Writer.Thread + " writes before " + x.Load.Thread + " reads."},
	}}
}
