package flow

import (
	"cmp"
	"slices"
)

// symbolKind tells kinds of symbols apart.
type symbolKind uint8

const (
	constant symbolKind = iota // 0
	initial                    // a register at the function's entry
	defined                    // made by an instruction
	merged                     // brought by several paths to the block where they meet
)

// place is a register, or a word of the frame.
type place struct {
	register int // -1 for the frame
	off      int64
}

// symbol is a value that has no name in the code.
type symbol struct {
	kind symbolKind
	addr uint64 // of the instruction or the block
	at   place
}

// extension says which part of a value is meant.
type extension uint8

const (
	whole extension = iota
	zero32
	sign32
)

// value is a symbol plus a constant. What is zero32 or sign32 are its low 32 bits, extended.
type value struct {
	sym   int32 // index into function.symbols; 0 is the constant 0
	ext   extension
	doubt bool // something may have changed it
	off   int64
}

func (v value) constant() (uint64, bool) { return uint64(v.off), v.sym == 0 }

// same compares without doubts.
func (v value) same(w value) bool { return v.sym == w.sym && v.ext == w.ext && v.off == w.off }

func constantOf(c uint64) value { return value{off: int64(c)} }

// low32 is the low half of a value, extended by zeros or the sign.
func (v value) low32(ext extension) value {
	if v.sym == 0 {
		if ext == sign32 {
			return value{off: int64(int32(v.off)), doubt: v.doubt}
		}
		return value{off: int64(uint32(v.off)), doubt: v.doubt}
	}
	v.ext, v.off = ext, int64(int32(v.off))
	return v
}

// plus adds a constant; ok is false when the sum is no symbol plus a constant.
func (v value) plus(c int64) (value, bool) {
	if v.ext != whole {
		return v, false
	}
	v.off += c
	return v, true
}

// apply computes a value out of its symbol's.
func (v value) apply(symbol uint64) uint64 {
	n := symbol + uint64(v.off)
	switch v.ext {
	case zero32:
		return uint64(uint32(n))
	case sign32:
		return uint64(int64(int32(n)))
	default:
	}
	return n
}

// slot is a word of the function's own frame. off is from the stack pointer at its entry.
type slot struct {
	off  int64
	size int64 // 4 or 8
	val  value
}

// maxSlots bounds the words of a frame that are followed.
const maxSlots = 128

// state is what registers and the frame hold before an instruction.
type state struct {
	regs  [maxRegisters]value
	slots []slot // by off, none overlapping
	// escaped says that an address of the frame is where other code may find it.
	escaped bool
}

func (s *state) clone() *state {
	c := *s
	c.slots = slices.Clone(s.slots)
	return &c
}

func (s *state) find(off int64) (int, bool) {
	return slices.BinarySearchFunc(s.slots, off, func(s slot, off int64) int { return cmp.Compare(s.off, off) })
}

// forget drops the words that lie, in part at least, in size bytes from off on.
func (s *state) forget(off, size int64) {
	s.slots = slices.DeleteFunc(s.slots, func(t slot) bool { return t.off < off+size && off < t.off+t.size })
}

func (s *state) store(off, size int64, v value) {
	s.forget(off, size)
	if i, _ := s.find(off); len(s.slots) < maxSlots {
		s.slots = slices.Insert(s.slots, i, slot{off, size, v})
	}
}

// doubt marks all words of the frame as perhaps changed.
func (s *state) doubt() {
	for i := range s.slots {
		s.slots[i].val.doubt = true
	}
}

func (s *state) equal(t *state) bool {
	return s.regs == t.regs && s.escaped == t.escaped && slices.Equal(s.slots, t.slots)
}

// source is one way in which a symbol can have got its value.
type source struct {
	kind   Kind
	at     places // the instructions
	val    value  // Constant and Argument: the value; Loaded: the address
	lost   bool   // Loaded: the address is in no symbol
	size   int    // Loaded
	signed bool   // Loaded
	target uint64 // Returned: the call's target, 0 for not known
}

// places are some instructions' addresses, 0 for none.
type places [4]uint64

func placesOf(addr uint64) places { return places{addr} }

// with adds those of others, as far as there is room.
func (p places) with(others places) places {
	for _, addr := range others {
		if i := slices.Index(p[:], 0); addr != 0 && i >= 0 && !slices.Contains(p[:], addr) {
			p[i] = addr
		}
	}
	return p
}

func (p places) list() (list []uint64) {
	for _, addr := range p {
		if addr != 0 {
			list = append(list, addr)
		}
	}
	return list
}

// maxSources bounds the ways that are told apart for one symbol.
const maxSources = 4
