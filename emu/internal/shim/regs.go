package shim

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/unicorn-engine/unicorn/bindings/go/unicorn"

	"emurace/loader"
)

// Reg is one register of a guest architecture.
type Reg struct {
	Name string
	Size int // bytes
	id   C.int
}

// Regs lists every register a user program can see, in a fixed order: the
// general ones, pc, flags, thread pointer, floating point and SIMD.
func Regs(arch loader.Arch) []Reg {
	if arch == loader.ARM64 {
		return arm64Regs
	}
	return amd64Regs
}

var (
	arm64Regs = makeARM64Regs()
	amd64Regs = makeAMD64Regs()
)

func makeARM64Regs() []Reg {
	var r []Reg
	for i := range 29 {
		r = append(r, Reg{fmt.Sprintf("x%d", i), 8, C.int(unicorn.ARM64_REG_X0 + i)})
	}
	r = append(r,
		Reg{"x29", 8, unicorn.ARM64_REG_X29},
		Reg{"x30", 8, unicorn.ARM64_REG_X30},
		Reg{"sp", 8, unicorn.ARM64_REG_SP},
		Reg{"pc", 8, unicorn.ARM64_REG_PC},
		Reg{"nzcv", 4, unicorn.ARM64_REG_NZCV},
		Reg{"tpidr_el0", 8, unicorn.ARM64_REG_TPIDR_EL0},
		Reg{"fpcr", 4, unicorn.ARM64_REG_FPCR},
		Reg{"fpsr", 4, unicorn.ARM64_REG_FPSR})
	for i := range 32 {
		r = append(r, Reg{fmt.Sprintf("v%d", i), 16, C.int(unicorn.ARM64_REG_V0 + i)})
	}
	return r
}

func makeAMD64Regs() []Reg {
	r := []Reg{
		{"rax", 8, unicorn.X86_REG_RAX}, {"rbx", 8, unicorn.X86_REG_RBX},
		{"rcx", 8, unicorn.X86_REG_RCX}, {"rdx", 8, unicorn.X86_REG_RDX},
		{"rsi", 8, unicorn.X86_REG_RSI}, {"rdi", 8, unicorn.X86_REG_RDI},
		{"rbp", 8, unicorn.X86_REG_RBP}, {"rsp", 8, unicorn.X86_REG_RSP},
	}
	for i := 8; i < 16; i++ {
		r = append(r, Reg{fmt.Sprintf("r%d", i), 8, C.int(unicorn.X86_REG_R8 + i - 8)})
	}
	r = append(r,
		Reg{"rip", 8, unicorn.X86_REG_RIP},
		Reg{"eflags", 8, unicorn.X86_REG_RFLAGS},
		Reg{"fs_base", 8, unicorn.X86_REG_FS_BASE},
		Reg{"gs_base", 8, unicorn.X86_REG_GS_BASE},
		Reg{"mxcsr", 4, unicorn.X86_REG_MXCSR},
		Reg{"fctrl", 2, unicorn.X86_REG_FPCW},
		Reg{"fstat", 2, unicorn.X86_REG_FPSW},
		Reg{"ftag", 2, unicorn.X86_REG_FPTAG})
	for i := range 8 {
		r = append(r, Reg{fmt.Sprintf("st%d", i), 10, C.int(unicorn.X86_REG_ST0 + i)})
	}
	for i := range 16 {
		r = append(r, Reg{fmt.Sprintf("xmm%d", i), 16, C.int(unicorn.X86_REG_XMM0 + i)})
	}
	return r
}

// ReadReg reads a register; of a larger one its low eight bytes.
func (e *Engine) ReadReg(thread int, r Reg) (uint64, error) {
	var b [16]byte
	err := C.em_reg_read(e.c, C.int(thread), r.id, unsafe.Pointer(&b[0]))
	if err != 0 {
		return 0, ucError("read "+r.Name, err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// WriteReg writes a register; of a larger one the low eight bytes, and zeros above.
func (e *Engine) WriteReg(thread int, r Reg, v uint64) error {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return ucError("write "+r.Name, C.em_reg_write(e.c, C.int(thread), r.id, unsafe.Pointer(&b[0])))
}

// ReadRegs reads all of [Regs] into one block, each register in as many bytes
// as its Size, little-endian, one behind the other.
func (e *Engine) ReadRegs(thread int) ([]byte, error) {
	regs := Regs(e.arch)
	ids := make([]C.int, len(regs))
	// Each value gets a field of 16 bytes; Unicorn is handed C pointers into
	// it, so the block must not move.
	fields := make([]byte, 16*len(regs))
	ptrs := make([]unsafe.Pointer, len(regs))
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&fields[0])
	for i, r := range regs {
		ids[i] = r.id
		ptrs[i] = unsafe.Pointer(&fields[16*i])
	}
	err := C.em_regs_read(e.c, C.int(thread), &ids[0], &ptrs[0], C.int(len(regs)))
	if err != 0 {
		return nil, ucError("read registers", err)
	}
	var out []byte
	for i, r := range regs {
		out = append(out, fields[16*i:16*i+r.Size]...)
	}
	return out, nil
}

func pcID(arch loader.Arch) int {
	if arch == loader.ARM64 {
		return unicorn.ARM64_REG_PC
	}
	return unicorn.X86_REG_RIP
}

// WriteRegBytes writes a register of any size; b has so many bytes.
func (e *Engine) WriteRegBytes(thread int, r Reg, b []byte) error {
	if len(b) != r.Size {
		return fmt.Errorf("write %s: %d bytes, not %d", r.Name, len(b), r.Size)
	}
	var field [16]byte
	copy(field[:], b)
	return ucError("write "+r.Name, C.em_reg_write(e.c, C.int(thread), r.id, unsafe.Pointer(&field[0])))
}
