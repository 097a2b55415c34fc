// Package heap knows which functions allocate memory, and of which blocks a heap
// is made after calls of theirs.
//
// A block is handed out at the moment when the call that gives it returns. It is
// given up when a call that frees begins; a call that resizes gives it up when it
// returns, since whether it does is not known before. All else of a call is the
// allocator's own. A [Change] says which bytes that concerns: whatever another
// thread does with them comes before or after it.
//
// A [Heap] is the blocks of one moment; it is applied call by call, and costs little, for
// those who follow a run. A [History] is all blocks of a run that is over, with who called
// and from where, for those who explain one: whose a byte was at any moment, which chunks
// lie around it, and what malloc means by a word.
package heap
