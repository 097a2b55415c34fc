package shim

// #include "shim.h"
import "C"

import "errors"

// ClockThread is who advances the clock: no thread, but it has a Lamport clock as
// those have.
const ClockThread = C.EM_CLOCK_SLOT

// ClockObject is the class of the clock itself among the objects of [Engine.Uses].
// Reading a counter of the processor uses it too.
const ClockObject = C.EM_CLOCK_OBJECT

// StartClocks begins the threads' Lamport clocks, at the number of instructions that
// have run so far: that is the clock of all of them before. From here on one counts its
// thread's instructions, and is no less than that of whatever has to come before it.
func (e *Engine) StartClocks() { C.em_clock_start(e.c) }

// Clock is a thread's Lamport clock.
func (e *Engine) Clock(thread int) (uint64, error) {
	var now C.uint64_t
	if !C.em_clock_now(e.c, C.int(thread), &now) {
		return 0, errors.New("engine: no memory for the clock")
	}
	return uint64(now), nil
}

// LatestClock is the Lamport clock of the thread whose clock is furthest.
func (e *Engine) LatestClock() (uint64, error) {
	var latest C.uint64_t
	if !C.em_clock_latest(e.c, &latest) {
		return 0, errors.New("engine: no memory for the clock")
	}
	return uint64(latest), nil
}

// SetAdvanced says how much counters of the processor show beside the thread's
// clock, in nanoseconds. A rewind takes it back.
func (e *Engine) SetAdvanced(ns uint64) { e.c.clock.advanced = C.uint64_t(ns) }

// ReadCounter tells whether the last instruction of the last Run was one that reads
// a counter of the processor. With [Engine.SetSharing] it is an event.
func (e *Engine) ReadCounter() bool { return bool(e.c.clock_read) }

// Uses notes that a thread has looked at an object, or changed it. Who has changed it
// comes before whoever looks at it later, and so on.
func (e *Engine) Uses(thread int, class uint8, id uint64, write bool) {
	C.em_clock_use(e.c, C.int(thread), C.uint8_t(class), C.uint64_t(id), C.bool(write))
}

// Wakes notes that a thread has made another one go on.
func (e *Engine) Wakes(thread, other int) { C.em_clock_wake(e.c, C.int(thread), C.int(other)) }

// WaitsForAll notes that whatever has happened so far comes before what a thread does
// next.
func (e *Engine) WaitsForAll(thread int) { C.em_clock_all(e.c, C.int(thread)) }
