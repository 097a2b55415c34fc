// Package oracle finds what is wrong with a run that ended well: data races, and
// uses of memory that malloc has taken back or never gave. A [Pool] repeats
// a finished run on a machine of its own and looks at its access log, so the
// search that made the schedule is not disturbed, and nothing here has to be
// rewound.
//
// # Data races
//
// Two accesses of different threads to the same byte race when at least one
// writes, at least one is not atomic, and neither happens before the other. The
// order is kept as vector clocks, with the last access of each thread to each
// byte (Flanagan and Freund, FastTrack, PLDI 2009). It comes from:
//
//   - instructions that acquire or release: on arm64 those of Armv8.0 and of the
//     Large System Extensions, by their A and L bits; on amd64 those with a lock
//     prefix and xchg, which do both;
//   - on arm64, barriers (DMB and DSB) as C11 has fences: one that orders loads
//     before it acquires what the thread has loaded from atomic variables until
//     then, and atomic stores behind one hand on what came before that, reads,
//     writes or both, as the barrier orders them;
//   - a futex wake, which orders the waker before the woken;
//   - the start of the race: all that Setup did comes before.
//
// Machine code does not say which plain load or store a compiler made from an
// atomic one. The rule is: memory that an atomic instruction touches in the run
// is an atomic variable, and plain loads and stores of it are atomic too. On
// amd64, whose memory is ordered totally (TSO), they then acquire and release;
// on arm64 they order nothing. An amd64 instruction that reads and writes memory
// without a lock prefix is never atomic. An atomic variable that no atomic
// instruction touches in the run, as on amd64 a flag that is only ever stored
// with release, is taken for a plain one. On arm64 the barriers tell more of them: a
// compiler makes of a fence and the atomic access that it goes with a barrier and a
// plain access beside it; see the comment at neighbour.
//
// The owner of a lock that a thread may take again is read without the lock, to see
// whether the reader itself holds it. What lies within 32 bytes behind an atomic
// variable, and every thread only sets to its own descriptor or number or to zero, is
// therefore no matter for a race. Neither are the plain accesses of the dynamic
// linker, which binds functions at their first call without a lock.
//
// A call of malloc, free or one of their kind is one step to the race detector: what it
// does inside is its own, freeing counts as a write of the whole block, and a
// block that is handed out begins anew.
//
// # Use after free, out of bounds
//
// Blocks are known from the calls of the allocating functions since the process
// had booted. Code that is not the allocator's must keep to blocks that are in use;
// what it touches in the heap elsewhere is reported. The allocator's is what its
// functions call, and all that was compiled together with them, so also what gives back
// the blocks of a thread that ends.
//
// What a call is to free or to resize must be the address of a block in use. A block that
// has been freed before is a finding of its own, and so is what is no block: a pointer
// into one, or to where none was. Where there may be blocks from before the boot was
// over, nothing is said of the latter.
//
// The string functions of a libc read more than the string when that cannot fault.
// What they read near to a block that they were reading is therefore put to the test:
// the run is repeated, and with other bytes there the function must return the same. Of
// other functions of a libc an aligned unit of up to 32 bytes is let pass when it begins
// in a block in use.
package oracle
