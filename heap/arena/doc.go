// Package arena is glibc's malloc as the memory of a dead process alone shows it: no run
// and no history, only what a core file has. It knows glibc 2.17 to 2.43 on arm64 and amd64.
//
// [Read] finds the arenas, their heaps and free lists, each thread's cache, and says
// what it could not find. Then [Malloc.At] tells the chunk at an address and whether it
// is in use or free, and where; [Malloc.Meaning] what a word is that malloc may have
// written; [Malloc.Owners] which threads a block belongs to.
//
// Nothing is believed before it has been checked against something else, for the memory
// may be damaged: damage is often why there is a core file. What is said to be certain
// follows from malloc's own books, checked from two sides; the rest is likely only. Two
// kinds of damage cannot be told from what malloc does itself: a size that was overwritten
// with one that leads to where a chunk begins, or once began; and before 2.32 a link of a fast bin that
// was overwritten with 0, which cuts its list short.
//
// The books are those of the moment of death. A block that a thread was about to free or to be
// handed is what they say, not what the thread was about to make of it; [Arena.Locked] tells
// that there may be one, and the threads' stacks that there is.
//
// The sources are glibc's malloc/malloc.c, malloc/arena.c and nptl/descr.h; what changed
// from version to version stands at each table.
package arena
