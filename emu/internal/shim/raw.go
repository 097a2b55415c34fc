package shim

// #include "shim.h"
import "C"

import (
	"encoding/binary"
	"unsafe"
)

// runRaw runs a thread without any budget until it reaches the address, as a
// plain user of Unicorn would. It is what the hooks' cost is measured against.
func (e *Engine) runRaw(thread int, until uint64) error {
	if err := ucError("load", C.em_load(e.c, C.int(thread))); err != nil {
		return err
	}
	e.c.dirty = true
	pc, err := e.uc.RegRead(pcID(e.arch))
	if err != nil {
		return err
	}
	return e.uc.Start(pc, until)
}

// StepRaw makes runs start Unicorn anew for each instruction from now on, by its own
// count and with an address to end at, as is written first. It is there for tests: to be
// compared with, in what comes out and in how long it takes.
func (e *Engine) StepRaw() { C.em_raw_steps(e.c) }

// contextWords are the words of a thread's registers as they are kept while it does not
// run, for tests.
func (e *Engine) contextWords(thread int) []uint64 {
	if C.em_park(e.c) != 0 || thread < 0 || thread >= int(e.c.nslots) {
		return nil
	}
	ctx := unsafe.Slice(e.c.slots, int(e.c.nslots))[thread].ctx
	if ctx == nil {
		return nil
	}
	at := (*byte)(unsafe.Add(unsafe.Pointer(ctx.uc), C.EMURACE_UC_CONTEXT_DATA))
	n := (e.c.ctx_bytes - C.EMURACE_UC_CONTEXT_DATA) / 8
	words := make([]uint64, n)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(at), 8*i)), 8))
	}
	return words
}
