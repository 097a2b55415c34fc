package shim

/*
#include "crash.h"
*/
import "C"

import (
	"errors"
	"sync"
	"unsafe"

	"emurace/internal/crash"
)

// The two languages see the same layout, or this does not compile.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(crash.Head{}.Died)-unsafe.Offsetof(C.em_crash_head{}.died)]
	_ = [1]struct{}{}[unsafe.Offsetof(crash.Head{}.Engine)-unsafe.Offsetof(C.em_crash_head{}.engine)]
	_ = [1]struct{}{}[unsafe.Offsetof(crash.Head{}.HostPC)-unsafe.Offsetof(C.em_crash_head{}.host_pc)]
	_ = [1]struct{}{}[unsafe.Offsetof(crash.Slot{}.Thread)-unsafe.Offsetof(C.em_crash_slot{}.thread)]
	_ = [1]struct{}{}[unsafe.Offsetof(crash.Slot{}.Running)-unsafe.Offsetof(C.em_crash_slot{}.running)]
	_ = [1]struct{}{}[unsafe.Offsetof(crash.Slot{}.PC)-unsafe.Offsetof(C.em_crash_slot{}.pc)]
	_ = [1]struct{}{}[crash.Engines-C.EM_CRASH_ENGINES]
)

// handler has fatal signals told in the process's record, if it has one.
var handler = sync.OnceValue(func() error {
	if C.em_crash_install((*C.em_crash_head)(unsafe.Pointer(crash.Current().Head()))) != 0 {
		return errors.New("engine: signal handlers cannot be installed")
	}
	return nil
})

// RecordDeath has fatal signals of the process noted in its record, if it has one, also
// those outside of the engine that others have sent.
func RecordDeath() error {
	if crash.Current() == nil {
		return nil
	}
	return handler()
}

// recorded is an engine's slot in the crash record; nil in a process that has none.
type recorded struct {
	slot   *crash.Slot
	number int
}

func enter() (recorded, error) {
	if err := RecordDeath(); err != nil {
		return recorded{}, err
	}
	var t recorded
	t.slot, t.number = crash.Enter()
	return t, nil
}

// run is em_run, with a note of who runs in the crash record.
func (e *Engine) run(thread int, budget uint64) StopReason {
	return StopReason(C.em_run_recorded(e.c, (*C.em_crash_slot)(unsafe.Pointer(e.recorded.slot)), C.int(e.recorded.number), C.int(thread), C.uint64_t(budget)))
}

// Describe says what process the engine runs, for the case that this one dies of it.
func (e *Engine) Describe(p crash.Process) { e.recorded.slot.Describe(p) }

// Recorded tells whether the process has a crash record, in which to describe it.
func (e *Engine) Recorded() bool { return e.recorded.slot != nil }
