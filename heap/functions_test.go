package heap

import (
	"math"
	"testing"
)

// TestAsks: how many bytes a call asks for, by its arguments.
func TestAsks(t *testing.T) {
	for _, c := range []struct {
		call  Call
		size  uint64
		gives bool
	}{
		{Call{Func: "malloc", Args: [6]uint64{24}}, 24, true},
		{Call{Func: "calloc", Args: [6]uint64{3, 8}}, 24, true},
		{Call{Func: "calloc", Args: [6]uint64{1 << 40, 1 << 40}}, math.MaxUint64, true},
		{Call{Func: "realloc", Args: [6]uint64{0x10010, 0x220}}, 0x220, true},
		{Call{Func: "reallocarray", Args: [6]uint64{0x10010, 68, 8}}, 0x220, true},
		{Call{Func: "posix_memalign", Args: [6]uint64{0x20, 16, 100}}, 100, true},
		{Call{Func: "free", Args: [6]uint64{0x10010}}, 0, false},
	} {
		if size, gives := c.call.Asks(); size != c.size || gives != c.gives {
			t.Errorf("%s%v: %d, %v", c.call.Func, c.call.Args, size, gives)
		}
	}
}
