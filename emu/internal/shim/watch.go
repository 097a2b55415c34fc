package shim

// #include "shim.h"
import "C"

// SetWatch makes Run stop behind every instruction that reads, or writes, any of
// size bytes at addr, and [Engine.Watched] tell it. There is one watch at a time;
// size 0 ends it. It needs the log. Like breakpoints it changes nothing of what a
// run does, and stays when the engine rewinds.
func (e *Engine) SetWatch(addr, size uint64, reads, writes bool) {
	e.c.watch = C.em_watch{addr: C.uint64_t(addr), size: C.uint64_t(size), reads: C.bool(reads), writes: C.bool(writes)}
	if e.c.generates { // which accesses go through the hooks is decided at a miss
		C.em_flush_tlb(e.c)
	}
}

// Watched tells whether the instruction that ran last, or a store or read for its
// system call, touched what is watched.
func (e *Engine) Watched() bool { return bool(e.c.watched) }
