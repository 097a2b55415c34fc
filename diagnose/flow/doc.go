// Package flow tells where a value in a frame of a dead process comes from, by the code of the
// frame's function alone: no run, no history, only registers, memory and code.
//
// A function is decoded into basic blocks, and for each of them is found what every register and
// each word of the function's own frame is on all paths from its entry: a symbol plus a constant.
// A symbol stands for what a register was at the entry, for what one instruction made, or for
// what several paths brought to where they meet. Words that are equal plus a constant on each path
// share their symbol, so that after
//
//	ldr x19, [x20]          on the first way into a loop
//	ldr x19, [x20, #8]!     on each further way
//
// x19 is known to be what the word at x20 was. What is known of symbols is then looked up in the
// registers and the memory that the frame has now.
//
// Certain means that all paths agree and nothing on them can have changed it. It takes the ABI's
// word for what calls preserve, and that no code writes to a frame of which it was never given
// an address. Where the edges of a function are not known, as with a table of jumps, nothing is said of it.
package flow
