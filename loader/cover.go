package loader

import (
	"slices"
	"sort"
)

// intervals are half-open ranges of addresses, sorted by start. They may
// overlap and nest.
type intervals struct {
	lo, hi []uint64
	reach  []uint64 // reach[i] is the largest hi among the first i+1
}

// grow makes room for so many more.
func (v *intervals) grow(n int) {
	v.lo, v.hi, v.reach = slices.Grow(v.lo, n), slices.Grow(v.hi, n), slices.Grow(v.reach, n)
}

func (v *intervals) add(lo, hi uint64) {
	reach := hi
	if n := len(v.reach); n > 0 {
		reach = max(reach, v.reach[n-1])
	}
	v.lo, v.hi, v.reach = append(v.lo, lo), append(v.hi, hi), append(v.reach, reach)
}

// at returns the index of the last interval that contains addr, or -1. With
// nested intervals that is the innermost one.
func (v *intervals) at(addr uint64) int {
	i := sort.Search(len(v.lo), func(i int) bool { return v.lo[i] > addr }) - 1
	for ; i >= 0 && v.reach[i] > addr; i-- {
		if v.hi[i] > addr {
			return i
		}
	}
	return -1
}
