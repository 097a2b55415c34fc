package shim

// #include "shim.h"
import "C"

import "errors"

// Mark is a moment of an engine to which it can go back, any number of times,
// until the mark is dropped. Going back to an older mark leaves newer ones
// without a meaning.
type Mark struct {
	e *Engine
	c *C.em_mark
}

// Mark remembers the present moment. It costs one copy of the registers of
// the running thread, whatever the size of memory.
func (e *Engine) Mark() (*Mark, error) {
	var err C.int
	c := C.em_mark_set(e.c, &err)
	if c == nil {
		return nil, ucError("mark", err)
	}
	return &Mark{e: e, c: c}, nil
}

// Rewind takes memory, page table, registers, threads and the log back to the
// mark. It costs what was written since.
func (m *Mark) Rewind() error {
	if m.c == nil {
		return errors.New("engine: rewind to a mark that was dropped")
	}
	return ucError("rewind", C.em_mark_rewind(m.e.c, m.c))
}

// LogLen is the length the log had at the mark.
func (m *Mark) LogLen() int { return int(m.c.log_len) }

// Drop frees the mark.
func (m *Mark) Drop() {
	if m.c == nil || m.e.c == nil {
		return
	}
	C.em_mark_drop(m.e.c, m.c)
	m.c = nil
}
