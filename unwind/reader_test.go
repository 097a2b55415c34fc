package unwind

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLEB(t *testing.T) {
	for _, tc := range []struct {
		data     string
		unsigned uint64
		signed   int64
	}{
		// The examples of DWARF 5, tables 7.7 and 7.8, and the extremes.
		{"\x02", 2, 2},
		{"\x7f", 127, -1},
		{"\x80\x01", 128, 128},
		{"\xb9\x64", 12857, -3527},
		{"\x7e", 126, -2},
		{"\xff\x00", 127, 127},
		{"\x80\x7f", 16256, -128},
		{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 1 << 63, -1 << 63},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1<<64 - 1, -1},
		{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 0, 0},
	} {
		u := reader{data: []byte(tc.data)}
		s := u
		if got := u.uleb(); got != tc.unsigned || u.failed || u.left() != 0 {
			t.Errorf("uleb(%x) = %d, failed %v, want %d", tc.data, got, u.failed, tc.unsigned)
		}
		if got := s.sleb(); got != tc.signed || s.failed || s.left() != 0 {
			t.Errorf("sleb(%x) = %d, failed %v, want %d", tc.data, got, s.failed, tc.signed)
		}
	}
}

func TestPointer(t *testing.T) {
	for _, tc := range []struct {
		name     string
		encoding byte
		data     string
		want     uint64
		failed   bool
	}{
		{"absolute", 0x00, "\x01\x00\x00\x00\x00\x00\x00\x80", 1<<63 | 1, false},
		{"uleb", 0x01, "\x80\x01", 128, false},
		{"udata2", 0x02, "\xff\xff", 0xffff, false},
		{"udata4", 0x03, "\xff\xff\xff\xff", 0xffffffff, false},
		{"sleb", 0x09, "\x7f", 1<<64 - 1, false},
		{"sdata2", 0x0a, "\xff\xff", 1<<64 - 1, false},
		{"sdata4", 0x0b, "\xfe\xff\xff\xff", 1<<64 - 2, false},
		{"pc-relative", 0x1b, "\xf0\xff\xff\xff", 0x1002 - 16, false},
		{"data-relative", 0x3b, "\x00\x00\x00\x00", 0, true},
		{"indirect", 0x9b, "\x00\x00\x00\x00", 0, true},
		{"no such format", 0x07, "\x00\x00\x00\x00", 0, true},
		{"truncated", 0x03, "\x00\x00\x00", 0, true},
	} {
		r := reader{data: append([]byte("xx"), tc.data...), at: 2, vaddr: 0x1000}
		if got := r.pointer(tc.encoding); r.failed != tc.failed || (!tc.failed && got != tc.want) {
			t.Errorf("%s: %#x, failed %v, want %#x, failed %v", tc.name, got, r.failed, tc.want, tc.failed)
		}
	}
}

// A reader that has failed gives nothing but zeros and stays where it is.
func TestReaderFailed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reader{data: rapid.SliceOfN(rapid.Byte(), 0, 7).Draw(t, "data")}
		if r.unsigned(8); !r.failed {
			t.Fatal("8 bytes of fewer")
		}
		if at := r.at; r.unsigned(1)|r.uleb()|uint64(r.sleb()) != 0 || r.at != at {
			t.Fatalf("it goes on reading: at %d", r.at)
		}
	})
}
