package disasm

// This file decodes the memory operands of the A64 encoding group "Loads and
// Stores" (DDI 0487, C4.1, the tables of op0 = x1x0) from the encoding, with
// the field names used there.

// bits returns the n bits of w from bit lo on.
func bits(w uint32, lo, n uint) uint32 { return w >> lo & (1<<n - 1) }

// signed sign-extends the n bits of w from bit lo on.
func signed(w uint32, lo, n uint) int64 {
	return int64(int32(w<<(32-lo-n)) >> (32 - n))
}

var arm64X = [32]string{
	"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20",
	"x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "",
}

var arm64V = [32]string{
	"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
	"v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20",
	"v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31",
}

// xr names a register field in which 31 is the zero register, xsp one in which
// it is sp.
func xr(w uint32, lo uint) string { return arm64X[bits(w, lo, 5)] }
func xsp(w uint32) string {
	if r := xr(w, 5); r != "" {
		return r
	}
	return "sp"
}

// rt names the register that a load or store transfers: general, or with the
// V bit a vector register.
func rt(w uint32, lo uint) string {
	if bits(w, 26, 1) == 1 {
		return arm64V[bits(w, lo, 5)]
	}
	return xr(w, lo)
}

// isARM64Memory says whether w is of the group of loads and stores.
func isARM64Memory(w uint32) bool { return w&0x0a000000 == 0x08000000 }

// memoryARM64 adds the operands of a load or store to in. It adds nothing for
// a prefetch, and returns false for what it does not know.
func memoryARM64(in *Inst, w uint32) bool {
	switch {
	case bits(w, 28, 2) == 0 && bits(w, 26, 1) == 1:
		return vectorStructure(in, w)
	case bits(w, 28, 2) == 0:
		return exclusive(in, w)
	case bits(w, 28, 2) == 1 && bits(w, 24, 1) == 0:
		return literal(in, w)
	case bits(w, 28, 2) == 1:
		return acquireUnscaled(in, w)
	case bits(w, 28, 2) == 2:
		return pair(in, w)
	}
	return single(in, w)
}

// exclusive: "Load/store exclusive", ordered, and compare and swap.
func exclusive(in *Inst, w uint32) bool {
	size := 1 << bits(w, 30, 2)
	o2, l, o1 := bits(w, 23, 1), bits(w, 22, 1), bits(w, 21, 1)
	m := MemOperand{Base: xsp(w), Size: size}
	switch {
	case o1 == 1 && (o2 == 1 || bits(w, 31, 1) == 0):
		return compareSwap(in, w, m, o2 == 0)
	case o1 == 1: // ldxp, stxp
		m.Size = 2 * size
		m.Read, m.Write = l == 1, l == 0
		i := in.access(m)
		if l == 1 {
			in.load(xr(w, 0), i, 0, size, false)
			in.load(xr(w, 10), i, size, size, false)
			return true
		}
		in.store(xr(w, 0), i, 0, size)
		in.store(xr(w, 10), i, size, size)
		in.writes(xr(w, 16))
		return true
	case l == 1: // ldxr, ldar
		m.Read = true
		in.load(xr(w, 0), in.access(m), 0, size, false)
		return true
	}
	m.Write = true // stxr, stlr
	in.store(xr(w, 0), in.access(m), 0, size)
	if o2 == 0 {
		in.writes(xr(w, 16)) // the status
	}
	return true
}

// compareSwap: cas and, for a pair of registers, casp. Rs is compared and then
// holds what memory held; Rt is stored if they were equal.
func compareSwap(in *Inst, w uint32, m MemOperand, two bool) bool {
	if bits(w, 10, 5) != 31 {
		return false
	}
	m.Read, m.Write = true, true
	if !two {
		i := in.access(m)
		in.reads(xr(w, 16), xr(w, 0))
		in.load(xr(w, 16), i, 0, m.Size, false)
		return true
	}
	size := 4 << bits(w, 30, 1)
	m.Size = 2 * size
	rs, rt := bits(w, 16, 5), bits(w, 0, 5)
	if rs&1 != 0 || rt&1 != 0 {
		return false
	}
	i := in.access(m)
	in.reads(arm64X[rs], arm64X[rs+1], arm64X[rt], arm64X[rt+1])
	in.load(arm64X[rs], i, 0, size, false)
	in.load(arm64X[rs+1], i, size, size, false)
	return true
}

// literal: "Load register (literal)", relative to the instruction.
func literal(in *Inst, w uint32) bool {
	v, opc := bits(w, 26, 1), bits(w, 30, 2)
	size, sign := 4<<opc, false
	if v == 0 && opc == 2 {
		size, sign = 4, true // ldrsw
	}
	if opc == 3 {
		return v == 0 // prfm
	}
	i := in.access(MemOperand{Disp: int64(in.Addr) + signed(w, 5, 19)*4, Size: size, Read: true})
	in.load(rt(w, 0), i, 0, size, sign)
	return true
}

// acquireUnscaled: ldapur and stlur. The rest of this group are memory tags
// and memory copies, which are not decoded.
func acquireUnscaled(in *Inst, w uint32) bool {
	if bits(w, 26, 1) != 0 || bits(w, 21, 1) != 0 || bits(w, 10, 2) != 0 {
		return false
	}
	return generalAccess(in, w, MemOperand{Base: xsp(w), Disp: signed(w, 12, 9)})
}

// pair: ldp, stp, ldpsw, ldnp, stnp.
func pair(in *Inst, w uint32) bool {
	opc, v, l := bits(w, 30, 2), bits(w, 26, 1), bits(w, 22, 1)
	var size int
	sign := false
	switch {
	case opc == 3:
		return false
	case v == 1:
		size = 4 << opc
	case opc == 1:
		if l == 0 || bits(w, 23, 2) == 0 {
			return false // stgp, which also writes tags
		}
		size, sign = 4, true
	default:
		size = 4 << (opc >> 1)
	}
	m := MemOperand{Base: xsp(w), Disp: signed(w, 15, 7) * int64(size), Size: 2 * size, Read: l == 1, Write: l == 0}
	m.PostIndex = bits(w, 23, 2) == 1
	m.PreIndex = bits(w, 23, 2) == 3
	i := in.access(m)
	if l == 1 {
		in.load(rt(w, 0), i, 0, size, sign)
		in.load(rt(w, 10), i, size, size, sign)
		return true
	}
	in.store(rt(w, 0), i, 0, size)
	in.store(rt(w, 10), i, size, size)
	return true
}

// single: every form of ldr and str, and the atomic operations.
func single(in *Inst, w uint32) bool {
	m := MemOperand{Base: xsp(w)}
	if bits(w, 24, 1) == 1 {
		m.Disp = int64(bits(w, 10, 12)) << transferShift(w)
		return generalAccess(in, w, m)
	}
	if bits(w, 21, 1) == 0 {
		m.Disp = signed(w, 12, 9)
		switch bits(w, 10, 2) {
		case 1:
			m.PostIndex = true
		case 2:
			if bits(w, 26, 1) == 1 {
				return false
			}
		case 3:
			m.PreIndex = true
		}
		return generalAccess(in, w, m)
	}
	switch bits(w, 10, 2) {
	case 0:
		return atomic(in, w, m)
	case 2:
		return registerOffset(in, w, m)
	}
	return false // ldraa, ldrab
}

// transferShift is the logarithm of the transferred size, which 128-bit vector
// registers encode in opc.
func transferShift(w uint32) uint {
	if bits(w, 26, 1) == 1 && bits(w, 23, 1) == 1 {
		return 4
	}
	return uint(bits(w, 30, 2))
}

// registerOffset: [Xn, Xm, lsl #3] and its extensions of Wm.
func registerOffset(in *Inst, w uint32, m MemOperand) bool {
	option := bits(w, 13, 3)
	if option&2 == 0 {
		return false
	}
	m.Index, m.Scale = xr(w, 16), 1
	if bits(w, 12, 1) == 1 {
		m.Scale = 1 << transferShift(w)
	}
	if option&1 == 0 {
		m.IndexBits = 32
	}
	m.IndexSigned = option == 6
	if m.Index == "" {
		m.Scale, m.IndexBits, m.IndexSigned = 0, 0, false
	}
	return generalAccess(in, w, m)
}

// generalAccess completes an operand with what the fields size, V and opc say,
// which is the same for all addressing modes.
func generalAccess(in *Inst, w uint32, m MemOperand) bool {
	size, v, opc := bits(w, 30, 2), bits(w, 26, 1), bits(w, 22, 2)
	m.Size = 1 << transferShift(w)
	if v == 1 {
		if opc >= 2 && size != 0 {
			return false
		}
	} else if opc >= 2 {
		switch {
		case size == 3 && opc == 2:
			return !m.PreIndex && !m.PostIndex // prfm
		case size == 3, size == 2 && opc == 3:
			return false
		}
		m.Read = true
		in.load(xr(w, 0), in.access(m), 0, m.Size, true)
		return true
	}
	m.Read, m.Write = opc&1 == 1, opc&1 == 0
	i := in.access(m)
	if m.Read {
		in.load(rt(w, 0), i, 0, m.Size, false)
	} else {
		in.store(rt(w, 0), i, 0, m.Size)
	}
	return true
}

// atomic: ldadd and its kin, swp, ldapr. Rt receives what memory held; Rs is
// the operand.
func atomic(in *Inst, w uint32, m MemOperand) bool {
	if bits(w, 26, 1) == 1 {
		return false
	}
	m.Size = 1 << bits(w, 30, 2)
	m.Read = true
	o3, opc := bits(w, 15, 1), bits(w, 12, 3)
	switch {
	case o3 == 1 && opc == 4 && bits(w, 16, 8) == 0xbf: // ldapr: A=1, R=0, Rs=31
		in.load(xr(w, 0), in.access(m), 0, m.Size, false)
		return true
	case o3 == 1 && opc != 0:
		return false
	}
	m.Write = true
	i := in.access(m)
	in.reads(xr(w, 16))
	in.load(xr(w, 0), i, 0, m.Size, false)
	if o3 == 1 {
		in.store(xr(w, 16), i, 0, m.Size)
	}
	return true
}

// structureRegisters gives, by opcode, the number of registers of ld1 to ld4
// (multiple structures), and the number of elements in a structure.
var structureRegisters = map[uint32]struct{ registers, elements int }{
	0: {4, 4}, 2: {4, 1}, 4: {3, 3}, 6: {3, 1}, 7: {1, 1}, 8: {2, 2}, 10: {2, 1},
}

// vectorStructure: ld1 to ld4 and st1 to st4, whole registers or one lane.
func vectorStructure(in *Inst, w uint32) bool {
	if bits(w, 31, 1) != 0 {
		return false
	}
	lane, post, l := bits(w, 24, 1) == 1, bits(w, 23, 1) == 1, bits(w, 22, 1)
	width := 8 << bits(w, 30, 1)
	m := MemOperand{Base: xsp(w), Read: l == 1, Write: l == 0, PostIndex: post}
	var count, elements, element int
	replicate := false
	if !lane {
		s, ok := structureRegisters[bits(w, 12, 4)]
		if !ok || bits(w, 21, 1) != 0 {
			return false
		}
		count, elements = s.registers, s.elements
		m.Size = count * width
	} else {
		opcode := bits(w, 13, 3)
		elements = int(bits(w, 21, 1)|opcode&1<<1) + 1
		count = elements
		switch opcode >> 1 {
		case 0:
			element = 1
		case 1:
			element = 2
		case 2:
			element = 4
			if bits(w, 10, 1) == 1 {
				element = 8
			}
		case 3:
			if l == 0 {
				return false
			}
			replicate = true
			element = 1 << bits(w, 10, 2)
		}
		m.Size = count * element
	}
	if post {
		if rm := bits(w, 16, 5); rm == 31 {
			m.Disp = int64(m.Size)
		} else {
			m.Index, m.Scale = arm64X[rm], 1
		}
	} else if bits(w, 16, 5) != 0 {
		return false
	}
	i := in.access(m)
	for k := range count {
		v := arm64V[(int(bits(w, 0, 5))+k)%32]
		switch {
		case l == 0:
			in.reads(v)
			if !lane && elements == 1 {
				in.store(v, i, k*width, width)
			}
		case lane && !replicate:
			in.merges(v)
		default:
			in.writes(v)
			if !lane && elements == 1 {
				in.load(v, i, k*width, width, false)
			}
		}
	}
	return true
}
