package shim

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"testing"

	"emurace/loader"
)

// TestContextsHoldNoPointers: registers that are kept and put back later hold no address
// of the process itself. What was there may be gone by then.
func TestContextsHoldNoPointers(t *testing.T) {
	// Numbers that look like addresses of a large program, and are the same in each build:
	// SCTLR of EL3 as it is at reset, CNTFRQ, and what thread 0 has of the boot.
	numbers := []uint64{0xc50838, 62_500_000, 0x3c28000}
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 2, true)
		run(t, e, 0, 100)
		run(t, e, 1, 100)
		maps := ownMappings(t)
		for _, thread := range []int{0, 1} {
			for i, v := range e.contextWords(thread) {
				if slices.Contains(numbers, v) || v-dataAt < 4*PageSize || v-codeAt < PageSize {
					continue // the guest's
				}
				for _, m := range maps {
					if v >= m[0] && v < m[1] {
						t.Errorf("thread %d: word %d is %#x, in %#x-%#x", thread, i, v, m[0], m[1])
					}
				}
			}
		}
	})
}

// ownMappings are the process's mappings.
func ownMappings(t *testing.T) (list [][2]uint64) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	must(t, err)
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		var lo, hi uint64
		if _, err := fmt.Sscanf(s.Text(), "%x-%x", &lo, &hi); err != nil {
			t.Fatal(err)
		}
		// What is larger is addresses kept free: zones, a sanitizer's shadow. The part of
		// AddressSanitizer's that is for low addresses is among the numbers that control
		// registers have.
		const lowShadow = 0x7fff7000
		if hi-lo <= 1<<30 && lo != lowShadow {
			list = append(list, [2]uint64{lo, hi})
		}
	}
	return list
}
