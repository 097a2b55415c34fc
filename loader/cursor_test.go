package loader

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func appendSleb(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func TestLEB128(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u, s := rapid.Uint64().Draw(t, "unsigned"), rapid.Int64().Draw(t, "signed")
		data := appendSleb(binary.AppendUvarint(nil, u), s)
		c := cursor{data: data}
		if got := c.uleb(); got != u {
			t.Fatalf("uleb() = %d, want %d", got, u)
		}
		if got := c.sleb(); got != s {
			t.Fatalf("sleb() = %d, want %d", got, s)
		}
		if c.bad || c.off != len(data) {
			t.Fatalf("at %d of %d, bad %v", c.off, len(data), c.bad)
		}
		c.u8()
		if !c.bad {
			t.Fatal("read past the end")
		}
	})
	// Padding beyond 64 bits, as some assemblers write, is read over.
	padded := cursor{data: []byte{0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 7}}
	if got, next := padded.uleb(), padded.u8(); got != 1 || next != 7 {
		t.Errorf("padded uleb() = %d, then %d", got, next)
	}
}

func TestCursorLength(t *testing.T) {
	for _, tc := range []struct {
		data []byte
		n    uint64
		wide bool
		bad  bool
	}{
		{[]byte{5, 0, 0, 0}, 5, false, false},
		{[]byte{0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 0, 0}, 5, true, false},
		{[]byte{0xff, 0xff, 0xff, 0xff, 5}, 0, true, true},
		{[]byte{0xf0, 0xff, 0xff, 0xff}, 0xfffffff0, false, true},
		{[]byte{5, 0, 0}, 0, false, true},
	} {
		c := cursor{data: tc.data}
		if n, wide := c.length(); n != tc.n || wide != tc.wide || c.bad != tc.bad {
			t.Errorf("length of %x = %#x, %v, bad %v", tc.data, n, wide, c.bad)
		}
	}
}

func TestCursorEnd(t *testing.T) {
	c := cursor{data: []byte("abc\x00de")}
	if got := string(c.text()); got != "abc" || c.bad {
		t.Errorf("text() = %q", got)
	}
	if got := c.take(math.MaxUint64); got != nil || !c.bad {
		t.Errorf("take of everything = %q", got)
	}
	if c.text() != nil || c.u64() != 0 || c.u32() != 0 || c.u16() != 0 || c.uleb() != 0 || c.sleb() != 0 {
		t.Error("a bad cursor still reads")
	}
	open := cursor{data: []byte("no end")}
	if got := open.text(); got != nil || !open.bad {
		t.Errorf("text() without an end = %q", got)
	}
}
