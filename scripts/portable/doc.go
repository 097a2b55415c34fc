// Package portable says in words where a thread is to stop: at a function, behind the
// write of a variable, when a call has returned. A schedule made of such runs means
// the same on another build of the libraries, where instructions are others and not
// as many.
//
// A [Player] plays a list of runs on a session, and [Describe] finds a list for a
// schedule that counts instructions. [Exact] finds one that comes to the very same run, on the
// same build.
//
// # Names
//
// A name is looked for in one library after the other: the one that a program would
// get it from when it is exported, then libc, then the others by address, and before all of
// them in the program where the process runs one; the first
// that has it counts. In a library, a function has all the entries of its name and
// those of its copies, whose names differ by what GCC appends: _int_free stands for
// _int_free.constprop.0 too. What GCC has split off (.part) is a function's only when
// there is nothing else of it, and its rare paths (.cold) never are. A name that
// nothing has, not even so, stands for those that are equal to it without __GI_,
// __libc_ and __ in front. Names that no library exports come from the debug files
// of the sysroot. "libfoo.so.1!name" looks in that library alone. Functions that a
// scenario calls at an address have the name that it calls them by.
package portable
