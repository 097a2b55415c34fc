package explore

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// interleavings counts, by their number of preemptions, the ways to interleave
// threads of the given lengths.
func interleavings(lengths []int) map[int]uint64 {
	counts := map[int]uint64{}
	left := slices.Clone(lengths)
	var walk func(last, preemptions int)
	walk = func(last, preemptions int) {
		over := true
		for i := range left {
			if left[i] == 0 {
				continue
			}
			over = false
			p := preemptions
			if last >= 0 && last != i && left[last] > 0 {
				p++
			}
			left[i]--
			walk(i, p)
			left[i]++
		}
		if over {
			counts[preemptions]++
		}
	}
	walk(-1, 0)
	return counts
}

func threads(lengths []int) []routine {
	var rs []routine
	for _, n := range lengths {
		rs = append(rs, straight(n))
	}
	return rs
}

// On straight code every interleaving is a schedule, and there are as many with
// c preemptions as there are ways to cut the threads into pieces.
func TestCounts(t *testing.T) {
	cases := [][]int{{1}, {5}, {1, 1}, {1, 5}, {4, 6}, {6, 6}, {1, 1, 1}, {2, 3, 2}, {3, 3, 3}, {1, 4, 2}, {2, 1, 3, 2}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, lengths := range cases {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			want := interleavings(lengths)
			all, deepest := uint64(0), 0
			for p, n := range want {
				all, deepest = all+n, max(deepest, p)
			}
			r, err := Bounded(t.Context(), codeStarter(sys, threads(lengths)...), Options{Preemptions: -1, Jobs: 1})
			must(t, err)
			if r.Schedules != all || r.Verdict != Clean || !r.Complete || !r.Unbounded || r.Failing != 0 || r.Findings != nil {
				t.Errorf("%v: %+v, want %d schedules", lengths, r, all)
			}
			// One bound more than the last that had schedules was tried.
			if r.Preemptions != deepest+1 {
				t.Errorf("%v: ended after bound %d, want %d", lengths, r.Preemptions, deepest+1)
			}
			if len(lengths) == 2 {
				m, n := int64(lengths[0]), int64(lengths[1])
				if b := new(big.Int).Binomial(m+n, n); b.Uint64() != all {
					t.Errorf("%v: %d interleavings, but %d over %d is %v", lengths, all, m+n, n, b)
				}
			}
		}
	})
}

// The same bound by bound, where two threads have closed formulas.
func TestCountsOfBounds(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, lengths := range [][]int{{4, 6}, {35, 34}, {2, 3, 2}, {2, 40}} {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			want := interleavings2(lengths)
			total := uint64(0)
			for c, n := range want {
				total += n
				for _, jobs := range []int{1, 2} {
					r, err := Bounded(t.Context(), codeStarter(sys, threads(lengths)...), Options{Preemptions: c, Jobs: jobs})
					must(t, err)
					if r.Schedules != total || r.Preemptions != c || !r.Complete || r.Verdict != Clean || r.Unbounded {
						t.Errorf("%v with at most %d preemptions, %d jobs: %+v, want %d schedules", lengths, c, jobs, r, total)
					}
				}
			}
		}
	})
}

// interleavings2 are the counts with 0, 1 and 2 preemptions.
func interleavings2(lengths []int) [3]uint64 {
	if len(lengths) == 2 {
		m, n := uint64(lengths[0]), uint64(lengths[1])
		return [3]uint64{2, m + n - 2, 2 * (m - 1) * (n - 1)}
	}
	counts := interleavings(lengths)
	return [3]uint64{counts[0], counts[1], counts[2]}
}

// Threads that have no call to make take no part.
func TestCountsOfIdleThreads(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			idle []int // threads of {3, 4, 2} that make no call
			want uint64
		}{{[]int{0}, 15}, {[]int{1}, 10}, {[]int{0, 2}, 1}} {
			start := func() (*scenario.Session, error) {
				plan := planOf(sys.Arch, threads([]int{3, 4, 2}))
				for _, i := range c.idle {
					plan.Threads[i].Body = scenario.Calls{}
				}
				return scenario.Start(sys, plan, 1)
			}
			r, err := Bounded(t.Context(), start, Options{Preemptions: -1, Jobs: 2})
			must(t, err)
			if r.Schedules != c.want || !r.Complete || !r.Unbounded {
				t.Errorf("without %v: %+v, want %d schedules", c.idle, r, c.want)
			}
		}
		// And when nobody has one, there is the run of nothing.
		r, err := Bounded(t.Context(), starterOfNothing(sys), Options{Preemptions: -1, Jobs: 1})
		must(t, err)
		if r.Schedules != 1 || r.Verdict != Clean {
			t.Errorf("nothing to run: %+v", r)
		}
	})
}

func starterOfNothing(sys *emu.System) func() (*scenario.Session, error) {
	return func() (*scenario.Session, error) {
		return scenario.Start(sys, &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{}}}}, 1)
	}
}

// The formulas themselves, against the enumeration.
func TestInterleavings(t *testing.T) {
	for m := 1; m < 6; m++ {
		for n := 1; n < 6; n++ {
			counts, formula := interleavings([]int{m, n}), interleavings2([]int{m, n})
			for c, want := range formula {
				if counts[c] != want {
					t.Errorf("%d and %d instructions: %d ways with %d preemptions, want %d", m, n, counts[c], c, want)
				}
			}
		}
	}
	if got := fmt.Sprint(interleavings([]int{1, 1, 1})); got != "map[0:6]" {
		t.Errorf("three single instructions: %s", got)
	}
}
