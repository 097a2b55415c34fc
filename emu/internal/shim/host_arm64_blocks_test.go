package shim

import "math/rand/v2"

// arm64Classes are instruction classes of A64 by the bits that are the same in all of
// one (Arm ARM, C4.1): every other bit is drawn.
var arm64Classes = []struct {
	name        string
	mask, value uint32
}{
	{"reserved", 0x9e000000, 0x00000000},
	{"SVE", 0x1e000000, 0x04000000},
	{"PC-relative", 0x1f000000, 0x10000000},
	{"add, immediate", 0x1f800000, 0x11000000},
	{"add, with tags", 0x1f800000, 0x11800000},
	{"logical, immediate", 0x1f800000, 0x12000000},
	{"move wide", 0x1f800000, 0x12800000},
	{"bitfield", 0x1f800000, 0x13000000},
	{"extract", 0x1f800000, 0x13800000},
	{"conditional branch", 0xfe000000, 0x54000000},
	{"exceptions", 0xff000000, 0xd4000000},
	{"system", 0xff000000, 0xd5000000},
	{"hints", 0xfffff01f, 0xd503201f},
	{"barriers", 0xfffff000, 0xd5033000},
	{"pstate", 0xfff8f01f, 0xd500401f},
	{"system instructions", 0xffd80000, 0xd5080000},
	{"system registers", 0xffd00000, 0xd5100000},
	{"EL0 registers", 0xffd7f000, 0xd513e000},
	{"EL0 registers, all", 0xffd70000, 0xd5130000},
	{"branch, register", 0xfe000000, 0xd6000000},
	{"compare and branch", 0x7e000000, 0x34000000},
	{"test and branch", 0x7e000000, 0x36000000},
	{"exclusive", 0x3f000000, 0x08000000},
	{"load literal", 0x3b000000, 0x18000000},
	{"load, unscaled, release", 0x3f000000, 0x19000000},
	{"pairs", 0x3a000000, 0x28000000},
	{"load and store", 0x3a000000, 0x38000000},
	{"atomic", 0x3f200c00, 0x38200000},
	{"pointer authentication", 0x3f200400, 0x38200400},
	{"structures", 0xbfbf0000, 0x0c000000},
	{"structures, post-index", 0xbfa00000, 0x0c800000},
	{"structure", 0xbf9f0000, 0x0d000000},
	{"structure, post-index", 0xbf800000, 0x0d800000},
	{"two sources", 0x5fe00000, 0x1ac00000},
	{"one source", 0x5fe00000, 0x5ac00000},
	{"logical, register", 0x1f000000, 0x0a000000},
	{"add, register", 0x1f000000, 0x0b000000},
	{"carry", 0x1fe00000, 0x1a000000},
	{"conditional compare", 0x1fe00000, 0x1a400000},
	{"conditional select", 0x1fe00000, 0x1a800000},
	{"three sources", 0x1f000000, 0x1b000000},
	{"AES", 0xff3e0c00, 0x4e280800},
	{"SHA, three", 0xff208c00, 0x5e000000},
	{"SHA, two", 0xff3e0c00, 0x5e280800},
	{"scalar copy", 0xdfe08400, 0x5e000400},
	{"scalar three same, half", 0xdf60c400, 0x5e400400},
	{"scalar two, half", 0xdf7e0c00, 0x5e780800},
	{"scalar three same, extra", 0xdf208400, 0x5e008400},
	{"scalar two", 0xdf3e0c00, 0x5e200800},
	{"scalar pairwise", 0xdf3e0c00, 0x5e300800},
	{"scalar three different", 0xdf200c00, 0x5e200000},
	{"scalar three same", 0xdf200400, 0x5e200400},
	{"scalar shift", 0xdf800400, 0x5f000400},
	{"scalar by element", 0xdf000400, 0x5f000000},
	{"table", 0xbf208c00, 0x0e000000},
	{"permute", 0xbf208c00, 0x0e000800},
	{"extract vector", 0xbf208400, 0x2e000000},
	{"copy", 0x9fe08400, 0x0e000400},
	{"three same, half", 0x9f60c400, 0x0e400400},
	{"two, half", 0x9f7e0c00, 0x0e780800},
	{"three, extra", 0x9f208400, 0x0e008400},
	{"two", 0x9f3e0c00, 0x0e200800},
	{"across lanes", 0x9f3e0c00, 0x0e300800},
	{"three different", 0x9f200c00, 0x0e200000},
	{"three same", 0x9f200400, 0x0e200400},
	{"modified immediate", 0x9ff80400, 0x0f000400},
	{"shift", 0x9f800400, 0x0f000400},
	{"by element", 0x9f000400, 0x0f000000},
	{"crypto, three", 0xffe0b000, 0xce408000},
	{"crypto, four", 0xff808000, 0xce000000},
	{"crypto, all", 0xff000000, 0xce000000},
	{"fixed point", 0x5f200000, 0x1e000000},
	{"integer and floating point", 0x5f20fc00, 0x1e200000},
	{"one source, floating", 0x5f207c00, 0x1e204000},
	{"compare, floating", 0x5f203c00, 0x1e202000},
	{"immediate, floating", 0x5f201c00, 0x1e201000},
	{"conditional compare, floating", 0x5f200c00, 0x1e200400},
	{"two sources, floating", 0x5f200c00, 0x1e200800},
	{"select, floating", 0x5f200c00, 0x1e200c00},
	{"three sources, floating", 0x5f000000, 0x1f000000},
}

// arm64Structured is a block of instructions of the classes. Register fields of most
// name the few that are likely to point to something.
func arm64Structured(r *rand.Rand) []byte {
	var b []uint32
	for range blockSize / 4 {
		c := arm64Classes[r.IntN(len(arm64Classes))]
		w := c.value | r.Uint32()&^c.mask
		if r.IntN(2) == 0 {
			w = w&^(0x1f<<5&^c.mask) | uint32(r.IntN(32))<<5&^c.mask | c.value&c.mask
		}
		b = append(b, w)
	}
	return words(b...)
}
