package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// amd64General spells the sixteen general registers in the order of their
// numbers, by width.
var amd64General = [4][16]string{
	{"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"},
	{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"},
	{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"},
	{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"},
}

// generalAMD64 returns number and width in bytes of a general register, and
// whether it is the second byte, as ah is.
func generalAMD64(r x86asm.Reg) (number, width int, high bool) {
	switch {
	case r >= x86asm.AL && r <= x86asm.BL:
		return int(r - x86asm.AL), 1, false
	case r >= x86asm.AH && r <= x86asm.BH:
		return int(r - x86asm.AH), 1, true
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return int(r-x86asm.SPB) + 4, 1, false
	case r >= x86asm.AX && r <= x86asm.R15W:
		return int(r - x86asm.AX), 2, false
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return int(r - x86asm.EAX), 4, false
	case r >= x86asm.RAX && r <= x86asm.R15:
		return int(r - x86asm.RAX), 8, false
	}
	return 0, 0, false
}

// generalWidth is the width in bytes of a general register, 0 for another.
func generalWidth(r x86asm.Reg) int {
	_, width, _ := generalAMD64(r)
	return width
}

// vectorAMD64 returns number and width in bytes of a vector register.
func vectorAMD64(r x86asm.Reg) (number, width int) {
	switch {
	case r >= x86asm.X0 && r <= x86asm.X31:
		return int(r - x86asm.X0), 16
	case r >= x86asm.Y0 && r <= x86asm.Y31:
		return int(r - x86asm.Y0), 32
	case r >= x86asm.Z0 && r <= x86asm.Z31:
		return int(r - x86asm.Z0), 64
	}
	return 0, 0
}

// registerText spells a register as an operand.
func registerText(r x86asm.Reg) string {
	if n, width, high := generalAMD64(r); width != 0 {
		if high {
			return [4]string{"ah", "ch", "dh", "bh"}[n]
		}
		return amd64General[map[int]int{1: 0, 2: 1, 4: 2, 8: 3}[width]][n]
	}
	if n, width := vectorAMD64(r); width != 0 {
		return fmt.Sprintf("%smm%d", map[int]string{16: "x", 32: "y", 64: "z"}[width], n)
	}
	switch {
	case r >= x86asm.F0 && r <= x86asm.F7:
		return fmt.Sprintf("st(%d)", r-x86asm.F0)
	case r >= x86asm.M0 && r <= x86asm.M7:
		return fmt.Sprintf("mm%d", r-x86asm.M0)
	}
	return strings.ToLower(r.String())
}

// registerAMD64 is the canonical name of the whole register: rax for al, xmm0
// for ymm0, st0 for the x87 stack, and for the others (mm, k, segment, control)
// as it is spelt. rip is "", as what is relative to it is resolved.
func registerAMD64(r x86asm.Reg) string {
	if r == 0 || r == x86asm.RIP || r == x86asm.EIP {
		return ""
	}
	if n, width, _ := generalAMD64(r); width != 0 {
		return amd64General[3][n]
	}
	if n, width := vectorAMD64(r); width != 0 {
		return fmt.Sprintf("xmm%d", n)
	}
	if r >= x86asm.F0 && r <= x86asm.F7 {
		return fmt.Sprintf("st%d", r-x86asm.F0)
	}
	return registerText(r)
}

// canonicalAMD64 does the same for a name, and returns "" for one that is no
// register.
func canonicalAMD64(name string) string {
	switch name {
	case "rip", "eip":
		return "rip"
	case "eflags", "rflags":
		return "eflags"
	case "ah", "bh", "ch", "dh":
		return "r" + name[:1] + "x"
	}
	for _, names := range amd64General {
		for n, s := range names {
			if s == name {
				return amd64General[3][n]
			}
		}
	}
	if len(name) > 3 && strings.Contains("xmm ymm zmm", name[:3]) {
		for n := range 32 {
			if name[3:] == fmt.Sprint(n) {
				return "xmm" + name[3:]
			}
		}
	}
	return ""
}
