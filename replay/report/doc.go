// Package report makes one HTML page of a run: what failed and why, the lesson, and
// the whole run to be gone through, instruction by instruction, in a browser. The
// page needs nothing but itself. Its content security policy forbids it the network,
// and whatever comes from the guest or from a trace is escaped.
//
// A page has two halves. What a reader without JavaScript gets is written by a
// template: the cause, the lesson with its pictures, the last instructions. What the
// page's script shows at a moment is read from a [Run], which [Record] takes of a
// timeline: the places of the instructions, and what each changed in the registers
// and in the words of memory that matter, as differences in the order of the run. Of
// a long run the Run has windows around the moments of the lesson and before the end.
//
// The page depends on the trace alone: there is no time, no path and no order of a
// map in it.
package report
