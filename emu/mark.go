package emu

import (
	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
)

// Mark is a moment of a machine to go back to, any number of times until it
// is dropped. Going back further leaves later marks without meaning.
type Mark struct {
	m      *Machine
	eng    *shim.Mark
	kernel *linux.State
	st     state
}

// Mark remembers the present moment: memory, mappings, registers, kernel
// state. It costs one copy of the running thread's registers.
func (m *Machine) Mark() (*Mark, error) {
	e, err := m.eng.Mark()
	if err != nil {
		return nil, err
	}
	m.kept = true
	return &Mark{m: m, eng: e, kernel: m.kernel.Snapshot(), st: m.st}, nil
}

// Rewind goes back to the mark, at a cost that follows what was written since.
func (k *Mark) Rewind() error {
	if err := k.eng.Rewind(); err != nil {
		return err
	}
	k.m.kernel.Restore(k.kernel)
	k.m.st, k.m.kept = k.st, true
	return nil
}

// Drop frees the mark.
func (k *Mark) Drop() { k.eng.Drop() }

// Loads is how many of the machine's loads had been made at the mark.
func (k *Mark) Loads() int { return len(k.st.loads) }

// LogLen is the length of the access log at the mark.
func (k *Mark) LogLen() int { return k.eng.LogLen() }
