package disasm

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"
)

// decodeARM64 decodes one A64 instruction. The decoder of x/arch comes first;
// what was added to the architecture after it was written and what it prints
// only as a hint number is in arm64_extra.go.
func decodeARM64(code []byte, pc uint64, symbol symbolizer) (Inst, error) {
	if len(code) < 4 {
		return Inst{}, fmt.Errorf("instruction at %#x: %d of 4 bytes", pc, len(code))
	}
	w := binary.LittleEndian.Uint32(code)
	in := Inst{Addr: pc, Len: 4}
	known := extraARM64(&in, w)
	if !known {
		var asm arm64asm.Inst
		if asm, known = tableARM64(code); known {
			in.Text = textARM64(asm, pc, symbol)
			known = operandsARM64(&in, asm)
		}
	}
	if !known {
		return Inst{Addr: pc, Len: 4, Op: ".inst", Text: fmt.Sprintf(".inst %#08x", w), Undecoded: true}, nil
	}
	in.Op, _, _ = strings.Cut(in.Text, " ")
	for _, m := range in.Mem {
		if m.PreIndex || m.PostIndex {
			in.writes(m.Base)
		}
	}
	return in, nil
}

// tableARM64 calls the decoder of x/arch. An encoding that it has no error for
// but that it cannot print right either is taken as unknown.
func tableARM64(code []byte) (inst arm64asm.Inst, ok bool) {
	// Its tables are generated; should one of the 2^32 encodings make it
	// panic, that encoding is unknown and nothing more.
	defer func() {
		if recover() != nil {
			inst, ok = arm64asm.Inst{}, false
		}
	}()
	inst, err := arm64asm.Decode(code[:4])
	return inst, err == nil
}

// operandsARM64 fills in all of in but its text. It returns false when the
// encoding is in a group decoded here and is none of that group's.
func operandsARM64(in *Inst, asm arm64asm.Inst) bool {
	if isARM64Memory(asm.Enc) {
		return memoryARM64(in, asm.Enc)
	}
	flowARM64(in, asm)
	registersARM64(in, asm)
	moveARM64(in, asm)
	return true
}

// flowARM64 describes branches.
func flowARM64(in *Inst, asm arm64asm.Inst) {
	switch asm.Op {
	case arm64asm.B, arm64asm.BR:
		in.Branch = true
	case arm64asm.CBZ, arm64asm.CBNZ, arm64asm.TBZ, arm64asm.TBNZ:
		in.Branch, in.CondBranch = true, true
	case arm64asm.BL, arm64asm.BLR:
		in.Branch, in.Call = true, true
	case arm64asm.RET:
		in.Branch, in.Ret = true, true
	default:
		return
	}
	for _, a := range asm.Args {
		switch a := a.(type) {
		case arm64asm.Cond:
			// The condition "always" has two encodings, 14 and 15.
			in.CondBranch = a.Value < 14
		case arm64asm.PCRel:
			in.Target = in.Addr + uint64(a)
		}
	}
}

// textARM64 formats what x/arch decoded as objdump does.
func textARM64(asm arm64asm.Inst, pc uint64, symbol symbolizer) string {
	text := strings.ToLower(strings.TrimSpace(arm64asm.GNUSyntax(asm)))
	text = strings.ReplaceAll(strings.ReplaceAll(text, ", ", ","), ",", ", ")
	for _, a := range asm.Args {
		switch a := a.(type) {
		case arm64asm.PCRel:
			// x/arch prints the distance; only the last operand is one.
			target := pc + uint64(a)
			if asm.Op == arm64asm.ADRP {
				target = pc&^0xfff + uint64(a)
			}
			if i := strings.LastIndex(text, ".+"); i >= 0 {
				text = text[:i] + location(target, symbol)
			}
		case arm64asm.Systemreg:
			text = strings.Replace(text, strings.ToLower(a.String()), systemRegister(a), 1)
		}
	}
	if (asm.Op == arm64asm.FCMP || asm.Op == arm64asm.FCMPE) && strings.HasSuffix(text, "#0") {
		text += ".0"
	}
	return text
}

// systemRegisters names those that user space may touch, and the
// identification registers that Linux lets it read, by the key that x/arch
// prints: op0, op1, CRn, CRm, op2 (DDI 0487, D17).
var systemRegisters = map[string]string{
	"s3_3_c13_c0_2": "tpidr_el0",
	"s3_3_c13_c0_3": "tpidrro_el0",
	"s3_3_c13_c0_5": "tpidr2_el0",
	"s3_3_c4_c2_0":  "nzcv",
	"s3_3_c4_c4_0":  "fpcr",
	"s3_3_c4_c4_1":  "fpsr",
	"s3_3_c0_c0_1":  "ctr_el0",
	"s3_3_c0_c0_7":  "dczid_el0",
	"s3_3_c14_c0_0": "cntfrq_el0",
	"s3_3_c14_c0_1": "cntpct_el0",
	"s3_3_c14_c0_2": "cntvct_el0",
	"s3_3_c2_c4_0":  "rndr",
	"s3_3_c2_c4_1":  "rndrrs",
	"s3_0_c0_c0_0":  "midr_el1",
	"s3_0_c0_c0_5":  "mpidr_el1",
	"s3_0_c0_c0_6":  "revidr_el1",
	"s3_0_c0_c4_0":  "id_aa64pfr0_el1",
	"s3_0_c0_c4_1":  "id_aa64pfr1_el1",
	"s3_0_c0_c4_4":  "id_aa64zfr0_el1",
	"s3_0_c0_c5_0":  "id_aa64dfr0_el1",
	"s3_0_c0_c6_0":  "id_aa64isar0_el1",
	"s3_0_c0_c6_1":  "id_aa64isar1_el1",
	"s3_0_c0_c6_2":  "id_aa64isar2_el1",
	"s3_0_c0_c7_0":  "id_aa64mmfr0_el1",
	"s3_0_c0_c7_1":  "id_aa64mmfr1_el1",
	"s3_0_c0_c7_2":  "id_aa64mmfr2_el1",
}

func systemRegister(r arm64asm.Systemreg) string {
	key := strings.ToLower(r.String())
	if name := systemRegisters[key]; name != "" {
		return name
	}
	return key
}
