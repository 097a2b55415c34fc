package shim

// #include "shim.h"
import "C"

// SetBreak makes Run stop with [StopBreak] before any thread runs the
// instruction at addr. To get on from there, the next Run needs StepOn before
// it. Breakpoints change nothing of what a run does, and stay when the engine
// rewinds.
func (e *Engine) SetBreak(addr uint64) error {
	return ucError("breakpoint", C.em_break_add(e.c, C.uint64_t(addr)))
}

// SetBack makes Run stop at one more address, with StopBreak, until ClearBack.
func (e *Engine) SetBack(addr uint64) { e.c.back = C.uint64_t(addr) }

// ClearBack ends SetBack.
func (e *Engine) ClearBack() { e.c.back = C.EM_NOWHERE }

// ClearBreaks removes all breakpoints.
func (e *Engine) ClearBreaks() { C.em_break_drop(e.c) }

// StepOn makes the next Run begin with its first instruction even if there is a
// breakpoint.
func (e *Engine) StepOn() { e.c.stepping_on = true }
