package emu

import (
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// HWCAP bits of arch/arm64/include/uapi/asm/hwcap.h. What is offered is what
// the article's machines (Neoverse) have and glibc decides by: with ATOMICS
// its locks are single LSE instructions.
const (
	arm64FP      = 1 << 0
	arm64ASIMD   = 1 << 1
	arm64CRC32   = 1 << 7
	arm64Atomics = 1 << 8
)

var arm64 = func() arch {
	const id = loader.ARM64
	link := reg(id, "x30")
	return arch{
		id:      id,
		pc:      reg(id, "pc"),
		sp:      reg(id, "sp"),
		tls:     reg(id, "tpidr_el0"),
		link:    &link,
		args:    regs(id, "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"),
		result:  reg(id, "x0"),
		floats:  regs(id, "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"),
		number:  reg(id, "x8"),
		sysArgs: [6]shim.Reg(regs(id, "x0", "x1", "x2", "x3", "x4", "x5")),
		sysSize: 4,
		trap:    []byte{0x00, 0x00, 0x20, 0xd4}, // brk #0
		monitor: []byte{0x3f, 0x7c, 0x5f, 0xc8}, // ldxr xzr, [x1]
		hwcap:   arm64FP | arm64ASIMD | arm64CRC32 | arm64Atomics,
	}
}()
