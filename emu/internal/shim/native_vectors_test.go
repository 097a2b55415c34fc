package shim

// vectorOps are instructions on xmm registers that are exact: prefix, opcode, and whether
// a number follows.
var vectorOps = []struct {
	prefix byte
	op     []byte
	number bool
}{
	{0x66, []byte{0xef}, false}, {0x66, []byte{0xdb}, false}, {0x66, []byte{0xeb}, false}, {0x66, []byte{0xdf}, false}, // pxor, pand, por, pandn
	{0x66, []byte{0xfc}, false}, {0x66, []byte{0xfd}, false}, {0x66, []byte{0xfe}, false}, {0x66, []byte{0xd4}, false}, // padd
	{0x66, []byte{0xf8}, false}, {0x66, []byte{0xf9}, false}, {0x66, []byte{0xfa}, false}, {0x66, []byte{0xfb}, false}, // psub
	{0x66, []byte{0x74}, false}, {0x66, []byte{0x75}, false}, {0x66, []byte{0x76}, false}, // pcmpeq
	{0x66, []byte{0x64}, false}, {0x66, []byte{0x65}, false}, {0x66, []byte{0x66}, false}, // pcmpgt
	{0x66, []byte{0x60}, false}, {0x66, []byte{0x61}, false}, {0x66, []byte{0x62}, false}, {0x66, []byte{0x6c}, false}, {0x66, []byte{0x6d}, false}, // punpck
	{0x66, []byte{0x63}, false}, {0x66, []byte{0x67}, false}, {0x66, []byte{0x6b}, false}, // pack
	{0x66, []byte{0xd5}, false}, {0x66, []byte{0xe5}, false}, {0x66, []byte{0xf4}, false}, {0x66, []byte{0xf5}, false}, {0x66, []byte{0xf6}, false}, // multiply, psadbw
	{0x66, []byte{0xda}, false}, {0x66, []byte{0xde}, false}, {0x66, []byte{0xea}, false}, {0x66, []byte{0xee}, false}, {0x66, []byte{0xe0}, false}, {0x66, []byte{0xe3}, false}, // min, max, pavg
	{0x66, []byte{0x70}, true}, {0xf2, []byte{0x70}, true}, {0xf3, []byte{0x70}, true}, {0x66, []byte{0xc6}, true}, // pshuf, shufpd
	{0x66, []byte{0xd1}, false}, {0x66, []byte{0xd2}, false}, {0x66, []byte{0xe1}, false}, {0x66, []byte{0xf3}, false}, // shifts
	{0x66, []byte{0x38, 0x00}, false}, {0x66, []byte{0x38, 0x1c}, false}, {0x66, []byte{0x38, 0x04}, false}, {0x66, []byte{0x3a, 0x0f}, true}, // SSSE3
	{0x66, []byte{0x38, 0x38}, false}, {0x66, []byte{0x38, 0x40}, false}, {0x66, []byte{0x38, 0x29}, false}, {0x66, []byte{0x38, 0x20}, false}, {0x66, []byte{0x3a, 0x0e}, true}, // SSE4.1
	{0xf3, []byte{0x6f}, false}, {0xf3, []byte{0x7f}, false}, {0x66, []byte{0x10}, false}, {0x66, []byte{0x11}, false}, {0xf3, []byte{0x7e}, false}, // moves
}

func (b *nativeBlock) vector() {
	if b.r.IntN(8) == 0 { // ptest, pmovmskb, pinsrq, pextrq
		switch b.r.IntN(3) {
		case 0:
			b.op(4, []byte{0x66}, []byte{0x0f, 0x38, 0x17}, b.r.IntN(16), b.r.IntN(16))
			b.done(0, conditions)
		case 1:
			b.op(4, []byte{0x66}, []byte{0x0f, 0xd7}, b.reg(), b.r.IntN(16))
			b.done(0, 0)
		default:
			b.op(8, []byte{0x66}, []byte{0x0f, 0x3a, []byte{0x22, 0x16}[b.r.IntN(2)]}, b.r.IntN(16), b.reg())
			b.bytes(byte(b.r.IntN(2)))
			b.done(0, 0)
		}
		return
	}
	v := vectorOps[b.r.IntN(len(vectorOps))]
	rm := b.r.IntN(16)
	moves := v.prefix == 0xf3 && !v.number || v.op[0] == 0x10 || v.op[0] == 0x11
	if moves && b.r.IntN(2) == 0 {
		rm = inMemory // anywhere; others want it aligned
	}
	b.op(4, []byte{v.prefix}, append([]byte{0x0f}, v.op...), b.r.IntN(16), rm)
	if v.number {
		b.bytes(byte(b.r.Uint32()))
	}
	b.done(0, 0)
}

// floating computes with floating point numbers, as IEEE 754 has it, and compares them.
func (b *nativeBlock) floating() {
	prefix := []byte{0x66, 0xf2, 0xf3, 0}[b.r.IntN(4)]
	var p []byte
	if prefix != 0 {
		p = []byte{prefix}
	}
	x, y := b.r.IntN(16), b.r.IntN(16)
	switch b.r.IntN(4) {
	case 0, 1:
		b.op(4, p, []byte{0x0f, []byte{0x58, 0x59, 0x5c, 0x5e, 0x5d, 0x5f, 0x51}[b.r.IntN(7)]}, x, y) // add, mul, sub, div, min, max, sqrt
		b.done(0, 0)
	case 2:
		if prefix >= 0xf2 {
			p = nil
		}
		b.op(4, p, []byte{0x0f, []byte{0x2e, 0x2f}[b.r.IntN(2)]}, x, y) // ucomis, comis
		b.done(0, conditions)
	default:
		if prefix < 0xf2 {
			p = []byte{0xf2}
		}
		b.op(4<<b.r.IntN(2), p, []byte{0x0f, []byte{0x2c, 0x2d}[b.r.IntN(2)]}, b.reg(), y) // to an integer
		b.done(0, 0)
	}
}
