// Package explore searches the schedules of a scenario for one that fails, or
// shows that within a bound there is none.
//
// It sees a [scenario.Session] and nothing else: no libc, no heap, no knowledge
// of what a failure looks like beyond the session's outcome.
package explore
