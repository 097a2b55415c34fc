package shim

// #include "shim.h"
import "C"

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
