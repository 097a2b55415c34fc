package loader

import "bytes"

// cursor reads DWARF's encodings from data. Reading past the end sets bad and
// returns zeroes, so that a caller can check once; nothing ever moves back.
type cursor struct {
	data []byte
	off  int
	bad  bool
}

// take returns the next n bytes, or nil when there are not that many.
func (c *cursor) take(n uint64) []byte {
	if c.bad || c.off > len(c.data) || n > uint64(len(c.data)-c.off) {
		c.bad = true
		return nil
	}
	b := c.data[c.off : c.off+int(n)]
	c.off += int(n)
	return b
}

func (c *cursor) u8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return le.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

// length reads an initial length and reports whether it announces the 64-bit
// format, in which offsets have 8 bytes.
func (c *cursor) length() (n uint64, wide bool) {
	n = uint64(c.u32())
	switch {
	case n == 0xffffffff:
		return c.u64(), true
	case n >= 0xfffffff0: // reserved
		c.bad = true
	}
	return n, false
}

func (c *cursor) offset(wide bool) uint64 {
	if wide {
		return c.u64()
	}
	return uint64(c.u32())
}

// uleb reads an unsigned LEB128. Bits beyond 64 are dropped.
func (c *cursor) uleb() uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b := c.u8()
		v |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			return v
		}
	}
}

// sleb reads a signed LEB128.
func (c *cursor) sleb() int64 {
	var v int64
	for shift := uint(0); ; {
		b := c.u8()
		v |= int64(b&0x7f) << shift
		shift += 7
		if b&0x80 == 0 {
			if b&0x40 != 0 && shift < 64 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// text reads bytes up to a NUL.
func (c *cursor) text() []byte {
	if c.bad || c.off > len(c.data) {
		c.bad = true
		return nil
	}
	n := bytes.IndexByte(c.data[c.off:], 0)
	if n < 0 {
		c.bad = true
		return nil
	}
	s := c.data[c.off : c.off+n]
	c.off += n + 1
	return s
}
