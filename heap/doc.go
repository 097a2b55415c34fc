// Package heap knows which functions allocate memory, and of which blocks a heap
// is made after calls of theirs.
//
// A block is handed out at the moment when the call that gives it returns. It is
// given up when a call that frees begins; a call that resizes gives it up when it
// returns, since whether it does is not known before. All else of a call is the
// allocator's own. A [Change] says which bytes that concerns: whatever another
// thread does with them comes before or after it.
package heap
