package disasm

import (
	"strconv"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"
)

// This file says which registers an A64 instruction other than a load or store
// reads and writes. The rule is that the first register operand is written and
// the others are read; the sets below are the exceptions.

type opSet map[arm64asm.Op]bool

func opsOf(list ...arm64asm.Op) opSet {
	set := opSet{}
	for _, op := range list {
		set[op] = true
	}
	return set
}

// arm64NoResult write no general or vector register.
var arm64NoResult = opsOf(
	arm64asm.CMP, arm64asm.CMN, arm64asm.TST, arm64asm.CCMP, arm64asm.CCMN,
	arm64asm.FCMP, arm64asm.FCMPE, arm64asm.FCCMP, arm64asm.FCCMPE,
	arm64asm.CBZ, arm64asm.CBNZ, arm64asm.TBZ, arm64asm.TBNZ,
	arm64asm.BR, arm64asm.BLR, arm64asm.RET, arm64asm.MSR,
	arm64asm.DC, arm64asm.IC, arm64asm.AT, arm64asm.TLBI, arm64asm.SYS,
)

// arm64Accumulate read the register that they write.
var arm64Accumulate = opsOf(
	arm64asm.MLA, arm64asm.MLS, arm64asm.FMLA, arm64asm.FMLS,
	arm64asm.SABA, arm64asm.UABA, arm64asm.SABAL, arm64asm.SABAL2, arm64asm.UABAL, arm64asm.UABAL2,
	arm64asm.SMLAL, arm64asm.SMLAL2, arm64asm.UMLAL, arm64asm.UMLAL2,
	arm64asm.SMLSL, arm64asm.SMLSL2, arm64asm.UMLSL, arm64asm.UMLSL2,
	arm64asm.SQDMLAL, arm64asm.SQDMLAL2, arm64asm.SQDMLSL, arm64asm.SQDMLSL2,
	arm64asm.SADALP, arm64asm.UADALP, arm64asm.SUQADD, arm64asm.USQADD,
	arm64asm.SSRA, arm64asm.USRA, arm64asm.SRSRA, arm64asm.URSRA,
	arm64asm.BSL, arm64asm.BIT, arm64asm.BIF,
	arm64asm.AESE, arm64asm.AESD,
	arm64asm.SHA1C, arm64asm.SHA1M, arm64asm.SHA1P, arm64asm.SHA1SU0, arm64asm.SHA1SU1,
	arm64asm.SHA256H, arm64asm.SHA256H2, arm64asm.SHA256SU0, arm64asm.SHA256SU1,
)

// arm64Insert keep a part of the register that they write.
var arm64Insert = opsOf(
	arm64asm.MOVK, arm64asm.BFI, arm64asm.BFM, arm64asm.BFXIL, arm64asm.INS,
	arm64asm.SLI, arm64asm.SRI, arm64asm.TBX,
)

// arm64SetFlags write nzcv.
var arm64SetFlags = opsOf(
	arm64asm.ADDS, arm64asm.SUBS, arm64asm.ANDS, arm64asm.BICS, arm64asm.NEGS,
	arm64asm.ADCS, arm64asm.SBCS, arm64asm.NGCS,
	arm64asm.CMP, arm64asm.CMN, arm64asm.TST, arm64asm.CCMP, arm64asm.CCMN,
	arm64asm.FCMP, arm64asm.FCMPE, arm64asm.FCCMP, arm64asm.FCCMPE,
)

// arm64Carry read nzcv without a condition among their operands.
var arm64Carry = opsOf(
	arm64asm.ADC, arm64asm.ADCS, arm64asm.SBC, arm64asm.SBCS, arm64asm.NGC, arm64asm.NGCS,
)

// registersARM64 fills in Dst, Src and Partial.
func registersARM64(in *Inst, asm arm64asm.Inst) {
	result := !arm64NoResult[asm.Op]
	for i, a := range asm.Args {
		if a == nil {
			break
		}
		if cond, ok := a.(arm64asm.Cond); ok && cond.Value < 14 {
			in.reads("nzcv")
		}
		names := registersIn(a.String())
		if reg, ok := a.(arm64asm.Systemreg); ok {
			names = []string{systemRegister(reg)}
		}
		switch {
		case asm.Op == arm64asm.MSR && i == 0:
			in.writes(names...)
		case i > 0 || !result:
			in.reads(names...)
		case insertsARM64(asm):
			in.merges(names...)
		case accumulatesARM64(asm):
			in.reads(names...)
			in.writes(names...)
		default:
			in.writes(names...)
		}
	}
	if arm64SetFlags[asm.Op] {
		in.writes("nzcv")
	}
	if arm64Carry[asm.Op] {
		in.reads("nzcv")
	}
	switch asm.Op {
	case arm64asm.BL, arm64asm.BLR:
		in.writes("x30")
	case arm64asm.SVC:
		// The system call convention of Linux: number in x8, result in x0.
		in.reads("x8", "x0", "x1", "x2", "x3", "x4", "x5")
		in.writes("x0")
	case arm64asm.DC:
		if strings.HasPrefix(asm.Args[0].String(), "ZVA") {
			in.access(MemOperand{Base: xr(asm.Enc, 0), Write: true})
		}
	}
}

// insertsARM64 adds the cases in which an operand decides: a single lane as
// the result, and the upper half, which narrowing instructions with a 2 in
// their name write.
func insertsARM64(asm arm64asm.Inst) bool {
	if arm64Insert[asm.Op] || strings.HasSuffix(asm.Op.String(), "N2") {
		return true
	}
	_, lane := asm.Args[0].(arm64asm.RegisterWithArrangementAndIndex)
	return lane
}

// accumulatesARM64 adds the vector forms of orr and bic with an immediate.
func accumulatesARM64(asm arm64asm.Inst) bool {
	if arm64Accumulate[asm.Op] {
		return true
	}
	if asm.Op == arm64asm.ORR || asm.Op == arm64asm.BIC {
		_, vector := asm.Args[0].(arm64asm.RegisterWithArrangement)
		return vector && len(registersIn(asm.Args[1].String())) == 0
	}
	return false
}

// moveARM64 records what the instruction hands on unchanged.
func moveARM64(in *Inst, asm arm64asm.Inst) {
	if v, ok := constantARM64(in.Addr, asm); ok {
		if len(in.Dst) > 0 {
			in.Moves = append(in.Moves, Move{Kind: Const, Dst: in.Dst[0], Size: 8, Value: v})
		}
		return
	}
	if len(in.Dst) != 1 || len(in.Src) != 1 || len(in.Partial) != 0 || asm.Args[1] == nil {
		return
	}
	m := Move{Kind: Copy, Dst: in.Dst[0], Src: in.Src[0]}
	switch asm.Op {
	case arm64asm.MOV, arm64asm.FMOV, arm64asm.MRS, arm64asm.MSR:
		m.Size = copySize(asm.Args[1].String())
	case arm64asm.UXTB:
		m.Size = 1
	case arm64asm.UXTH:
		m.Size = 2
	case arm64asm.SXTB:
		m.Size, m.Signed = 1, true
	case arm64asm.SXTH:
		m.Size, m.Signed = 2, true
	case arm64asm.SXTW:
		m.Size, m.Signed = 4, true
	}
	if m.Size != 0 {
		in.Moves = append(in.Moves, m)
	}
}

// constantARM64 returns the value that the instruction puts into its result
// whatever the state of the machine: addresses relative to it, immediates, and
// the return address of a call.
func constantARM64(pc uint64, asm arm64asm.Inst) (uint64, bool) {
	w := asm.Enc
	switch asm.Op {
	case arm64asm.BL, arm64asm.BLR:
		return pc + 4, true
	case arm64asm.ADR, arm64asm.ADRP:
		rel, _ := asm.Args[1].(arm64asm.PCRel)
		if asm.Op == arm64asm.ADRP {
			pc &^= 0xfff
		}
		return pc + uint64(rel), true
	}
	if w&0x1f800000 == 0x12800000 && bits(w, 29, 2) != 3 && bits(w, 29, 2) != 1 { // movz, movn
		v := uint64(bits(w, 5, 16)) << (16 * bits(w, 21, 2))
		if bits(w, 29, 2) == 0 {
			v = ^v
		}
		if bits(w, 31, 1) == 0 {
			v = uint64(uint32(v))
		}
		return v, true
	}
	if asm.Op != arm64asm.MOV {
		return 0, false
	}
	switch v := asm.Args[1].(type) { // orr with the zero register
	case arm64asm.Imm:
		return uint64(v.Imm), true
	case arm64asm.Imm64:
		return v.Imm, true
	}
	if reg := asm.Args[1].String(); reg == "XZR" || reg == "WZR" {
		return 0, true
	}
	return 0, false
}

// copySize is the width in bytes of a register operand as x/arch spells it. It
// is 0 for a lane and for what is no register.
func copySize(operand string) int {
	if name, arrangement, vector := strings.Cut(operand, "."); vector && strings.HasPrefix(name, "V") {
		return map[string]int{"8B": 8, "16B": 16}[arrangement]
	}
	if operand == "SP" || strings.HasPrefix(operand, "S3_") {
		return 8
	}
	return map[byte]int{'B': 1, 'H': 2, 'W': 4, 'S': 4, 'X': 8, 'D': 8, 'Q': 16}[(operand + " ")[0]]
}

// registersIn finds the registers in an operand as x/arch spells it, such as
// X1, LSL #2 or {V0.16B-V3.16B}. Its own fields are not exported.
func registersIn(operand string) []string {
	words := strings.FieldsFunc(operand, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && r != '_'
	})
	var names []string
	for _, word := range words {
		if name := canonicalARM64(strings.ToLower(word)); name != "" {
			names = append(names, name)
		}
	}
	if strings.HasPrefix(operand, "{") && strings.Contains(operand, "-") && len(names) == 2 {
		first, last := names[0], names[1]
		names = names[:0]
		for n := vectorNumber(first); ; n = (n + 1) % 32 {
			names = append(names, arm64V[n])
			if arm64V[n] == last {
				break
			}
		}
	}
	return names
}

func vectorNumber(name string) int {
	for n, v := range arm64V {
		if v == name {
			return n
		}
	}
	return 0
}

// canonicalARM64 maps the names of the parts of a register to that of the
// whole: w3 to x3, q3 to v3. It returns "" for what is no register, the zero
// register included.
func canonicalARM64(name string) string {
	switch name {
	case "sp", "wsp":
		return "sp"
	case "nzcv", "cpsr":
		return "nzcv"
	case "fp":
		return "x29"
	case "lr":
		return "x30"
	}
	if len(name) < 2 || len(name) > 3 || (len(name) == 3 && name[1] == '0') {
		return ""
	}
	n, err := strconv.ParseUint(name[1:], 10, 8)
	if err != nil || n > 31 {
		return ""
	}
	switch name[0] {
	case 'x', 'w':
		return arm64X[n] // "" for 31
	case 'v', 'b', 'h', 's', 'd', 'q':
		return arm64V[n]
	}
	return ""
}
