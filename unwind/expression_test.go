package unwind

import (
	"errors"
	"strings"
	"testing"
)

// words is memory of 64-bit words by address.
type words map[uint64]uint64

func (w words) Read64(addr uint64) (uint64, bool) {
	v, ok := w[addr]
	return v, ok
}

func TestExpression(t *testing.T) {
	regs := func(n uint64) (uint64, bool) { return 1000 + n, n < 40 }
	mem := words{8: 0x1122334455667788, 1007: 77}
	const minus1 = 1<<64 - 1
	for _, tc := range []struct {
		name, code string
		want       uint64
	}{
		{"lit", "\x30\x4f", 31},
		{"const1u", "\x08\xff", 255},
		{"const1s", "\x09\xff", minus1},
		{"const2u", "\x0a\xfe\xff", 0xfffe},
		{"const2s", "\x0b\xfe\xff", minus1 - 1},
		{"const4u", "\x0c\xff\xff\xff\xff", 0xffffffff},
		{"const4s", "\x0d\xff\xff\xff\xff", minus1},
		{"const8u", "\x0e\x08\x07\x06\x05\x04\x03\x02\x01", 0x0102030405060708},
		{"const8s", "\x0f\xff\xff\xff\xff\xff\xff\xff\xff", minus1},
		{"addr", "\x03\x01\x00\x00\x00\x00\x00\x00\x00", 1},
		{"constu", "\x10\x80\x01", 128},
		{"consts", "\x11\x7f", minus1},
		{"breg", "\x77\x7f", 1006},
		{"bregx", "\x92\x27\x01", 1040},
		{"deref", "\x77\x00\x06", 77},
		{"deref_size", "\x38\x94\x04", 0x55667788},
		{"dup", "\x33\x12\x22", 6},
		{"drop", "\x33\x34\x13", 3},
		{"over", "\x33\x34\x14", 3},
		{"pick", "\x33\x34\x35\x15\x02", 3},
		{"swap", "\x33\x35\x16\x1c", 2},
		// rot moves the top below the next two: 1 2 3 becomes 3 1 2, and
		// 3 - (1 - 2) is 4.
		{"rot", "\x31\x32\x33\x17\x1c\x1c", 4},
		{"abs", "\x11\x7b\x19", 5},
		{"abs of a positive", "\x35\x19", 5},
		{"and", "\x3c\x36\x1a", 4},
		{"div", "\x11\x78\x32\x1b", minus1 - 3},
		{"div by -1", "\x35\x11\x7f\x1b", minus1 - 4},
		{"minus", "\x33\x35\x1c", minus1 - 1},
		{"mod", "\x37\x34\x1d", 3},
		{"mul", "\x37\x33\x1e", 21},
		{"neg", "\x31\x1f", minus1},
		{"not", "\x30\x20", minus1},
		{"or", "\x31\x34\x21", 5},
		{"plus", "\x31\x34\x22", 5},
		{"plus_uconst", "\x31\x23\x80\x01", 129},
		{"shl", "\x31\x34\x24", 16},
		{"shl by much", "\x31\x08\x40\x24", 0},
		{"shr", "\x11\x7f\x08\x3c\x25", 15},
		{"shra", "\x11\x7f\x08\x3c\x26", minus1},
		{"xor", "\x37\x32\x27", 5},
		{"eq", "\x31\x31\x29", 1},
		{"ge", "\x11\x7f\x30\x2a", 0},
		{"gt", "\x31\x30\x2b", 1},
		{"le", "\x11\x7f\x30\x2c", 1},
		{"lt", "\x31\x30\x2d", 0},
		{"ne", "\x31\x31\x2e", 0},
		{"skip", "\x31\x2f\x01\x00\x32", 1},
		{"bra taken", "\x35\x31\x28\x01\x00\x32", 5},
		{"bra not taken", "\x35\x30\x28\x01\x00\x32", 2},
		{"nop", "\x35\x96", 5},
		// What x86-64 procedure linkage tables have: rsp + 8, and 8 more in
		// the second half of an entry of 16 bytes (rip & 15 >= 11).
		// Register 16 is 1016 here, 8 in its last digit.
		{"plt", "\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22", 1007 + 8},
	} {
		got, err := evaluate([]byte(tc.code), regs, mem)
		if err != nil || got != tc.want {
			t.Errorf("%s: %#x, %v, want %#x", tc.name, got, err, tc.want)
		}
	}
}

func TestExpressionErrors(t *testing.T) {
	regs := func(n uint64) (uint64, bool) { return 0, n < 10 }
	for _, tc := range []struct{ name, code, want string }{
		{"empty", "", "underflow"},
		{"nothing left", "\x31\x13", "underflow"},
		{"binary", "\x31\x22", "underflow"},
		{"pick", "\x31\x15\x01", "underflow"},
		{"truncated", "\x0c\x00", "truncated"},
		{"unknown operation", "\x9c", "unknown operation 0x9c"},
		{"unknown register", "\x7a\x00", "value unknown"},
		{"unmapped", "\x31\x06", "unreadable"},
		{"wide access", "\x31\x94\x09", "size 9"},
		{"division", "\x31\x30\x1b", "division by zero"},
		{"remainder", "\x31\x30\x1d", "division by zero"},
		{"branch back", "\x2f\xf0\xff", "branch out of it"},
		{"branch ahead", "\x2f\x01\x00", "branch out of it"},
		{"endless", "\x2f\xfd\xff", "steps"},
		{"growing", "\x31\x2f\xfc\xff", "values on the stack"},
	} {
		if got, err := evaluate([]byte(tc.code), regs, words{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %#x, %v, want an error with %q", tc.name, got, err, tc.want)
		}
	}
	if _, err := evaluate([]byte("\x31\x06"), regs, words{}); !errors.Is(err, errUnreadable) {
		t.Errorf("unmapped memory: %v is not errUnreadable", err)
	}
}

func FuzzExpression(f *testing.F) {
	f.Add([]byte("\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22"), uint64(3))
	f.Add([]byte("\x31\x2f\xfc\xff"), uint64(0))
	f.Fuzz(func(t *testing.T, code []byte, seed uint64) {
		regs := func(n uint64) (uint64, bool) { return seed * (n + 1), n%3 != 2 }
		first, err := evaluate(code, regs, words{seed: 1, 0: 2})
		second, again := evaluate(code, regs, words{seed: 1, 0: 2})
		if first != second || (err == nil) != (again == nil) {
			t.Errorf("%x: %#x, %v, then %#x, %v", code, first, err, second, again)
		}
	})
}
