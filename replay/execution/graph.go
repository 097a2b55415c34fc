package execution

import (
	"emurace/replay/timeline"
)

// Before is the number, in place of an event's, of what was there before the race.
const Before = -1

// Kind is what an arrow says of two events.
type Kind string

// The kinds. The first three go from one thread to another.
const (
	ReadsFrom Kind = "rf" // the second one has seen what the first one has written
	Coherence Kind = "co" // the second one has overwritten what the first one has written
	FromRead  Kind = "fr" // the first one has seen what the second one has overwritten
	Program   Kind = "po" // the first one comes before the second one in the thread's program
)

// Arrow is a relation of two events, which are indices into a graph's Events.
type Arrow struct {
	Kind     Kind
	From, To int // From is Before for a read of what was there before the race
	// Kept says, of a Program arrow, what keeps that order on a processor, "" where nothing is known to.
	Kept string
}

// Part is one access of an event, to bytes that threads share.
type Part struct {
	Write       bool
	Addr, Value uint64
	Size        int    // in bytes, 1 to 8
	Place       string // what is there, "" where it has no name
	Old         bool   // of a read: a byte of it was there before the race
}

// Event is an instruction with its accesses to bytes that threads share.
type Event struct {
	At     timeline.Moment // before it; the instruction's number, counted from 1, is one more
	Thread int             // index of the racing thread
	PC     uint64
	Parts  []Part // in order
	// Stale tells that it has read a byte that memory did not hold any more.
	Stale bool
	// Under tells that a byte that it has written had been overwritten already, by an instruction that ran before.
	Under bool
	// Where is its place, as function+0xoffset, Text the instruction.
	Where, Text string
}

// Graph is the part of an execution that is shown.
type Graph struct {
	Threads []string // the names of the racing threads
	Events  []Event  // in the order of the run
	Arrows  []Arrow
	Left    int // how many events are left out
	// Says tells of each event that is Stale or Under why no order of the instructions has that.
	Says []string
}

// Number is the instruction's number in the run, counted from 1.
func (e *Event) Number() uint64 { return e.At + 1 }

// mark is a word for what is odd about an event, "" for nothing.
func (e *Event) mark() string {
	switch {
	case e.Stale:
		return "older"
	case e.Under:
		return "overwritten"
	}
	return ""
}

// Odd tells whether a read of the graph has seen an older value than memory held, or a write came too late.
func (g *Graph) Odd() bool {
	for i := range g.Events {
		if g.Events[i].mark() != "" {
			return true
		}
	}
	return false
}

// Bounds.
const (
	mostInstructions = 1 << 20 // of a run whose execution is told
	mostEvents       = 1 << 18
	mostWhole        = 12 // events of which all are shown
	mostShown        = 20
	mostOdd          = 4 // events that are told of, others are events like any
)

// Of is the execution of a run, nil where its threads have told each other nothing. Focus are instructions that matter
// to whoever asks, by their numbers; they are shown where no read has seen an older value. The timeline is left at
// its end.
func Of(line *timeline.Timeline, focus ...uint64) (*Graph, error) {
	if err := line.Seek(line.Len()); err != nil {
		return nil, err
	}
	r := collect(line)
	if r == nil {
		return nil, nil
	}
	r.relate()
	return r.choose(focus)
}
