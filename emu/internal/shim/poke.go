package shim

// #include "shim.h"
import "C"

import (
	"errors"
	"slices"
	"unsafe"
)

// Poke changes up to a page of memory, whatever the pages allow, without that being an access: it
// orders nothing and is no event. It is undone by a rewind. The log has it as an access of its own
// kind, by no thread.
func (e *Engine) Poke(addr uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return e.memError("poke", addr, uint64(len(b)), C.em_poke(e.c, C.uint64_t(addr), (*C.uint8_t)(&b[0]), C.uint64_t(len(b))))
}

// KeepMonitor has the thread's next store exclusive succeed if memory holds what its load exclusive has
// read, whatever others have written in between.
func (e *Engine) KeepMonitor(thread int) error {
	return ucError("monitor", C.em_monitor_keep(e.c, C.int(thread)))
}

// SetEvery makes SetSharing take conflicting accesses of two threads for what makes a byte shared, also where
// they are ordered. It is to be set before anything is shared.
func (e *Engine) SetEvery(on bool) { e.c.share.every = C.bool(on) }

// SetTrace keeps where instructions stand, from now on; they run one by one then.
func (e *Engine) SetTrace(on bool) { C.em_trace_set(e.c, C.bool(on)) }

// Trace is where the instructions stand that have run behind a step, up to the present one. SetTrace must have
// been on.
func (e *Engine) Trace(step uint64) ([]uint64, error) {
	t := &e.c.trace
	if bool(t.failed) || step < uint64(t.since) || step > e.Steps() {
		return nil, errors.New("engine: the run is too long to be traced")
	}
	if e.Steps() == step {
		return nil, nil
	}
	all := unsafe.Slice((*uint64)(unsafe.Pointer(t.pcs)), int(t.cap))
	return slices.Clone(all[step+1-uint64(t.since) : e.Steps()+1-uint64(t.since)]), nil
}
