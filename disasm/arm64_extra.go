package disasm

import (
	"fmt"
	"slices"
	"strings"
)

// This file knows the A64 instructions that x/arch lacks and that user space
// code does contain: the named hints (pointer authentication, branch targets),
// the atomics of FEAT_LSE, the acquire loads of FEAT_LRCPC, and udf.

// extraARM64 fills in all of in when w is one of them.
func extraARM64(in *Inst, w uint32) bool {
	switch {
	case w&0xfffff01f == 0xd503201f:
		return hint(in, bits(w, 5, 7))
	case w&0xffff0000 == 0:
		in.Text = fmt.Sprintf("udf #%d", w)
		return true
	case w == 0xd65f0bff || w == 0xd65f0fff:
		in.Text = [2]string{"retaa", "retab"}[bits(w, 10, 1)]
		in.Branch, in.Ret = true, true
		in.reads("x30", "sp")
		return true
	case !isARM64Memory(w):
		return false
	case w&0x3fa07c00 == 0x08a07c00, w&0xbfa07c00 == 0x08207c00:
		if !memoryARM64(in, w) {
			return false
		}
		in.Text = compareSwapText(w)
		return true
	case w&0x3f200c00 == 0x38200000:
		return memoryARM64(in, w) && atomicText(in, w)
	case w&0x3f200c00 == 0x19000000:
		return memoryARM64(in, w) && acquireUnscaledText(in, w)
	}
	return false
}

// hints names the allocated part of the hint space (DDI 0487, C6.2, "HINT").
var hints = map[uint32]string{
	6: "dgh", 7: "xpaclri", 8: "pacia1716", 10: "pacib1716", 12: "autia1716", 14: "autib1716",
	16: "esb", 17: "psb csync", 18: "tsb csync", 20: "csdb", 22: "clrbhb",
	24: "paciaz", 25: "paciasp", 26: "pacibz", 27: "pacibsp",
	28: "autiaz", 29: "autiasp", 30: "autibz", 31: "autibsp",
	32: "bti", 34: "bti c", 36: "bti j", 38: "bti jc", 40: "chkfeat x16",
}

// hint leaves the hints that x/arch names (nop, yield, ...) and those that
// have no name to it.
func hint(in *Inst, number uint32) bool {
	name := hints[number]
	if name == "" {
		return false
	}
	in.Text = name
	switch {
	case name == "xpaclri":
		in.reads("x30")
		in.writes("x30")
	case strings.HasSuffix(name, "1716"):
		in.reads("x17", "x16")
		in.writes("x17")
	case number >= 24 && number < 32:
		in.reads("x30")
		if number&1 == 1 {
			in.reads("sp") // the modifier
		}
		in.writes("x30")
	case number == 40:
		in.reads("x16")
		in.writes("x16")
	}
	return true
}

// ordering is the suffix of an atomic with acquire and release semantics.
func ordering(acquire, release uint32) string {
	return strings.Repeat("a", int(acquire)) + strings.Repeat("l", int(release))
}

// sizeSuffix is b or h for the sizes that the register name does not tell.
func sizeSuffix(w uint32) string { return [4]string{"b", "h"}[bits(w, 30, 2)] }

// regText spells a general register as an operand, as w or x register.
func regText(w uint32, lo uint, x bool) string {
	letter := map[bool]string{false: "w", true: "x"}[x]
	if n := bits(w, lo, 5); n != 31 {
		return fmt.Sprint(letter, n)
	}
	return letter + "zr"
}

func compareSwapText(w uint32) string {
	acquire, release := bits(w, 22, 1), bits(w, 15, 1)
	if bits(w, 23, 1) == 1 {
		x := bits(w, 30, 2) == 3
		return fmt.Sprintf("cas%s%s %s, %s, [%s]", ordering(acquire, release), sizeSuffix(w),
			regText(w, 16, x), regText(w, 0, x), xsp(w))
	}
	// Of a pair only the first register is encoded, and it is even, so that
	// 31, the zero register, can be but the second.
	x := bits(w, 30, 1) == 1
	return fmt.Sprintf("casp%s %s, %s, %s, %s, [%s]", ordering(acquire, release),
		regText(w, 16, x), regText(w+1<<16, 16, x), regText(w, 0, x), regText(w+1, 0, x), xsp(w))
}

var atomicNames = [8]string{"add", "clr", "eor", "set", "smax", "smin", "umax", "umin"}

func atomicText(in *Inst, w uint32) bool {
	x := bits(w, 30, 2) == 3
	acquire, release := bits(w, 23, 1), bits(w, 22, 1)
	suffix := ordering(acquire, release) + sizeSuffix(w)
	rs, rt, base := regText(w, 16, x), regText(w, 0, x), xsp(w)
	switch {
	case bits(w, 15, 1) == 1 && bits(w, 12, 3) == 4:
		in.Text = fmt.Sprintf("ldapr%s %s, [%s]", sizeSuffix(w), rt, base)
	case bits(w, 15, 1) == 1:
		in.Text = fmt.Sprintf("swp%s %s, %s, [%s]", suffix, rs, rt, base)
	case acquire == 0 && bits(w, 0, 5) == 31:
		in.Text = fmt.Sprintf("st%s%s %s, [%s]", atomicNames[bits(w, 12, 3)], suffix, rs, base)
	default:
		in.Text = fmt.Sprintf("ld%s%s %s, %s, [%s]", atomicNames[bits(w, 12, 3)], suffix, rs, rt, base)
	}
	return true
}

func acquireUnscaledText(in *Inst, w uint32) bool {
	size, opc := bits(w, 30, 2), bits(w, 22, 2)
	if size == 3 && opc > 1 {
		return false
	}
	name := [4]string{"stlur", "ldapur", "ldapurs", "ldapurs"}[opc] + [3]string{"b", "h", ""}[min(size, 2)]
	if opc >= 2 && size == 2 {
		name += "w"
	}
	// Loads with sign extension have a 64-bit and a 32-bit form.
	x := size == 3 || opc == 2
	address := "[" + xsp(w)
	if d := signed(w, 12, 9); d != 0 {
		address += fmt.Sprintf(", #%d", d)
	}
	in.Text = fmt.Sprintf("%s %s, %s]", name, regText(w, 0, x), address)
	return slices.ContainsFunc(in.Mem, func(m MemOperand) bool { return m.Size > 0 })
}
