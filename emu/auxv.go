package emu

import "emurace/loader"

// Program is what the process runs: a file, or the made-up program of New, which
// [Process.Modules] leaves out since no sysroot has a file of its name.
func (p *Process) Program() *Module { return p.program }

// Auxv is the auxiliary vector that the process was started with, AT_NULL
// included: pairs of little-endian words. The kernel keeps such a copy beside the
// one on the stack (mm_struct.saved_auxv), which the process may change.
func (p *Process) Auxv() []byte { return p.auxv }

// auxvOf is the auxiliary vector of a new stack: behind argc and the two lists of
// pointers, each with its NULL, up to and including AT_NULL.
func auxvOf(stack []byte) []byte {
	at := 8
	for range 2 {
		for le.Uint64(stack[at:]) != 0 {
			at += 8
		}
		at += 8
	}
	end := at
	for le.Uint64(stack[end:]) != loader.AT_NULL {
		end += 16
	}
	return stack[at : end+16 : end+16]
}
