// Package timeline lets a run be stood in at any moment, and gone through
// forwards and backwards.
//
// A moment is the number of instructions that the race has completed: 0 is its
// start, and [Timeline.Len] its end, where the process has ended, or waits for
// ever, or has made all its calls. Between moment n and n+1 one instruction of one
// thread runs, instruction n.
//
// When a timeline is made, the run is stepped through once, and the place of every
// instruction and what it accessed are noted. So looking for the next or the last
// time that something happened asks that record and runs nothing. Seeking to a
// moment takes the session there: forwards by running on, backwards by rewinding to
// a checkpoint before it and running on from there. Checkpoints are set while
// running forwards, so that no seek backwards runs more than a few thousand
// instructions again.
//
// A timeline can be left: [Timeline.StepThread] lets another thread run than the
// one that did. What was recorded from there on is then forgotten, and the run is
// one's own.
package timeline
