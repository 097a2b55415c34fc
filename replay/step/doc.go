// Package step is a debugger for recorded runs in a terminal: the threads side by
// side, registers, memory and the schedule at any moment of a run, which is gone
// through forwards and backwards, and left to try another schedule. It also shows a
// lesson as cards, or as plain text.
//
// A [Model] is all of it without a terminal: keys and sizes go into Update, and the
// screen comes out of View. After each key that moves the run, everything that is
// shown of the new moment is read from the machine into a snapshot; drawing looks at
// that alone. What is read from the guest may be anything, so all text is cleaned
// before it is shown and every line is cut to the width of its place.
package step
