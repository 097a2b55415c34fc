package symbolize

import (
	"encoding/binary"
	"fmt"

	"emurace/disasm"
	"emurace/loader"
)

// maxInst is the longest instruction of both architectures, in bytes.
const maxInst = 15

// Disassemble decodes the instruction at pc in a machine's memory, with the names of
// branch targets.
func Disassemble(m Space, pc uint64) disasm.Inst {
	var code []byte
	for n := uint64(maxInst); n > 0 && code == nil; n-- {
		code, _ = m.Read(pc, n)
	}
	if code == nil {
		return disasm.Inst{Addr: pc, Len: 1, Text: "(no code there)", Undecoded: true}
	}
	in, err := disasm.Decode(m.Arch(), code, pc, func(addr uint64) (string, uint64) {
		name, off, ok := m.Symbol(addr)
		if !ok {
			return "", 0
		}
		return name, addr - off
	})
	if err != nil {
		return disasm.Inst{Addr: pc, Len: 1, Text: fmt.Sprintf("(%v)", err), Undecoded: true}
	}
	return in
}

// IsSystemCall tells whether the instruction at pc calls the kernel.
func IsSystemCall(m Space, pc uint64) bool {
	if m.Arch() == loader.AMD64 {
		b, ok := m.Peek(pc, 2)
		return ok && b[0] == 0x0f && b[1] == 0x05 // SYSCALL
	}
	b, ok := m.Peek(pc, 4)
	return ok && binary.LittleEndian.Uint32(b)&0xffe0001f == 0xd4000001 // SVC
}
