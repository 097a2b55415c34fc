package loader

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The index finds what a look at every interval finds.
func TestIntervals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		starts := rapid.SliceOfN(rapid.Uint64Range(0, 60), 0, 30).Draw(t, "starts")
		slices.Sort(starts)
		var v intervals
		for _, lo := range starts {
			v.add(lo, lo+rapid.Uint64Range(0, 20).Draw(t, "size"))
		}
		for addr := uint64(0); addr < 90; addr++ {
			want := -1
			for i := range v.lo {
				if v.lo[i] <= addr && addr < v.hi[i] {
					want = i
				}
			}
			if got := v.at(addr); got != want {
				t.Fatalf("at(%d) = %d, want %d among %v-%v", addr, got, want, v.lo, v.hi)
			}
		}
	})
}
