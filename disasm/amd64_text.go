package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// textAMD64 formats an instruction as objdump -M intel does, in lower case and
// with a blank after each comma.
func textAMD64(asm x86asm.Inst, code []byte, in *Inst, symbol symbolizer) string {
	var operands []string
	note := ""
	for i, a := range asm.Args {
		if a == nil {
			break
		}
		if mask, ok := maskText(asm, i); ok {
			if len(operands) > 0 {
				operands[len(operands)-1] += mask
			}
			continue
		}
		operands = append(operands, operandText(asm, i, code, in, symbol))
		if m, ok := a.(x86asm.Mem); ok && m.Base == x86asm.RIP {
			note = "        # " + location(in.Addr+uint64(asm.Len)+uint64(m.Disp), symbol)
		}
	}
	name, operands := spellingAMD64(asm, operands)
	text := prefixText(asm, code) + name
	if len(operands) > 0 {
		text += " " + strings.Join(operands, ", ")
	}
	return text + note
}

// nameAMD64 is the GNU mnemonic without regard to the operands.
func nameAMD64(op x86asm.Op) string {
	if name := gnuNames[op]; name != "" {
		return name
	}
	return strings.ToLower(op.String())
}

var gnuNames = map[x86asm.Op]string{
	x86asm.MOVSD_XMM: "movsd",
	x86asm.LRET:      "retf",
	x86asm.LCALL:     "call",
	x86asm.LJMP:      "jmp",
	x86asm.ICEBP:     "int1",
	x86asm.XLATB:     "xlat",
	x86asm.CMPSD_XMM: "cmpsd",
	x86asm.PUSHFQ:    "pushf",
	x86asm.POPFQ:     "popf",
	x86asm.IRETD:     "iret",
	x86asm.IRETQ:     "iretq",
}

// stringOps maps the string instructions to the name that GNU gives them, the
// size being told by the operands.
var stringOps = map[x86asm.Op]string{
	x86asm.MOVSB: "movs", x86asm.MOVSW: "movs", x86asm.MOVSD: "movs", x86asm.MOVSQ: "movs",
	x86asm.STOSB: "stos", x86asm.STOSW: "stos", x86asm.STOSD: "stos", x86asm.STOSQ: "stos",
	x86asm.LODSB: "lods", x86asm.LODSW: "lods", x86asm.LODSD: "lods", x86asm.LODSQ: "lods",
	x86asm.CMPSB: "cmps", x86asm.CMPSW: "cmps", x86asm.CMPSD: "cmps", x86asm.CMPSQ: "cmps",
	x86asm.SCASB: "scas", x86asm.SCASW: "scas", x86asm.SCASD: "scas", x86asm.SCASQ: "scas",
}

// stringWidth is the element size in bytes, from the last letter of the name.
func stringWidth(op x86asm.Op) int {
	name := op.String()
	return map[byte]int{'B': 1, 'W': 2, 'D': 4, 'Q': 8}[name[len(name)-1]]
}

// spellingAMD64 picks the mnemonic where it depends on the operands.
func spellingAMD64(asm x86asm.Inst, operands []string) (string, []string) {
	name := nameAMD64(asm.Op)
	if s := stringOps[asm.Op]; s != "" {
		return s, operands
	}
	switch asm.Op {
	case x86asm.MOV:
		// GNU calls a mov with a 64-bit immediate or address movabs.
		if _, ok := asm.Args[1].(x86asm.Imm); ok && asm.Opcode>>24&0xf8 == 0xb8 && asm.DataSize == 64 {
			name = "movabs"
		}
		if asm.Opcode>>24&0xfc == 0xa0 {
			name = "movabs"
		}
	case x86asm.NOP:
		if asm.DataSize == 16 && asm.Opcode>>24 == 0x90 {
			return "xchg", []string{"ax", "ax"}
		}
	case x86asm.INT:
		if asm.Opcode>>24 == 0xcc {
			return "int3", nil
		}
	case x86asm.BLENDVPD, x86asm.BLENDVPS, x86asm.PBLENDVB:
		if len(operands) == 2 {
			operands = append(operands, "xmm0")
		}
	}
	if strings.HasPrefix(name, "f") {
		operands = floatOperands(operands)
	}
	if strings.HasPrefix(name, "vpcmp") || strings.HasPrefix(name, "vcmp") || strings.HasPrefix(name, "cmp") {
		return comparison(asm, name, operands)
	}
	return name, operands
}

// floatOperands writes st(0), which x/arch leaves out of two-operand forms, as
// GNU does.
func floatOperands(operands []string) []string {
	for i := range operands {
		if len(operands) > 1 && operands[i] == "st(0)" {
			operands[i] = "st"
			break
		}
	}
	return operands
}

// comparisons are the predicates that GNU merges into the mnemonic.
var comparisons = [8]string{"eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"}

// comparison merges the predicate of vpcmpub and its kin, as in vpcmpltub.
func comparison(asm x86asm.Inst, name string, operands []string) (string, []string) {
	last := -1
	for i, a := range asm.Args {
		if a != nil {
			last = i
		}
	}
	imm, ok := asm.Args[max(last, 0)].(x86asm.Imm)
	if !ok || last < 2 || imm < 0 || imm > 7 || len(operands) == 0 || strings.Contains(name, "str") {
		return name, operands
	}
	integer := strings.HasPrefix(name, "vpcmp")
	if integer && imm&3 == 3 {
		return name, operands // always false or always true have no name
	}
	stem := name[:strings.Index(name, "cmp")+len("cmp")]
	return stem + comparisons[imm] + name[len(stem):], operands[:len(operands)-1]
}

// maskText returns the mask of an AVX-512 instruction, which x/arch has as the
// operand after the result, as GNU appends it to the result: {k1} or {k1}{z}.
func maskText(asm x86asm.Inst, i int) (string, bool) {
	r, ok := asm.Args[i].(x86asm.Reg)
	if i != maskOperand(asm) || !ok {
		return "", false
	}
	text := ""
	if r != x86asm.K0 {
		text = "{" + registerText(r) + "}"
	}
	if asm.Zeroing {
		text += "{z}"
	}
	return text, true
}

// maskOperand is the index of the mask among the operands, or -1: the second
// one when it is a k register and the mnemonic is not one of mask arithmetic.
func maskOperand(asm x86asm.Inst) int {
	r, ok := asm.Args[1].(x86asm.Reg)
	if !ok || r < x86asm.K0 || r > x86asm.K7 || strings.HasPrefix(asm.Op.String(), "K") ||
		strings.HasPrefix(asm.Op.String(), "VPMOVM2") || strings.HasPrefix(asm.Op.String(), "VPBROADCASTM") {
		return -1
	}
	return 1
}

// prefixText prints the prefixes that are no part of the encoding proper.
func prefixText(asm x86asm.Inst, code []byte) string {
	var text strings.Builder
	if asm.Op == x86asm.NOP {
		return nopPrefixes(code)
	}
	for _, p := range asm.Prefix {
		// The bytes after a VEX or EVEX prefix are in the list, as themselves.
		if p == 0 || p.IsVEX() || p.IsEVEX() {
			break
		}
		if asm.Op == x86asm.RET && p&0xff == x86asm.PrefixREP {
			p = x86asm.PrefixREP // ignored by the processor, but shown
		}
		if _, relative := asm.Args[0].(x86asm.Rel); p&0xff == x86asm.PrefixDS && !relative &&
			(asm.Op == x86asm.CALL || asm.Op == x86asm.JMP) {
			text.WriteString("notrack ")
		}
		if p&(x86asm.PrefixImplicit|x86asm.PrefixIgnored) != 0 {
			continue
		}
		switch p {
		case x86asm.PrefixLOCK:
			text.WriteString("lock ")
		case x86asm.PrefixREP:
			text.WriteString(repName(asm.Op))
		case x86asm.PrefixREPN:
			text.WriteString("repnz ")
		case x86asm.PrefixXACQUIRE:
			text.WriteString("xacquire ")
		case x86asm.PrefixXRELEASE:
			text.WriteString("xrelease ")
		case x86asm.PrefixBND:
			text.WriteString("bnd ")
		case x86asm.PrefixDataSize, x86asm.PrefixData16:
			if asm.Op == x86asm.CALL || asm.Op == x86asm.JMP {
				text.WriteString("data16 ")
			}
		}
	}
	return text.String()
}

// nopPrefixes prints the prefixes that assemblers lengthen a nop with. The
// first operand size prefix shows in the operand's size.
func nopPrefixes(code []byte) string {
	text := ""
	sizes := 0
	for _, b := range code {
		switch b {
		case 0x66:
			if sizes++; sizes > 1 {
				text += "data16 "
			}
		case 0x2e:
			text += "cs "
		default:
			return text
		}
	}
	return text
}

// repName tells rep, which repeats, from repz, which compares as well.
func repName(op x86asm.Op) string {
	switch stringOps[op] {
	case "movs", "stos", "lods":
		return "rep "
	}
	switch op {
	case x86asm.INSB, x86asm.INSW, x86asm.INSD, x86asm.OUTSB, x86asm.OUTSW, x86asm.OUTSD:
		return "rep "
	}
	return "repz "
}

func operandText(asm x86asm.Inst, i int, code []byte, in *Inst, symbol symbolizer) string {
	switch a := asm.Args[i].(type) {
	case x86asm.Reg:
		return registerText(a)
	case x86asm.Imm:
		return immediateText(asm, a)
	case x86asm.Rel:
		return location(in.Addr+uint64(asm.Len)+uint64(int64(a)), symbol)
	case x86asm.Mem:
		return memoryText(asm, a, code)
	}
	return ""
}

// immediateText prints an immediate in the width of the operation, which is
// how GNU shows a sign-extended one.
func immediateText(asm x86asm.Inst, imm x86asm.Imm) string {
	if asm.Opcode>>24&^3 == 0xd0 && isShift(asm.Op) {
		return "1" // implied by the opcode
	}
	size := asm.DataSize
	if asm.Op == x86asm.PUSH {
		size = 64
	}
	if r, ok := asm.Args[0].(x86asm.Reg); ok {
		if n := generalWidth(r); n != 0 {
			size = 8 * n
		}
	} else if _, ok := asm.Args[0].(x86asm.Mem); ok && asm.MemBytes > 0 {
		size = 8 * asm.MemBytes
	}
	switch size {
	case 8:
		return fmt.Sprintf("%#x", uint8(imm))
	case 16:
		return fmt.Sprintf("%#x", uint16(imm))
	case 32:
		return fmt.Sprintf("%#x", uint32(imm))
	}
	return fmt.Sprintf("%#x", uint64(imm))
}

var sizeNames = map[int]string{
	1: "byte ptr ", 2: "word ptr ", 4: "dword ptr ", 8: "qword ptr ", 10: "tbyte ptr ",
	16: "xmmword ptr ", 32: "ymmword ptr ", 64: "zmmword ptr ",
}

func isShift(op x86asm.Op) bool {
	switch op {
	case x86asm.SHL, x86asm.SHR, x86asm.SAR, x86asm.ROL, x86asm.ROR, x86asm.RCL, x86asm.RCR:
		return true
	}
	return false
}

// memoryText prints [base+index*scale+disp] with its size and segment.
func memoryText(asm x86asm.Inst, m x86asm.Mem, code []byte) string {
	text := sizeNames[memorySize(asm)]
	switch asm.Op {
	case x86asm.LEA, x86asm.LDDQU:
		text = ""
	case x86asm.MOV:
		if asm.Opcode>>24&0xfc == 0xa0 {
			text = ""
		}
	case x86asm.XLATB:
		text += "ds:"
	case x86asm.CMPXCHG16B:
		text = "oword ptr "
	case x86asm.PREFETCHT0, x86asm.PREFETCHT1, x86asm.PREFETCHT2, x86asm.PREFETCHNTA, x86asm.PREFETCHW:
		text = "byte ptr "
	default:
		// Of gathers and scatters GNU shows the size of one element.
		if name := asm.Op.String(); strings.HasPrefix(name, "VPGATHER") || strings.HasPrefix(name, "VPSCATTER") ||
			strings.HasPrefix(name, "VGATHER") || strings.HasPrefix(name, "VSCATTER") {
			text = sizeNames[map[byte]int{'D': 4, 'S': 4, 'Q': 8}[name[len(name)-1]]]
			if strings.HasSuffix(name, "PD") {
				text = sizeNames[8]
			}
		}
	}
	stringOp := stringOps[asm.Op] != ""
	switch {
	case m.Segment == x86asm.FS || m.Segment == x86asm.GS:
		text += registerText(m.Segment) + ":"
	case stringOp && (m.Base == x86asm.RDI || m.Base == x86asm.EDI):
		text += "es:"
	case stringOp, m.Base == 0 && m.Index == 0:
		text += "ds:"
	}
	if m.Base == 0 && m.Index == 0 {
		return text + fmt.Sprintf("%#x", uint64(m.Disp)) + broadcastText(asm)
	}
	text += "["
	if m.Base != 0 {
		text += registerText(m.Base)
	}
	if m.Index != 0 && m.Scale != 0 {
		if m.Base != 0 {
			text += "+"
		}
		text += fmt.Sprintf("%s*%d", registerText(m.Index), m.Scale)
	}
	// objdump shows every displacement that is encoded, also a zero.
	switch rm, ok := modRM(code); {
	case m.Base == x86asm.RIP:
		text += fmt.Sprintf("+%#x", uint64(m.Disp))
	case m.Disp < 0:
		text += fmt.Sprintf("-%#x", -m.Disp)
	case m.Disp > 0, m.Base == 0, ok && !stringOp && rm>>6 != 0:
		text += fmt.Sprintf("+%#x", m.Disp)
	}
	return text + "]" + broadcastText(asm)
}

// broadcastText is appended to an element that AVX-512 repeats over a vector.
func broadcastText(asm x86asm.Inst) string {
	first, ok := asm.Args[0].(x86asm.Reg)
	if !ok || !asm.Broadcast || asm.MemBytes == 0 {
		return ""
	}
	_, width := vectorAMD64(first)
	if width == 0 {
		return ""
	}
	return fmt.Sprintf("{1to%d}", width/asm.MemBytes)
}
