package emu

import (
	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// crashOrHandle ends the process as crash does, or has the handler of the signal run that
// the instruction has raised. Then the access that was refused counts with the handler's first
// instruction.
func (m *Machine) crashOrHandle(t int, stop Stop, s shim.Stop, end *End) (Stop, error) {
	stop, err := m.crash(t, stop, s, end)
	if err != nil || stop.Kind != Ended || s.Reason == shim.StopLimit {
		return stop, err
	}
	e := stop.End
	sig := e.Siginfo(m.arch.id)
	f := linux.Fault{Signal: sig.Number, Code: sig.Code, Addr: sig.Addr}
	if m.arch.id == loader.AMD64 {
		f.Vector, f.ErrorCode = amd64Trap(e)
	}
	handled, err := m.kernel.Faulted(t, f)
	if err != nil || !handled {
		return stop, err
	}
	m.st.end, m.faulted = nil, true
	stop.Kind, stop.End, stop.Undone = Budget, nil, false
	if s.Event && e.Kind == EndFault && m.events {
		stop.Counted = append(stop.Counted, Counted{e.Addr, 1, e.Access == AccessWrite})
	}
	return stop, nil
}

// amd64Trap is the number of an exception and its error code, as a handler is told them.
func amd64Trap(e *End) (vector, code uint64) {
	const undefined, page = 6, 14
	switch e.Kind {
	case EndFault: // X86_PF_ of arch/x86/include/asm/trap_pf.h
		code = 4
		if e.Mapped {
			code |= 1
		}
		if e.Access == AccessWrite {
			code |= 2
		}
		if e.Access == AccessExec {
			code |= 16
		}
		return page, code
	case EndIllegal:
		return undefined, 0
	case EndException:
		return uint64(e.Vector), 0
	case EndExit, EndSignal, EndLimit:
	}
	return 0, 0
}
