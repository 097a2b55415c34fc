package emu

import (
	"emurace/emu/internal/shim"
	"emurace/loader"
)

var amd64 = func() arch {
	const id = loader.AMD64
	return arch{
		id:      id,
		pc:      reg(id, "rip"),
		sp:      reg(id, "rsp"),
		tls:     reg(id, "fs_base"),
		args:    regs(id, "rdi", "rsi", "rdx", "rcx", "r8", "r9"),
		result:  reg(id, "rax"),
		floats:  regs(id, "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"),
		number:  reg(id, "rax"),
		sysArgs: [6]shim.Reg(regs(id, "rdi", "rsi", "rdx", "r10", "r8", "r9")),
		sysSize: 2,
		trap:    []byte{0x0f, 0x0b, 0x90, 0x90}, // ud2
		// AT_HWCAP is CPUID's leaf 1 EDX: fpu, tsc, cx8, cmov, mmx, fxsr,
		// sse, sse2. glibc asks CPUID itself.
		hwcap: 1<<0 | 1<<4 | 1<<8 | 1<<15 | 1<<23 | 1<<24 | 1<<25 | 1<<26,
		// As Linux leaves the processor's floating point to a new process: all
		// exceptions masked, extended precision, an empty stack of registers
		// (System V ABI, AMD64 supplement, 3.4.1, "Initial Stack and Register State").
		initial: []regValue{{reg(id, "fctrl"), 0x37f}, {reg(id, "ftag"), 0xffff}, {reg(id, "mxcsr"), 0x1f80}},
	}
}()
