package disasm

import "golang.org/x/arch/x86/x86asm"

// This file makes up for what x/arch does not know or gets wrong: the
// instructions of control-flow enforcement and protection keys, and the
// displacements of memory operands.

// extraAMD64 fills in all of in when code begins with an instruction that
// x/arch lacks.
func extraAMD64(in *Inst, code []byte) bool {
	has := func(prefix string) bool {
		return len(code) >= len(prefix) && string(code[:len(prefix)]) == prefix
	}
	in.Len = 4
	switch {
	case has("\xf3\x0f\x1e\xfa"):
		in.Op = "endbr64"
	case has("\xf3\x0f\x1e\xfb"):
		in.Op = "endbr32"
	case has("\x0f\x01\xee"):
		in.Op, in.Len = "rdpkru", 3
		in.reads("rcx")
		in.writes("rax", "rdx")
	case has("\x0f\x01\xef"):
		in.Op, in.Len = "wrpkru", 3
		in.reads("rax", "rcx", "rdx")
	case has("\xf3\x48\x0f\x1e") && len(code) > 4 && code[4]&0xf8 == 0xc8:
		// Without a shadow stack rdsspq leaves its operand as it was.
		reg := amd64General[3][code[4]&7]
		in.Op, in.Text, in.Len = "rdsspq", "rdsspq "+reg, 5
		in.merges(reg)
		return true
	default:
		in.Len = 0
		return false
	}
	in.Text = in.Op
	return true
}

// modRM returns the ModRM byte. It does not know whether an opcode has one;
// the caller does.
func modRM(code []byte) (byte, bool) {
	i := opcodeEnd(code)
	if i >= len(code) {
		return 0, false
	}
	return code[i], true
}

// opcodeEnd is the index after legacy prefixes, REX, VEX or EVEX and the opcode
// (Intel SDM volume 2, chapter 2). It may lie beyond code.
func opcodeEnd(code []byte) int {
	i := 0
	for i < len(code) && legacyPrefix(code[i]) {
		i++
	}
	if i >= len(code) {
		return i
	}
	switch b := code[i]; {
	case b == 0xc5:
		return i + 3
	case b == 0xc4:
		return i + 4
	case b == 0x62:
		return i + 5
	case b&0xf0 == 0x40:
		i++
	}
	return i + opcodeLength(code[min(i, len(code)):])
}

func legacyPrefix(b byte) bool {
	switch b {
	case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3:
		return true
	}
	return false
}

// opcodeLength is 1, or 2 after 0f, or 3 after 0f 38 and 0f 3a.
func opcodeLength(code []byte) int {
	if len(code) < 2 || code[0] != 0x0f {
		return 1
	}
	if code[1] == 0x38 || code[1] == 0x3a {
		return 3
	}
	return 2
}

// isVector says whether the encoding has a VEX or EVEX prefix.
func isVector(asm x86asm.Inst) bool {
	for _, p := range asm.Prefix {
		if p == 0 {
			break
		}
		if p.IsVEX() || p.IsEVEX() {
			return true
		}
	}
	return false
}

// fixLength corrects the one length that x/arch gets wrong: it looks for a
// ModRM byte after vzeroupper and vzeroall.
func fixLength(asm *x86asm.Inst, code []byte) {
	if asm.Op == x86asm.VZEROUPPER || asm.Op == x86asm.VZEROALL {
		asm.Len = min(opcodeEnd(code), len(code))
		asm.Args = x86asm.Args{}
	}
}

// fixMemory corrects the memory operands. x/arch leaves some displacements of
// 32 bits without their sign, and takes the rip-relative operands of VEX and
// EVEX instructions for absolute ones.
func fixMemory(asm *x86asm.Inst, code []byte) {
	if asm.Opcode>>24&0xfc == 0xa0 && asm.Op == x86asm.MOV {
		return // the one operand with an address of 64 bits
	}
	for i, a := range asm.Args {
		m, ok := a.(x86asm.Mem)
		if !ok {
			continue
		}
		m.Disp = int64(int32(m.Disp))
		if rm, ok := modRM(code); ok && isVector(*asm) && m.Base == 0 && rm&0xc7 == 0x05 {
			m.Base = x86asm.RIP
		}
		if m.Scale == 0 {
			m.Index = 0
		}
		asm.Args[i] = m
	}
}

// memorySize is the size in bytes of the memory operand, 0 if it has none or
// it is not known.
func memorySize(asm x86asm.Inst) int {
	if stringOps[asm.Op] != "" {
		return stringWidth(asm.Op)
	}
	switch asm.Op {
	case x86asm.FLD, x86asm.FSTP:
		if asm.MemBytes == 0 {
			return 10
		}
	case x86asm.FBLD, x86asm.FBSTP:
		return 10
	case x86asm.FXSAVE, x86asm.FXSAVE64, x86asm.FXRSTOR, x86asm.FXRSTOR64:
		return 512
	case x86asm.FNSTENV, x86asm.FLDENV:
		return 28
	case x86asm.CMPXCHG16B:
		return 16
	case x86asm.CMPXCHG8B:
		return 8
	case x86asm.XLATB:
		return 1
	}
	return asm.MemBytes
}
