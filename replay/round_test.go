package replay

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestRoundOf: a round is the fewest instructions at the end of a thread's run that it has run twice.
func TestRoundOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pcs := rapid.SliceOfN(rapid.Uint64Range(1, 3), 0, 40).Draw(t, "before")
		round := rapid.SliceOfN(rapid.Uint64Range(1, 3), 1, 8).Draw(t, "round")
		for range rapid.IntRange(0, 4).Draw(t, "times") {
			pcs = append(pcs, round...)
		}
		h := &History{byThread: make([][]int, 2)}
		for _, pc := range pcs {
			h.events = append(h.events, Event{Thread: 1, PC: 9}, Event{PC: pc})
			h.byThread[0] = append(h.byThread[0], len(h.events)-1)
		}
		want := 0
		for n := len(pcs) / 2; n > 0; n-- {
			if end := len(pcs); slices.Equal(pcs[end-n:], pcs[end-2*n:end-n]) {
				want = n
			}
		}
		if got := h.roundOf(0); got != want {
			t.Fatalf("%d instructions of %v, not %d", got, pcs, want)
		}
	})
}
