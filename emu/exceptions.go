package emu

import (
	"fmt"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// What the processor raises that is neither an access that its page refuses, nor an
// instruction that it does not have, nor a system call.

// exceptionNames are exceptions by their numbers: x86's, and QEMU's for arm64 (EXCP_ of
// target/arm/cpu.h), with the signal that Linux makes of them.
var exceptionNames = map[loader.Arch]map[int]string{
	loader.ARM64: {
		3: "misaligned program counter (SIGBUS)",
		4: "misaligned access (SIGBUS)",
		7: "breakpoint instruction (SIGTRAP)",
	},
	loader.AMD64: {
		0:  "division error (SIGFPE)",
		1:  "debug trap (SIGTRAP)",
		3:  "breakpoint instruction (SIGTRAP)",
		4:  "overflow trap (SIGSEGV)",
		5:  "bound range exceeded (SIGSEGV)",
		11: "segment that is not there (SIGBUS)",
		12: "stack segment fault (SIGBUS)",
		13: "general protection fault (SIGSEGV)",
		16: "floating-point error (SIGFPE)",
		17: "misaligned access (SIGBUS)",
		19: "floating-point error (SIGFPE)",
	},
}

// exceptionName is what an end by an exception is called.
func exceptionName(arch loader.Arch, vector int) string {
	if name, ok := exceptionNames[arch][vector]; ok {
		return name
	}
	return fmt.Sprintf("processor exception %d", vector)
}

// noSuchCall is what a call returns that is not there, -ENOSYS.
const noSuchCall = ^uint64(38 - 1)

// oldCalls is the exception by which 32-bit programs make their system calls, which a
// 64-bit one may do too.
const oldCalls = 0x80

// serveOther serves what is a call of the kernel by something else than the instruction
// for it: amd64's vsyscall page, and `int 0x80`. It returns false when s is nothing of the
// kind, and an end when the process dies of it.
func (m *Machine) serveOther(t int, s shim.Stop) (r linux.Result, served bool, end *End, err error) {
	if m.arch.id != loader.AMD64 {
		return r, false, nil, nil
	}
	if s.Reason == shim.StopException && s.Vector == oldCalls {
		pc, err := m.PC(t)
		if err != nil {
			return r, false, nil, err
		}
		m.missed("int 0x80, for calls of 32-bit programs", t, pc-2)
		return r, true, nil, m.eng.WriteReg(t, m.arch.result, noSuchCall)
	}
	if s.Reason != shim.StopFault || s.Fault.Access != shim.Exec {
		return r, false, nil, nil
	}
	v, ok := linux.VsyscallAt(m.arch.id, s.Fault.PC)
	if !ok {
		return r, false, nil, nil
	}
	r, end, err = m.vsyscall(t, s.Fault.PC, v)
	return r, true, end, err
}

// vsyscall carries out a call of a function of the vsyscall page, as an instruction that
// does the system call and returns. What the function may not use so ends the process:
// the stack that it is to return by, and what its arguments point to.
func (m *Machine) vsyscall(t int, pc uint64, v linux.Vsyscall) (r linux.Result, end *End, err error) {
	c := linux.Call{Thread: t, Number: v.Number}
	for i := range v.Pointers {
		if c.Args[i], err = m.eng.ReadReg(t, m.arch.sysArgs[i]); err != nil {
			return r, nil, err
		}
	}
	sp, err := m.eng.ReadReg(t, m.arch.sp)
	if err != nil {
		return r, nil, err
	}
	dies := func(addr uint64, a Access) *End {
		_, _, there := m.MappingOf(addr)
		return &End{Kind: EndFault, Thread: t, PC: pc, Addr: addr, Access: a, Mapped: there}
	}
	if !m.eng.Allows(sp, 8, shim.Read) {
		return r, dies(sp, AccessRead), nil
	}
	for i, size := range v.Pointers {
		if a := c.Args[i]; size != 0 && a != 0 && !m.eng.Allows(a, size, shim.Write) {
			return r, dies(a, AccessWrite), nil
		}
	}
	m.eng.CountOne(t, pc)
	if err := m.eng.Touch(t, sp, 8); err != nil {
		return r, nil, err
	}
	back := le.Uint64(m.eng.View(sp, 8))
	m.forgetPages()
	if r, err = m.serve(c); err != nil {
		return r, nil, err
	}
	if err := m.eng.WriteReg(t, m.arch.pc, back); err != nil {
		return r, nil, err
	}
	return r, nil, m.eng.WriteReg(t, m.arch.sp, sp+8)
}
