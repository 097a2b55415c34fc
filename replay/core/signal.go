package core

import (
	"emurace/emu"
	"emurace/loader"
)

// Signal is what a process died of, with the parts of siginfo_t that go with it
// (include/uapi/asm-generic/siginfo.h). The zero value is none: the process lives,
// or has exited.
type Signal struct {
	Number int
	Code   int
	Addr   uint64 // of a fault, 0 for others
	Sent   bool   // by the process itself
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
	siUser     = 0
	siKernel   = 0x80
	siTkill    = -6
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

// signalOf is the signal that Linux gives a process that ends like this.
func signalOf(end *emu.End, arch loader.Arch, t Thread) Signal {
	switch end.Kind {
	case emu.EndFault:
		s := Signal{Number: sigSEGV, Code: segvMaperr, Addr: end.Addr}
		if end.Mapped {
			s.Code = segvAccerr
		}
		// An address that amd64 cannot have is no page fault to it, but a general
		// protection fault, which does not say where.
		if top := int64(end.Addr) >> 47; arch == loader.AMD64 && top != 0 && top != -1 {
			s.Code, s.Addr = siKernel, 0
		}
		return s
	case emu.EndSignal:
		return Signal{Number: end.Signal, Code: senderOf(arch, t), Sent: true}
	case emu.EndIllegal:
		if arch == loader.ARM64 {
			return Signal{Number: sigILL, Code: illOpcode, Addr: end.PC}
		}
		return Signal{Number: sigILL, Code: illOperand, Addr: end.PC}
	case emu.EndException:
		if arch == loader.ARM64 {
			return arm64Exception(end)
		}
		return amd64Exception(end)
	case emu.EndExit, emu.EndLimit: // no signal
	}
	return Signal{}
}

// senderOf tells kill, which sends to a process, from the calls that send to a
// thread.
func senderOf(arch loader.Arch, t Thread) int {
	const arm64Kill, amd64Kill = 129, 62
	if arch == loader.ARM64 && t.word("x8") == arm64Kill || arch == loader.AMD64 && t.word("rax") == amd64Kill {
		return siUser
	}
	return siTkill
}

// arm64Exception follows arch/arm64/kernel/debug-monitors.c and mm/fault.c.
func arm64Exception(end *emu.End) Signal {
	const breakpoint, prefetch, data = 7, 3, 4 // EXCP_BKPT, EXCP_PREFETCH_ABORT, EXCP_DATA_ABORT
	switch end.Vector {
	case breakpoint:
		return Signal{Number: sigTRAP, Code: trapBreak, Addr: end.PC}
	case prefetch, data: // what is no fault of a page: an address that is not aligned
		return Signal{Number: sigBUS, Code: busAlign}
	}
	return Signal{Number: sigILL, Code: illOpcode, Addr: end.PC}
}

// amd64Exception follows arch/x86/kernel/traps.c.
func amd64Exception(end *emu.End) Signal {
	switch end.Vector {
	case 0: // #DE
		return Signal{Number: sigFPE, Code: fpeIntDiv, Addr: end.PC}
	case 1: // #DB
		return Signal{Number: sigTRAP, Code: trapTrace, Addr: end.PC}
	case 3: // #BP
		return Signal{Number: sigTRAP, Code: siKernel}
	case 16, 19: // #MF, #XM
		return Signal{Number: sigFPE, Code: fpeUnknown, Addr: end.PC}
	case 17: // #AC
		return Signal{Number: sigBUS, Code: busAlign}
	}
	return Signal{Number: sigSEGV, Code: siKernel} // #GP, which every other INT raises too
}

// info is siginfo_t.
func (s Signal) info() []byte {
	b := make([]byte, 128)
	le.PutUint32(b, uint32(s.Number))
	le.PutUint32(b[8:], uint32(int32(s.Code)))
	if s.Sent {
		le.PutUint32(b[16:], emu.ProcessID)
		le.PutUint32(b[20:], emu.UserID)
	} else {
		le.PutUint64(b[16:], s.Addr)
	}
	return b
}
