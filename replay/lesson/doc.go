// Package lesson tells a failure as a story: the moments of the run that matter, in
// the order in which they happened, each with a few sentences for a reader who has
// not seen the failure before and a picture of the memory before and after.
//
// The moments are found in the run, by what [replay.Explain] has found out: the
// block that the fatal word belonged to and the calls that gave and took it, the
// read by which the thread that dies had come to know the block, the instruction
// that wrote the fatal value, the one that loaded it. Nothing here knows a scenario,
// a function or a libc. What a run cannot show, such as how the failure is avoided,
// a scenario may tell with its notes.
package lesson
