package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// operandsAMD64 fills in everything but the text from the operands and the
// table of effects.
func operandsAMD64(in *Inst, asm x86asm.Inst) {
	name := nameAMD64(asm.Op)
	if s := stringOps[asm.Op]; s != "" {
		name = s
		in.Repeat = hasRepeat(asm)
	}
	e := effectAMD64(name)
	mask := maskOperand(asm)
	switch _, fromMemory := asm.Args[1].(x86asm.Mem); {
	case idiomZero(asm, name):
		e.args = "w-----"
	case name == "imul":
		e = imulEffect(asm)
	case fromMemory && (name == "movss" || name == "movsd"):
		e.args = "wr"
	case name[0] == 'f' && e.args == "xr" && asm.Args[1] == nil:
		e.args = "r" // x87 arithmetic on st0 with a number in memory
	case isGather(name) && mask < 0:
		e.args = "xrx" // the mask, a vector, is cleared along the way
	}
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
	if len(e.out) == 3 && operandWidth(asm, asm.Args[0]) == 1 && (name == "mul" || name == "imul" || name == "div" || name == "idiv") {
		// With bytes, ax alone holds the operand of double width.
		e.in, e.out = []string{"rax"}, []string{"eflags"}
		in.merges("rax")
	}
	in.reads(e.in...)
	if mask >= 0 && isGather(name) {
		in.writes(registerAMD64(asm.Args[mask].(x86asm.Reg)))
	}
	switch name {
	case "cwd":
		in.merges("rdx")
	case "cbw", "lahf", "xlat":
		in.merges("rax")
	case "cwde", "cdqe":
		in.writes("rax")
	case "xsave", "xsave64", "xsavec", "xsavec64", "xsaveopt", "xsaveopt64", "fxsave", "fxsave64":
		in.reads(savedState...)
	case "xrstor", "xrstor64", "fxrstor", "fxrstor64":
		in.merges(savedState...) // rdx:rax chooses which
	case "vzeroall":
		in.writes(savedState[8:]...)
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

// savedState are the registers that xsave saves and xrstor restores: the x87
// stack and the vector registers.
var savedState = func() (names []string) {
	for n := range 8 {
		names = append(names, fmt.Sprint("st", n))
	}
	for n := range 16 {
		names = append(names, fmt.Sprint("xmm", n))
	}
	return names
}()

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

func isGather(name string) bool {
	return strings.HasPrefix(name, "vgather") || strings.HasPrefix(name, "vpgather")
}

// imulEffect: with one operand it is as mul, with two the first is a factor,
// with three it is not.
func imulEffect(asm x86asm.Inst) effect {
	switch {
	case asm.Args[1] == nil:
		return amd64Effects["mul"]
	case asm.Args[2] == nil:
		return effect{"xr", nil, []string{"eflags"}}
	}
	return effect{"wr", nil, []string{"eflags"}}
}

// maskedMerge says whether elements of the result keep their old value where
// the mask says so. The bits of a result that is a mask do not.
func maskedMerge(asm x86asm.Inst, mask int) bool {
	r, ok := asm.Args[mask].(x86asm.Reg)
	to, vector := asm.Args[0].(x86asm.Reg)
	if vector && to >= x86asm.K0 && to <= x86asm.K7 {
		return false
	}
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
	switch asm.Op {
	case x86asm.XLATB:
		m.Index, m.Scale, m.IndexBits = "rax", 1, 8
	case x86asm.BT, x86asm.BTS, x86asm.BTR, x86asm.BTC:
		// A bit number in a register reaches beyond the operand.
		if _, ok := asm.Args[1].(x86asm.Reg); ok {
			m.Size = 0
		}
	}
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
	case "enter":
		in.store("rbp", in.access(down), 0, size)
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
	case name[0] == 'j' || strings.HasPrefix(name, "loop") || name == "xbegin":
		in.Branch, in.CondBranch = true, true
	default:
		return
	}
	if rel, ok := asm.Args[0].(x86asm.Rel); ok {
		in.Target = in.Addr + uint64(asm.Len) + uint64(int64(rel))
	}
}
