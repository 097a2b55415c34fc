// Package lesson tells a failure as a story in cards: what matters of the run, in the
// order in which it happened or from the crash backwards, each with a few sentences for a
// reader who has not seen the failure before and a picture of the memory before and after.
//
// The cards are the facts of an explanation that have a place in the run, in their
// longer wording; what is found here is their order, and what is drawn is the memory.
// Nothing here knows a scenario, a function or a libc. What a run cannot show, such as
// how the failure is avoided, a scenario may tell with its notes.
package lesson
