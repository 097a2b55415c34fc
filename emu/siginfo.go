package emu

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"emurace/loader"
)

// Siginfo is a signal with the parts of siginfo_t that go with it
// (include/uapi/asm-generic/siginfo.h). The zero value is none.
type Siginfo struct {
	Number int
	Code   int
	Addr   uint64 // of a fault, 0 for others
}

// Signals of include/uapi/asm-generic/signal.h.
const (
	sigILL  = 4
	sigTRAP = 5
	sigBUS  = 7
	sigFPE  = 8
	sigSEGV = 11
)

// Codes of include/uapi/asm-generic/siginfo.h.
const (
	siKernel   = 0x80
	illOpcode  = 1 // ILL_ILLOPC
	illOperand = 2 // ILL_ILLOPN
	fpeIntDiv  = 1 // FPE_INTDIV
	fpeUnknown = 14
	segvMaperr = 1
	segvAccerr = 2
	busAlign   = 1 // BUS_ADRALN
	trapBreak  = 1 // TRAP_BRKPT
	trapTrace  = 2
)

// SignalName is how a signal is called, such as SIGSEGV; "signal 40" for one without a name, as
// those for real-time use are.
func SignalName(n int) string {
	// A name is a number's on all architectures that Linux has here.
	if name := unix.SignalName(syscall.Signal(n)); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", n)
}

// Siginfo is the signal that Linux kills a process with which ends like this, none for one
// that exits or comes to a limit. Of a signal that was sent it has the number only.
func (e *End) Siginfo(arch loader.Arch) Siginfo {
	switch e.Kind {
	case EndFault:
		s := Siginfo{Number: sigSEGV, Code: segvMaperr, Addr: e.Addr}
		if e.Mapped {
			s.Code = segvAccerr
		}
		// An address that amd64 cannot have is no page fault to it, but a general
		// protection fault, which does not say where.
		if top := int64(e.Addr) >> 47; arch == loader.AMD64 && top != 0 && top != -1 {
			s.Code, s.Addr = siKernel, 0
		}
		return s
	case EndSignal:
		return Siginfo{Number: e.Signal}
	case EndIllegal:
		if arch == loader.ARM64 {
			return Siginfo{Number: sigILL, Code: illOpcode, Addr: e.PC}
		}
		return Siginfo{Number: sigILL, Code: illOperand, Addr: e.PC}
	case EndException:
		if arch == loader.ARM64 {
			return arm64Exception(e)
		}
		return amd64Exception(e)
	case EndExit, EndLimit: // no signal
	}
	return Siginfo{}
}

// arm64Exception follows arch/arm64/kernel/debug-monitors.c and mm/fault.c.
func arm64Exception(end *End) Siginfo {
	const breakpoint, prefetch, data = 7, 3, 4 // EXCP_BKPT, EXCP_PREFETCH_ABORT, EXCP_DATA_ABORT
	switch end.Vector {
	case breakpoint:
		return Siginfo{Number: sigTRAP, Code: trapBreak, Addr: end.PC}
	case prefetch, data: // what is no fault of a page: an address that is not aligned
		return Siginfo{Number: sigBUS, Code: busAlign}
	}
	return Siginfo{Number: sigILL, Code: illOpcode, Addr: end.PC}
}

// amd64Exception follows arch/x86/kernel/traps.c.
func amd64Exception(end *End) Siginfo {
	switch end.Vector {
	case 0: // #DE
		return Siginfo{Number: sigFPE, Code: fpeIntDiv, Addr: end.PC}
	case 1: // #DB
		return Siginfo{Number: sigTRAP, Code: trapTrace, Addr: end.PC}
	case 3: // #BP
		return Siginfo{Number: sigTRAP, Code: siKernel}
	case 16, 19: // #MF, #XM
		return Siginfo{Number: sigFPE, Code: fpeUnknown, Addr: end.PC}
	case 17: // #AC
		return Siginfo{Number: sigBUS, Code: busAlign}
	}
	return Siginfo{Number: sigSEGV, Code: siKernel} // #GP, which every other INT raises too
}
