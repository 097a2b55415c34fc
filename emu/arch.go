package emu

import (
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// arch is what the machine must know of one guest architecture. The two of
// them stand side by side in arm64_arch.go and amd64_arch.go.
type arch struct {
	id      loader.Arch
	pc, sp  shim.Reg
	tls     shim.Reg    // the thread pointer
	link    *shim.Reg   // the register of the return address; nil: on the stack
	args    []shim.Reg  // of a C call, and where its result is
	result  shim.Reg    //
	floats  []shim.Reg  // of a C call's floating point arguments; its result is in the first
	number  shim.Reg    // of a system call
	sysArgs [6]shim.Reg // of a system call; its result is in result
	sysSize uint64      // bytes of the instruction that makes one
	trap    []byte      // an instruction that no program gets past
	monitor []byte      // arm64's `ldxr xzr, [x1]`; see shim.FindMonitor
	hwcap   uint64      // AT_HWCAP
	initial []regValue  // what a process begins with in registers that are not zero
}

// regValue is a register and what it holds.
type regValue struct {
	reg   shim.Reg
	value uint64
}

func archOf(id loader.Arch) *arch {
	if id == loader.ARM64 {
		return &arm64
	}
	return &amd64
}

func reg(a loader.Arch, name string) shim.Reg {
	for _, r := range shim.Regs(a) {
		if r.Name == name {
			return r
		}
	}
	panic("emu: no register " + name) // a misspelling in this package's own tables
}

func regs(a loader.Arch, names ...string) []shim.Reg {
	var out []shim.Reg
	for _, n := range names {
		out = append(out, reg(a, n))
	}
	return out
}
