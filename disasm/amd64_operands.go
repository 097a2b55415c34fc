package disasm

import (
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// operandsAMD64 fills in everything but the text from the operands and the
// table of effects.
func operandsAMD64(in *Inst, asm x86asm.Inst, code []byte) {
	name := nameAMD64(asm.Op)
	if s := stringOps[asm.Op]; s != "" {
		name = s
		in.Repeat = hasRepeat(asm)
	}
	e := effectAMD64(name)
	if idiomZero(asm, name) {
		e.args = "w-----"
	}
	if name == "imul" {
		e = imulEffect(asm)
	}
	mask := maskOperand(asm)
	args := e.args
	var memory [6]int // index into in.Mem by operand, -1 for none
	operand := 0      // position without the mask
	for i, a := range asm.Args {
		memory[i] = -1
		if a == nil {
			continue
		}
		use := byte('r')
		switch {
		case i == mask:
		case operand < len(args):
			use = args[operand]
		}
		if i != mask {
			operand++
		}
		switch a := a.(type) {
		case x86asm.Reg:
			useRegister(in, a, use, i == 0 && mask >= 0 && maskedMerge(asm, mask))
		case x86asm.Mem:
			memory[i] = useMemory(in, asm, a, use)
		}
	}
	in.reads(e.in...)
	switch name {
	case "mul", "div", "idiv":
		// With bytes, ax alone holds the double-width operand.
		if operandWidth(asm, asm.Args[0]) == 1 {
			in.Src = without(in.Src, "rdx")
			in.merges("rax")
			e.out = []string{"eflags"}
		}
	case "cwd":
		in.merges("rdx")
	case "cbw", "lahf", "xlat":
		in.merges("rax")
	case "cwde", "cdqe":
		in.writes("rax")
	}
	in.writes(e.out...)
	if in.Repeat {
		in.reads("rcx")
		in.writes("rcx")
	}
	stackAMD64(in, asm, name, memory)
	flowAMD64(in, asm, name)
	movesAMD64(in, asm, name, memory)
}

func without(list []string, name string) []string {
	var out []string
	for _, s := range list {
		if s != name {
			out = append(out, s)
		}
	}
	return out
}

func hasRepeat(asm x86asm.Inst) bool {
	for _, p := range asm.Prefix {
		if p&0xff == x86asm.PrefixREP || p&0xff == x86asm.PrefixREPN {
			return true
		}
	}
	return false
}

// idiomZero recognizes xor and sub of a register with itself, which processors
// and people read as setting it to zero.
func idiomZero(asm x86asm.Inst, name string) bool {
	var a, b x86asm.Arg
	switch name {
	case "xor", "sub", "pxor", "xorps", "xorpd":
		a, b = asm.Args[0], asm.Args[1]
	case "vpxor", "vxorps", "vxorpd", "vpxord", "vpxorq":
		a, b = asm.Args[1], asm.Args[2]
		if maskOperand(asm) >= 0 {
			a, b = asm.Args[2], asm.Args[3]
		}
	}
	r, ok := a.(x86asm.Reg)
	s, same := b.(x86asm.Reg)
	return ok && same && r == s
}

// imulEffect: with one operand it is as mul, with two the first is a factor,
// with three it is not.
func imulEffect(asm x86asm.Inst) effect {
	switch {
	case asm.Args[1] == nil && operandWidth(asm, asm.Args[0]) == 1:
		return effect{"r", []string{"rax"}, []string{"rax", "eflags"}}
	case asm.Args[1] == nil:
		return amd64Effects["mul"]
	case asm.Args[2] == nil:
		return effect{"xr", nil, []string{"eflags"}}
	}
	return effect{"wr", nil, []string{"eflags"}}
}

// maskedMerge says whether elements of the result keep their old value where
// the mask says so.
func maskedMerge(asm x86asm.Inst, mask int) bool {
	r, ok := asm.Args[mask].(x86asm.Reg)
	return ok && r != x86asm.K0 && !asm.Zeroing
}

func useRegister(in *Inst, r x86asm.Reg, use byte, merge bool) {
	name := registerAMD64(r)
	if name == "" {
		return
	}
	if use == 'r' || use == 'x' {
		in.reads(name)
	}
	if use != 'w' && use != 'x' && use != 'm' {
		return
	}
	// 32-bit results clear the upper half; smaller ones leave the rest alone.
	if w := generalWidth(r); merge || use == 'm' || w == 1 || w == 2 {
		in.merges(name)
	} else {
		in.writes(name)
	}
}

// useMemory adds a memory operand and returns its index, or -1 if it is not
// accessed.
func useMemory(in *Inst, asm x86asm.Inst, a x86asm.Mem, use byte) int {
	m := memoryOperand(in, asm, a)
	switch use {
	case 'r':
		m.Read = true
	case 'w', 'm':
		m.Write = true
	case 'x':
		m.Read, m.Write = true, true
	case 'a':
		in.reads(m.Base, m.Index)
		return -1
	default:
		return -1
	}
	return in.access(m)
}

func memoryOperand(in *Inst, asm x86asm.Inst, a x86asm.Mem) MemOperand {
	m := MemOperand{Base: registerAMD64(a.Base), Disp: a.Disp, Size: memorySize(asm)}
	if a.Base == x86asm.RIP || a.Base == x86asm.EIP {
		m.Disp += int64(in.Addr) + int64(asm.Len)
	}
	if a.Index != 0 {
		m.Index, m.Scale = registerAMD64(a.Index), a.Scale
	}
	if a.Segment == x86asm.FS || a.Segment == x86asm.GS {
		m.Segment = registerText(a.Segment)
	}
	m.Addr32 = asm.AddrSize == 32
	return m
}

// operandWidth is the width in bytes of an operand, 0 if it is not known.
func operandWidth(asm x86asm.Inst, a x86asm.Arg) int {
	switch a := a.(type) {
	case x86asm.Reg:
		if w := generalWidth(a); w != 0 {
			return w
		}
		_, w := vectorAMD64(a)
		return w
	case x86asm.Mem:
		return memorySize(asm)
	}
	return 0
}

// stackAMD64 adds the accesses that push, pop, call and ret make through rsp.
func stackAMD64(in *Inst, asm x86asm.Inst, name string, memory [6]int) {
	size := 8
	if asm.DataSize == 16 && (name == "push" || name == "pop") {
		size = 2
	}
	down := MemOperand{Base: "rsp", Disp: -int64(size), Size: size, Write: true}
	up := MemOperand{Base: "rsp", Size: size, Read: true}
	switch name {
	case "push":
		i := in.access(down)
		switch a := asm.Args[0].(type) {
		case x86asm.Reg:
			in.store(registerAMD64(a), i, 0, size)
		case x86asm.Imm:
			in.Moves = append(in.Moves, Move{Kind: Store, Mem: i, Size: size, Value: uint64(a)})
		}
	case "pushf":
		in.access(down)
	case "call":
		// Its return address is what a corrupted stack is missing.
		i := in.access(down)
		in.Moves = append(in.Moves, Move{Kind: Store, Mem: i, Size: size, Value: in.Addr + uint64(asm.Len)})
	case "pop":
		// rsp as a base counts after the increment.
		if j := memory[0]; j >= 0 && in.Mem[j].Base == "rsp" {
			in.Mem[j].Disp += int64(size)
		}
		i := in.access(up)
		if r, ok := asm.Args[0].(x86asm.Reg); ok {
			in.load(registerAMD64(r), i, 0, size, false)
		}
	case "popf", "ret":
		in.access(up)
	case "leave":
		in.load("rbp", in.access(MemOperand{Base: "rbp", Size: size, Read: true}), 0, size, false)
	}
}

// flowAMD64 describes branches.
func flowAMD64(in *Inst, asm x86asm.Inst, name string) {
	switch {
	case name == "call":
		in.Branch, in.Call = true, true
	case name == "ret" || name == "retf" || name == "iret":
		in.Branch, in.Ret = true, true
	case name == "jmp":
		in.Branch = true
	case name[0] == 'j' || strings.HasPrefix(name, "loop"):
		in.Branch, in.CondBranch = true, true
	default:
		return
	}
	if rel, ok := asm.Args[0].(x86asm.Rel); ok {
		in.Target = in.Addr + uint64(asm.Len) + uint64(int64(rel))
	}
}
