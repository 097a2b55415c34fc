package unwind

import "encoding/binary"

// reader reads the encodings of DWARF from bytes. After the first read beyond
// the end, failed is set and every result is zero, so that callers check once.
type reader struct {
	data   []byte
	at     int    // index into data
	vaddr  uint64 // address of data[0], for pc-relative pointers
	failed bool
}

func (r *reader) left() int { return len(r.data) - r.at }

// take returns the next n bytes.
func (r *reader) take(n uint64) []byte {
	if r.failed || n > uint64(r.left()) {
		r.failed = true
		return nil
	}
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

// unsigned reads n bytes, at most 8, as a little-endian number.
func (r *reader) unsigned(n uint64) uint64 {
	var buf [8]byte
	copy(buf[:], r.take(n))
	return binary.LittleEndian.Uint64(buf[:])
}

func (r *reader) byte() byte { return byte(r.unsigned(1)) }

// uleb and sleb read variable-length numbers (DWARF 5, 7.6). Bits beyond 64
// are dropped.
func (r *reader) uleb() uint64 {
	v, _ := r.leb()
	return v
}

func (r *reader) sleb() int64 {
	v, bits := r.leb()
	if bits < 64 && v>>(bits-1)&1 == 1 {
		v |= ^uint64(0) << bits
	}
	return int64(v)
}

// leb returns the value and the number of bits read, which is at least 7.
func (r *reader) leb() (v uint64, bits uint) {
	for {
		b := r.byte()
		if bits < 64 {
			v |= uint64(b&0x7f) << bits
		}
		bits += 7
		if b&0x80 == 0 {
			return v, bits
		}
	}
}

// Encodings of pointers in .eh_frame (DW_EH_PE_*): the low half is the format,
// the next three bits what the value is relative to.
const (
	peOmit     = 0xff
	peIndirect = 0x80
	pePCRel    = 0x10
	peFormat   = 0x0f
	peRelative = 0x70
)

// pointer reads an encoded pointer. What is relative to the text or data
// section, aligned or indirect is not used in the fields read here, and fails.
func (r *reader) pointer(encoding byte) uint64 {
	here := r.vaddr + uint64(r.at)
	var v uint64
	switch encoding & peFormat {
	case 0x00, 0x04, 0x08, 0x0c: // absptr, udata8, signed, sdata8
		v = r.unsigned(8)
	case 0x01:
		v = r.uleb()
	case 0x02:
		v = r.unsigned(2)
	case 0x03:
		v = r.unsigned(4)
	case 0x09:
		v = uint64(r.sleb())
	case 0x0a:
		v = uint64(int64(int16(r.unsigned(2))))
	case 0x0b:
		v = uint64(int64(int32(r.unsigned(4))))
	default:
		r.failed = true
	}
	switch encoding & (peRelative | peIndirect) {
	case 0:
	case pePCRel:
		v += here
	default:
		r.failed = true
	}
	return v
}
