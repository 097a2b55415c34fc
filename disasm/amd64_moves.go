package disasm

import "golang.org/x/arch/x86/x86asm"

// wholeMoves are the instructions that hand their second operand on to the
// first, and whether the sign fills the rest. Which bytes: the smaller of the
// two operands.
var wholeMoves = map[string]bool{
	"mov": false, "movzx": false, "movsx": true, "movsxd": true, "movnti": false,
	"movaps": false, "movups": false, "movapd": false, "movupd": false, "movdqa": false, "movdqu": false,
	"movd": false, "movq": false, "lddqu": false, "movntps": false, "movntpd": false, "movntdq": false,
	"vmovaps": false, "vmovups": false, "vmovapd": false, "vmovupd": false, "vmovdqa": false, "vmovdqu": false,
	"vmovdqa32": false, "vmovdqa64": false, "vmovdqu8": false, "vmovdqu16": false, "vmovdqu32": false, "vmovdqu64": false,
	"vmovd": false, "vmovq": false, "vlddqu": false, "vmovntps": false, "vmovntpd": false, "vmovntdq": false,
	"movss": false, "movsd": false, "vmovss": false, "vmovsd": false,
	"movs": false, "stos": false, "lods": false,
}

// movesAMD64 records what the instruction hands on unchanged; the stack's part
// is done by stackAMD64. memory has the indexes of the operands in in.Mem.
func movesAMD64(in *Inst, asm x86asm.Inst, name string, memory [6]int) {
	switch name {
	case "xor", "sub":
		if r, ok := asm.Args[0].(x86asm.Reg); ok && idiomZero(asm, name) && generalWidth(r) >= 4 {
			in.Moves = append(in.Moves, Move{Kind: Const, Dst: registerAMD64(r), Size: 8})
		}
	case "lea":
		constantLea(in, asm)
	case "cwde", "cdqe":
		in.Moves = append(in.Moves, Move{Kind: Copy, Dst: "rax", Src: "rax", Size: asm.DataSize / 16, Signed: true})
	case "xchg":
		exchange(in, asm, memory)
	case "xadd":
		if r, ok := asm.Args[1].(x86asm.Reg); ok && memory[0] >= 0 && plainRegister(r) {
			in.load(registerAMD64(r), memory[0], 0, generalWidth(r), false)
		}
	}
	// With a mask or a third operand the result is a blend.
	if sign, ok := wholeMoves[name]; ok && asm.Args[2] == nil && maskOperand(asm) < 0 {
		move(in, asm, memory, 0, 1, sign)
	}
}

// plainRegister says whether a Move can name the register: not for ah, whose
// byte is not the lowest.
func plainRegister(r x86asm.Reg) bool {
	_, _, high := generalAMD64(r)
	return !high && registerAMD64(r) != ""
}

// move records that operand src goes to operand dst.
func move(in *Inst, asm x86asm.Inst, memory [6]int, dst, src int, sign bool) {
	size := operandWidth(asm, asm.Args[src])
	if name := nameAMD64(asm.Op); name == "movss" || name == "movsd" {
		size = min(size, map[string]int{"movss": 4, "movsd": 8}[name])
	}
	if n := operandWidth(asm, asm.Args[dst]); size == 0 || (n != 0 && n < size) {
		size = n
	}
	if size == 0 {
		return
	}
	m := Move{Size: size, Signed: sign}
	to, toReg := asm.Args[dst].(x86asm.Reg)
	if toReg {
		if !plainRegister(to) {
			return
		}
		m.Dst = registerAMD64(to)
	}
	switch from := asm.Args[src].(type) {
	case x86asm.Reg:
		if !plainRegister(from) {
			return
		}
		m.Src = registerAMD64(from)
		m.Kind, m.Mem = Store, memory[dst]
		if toReg {
			m.Kind, m.Mem = Copy, 0
		}
	case x86asm.Imm:
		m.Value = cutToSize(uint64(from), size)
		m.Kind, m.Mem = Store, memory[dst]
		if toReg {
			m.Kind, m.Mem = Const, 0
		}
	case x86asm.Mem:
		m.Kind, m.Mem = Load, memory[src]
		if !toReg {
			return // movs: both operands are in in.Mem, and no register holds the value
		}
	default:
		return
	}
	if m.Mem < 0 {
		return
	}
	in.Moves = append(in.Moves, m)
}

func cutToSize(v uint64, size int) uint64 {
	if size >= 8 {
		return v
	}
	return v & (1<<(8*size) - 1)
}

// constantLea: relative to the instruction, lea is a constant.
func constantLea(in *Inst, asm x86asm.Inst) {
	r, ok := asm.Args[0].(x86asm.Reg)
	m, mem := asm.Args[1].(x86asm.Mem)
	if !ok || !mem || m.Base != x86asm.RIP || m.Index != 0 || generalWidth(r) < 4 {
		return
	}
	v := cutToSize(in.Addr+uint64(asm.Len)+uint64(m.Disp), generalWidth(r))
	in.Moves = append(in.Moves, Move{Kind: Const, Dst: registerAMD64(r), Size: 8, Value: v})
}

// exchange records both directions of xchg.
func exchange(in *Inst, asm x86asm.Inst, memory [6]int) {
	move(in, asm, memory, 0, 1, false)
	move(in, asm, memory, 1, 0, false)
}
