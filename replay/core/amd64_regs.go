package core

import "fmt"

// Selectors of a 64-bit process, arch/x86/include/asm/segment.h. The emulated
// processor has no segments but these.
const (
	userCS = 0x33
	userDS = 0x2b
)

// amd64General is struct user_regs_struct of arch/x86/include/asm/user_64.h.
func amd64General(t Thread) []byte {
	var b []byte
	put := func(names ...string) {
		for _, name := range names {
			b = le.AppendUint64(b, t.word(name))
		}
	}
	put("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi")
	// orig_ax is the number of the system call that the thread is in, or -1.
	call := ^uint64(0)
	if t.Syscall {
		call = t.word("rax")
	}
	b = le.AppendUint64(b, call)
	put("rip")
	b = le.AppendUint64(b, userCS)
	put("eflags", "rsp")
	b = le.AppendUint64(b, userDS) // ss
	put("fs_base", "gs_base")
	return append(b, make([]byte, 4*8)...) // ds, es, fs, gs: not used in 64-bit mode
}

// amd64Float is struct user_i387_struct of the same file, which is what the
// instruction FXSAVE stores (Intel's manual, volume 1, 10.5.1). The addresses of the
// last x87 instruction and its operand are not known and are zero.
func amd64Float(t Thread) []byte {
	b := make([]byte, 512)
	copy(b, t.Registers["fctrl"])
	copy(b[2:], t.Registers["fstat"])
	b[4] = abridged(uint16(t.word("ftag")))
	copy(b[24:], t.Registers["mxcsr"])
	le.PutUint32(b[28:], 0xffff) // the bits that mxcsr has
	for i := range 8 {
		copy(b[32+16*i:], t.Registers[fmt.Sprintf("st%d", i)])
	}
	for i := range 16 {
		copy(b[160+16*i:], t.Registers[fmt.Sprintf("xmm%d", i)])
	}
	return b
}

// abridged makes of the x87's tag word, two bits for each register with 3 for an
// empty one, what FXSAVE makes of it: one bit, set when it is not empty.
func abridged(tags uint16) (out byte) {
	for i := range 8 {
		if tags>>(2*i)&3 != 3 {
			out |= 1 << i
		}
	}
	return out
}
