package disasm

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// maxAMD64 is the length in bytes of the longest instruction.
const maxAMD64 = 15

// decodeAMD64 decodes one instruction in 64-bit mode. The decoder of x/arch
// comes first; what it lacks is in amd64_extra.go.
func decodeAMD64(code []byte, pc uint64, symbol symbolizer) (Inst, error) {
	if len(code) == 0 {
		return Inst{}, fmt.Errorf("instruction at %#x: no bytes", pc)
	}
	in := Inst{Addr: pc}
	if extraAMD64(&in, code) {
		return in, nil
	}
	// x/arch does not always notice that the bytes end early. Zeros after
	// them let it find the length, and the length tells.
	var whole [maxAMD64]byte
	available := copy(whole[:], code)
	asm, err := tableAMD64(whole[:])
	if err == nil {
		fixLength(&asm, whole[:])
	}
	if err == nil && asm.Len > available {
		return Inst{}, fmt.Errorf("instruction at %#x: it has %d bytes, of which %d are there", pc, asm.Len, available)
	}
	if err != nil {
		text := fmt.Sprintf(".byte %#02x", code[0])
		return Inst{Addr: pc, Len: 1, Op: ".byte", Text: text, Undecoded: true}, nil
	}
	code = whole[:asm.Len]
	fixMemory(&asm, code)
	in.Len = asm.Len
	in.Text = textAMD64(asm, code, &in, symbol)
	in.Op = mnemonic(in.Text)
	operandsAMD64(&in, asm)
	return in, nil
}

// mnemonic is the first word of the text that is no prefix.
func mnemonic(text string) string {
	for word := range strings.FieldsSeq(text) {
		switch word {
		case "lock", "rep", "repz", "repnz", "bnd", "notrack", "cs", "data16", "xacquire", "xrelease":
			continue
		}
		return word
	}
	return text
}

// tableAMD64 calls the decoder of x/arch.
func tableAMD64(code []byte) (inst x86asm.Inst, err error) {
	// Its tables are generated, and it panics when they and it disagree. Such
	// an encoding is unknown and nothing more.
	defer func() {
		if r := recover(); r != nil {
			inst, err = x86asm.Inst{}, fmt.Errorf("decoder: %v", r)
		}
	}()
	inst, err = x86asm.Decode(code, 64)
	if err == nil && (inst.Op == 0 || inst.Len <= 0 || inst.Len > len(code)) {
		err = errors.New("decoder: only prefixes")
	}
	return inst, err
}
