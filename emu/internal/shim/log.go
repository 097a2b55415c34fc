package shim

// #include "shim.h"
import "C"

import (
	"encoding/binary"
	"iter"
	"slices"
	"unsafe"
)

// AccessKind is what an access did.
type AccessKind uint8

// The kinds. A kernel write is one that a system call made.
const (
	AccessRead   AccessKind = C.EM_READ
	AccessWrite  AccessKind = C.EM_WRITE
	AccessKernel AccessKind = C.EM_KERNEL
	AccessZero   AccessKind = C.EM_ZERO // the kernel zeroed what was not zero
	AccessPoke   AccessKind = C.EM_POKE // nobody's access; see Engine.Poke
)

// Access is one access of the log: at most eight bytes that one instruction, or a system
// call, read or wrote. Wider accesses are several of the same Step. Its layout is that of
// em_access in shim.h.
type Access struct {
	Step   uint64 // number of the instruction, counted from 1
	PC     uint64
	Addr   uint64
	Old    uint64 // the bytes before, little-endian
	Value  uint64 // the bytes read or written, little-endian
	Size   uint8  // 1 to 8
	Kind   AccessKind
	Thread uint16
	length uint32 // of a range, which nobody gets to see as it is; otherwise 0
}

// The log is read as it lies in C memory; this fails to compile when the two layouts have
// different sizes.
var _ [unsafe.Sizeof(Access{}) - C.sizeof_em_access]byte
var _ [C.sizeof_em_access - unsafe.Sizeof(Access{})]byte

// Log is a part of the access log, oldest first. What Poke does is in it, and is not handed out. It has entries, by whose number a moment of
// the run is known, and these have accesses: an entry is one access, or what the kernel did
// to up to a page at a time, which is many. It is valid until the machine runs, rewinds or
// closes.
type Log struct {
	list   []Access
	bulk   []byte // what ranges hold
	ranges bool   // there may be some, or what is nobody's access
}

// Log is every access since logging began.
func (e *Engine) Log() Log {
	if e.c.log_len == 0 {
		return Log{}
	}
	l := Log{list: unsafe.Slice((*Access)(unsafe.Pointer(e.c.log)), int(e.c.log_len)), ranges: e.c.ranges != 0 || bool(e.c.poked)}
	if l.ranges {
		l.bulk = unsafe.Slice((*byte)(e.c.bulk), int(e.c.bulk_len))
	}
	return l
}

// LogLen is the number of entries of [Engine.Log].
func (e *Engine) LogLen() int { return int(e.c.log_len) }

// setLogLimit bounds the log, with what its ranges hold, to the memory of n entries of 48
// bytes.
func (e *Engine) setLogLimit(n int) { C.em_log_limit(e.c, C.size_t(n)) }

// Len is the number of entries.
func (l Log) Len() int { return len(l.list) }

// From leaves out the first n entries.
func (l Log) From(n int) Log {
	l.list = l.list[n:]
	return l
}

// Since has the entries at the end whose instructions have this number or a later one.
func (l Log) Since(step uint64) Log {
	n := len(l.list)
	for n > 0 && l.list[n-1].Step >= step {
		n--
	}
	return l.From(n)
}

// Of has the entries at the end that are of the instruction with this number.
func (l Log) Of(step uint64) Log {
	n := len(l.list)
	for n > 0 && l.list[n-1].Step == step {
		n--
	}
	return l.From(n)
}

// plain is how many entries come before the first range.
func (l Log) plain() int {
	if l.ranges {
		for i := range l.list {
			if l.list[i].length != 0 || l.list[i].Kind == AccessPoke {
				return i
			}
		}
	}
	return len(l.list)
}

// Most is how many accesses there are at most: of a page that was zeroed some words may have
// been zero.
func (l Log) Most() int {
	n := len(l.list)
	for i := l.plain(); i < len(l.list); i++ {
		if a := &l.list[i]; a.length != 0 {
			n += a.pieces() - 1
		}
	}
	return n
}

// List has the accesses. Without a range it is the log itself, which is not to be written.
func (l Log) List() []Access {
	n := l.plain()
	if n == len(l.list) {
		return l.list[:n:n]
	}
	list := append(make([]Access, 0, l.Most()), l.list[:n]...)
	for part := range l.From(n).Parts() {
		list = append(list, part...)
	}
	return list
}

// Parts goes through the accesses, some at a time, which are valid until the next ones and
// not to be written.
func (l Log) Parts() iter.Seq[[]Access] {
	return func(yield func([]Access) bool) {
		var pieces []Access
		for rest := l; ; {
			n := rest.plain()
			if n > 0 && !yield(rest.list[:n:n]) || n == len(rest.list) {
				return
			}
			if rest.list[n].Kind != AccessPoke {
				if pieces = l.pieces(pieces[:0], &rest.list[n]); !yield(pieces) {
					return
				}
			}
			rest = rest.From(n + 1)
		}
	}
}

// All goes through the accesses.
func (l Log) All() iter.Seq[Access] {
	return func(yield func(Access) bool) {
		for part := range l.Parts() {
			for i := range part {
				if !yield(part[i]) {
					return
				}
			}
		}
	}
}

// Backward goes through the accesses, the last one first.
func (l Log) Backward() iter.Seq[Access] {
	return func(yield func(Access) bool) {
		var pieces []Access
		for i := len(l.list) - 1; i >= 0; i-- {
			a := &l.list[i]
			if a.Kind == AccessPoke {
				continue
			}
			if a.length == 0 {
				if !yield(*a) {
					return
				}
				continue
			}
			pieces = l.pieces(pieces[:0], a)
			for k := len(pieces) - 1; k >= 0; k-- {
				if !yield(pieces[k]) {
					return
				}
			}
		}
	}
}

// Last is the last access, if there is one.
func (l Log) Last() (a Access, ok bool) {
	for a = range l.Backward() {
		return a, true
	}
	return a, false
}

// pieceSize is how many bytes a piece of a range has at most.
const pieceSize = 8

func (a *Access) pieces() int { return int(a.length+pieceSize-1) / pieceSize }

// pieces adds the accesses that a range is of, as em_piece gives them.
func (l Log) pieces(list []Access, a *Access) []Access {
	list = slices.Grow(list, a.pieces())
	old, value := l.held(a.Old, a.length), l.held(a.Value, a.length)
	for i := uint64(0); i < uint64(a.length); i += pieceSize {
		p := Access{Step: a.Step, PC: a.PC, Addr: a.Addr + i, Size: uint8(min(uint64(a.length)-i, pieceSize)), Kind: a.Kind, Thread: a.Thread}
		p.Old, p.Value = piece(old, i), piece(value, i)
		if a.Kind != AccessZero || p.Old != 0 {
			list = append(list, p)
		}
	}
	return list
}

// held has the bytes of a range that are kept at a place; nil where all are zero.
func (l Log) held(at uint64, n uint32) []byte {
	if at == C.EM_ZEROS {
		return nil
	}
	return l.bulk[at : at+uint64(n)]
}

func piece(b []byte, at uint64) uint64 {
	if b == nil {
		return 0
	}
	b = b[at:]
	if len(b) >= pieceSize {
		return binary.LittleEndian.Uint64(b)
	}
	var word [pieceSize]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:])
}
