package lesson

import (
	"errors"
	"fmt"

	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// Lesson is a failure told moment by moment.
type Lesson struct {
	Title   string
	Summary []string // sentences: what happened, in short
	Moments []Moment // in the order of the run; never empty
	Asides  []Aside  // beside the story
}

// Kind says what a moment is about.
type Kind string

// The kinds of moments.
const (
	Allocated Kind = "allocated" // the block is handed out
	Found     Kind = "found"     // the thread that dies learns where the block is
	Freeing   Kind = "freeing"   // the call begins that gives the block back
	Copied    Kind = "copied"    // what is in the block is copied elsewhere
	Freed     Kind = "freed"     // that call returns
	Written   Kind = "written"   // the fatal value is written
	Moved     Kind = "moved"     // the place where the block was found names another one
	Unmapped  Kind = "unmapped"  // the page of the address is taken away
	Loaded    Kind = "loaded"    // the fatal value is loaded
	Fault     Kind = "fault"     // the end
	Waits     Kind = "waits"     // a thread takes or waits for what another has
)

// Moment is one step of the story.
type Moment struct {
	Kind Kind
	// At is the moment before the instruction that it is about, and After the
	// one behind that instruction, or the same where the instruction never
	// completes.
	At, After timeline.Moment
	Thread    int // index of the racing thread; -1 for none
	Title     string
	Text      []string // sentences in paragraphs
	Was, Is   *Picture // memory at At and at After; nil where there is nothing to show
	Asides    []Aside
}

// Aside is something to know that is not part of the story.
type Aside struct {
	Title string
	Text  []string
}

// ErrNothing is returned for a run that did not fail.
var ErrNothing = errors.New("lesson: the run did not fail, so there is nothing to tell")

// New tells a run. The explanation must be of the run that the timeline was made
// of, and, for a story about a block of malloc's, be completed with its heap. The
// timeline is left at the end of the run.
func New(line *timeline.Timeline, x *replay.Explanation, notes []scenario.Note) (*Lesson, error) {
	if !x.Outcome.Failed() {
		return nil, ErrNothing
	}
	s := &story{line: line, x: x, s: line.Session()}
	s.names = s.s.Names()
	l := &Lesson{Title: s.title(), Summary: s.summary()}
	for _, find := range []func() error{s.findAllocation, s.findPointer, s.findFreeing, s.findCopy, s.findWrite, s.findMove, s.findUnmapped, s.findLoad, s.findWaits, s.findEnd} {
		if err := find(); err != nil {
			return nil, fmt.Errorf("lesson: %w", err)
		}
	}
	s.sort()
	if err := s.draw(); err != nil {
		return nil, fmt.Errorf("lesson: %w", err)
	}
	l.Moments = s.moments
	l.Asides = s.asides()
	for _, n := range notes {
		l.Asides = append(l.Asides, Aside(n))
	}
	return l, line.Seek(line.Len())
}
