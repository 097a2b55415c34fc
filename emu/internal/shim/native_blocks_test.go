package shim

import (
	"encoding/binary"
	"math/rand/v2"
)

// Blocks of amd64 code that come to the same on every processor: what is undefined of
// the flags is known (SDM volume 1, appendix A, and volume 2), and no instruction that
// looks at it follows.

// The conditions among the flags.
const (
	flagC, flagP, flagA, flagZ, flagS, flagO = 1, 4, 0x10, 0x40, 0x80, 0x800
	conditions                               = flagC | flagP | flagA | flagZ | flagS | flagO
	flagD                                    = 0x400
)

// nativeBlock is a block: its code, and after each instruction, also before the first,
// where it is and which flags are undefined.
type nativeBlock struct {
	code   []byte
	starts []int
	undef  []uint64
	reps   map[int]bool // starts of instructions that are done in rounds

	r     *rand.Rand
	loose uint64 // now
}

// The registers that operands are drawn from: all but rbx, which points into the data,
// and rsp.
var nativeRegs = []int{0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func makeNativeBlock(r *rand.Rand, instructions int) *nativeBlock {
	b := &nativeBlock{r: r, reps: map[int]bool{}}
	b.note()
	for range instructions {
		b.one()
	}
	return b
}

func (b *nativeBlock) note() {
	b.starts = append(b.starts, len(b.code))
	b.undef = append(b.undef, b.loose)
}

// done ends an instruction that leaves some flags undefined and defines others.
func (b *nativeBlock) done(undefined, defines uint64) {
	b.loose = b.loose&^defines | undefined
	b.note()
}

func (b *nativeBlock) bytes(v ...byte) { b.code = append(b.code, v...) }

func (b *nativeBlock) reg() int { return nativeRegs[b.r.IntN(len(nativeRegs))] }

// size is how many bytes an operand has.
func (b *nativeBlock) size() int { return 1 << b.r.IntN(4) }

const inMemory = -1

// operand is a register, or memory.
func (b *nativeBlock) operand() int {
	if b.r.IntN(3) == 0 {
		return inMemory
	}
	return b.reg()
}

// op is an instruction with an operand byte: reg is a register or what else those three
// bits say, rm a register or inMemory, somewhere behind rbx.
func (b *nativeBlock) op(size int, prefix, opcode []byte, reg, rm int) {
	b.bytes(prefix...)
	if size == 2 {
		b.bytes(0x66)
	}
	rex := byte(0x40)
	if size == 8 {
		rex |= 8
	}
	rex |= byte(reg>>3) << 2
	if rm > 0 {
		rex |= byte(rm >> 3)
	}
	b.bytes(rex)
	b.bytes(opcode...)
	if rm == inMemory {
		b.bytes(0x83 | byte(reg&7)<<3)
		b.code = binary.LittleEndian.AppendUint32(b.code, uint32(b.r.IntN(2000)-1000))
		return
	}
	b.bytes(0xc0 | byte(reg&7)<<3 | byte(rm&7))
}

// wide is an opcode that is one more for operands of more than a byte.
func wide(op byte, size int) []byte {
	if size > 1 {
		op++
	}
	return []byte{op}
}

func (b *nativeBlock) imm(size int) {
	var v [8]byte
	binary.LittleEndian.PutUint64(v[:], b.r.Uint64()>>(8*b.r.IntN(8)))
	b.bytes(v[:min(size, 4)]...)
}

// defined makes all conditions defined, by a comparison.
func (b *nativeBlock) defined() {
	if b.loose != 0 {
		b.op(4, nil, []byte{0x39}, b.reg(), b.reg())
		b.done(0, conditions)
	}
}

// mov sets a register.
func (b *nativeBlock) mov(reg int, v uint64) {
	b.bytes(0x48|byte(reg>>3), 0xb8|byte(reg&7))
	b.code = binary.LittleEndian.AppendUint64(b.code, v)
	b.done(0, 0)
}

func (b *nativeBlock) lock(rm int) []byte {
	if rm == inMemory && b.r.IntN(2) == 0 {
		return []byte{0xf0}
	}
	return nil
}

// one draws an instruction, or a few that belong together.
func (b *nativeBlock) one() {
	kinds := []func(){b.arithmetic, b.arithmetic, b.unary, b.shift, b.shift, b.doubleShift, b.bits, b.scan, b.multiply, b.divide, b.compareExchange, b.move, b.condition, b.jump, b.flags, b.stack, b.strings, b.vector, b.vector, b.floating, b.exchange16}
	kinds[b.r.IntN(len(kinds))]()
}

func (b *nativeBlock) arithmetic() {
	size, kind := b.size(), b.r.IntN(9) // add, or, adc, sbb, and, sub, xor, cmp; test
	if kind == 2 || kind == 3 {
		b.defined()
	}
	undefined := uint64(0)
	if kind == 1 || kind == 4 || kind == 6 || kind == 8 {
		undefined = flagA
	}
	switch rm := b.operand(); {
	case kind == 8:
		b.op(size, nil, wide(0x84, size), b.reg(), rm)
	case b.r.IntN(3) == 0: // with a number
		var lock []byte
		if kind != 7 {
			lock = b.lock(rm)
		}
		b.op(size, lock, wide(0x80, size), kind, rm)
		b.imm(size)
	case b.r.IntN(2) == 0: // into a register
		b.op(size, nil, wide(byte(kind<<3|2), size), b.reg(), rm)
	default:
		var lock []byte
		if kind != 7 {
			lock = b.lock(rm)
		}
		b.op(size, lock, wide(byte(kind<<3), size), b.reg(), rm)
	}
	b.done(undefined, conditions)
}

func (b *nativeBlock) unary() {
	size, rm := b.size(), b.operand()
	switch b.r.IntN(4) {
	case 0:
		b.op(size, b.lock(rm), wide(0xfe, size), 0, rm) // inc
		b.done(0, conditions&^flagC)
	case 1:
		b.op(size, b.lock(rm), wide(0xfe, size), 1, rm) // dec
		b.done(0, conditions&^flagC)
	case 2:
		b.op(size, b.lock(rm), wide(0xf6, size), 2, rm) // not
		b.done(0, 0)
	default:
		b.op(size, b.lock(rm), wide(0xf6, size), 3, rm) // neg
		b.done(0, conditions)
	}
}

// shift is a shift or rotation by one, a number, or cl. One by nothing leaves the flags.
func (b *nativeBlock) shift() {
	size, kind, rm := b.size(), b.r.IntN(8), b.operand() // rol, ror, rcl, rcr, shl, shr, shl, sar
	if kind == 6 {
		kind = 7
	}
	if kind == 2 || kind == 3 {
		b.defined()
	}
	undefined, defines := uint64(flagO), uint64(0)
	if kind >= 4 {
		undefined |= flagA
	}
	switch b.r.IntN(3) {
	case 0:
		b.op(size, nil, wide(0xd0, size), kind, rm)
		defines = flagC | flagO
		if kind >= 4 {
			defines = conditions
		}
		undefined &^= flagO
	case 1:
		count := byte(b.r.IntN(70))
		b.op(size, nil, wide(0xc0, size), kind, rm)
		b.bytes(count)
		undefined |= carryOfShift(size, kind)
	default:
		b.op(size, nil, wide(0xd2, size), kind, rm)
		undefined |= carryOfShift(size, kind)
	}
	b.done(undefined, defines)
}

// carryOfShift is the carry, where a shift by more than there are bits leaves it undefined.
func carryOfShift(size, kind int) uint64 {
	if kind >= 4 && kind < 7 && size < 4 {
		return flagC
	}
	return 0
}

func (b *nativeBlock) doubleShift() {
	size, rm := 4<<b.r.IntN(2), b.operand()
	op := []byte{0x0f, []byte{0xa4, 0xac}[b.r.IntN(2)]}
	b.op(size, nil, op, b.reg(), rm)
	b.bytes(byte(b.r.IntN(32)))
	b.done(flagO|flagA, 0)
}

func (b *nativeBlock) bits() {
	size, rm := 2<<b.r.IntN(3), b.operand()
	kind := b.r.IntN(4) // bt, bts, btr, btc
	lock := b.lock(rm)
	if kind == 0 {
		lock = nil
	}
	if rm != inMemory && b.r.IntN(2) == 0 {
		b.op(size, nil, []byte{0x0f, byte(0xa3 | kind<<3)}, b.reg(), rm)
	} else {
		b.op(size, lock, []byte{0x0f, 0xba}, 4|kind, rm)
		b.bytes(byte(b.r.Uint32()))
	}
	b.done(flagO|flagS|flagA|flagP, flagC)
}

func (b *nativeBlock) scan() {
	size, reg := 4<<b.r.IntN(2), b.reg()
	if b.r.IntN(2) == 0 {
		b.op(size, []byte{0xf3}, []byte{0x0f, 0xb8}, b.reg(), b.operand()) // popcnt
		b.done(0, conditions)
		return
	}
	b.op(4, nil, []byte{0x81}, 1, reg) // or: of nothing, the result is undefined
	b.bytes(0, 0x10, 0, 0)
	b.done(flagA, conditions)
	b.op(size, nil, []byte{0x0f, []byte{0xbc, 0xbd}[b.r.IntN(2)]}, b.reg(), reg)
	b.done(flagC|flagO|flagS|flagA|flagP, flagZ)
}

func (b *nativeBlock) multiply() {
	size := b.size()
	const undefined = flagS | flagZ | flagA | flagP
	switch b.r.IntN(4) {
	case 0:
		b.op(size, nil, wide(0xf6, size), 4, b.operand()) // mul
	case 1:
		b.op(size, nil, wide(0xf6, size), 5, b.operand()) // imul
	case 2:
		b.op(max(size, 2), nil, []byte{0x0f, 0xaf}, b.reg(), b.operand())
	default:
		b.op(max(size, 2), nil, []byte{0x69}, b.reg(), b.operand())
		b.imm(max(size, 2))
	}
	b.done(undefined, flagC|flagO)
}

// divide is a division that may overflow: that ends the block.
func (b *nativeBlock) divide() {
	size := b.size()
	if b.r.IntN(4) > 0 { // it will not, mostly
		b.op(4, nil, []byte{0x31}, 2, 2) // xor %edx, %edx
		b.done(flagA, conditions)
		b.op(8, nil, []byte{0x81}, 1, 1) // or $1 << 28, %rcx
		b.bytes(0, 0, 0, 0x10)
		b.done(flagA, conditions)
		b.op(max(size, 4), nil, []byte{0xf7}, 6+b.r.IntN(2), 1)
	} else {
		b.op(size, nil, wide(0xf6, size), 6+b.r.IntN(2), b.operand())
	}
	b.done(conditions, 0)
}

func (b *nativeBlock) compareExchange() {
	size, rm := b.size(), b.operand()
	if b.r.IntN(2) == 0 {
		b.op(size, b.lock(rm), append([]byte{0x0f}, wide(0xc0, size)...), b.reg(), rm) // xadd
	} else {
		b.op(size, b.lock(rm), append([]byte{0x0f}, wide(0xb0, size)...), b.reg(), rm)
	}
	b.done(0, conditions)
}

// exchange16 is cmpxchg8b or cmpxchg16b, of which the latter wants 16 aligned bytes.
func (b *nativeBlock) exchange16() {
	rex := byte(0x48)
	if b.r.IntN(2) == 0 {
		rex = 0x40
	}
	if b.r.IntN(2) == 0 {
		b.bytes(0xf0)
	}
	b.bytes(rex, 0x0f, 0xc7, 0x8b)
	b.code = binary.LittleEndian.AppendUint32(b.code, uint32(16*(b.r.IntN(20)-10)))
	b.done(0, flagZ)
}

func (b *nativeBlock) move() {
	size, reg, rm := b.size(), b.reg(), b.operand()
	switch b.r.IntN(9) {
	case 0:
		b.op(size, nil, wide(0x88, size), reg, rm)
	case 1:
		b.op(size, nil, wide(0x8a, size), reg, rm)
	case 2:
		b.op(max(size, 2), nil, []byte{0x0f, []byte{0xb6, 0xb7, 0xbe, 0xbf}[b.r.IntN(4)]}, reg, rm)
	case 3:
		b.op(8, nil, []byte{0x63}, reg, rm) // movslq
	case 4:
		b.op(4<<b.r.IntN(2), nil, []byte{0x8d}, reg, inMemory) // lea
	case 5:
		b.op(size, b.lock(rm), wide(0x86, size), reg, rm) // xchg
	case 6:
		b.bytes(0x48|byte(reg>>3), 0x0f, 0xc8|byte(reg&7)) // bswap
	case 7:
		b.bytes([]byte{0x66, 0x40, 0x48}[b.r.IntN(3)], []byte{0x98, 0x99}[b.r.IntN(2)]) // cbw, cwd and so on
	default:
		b.mov(reg, b.r.Uint64()>>b.r.IntN(64))
		return
	}
	b.done(0, 0)
}

func (b *nativeBlock) condition() {
	b.defined()
	if b.r.IntN(2) == 0 {
		b.op(1, nil, []byte{0x0f, 0x90 | byte(b.r.IntN(16))}, 0, b.operand())
	} else {
		b.op(2<<b.r.IntN(3), nil, []byte{0x0f, 0x40 | byte(b.r.IntN(16))}, b.reg(), b.operand())
	}
	b.done(0, 0)
}

// jump jumps over an instruction that leaves the flags alone.
func (b *nativeBlock) jump() {
	b.defined()
	b.bytes(0x70|byte(b.r.IntN(16)), 10)
	b.done(0, 0)
	b.mov(b.reg(), b.r.Uint64())
}

func (b *nativeBlock) flags() {
	switch b.r.IntN(4) {
	case 0:
		b.bytes([]byte{0xf8, 0xf9}[b.r.IntN(2)]) // clc, stc
		b.done(0, flagC)
	case 1:
		b.defined()
		b.bytes([]byte{0xf5, 0x9f}[b.r.IntN(2)]) // cmc, lahf
		b.done(0, 0)
	case 2:
		b.bytes(0x9e) // sahf
		b.done(0, conditions&^flagO)
	default:
		b.bytes([]byte{0xfc, 0xfd}[b.r.IntN(2)]) // cld, std
		b.done(0, 0)
	}
}

func (b *nativeBlock) stack() {
	switch b.r.IntN(4) {
	case 0:
		reg := b.reg()
		b.bytes(0x40|byte(reg>>3), 0x50|byte(reg&7)) // push
		b.done(0, 0)
	case 1:
		reg := b.reg()
		b.bytes(0x40|byte(reg>>3), 0x58|byte(reg&7)) // pop
		b.done(0, 0)
	case 2:
		b.defined()
		b.bytes(0x9c) // pushf
		b.done(0, 0)
	default:
		b.bytes(0x68) // push of flags; popf
		b.code = binary.LittleEndian.AppendUint32(b.code, b.r.Uint32()&(conditions|flagD))
		b.done(0, 0)
		b.bytes(0x9d)
		b.done(0, conditions)
	}
}

// strings moves, stores, loads, compares or looks for something, once or in rounds.
func (b *nativeBlock) strings() {
	b.mov(6, dataAt+1000+b.r.Uint64N(200))
	b.mov(7, dataAt+1100+b.r.Uint64N(200))
	b.mov(1, b.r.Uint64N(9))
	op := []byte{0xa4, 0xaa, 0xac, 0xa6, 0xae}[b.r.IntN(5)]
	compares := op == 0xa6 || op == 0xae
	if b.r.IntN(2) == 0 {
		if compares {
			b.defined() // no round leaves them
		}
		b.reps[len(b.code)] = true
		b.bytes([]byte{0xf2, 0xf3}[b.r.IntN(2)])
	}
	size := b.size()
	if size == 2 {
		b.bytes(0x66)
	} else if size == 8 {
		b.bytes(0x48)
	}
	b.bytes(wide(op, size)...)
	if compares {
		b.done(0, conditions)
	} else {
		b.done(0, 0)
	}
}
