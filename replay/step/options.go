package step

import (
	"emurace/heap"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// Options are what a debugger is made of.
type Options struct {
	Title string // the run in a few words: scenario, architecture, libc
	Line  *timeline.Timeline
	Story Story // of the recorded run
	Bench Bench
	Notes []scenario.Note // of the scenario, for lessons about runs of one's own
	// SaveAs is the name that is proposed for the trace of a run of one's own.
	SaveAs string
	// Source is the text of a line of source, "" where that is not known; nil if none is. It
	// may be anybody's.
	Source func(file string, line int) string
	// Lesson begins with the lesson's first card instead of the end of the run.
	Lesson bool
}

// Story is what is known of a whole run.
type Story struct {
	Explanation *replay.Explanation // nil when the run is not over
	Lesson      *lesson.Lesson      // nil when there is nothing to tell
	Heap        *heap.History       // nil when it is not known
}

// Bench does what takes another machine than the one that the timeline moves.
type Bench interface {
	// Heap traces the calls of malloc in a run, as far as the schedule goes.
	Heap(scenario.Schedule) (*heap.History, error)
	// Explain finds out why a run that is over ended as it did.
	Explain(scenario.Schedule) (*replay.Explanation, error)
	// Save writes a trace of a run that is over. It refuses a name that is taken.
	Save(schedule scenario.Schedule, name string) error
}
