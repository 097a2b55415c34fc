package emu

import (
	"bytes"
	"encoding/binary"
	"strings"

	"emurace/loader"
)

// RoutinePrefix begins the names of the made-up program's own functions, which are
// called like those of libraries:
//
//	emurace.load8, 16, 32, 64 (addr)        what is there, the bits above it zero
//	emurace.store8, 16, 32, 64 (addr, v)    puts v there; 0
//	emurace.add64 (addr, v)                 adds v, atomically; what was there
//	emurace.cas64 (addr, old, new)          puts new there if it finds old, atomically; what it found
//	emurace.nothing (...)                   0
//
// The digits are a width in bits. So a thread that a script describes touches
// memory by an instruction of its own, which is an event, is in the log and can
// fault. A library cannot export these names: a dot in a symbol's name is what the
// compilers put into names of their own making.
const RoutinePrefix = "emurace."

// routine is one of those functions in both instruction sets. None uses the stack,
// so that its return address stays where the call has put it.
type routine struct {
	name  string
	arm64 []uint32
	amd64 string
}

const (
	arm64Ret  = 0xd65f03c0
	arm64Zero = 0xd2800000 // mov x0, #0
	amd64Zero = "\x31\xc0" // xor eax, eax
	amd64Ret  = "\xc3"
)

var routines = []routine{
	{"load8", []uint32{0x39400000}, "\x0f\xb6\x07"},                          // ldrb w0, [x0]; movzx eax, byte ptr [rdi]
	{"load16", []uint32{0x79400000}, "\x0f\xb7\x07"},                         // ldrh w0, [x0]; movzx eax, word ptr [rdi]
	{"load32", []uint32{0xb9400000}, "\x8b\x07"},                             // ldr w0, [x0]; mov eax, [rdi]
	{"load64", []uint32{0xf9400000}, "\x48\x8b\x07"},                         // ldr x0, [x0]; mov rax, [rdi]
	{"store8", []uint32{0x39000001, arm64Zero}, "\x40\x88\x37" + amd64Zero},  // strb w1, [x0]; mov [rdi], sil
	{"store16", []uint32{0x79000001, arm64Zero}, "\x66\x89\x37" + amd64Zero}, // strh w1, [x0]; mov [rdi], si
	{"store32", []uint32{0xb9000001, arm64Zero}, "\x89\x37" + amd64Zero},     // str w1, [x0]; mov [rdi], esi
	{"store64", []uint32{0xf9000001, arm64Zero}, "\x48\x89\x37" + amd64Zero}, // str x1, [x0]; mov [rdi], rsi
	// ldaddal x1, x0, [x0]; mov rax, rsi, lock xadd [rdi], rax
	{"add64", []uint32{0xf8e10000}, "\x48\x89\xf0\xf0\x48\x0f\xc1\x07"},
	// casal x1, x2, [x0], mov x0, x1; mov rax, rsi, lock cmpxchg [rdi], rdx
	{"cas64", []uint32{0xc8e1fc02, 0xaa0103e0}, "\x48\x89\xf0\xf0\x48\x0f\xb1\x17"},
	{"nothing", []uint32{arm64Zero}, amd64Zero},
}

func (r routine) code(arch loader.Arch) []byte {
	if arch == loader.AMD64 {
		return []byte(r.amd64 + amd64Ret)
	}
	var b []byte
	for _, w := range append(r.arm64[:len(r.arm64):len(r.arm64)], arm64Ret) {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// programCode is the made-up program's code: four traps (the entry, where calls
// return to, where threads start, and its function main), then the routines, whose names come with it.
func programCode(a *arch) (code []byte, names []loader.StubSymbol) {
	align := func(b []byte) []byte { return append(b, make([]byte, (trapSize-len(b)%trapSize)%trapSize)...) }
	code = bytes.Repeat(align(a.trap[:len(a.trap):len(a.trap)]), 4)
	for _, r := range routines {
		c := r.code(a.id)
		names = append(names, loader.StubSymbol{Name: RoutinePrefix + r.name, Off: uint64(len(code)), Size: uint64(len(c))})
		code = align(append(code, c...))
	}
	return code, names
}

// Routines are the addresses [lo, hi) of the made-up program's own functions.
func (p *Process) Routines() (lo, hi uint64) { return p.routines.Lo, p.routines.Hi }

// routine is the address of one of the program's own functions.
func (p *Process) routine(name string) (uint64, bool) {
	if !strings.HasPrefix(name, RoutinePrefix) {
		return 0, false
	}
	sym, ok := p.routines.Image.Symbol(name)
	return programBase + sym.Addr, ok
}
