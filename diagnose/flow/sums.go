package flow

import (
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"

	"emurace/disasm"
)

// sum is dst = a + b*scale + add, of 64 bits or, when narrow, of the low 32, extended by zeros.
type sum struct {
	dst, a, b int // registers; b and a are -1 for none
	scale     int64
	add       int64
	narrow    bool
	// keep has the bits of a that stay when the instruction replaces only some of them by add.
	keep uint64
}

// sumsARM64 are the additions of an instruction (DDI 0487, C4.1: add/subtract, move wide).
func sumsARM64(in *disasm.Inst, code []byte) (list []sum) {
	w := binary.LittleEndian.Uint32(code)
	rd, rn, rm := int(w&31), int(w>>5&31), int(w>>16&31)
	narrow := w>>31 == 0
	sign := int64(1)
	if w>>30&1 == 1 {
		sign = -1
	}
	flags := w>>29&1 == 1 // then register 31 is no destination
	zero := func(r int) int {
		if r == 31 {
			return -1
		}
		return r
	}
	switch {
	case flags && rd == 31:
	case w&0x1f800000 == 0x11000000: // add, sub with an immediate
		add := int64(w >> 10 & 0xfff)
		if w>>22&1 == 1 {
			add <<= 12
		}
		list = append(list, sum{dst: rd, a: rn, b: -1, add: sign * add, narrow: narrow})
	case w&0x1f200000 == 0x0b000000 && w>>22&3 == 0 && rd != 31: // with a register shifted to the left
		list = append(list, sum{dst: rd, a: zero(rn), b: zero(rm), scale: sign << (w >> 10 & 63), narrow: narrow})
	case w&0x1fe00000 == 0x0b200000 && w>>13&7 == 3: // with an extended register of 64 bits
		list = append(list, sum{dst: rd, a: rn, b: zero(rm), scale: sign << (w >> 10 & 7), narrow: narrow})
	case w&0x7f800000 == 0x72800000 && rd != 31: // movk
		shift := 16 * (w >> 21 & 3)
		list = append(list, sum{dst: rd, a: rd, b: -1, keep: ^(uint64(0xffff) << shift), add: int64(uint64(w>>5&0xffff) << shift), narrow: narrow})
	}
	for _, m := range in.Mem {
		if r := arm64.register(m.Base); (m.PreIndex || m.PostIndex) && m.Index == "" && r >= 0 {
			list = append(list, sum{dst: r, a: r, b: -1, add: m.Disp})
		}
	}
	return list
}

// sumsAMD64 are the additions of an instruction, those to the stack pointer too.
func sumsAMD64(code []byte) []sum {
	const rsp, rbp = 7, 6
	asm, err := x86asm.Decode(code, 64)
	if err != nil {
		return nil
	}
	size := int64(8)
	if asm.DataSize == 16 {
		size = 2
	}
	one := func(s sum) []sum { return []sum{s} }
	switch asm.Op {
	case x86asm.PUSH, x86asm.PUSHF, x86asm.PUSHFQ:
		return one(sum{dst: rsp, a: rsp, b: -1, add: -size})
	case x86asm.POP, x86asm.POPF, x86asm.POPFQ:
		if r, ok := asm.Args[0].(x86asm.Reg); ok && r == x86asm.RSP {
			return nil
		}
		return one(sum{dst: rsp, a: rsp, b: -1, add: size})
	case x86asm.LEAVE:
		return one(sum{dst: rsp, a: rbp, b: -1, add: 8})
	case x86asm.CALL:
		return one(sum{dst: rsp, a: rsp, b: -1})
	}
	dst, narrow := generalAMD64(asm.Args[0])
	if dst < 0 {
		return nil
	}
	switch asm.Op {
	case x86asm.LEA:
		m, ok := asm.Args[1].(x86asm.Mem)
		if !ok || m.Base == x86asm.RIP || asm.AddrSize != 64 {
			return nil
		}
		// The decoder does not always extend the sign.
		s := sum{dst: dst, a: -1, b: -1, add: int64(int32(m.Disp)), narrow: narrow}
		if m.Base != 0 {
			if s.a, _ = generalAMD64(m.Base); s.a < 0 {
				return nil
			}
		}
		if m.Index != 0 {
			if s.b, _ = generalAMD64(m.Index); s.b < 0 {
				return nil
			}
			s.scale = int64(m.Scale)
		}
		return one(s)
	case x86asm.INC:
		return one(sum{dst: dst, a: dst, b: -1, add: 1, narrow: narrow})
	case x86asm.DEC:
		return one(sum{dst: dst, a: dst, b: -1, add: -1, narrow: narrow})
	case x86asm.ADD, x86asm.SUB:
		sign := int64(1)
		if asm.Op == x86asm.SUB {
			sign = -1
		}
		switch b := asm.Args[1].(type) {
		case x86asm.Imm:
			return one(sum{dst: dst, a: dst, b: -1, add: sign * int64(b), narrow: narrow})
		case x86asm.Reg:
			if r, _ := generalAMD64(b); r >= 0 && !(sign < 0 && r == dst) {
				return one(sum{dst: dst, a: dst, b: r, scale: sign, narrow: narrow})
			}
		}
	}
	return nil
}

// generalAMD64 is a general register of 64 or, when narrow, 32 bits; -1 for anything else.
func generalAMD64(a x86asm.Arg) (r int, narrow bool) {
	reg, ok := a.(x86asm.Reg)
	switch {
	case !ok:
		return -1, false
	case reg >= x86asm.RAX && reg <= x86asm.R15:
		return dwarfAMD64[reg-x86asm.RAX], false
	case reg >= x86asm.EAX && reg <= x86asm.R15L:
		return dwarfAMD64[reg-x86asm.EAX], true
	}
	return -1, false
}

// dwarfAMD64 has DWARF's numbers of the registers by those of instructions.
var dwarfAMD64 = [...]int{0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15}

// apply computes a sum in a state; ok is false when it is no symbol plus a constant.
func (s *sum) apply(st *state) (v value, ok bool) {
	if s.a >= 0 {
		v = st.regs[s.a]
	}
	if s.narrow {
		v = v.low32(zero32)
	}
	if s.keep != 0 {
		c, ok := v.constant()
		if s.narrow {
			c = uint64(uint32(c & s.keep))
		}
		return value{off: int64(c&s.keep | uint64(s.add)), doubt: v.doubt}, ok
	}
	add := s.add
	if s.b >= 0 {
		b := st.regs[s.b]
		c, constant := b.constant()
		switch {
		case constant:
			add += int64(c) * s.scale
		case v.sym == 0 && s.scale == 1:
			add += v.off
			v = b
			if s.narrow {
				v = v.low32(zero32)
			}
		default:
			return v, false
		}
		v.doubt = v.doubt || b.doubt
	}
	if s.narrow {
		if v.ext == zero32 || v.sym == 0 {
			v.off += add
			return v.low32(zero32), true
		}
		return v, false
	}
	return v.plus(add)
}
