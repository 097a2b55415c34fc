package core

import "fmt"

// arm64General is struct user_pt_regs of arch/arm64/include/uapi/asm/ptrace.h: x0
// to x30, sp, pc and pstate, eight bytes each.
func arm64General(t Thread) []byte {
	var b []byte
	for i := range 31 {
		b = le.AppendUint64(b, t.word(fmt.Sprintf("x%d", i)))
	}
	for _, name := range []string{"sp", "pc", "nzcv"} {
		b = le.AppendUint64(b, t.word(name))
	}
	return b
}

// arm64Float is struct user_fpsimd_state of the same file: v0 to v31, fpsr, fpcr,
// and two words of nothing.
func arm64Float(t Thread) []byte {
	var b []byte
	for i := range 32 {
		b = append(b, t.Registers[fmt.Sprintf("v%d", i)]...)
	}
	b = le.AppendUint32(b, uint32(t.word("fpsr")))
	b = le.AppendUint32(b, uint32(t.word("fpcr")))
	return append(b, make([]byte, 8)...)
}
