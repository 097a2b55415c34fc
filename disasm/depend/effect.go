package depend

import (
	"strings"

	"emurace/disasm"
	"emurace/loader"
)

// Kind tells the kinds of Item apart.
type Kind uint8

// The kinds of Item. Branch stands for the address of an access, too, which a
// private access used or a csel picked: all order reads before later writes and before what follows
// an isb.
const (
	None Kind = iota
	Branch
	FenceFull
	FenceLoad
	FenceStore    // writes and, by private writes of their values, reads before later writes
	FenceStoreAll // dsb st: the same before all that comes later
	FenceISB
	Acquire   // a private read that acquires: what it comes from, and releases, before all that comes later
	AcquirePC // the same of ldapr, without the releases
	Release   // a private write that releases: all before it before later reads that acquire
	// MayFull and MayRelease are a FenceFull and a Release that may be there.
	MayFull
	MayRelease
)

// Flags are what an encoding alone says of the order of its accesses.
type Flags struct {
	Acquire, AcquirePC, Release bool
	Atomic                      bool // one read-modify-write
	Swap                        bool // one that writes whatever it reads: all but cas
	NoReturn                    bool // its read goes to no register and does not acquire
	Full                        bool // amd64: LOCK, or xchg with memory
	NonTemporal                 bool
	LoadExclusive               bool
	StoreExclusive              bool
	Fence                       Kind // the instruction is itself a barrier
	Unsure                      bool // the encoding is not known
}

// Decode returns what the instruction at pc says of order. Code that ends
// within the instruction is an error.
func Decode(arch loader.Arch, code []byte, pc uint64) (Flags, error) {
	in, err := disasm.Decode(arch, code, pc, nil)
	if err != nil {
		return Flags{}, err
	}
	return flagsOf(arch, in, code), nil
}

func flagsOf(arch loader.Arch, in disasm.Inst, code []byte) Flags {
	if arch == loader.AMD64 {
		f := amd64Flags(in)
		f.Unsure = in.Undecoded
		return f
	}
	f := arm64Flags(word(code))
	f.Unsure = in.Undecoded && f.Fence == None
	return f
}

func word(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// arm64Flags goes by DDI 0487, C4.1, "Barriers" and "Loads and Stores".
func arm64Flags(w uint32) (f Flags) {
	bit := func(n uint) bool { return w>>n&1 == 1 }
	switch {
	case w&0xfffff0ff == 0xd503309f, w&0xfffff0ff == 0xd50330bf: // dsb, dmb
		option := w >> 8 & 15
		switch {
		case w&0xff == 0x9f && option&3 == 0: // ssbb, pssbb and the reserved ones
		case option&3 == 1:
			f.Fence = FenceLoad
		case option&3 == 2:
			if f.Fence = FenceStore; w&0xff == 0x9f {
				f.Fence = FenceStoreAll
			}
		default: // a reserved option of dmb is sy
			f.Fence = FenceFull
		}
	case w&0xfffff0ff == 0xd50330df:
		f.Fence = FenceISB
	case w&0x3f000000 == 0x08000000: // exclusive, ordered, cas
		o2, l, o1, o0 := bit(23), bit(22), bit(21), bit(15)
		switch {
		case o1 && (o2 || !bit(31)):
			f.Atomic, f.Acquire, f.Release = true, l, o0
			// A cas to xzr is not among the forms without A that DDI 0487 calls NoRet.
		case o2:
			// With o0 clear: ldlar and stllr, ordered in their region only.
			f.Acquire, f.Release = l && o0, !l && o0
			f.Unsure = !o0
		case l:
			f.LoadExclusive, f.Acquire = true, o0
		default:
			f.StoreExclusive, f.Release = true, o0
		}
	case w&0x3f200c00 == 0x19000000: // ldapur, stlur
		f.Release = w>>22&3 == 0
		f.AcquirePC = !f.Release
	case w&0x3f200c00 == 0x38200000: // atomic operations
		if w&0x00fffc00 == 0x00bfc000 {
			f.AcquirePC = true // ldapr
			break
		}
		f.Atomic, f.Swap, f.Release = true, true, bit(22)
		// With xzr as its destination the operation does not acquire.
		f.Acquire = bit(23) && w&31 != 31
		f.NoReturn = w&31 == 31 && !bit(15) && !bit(23)
	case w&0x3b800000 == 0x28000000 && !bit(24): // ldnp, stnp
		f.NonTemporal = true
	}
	return f
}

var serialising = map[string]bool{"mfence": true, "cpuid": true, "iret": true, "serialize": true}

// amd64Flags goes by volume 3 of the Intel manual, 8.2 and 8.3.
func amd64Flags(in disasm.Inst) (f Flags) {
	writes := false
	for _, m := range in.Mem {
		writes = writes || m.Write
	}
	switch {
	case serialising[in.Op]:
		f.Fence = FenceFull
	case in.Op == "lfence":
		f.Fence = FenceLoad
	case in.Op == "sfence":
		f.Fence = FenceStore
	case writes && (in.Op == "xchg" || strings.HasPrefix(in.Text, "lock ") || strings.Contains(in.Text, " lock ")):
		f.Full, f.Atomic = true, true
	case strings.HasPrefix(strings.TrimPrefix(in.Op, "v"), "movnt") && writes, strings.HasPrefix(in.Op, "maskmov"):
		f.NonTemporal = true
	}
	return f
}
