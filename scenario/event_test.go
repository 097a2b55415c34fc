package scenario

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Lists of many accesses conflict where two of their accesses do.
func TestConflict(t *testing.T) {
	access := rapid.Custom(func(r *rapid.T) Access {
		return Access{
			Addr:  rapid.Uint64Range(0, 400).Draw(r, "addr"),
			Size:  rapid.Uint64Range(1, 8).Draw(r, "size"),
			Write: rapid.IntRange(0, 3).Draw(r, "write") == 0,
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		far := rapid.SampledFrom([]uint64{0, 300, 400, 1000}).Draw(r, "apart")
		n := rapid.SampledFrom([]int{3, 60}).Draw(r, "most")
		a, b := rapid.SliceOfN(access, 0, n).Draw(r, "a"), rapid.SliceOfN(access, 0, n).Draw(r, "b")
		for i := range b {
			b[i].Addr += far
		}
		want := slices.ContainsFunc(a, func(x Access) bool {
			return slices.ContainsFunc(b, func(y Access) bool {
				return (x.Write || y.Write) && x.Addr < y.Addr+y.Size && y.Addr < x.Addr+x.Size
			})
		})
		if conflict(a, b) != want || conflict(b, a) != want {
			r.Errorf("conflict: %t and %t, want %t", conflict(a, b), conflict(b, a), want)
		}
	})
}
