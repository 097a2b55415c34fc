package coverage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// State is an account as a file holds it.
type State struct {
	Runs    uint64       `json:"runs"`
	Full    bool         `json:"full,omitempty"`
	Pairs   []PairState  `json:"pairs"` // in order
	Skipped uint         `json:"skipped,omitempty"`
	Classes []ClassState `json:"classes"` // in order
}

// PairState is a pair, and how many runs have shown it with A first and with B first.
type PairState struct {
	Pair
	Runs [2]uint64 `json:"runs"`
}

// ClassState is a class, and how many runs were of it.
type ClassState struct {
	Class uint64 `json:"class"`
	Runs  uint64 `json:"runs"`
}

func comparePairs(a, b Pair) int { return cmp.Or(a.A.compare(b.A), a.B.compare(b.B)) }

// State is what is to be kept.
func (s *Seen) State() *State {
	x := &State{Runs: s.runs, Full: s.full, Pairs: []PairState{}, Skipped: s.skipped, Classes: []ClassState{}}
	for p, n := range s.pairs {
		x.Pairs = append(x.Pairs, PairState{p, *n})
	}
	slices.SortFunc(x.Pairs, func(a, b PairState) int { return comparePairs(a.Pair, b.Pair) })
	for _, class := range slices.Sorted(maps.Keys(s.classes)) {
		x.Classes = append(x.Classes, ClassState{class, s.classes[class]})
	}
	return x
}

// Resume is the account of a state that was checked.
func (x *State) Resume() *Seen {
	s := NewSeen()
	s.runs, s.full, s.skipped = x.Runs, x.Full, x.Skipped
	for _, p := range x.Pairs {
		n := p.Runs
		s.pairs[p.Pair] = &n
		for _, n := range n {
			switch n {
			case 1:
				s.once++
			case 2:
				s.twice++
			}
		}
		if min(n[0], n[1]) > 0 {
			s.both++
		}
	}
	for _, c := range x.Classes {
		s.classes[c.Class] = c.Runs
	}
	return s
}

// Check refuses what no so many runs have shown. A state may come from a file that anybody
// has written.
func (x *State) Check(runs uint64) error {
	if x.Runs != runs {
		return fmt.Errorf("conflicts of %d schedules, not %d", x.Runs, runs)
	}
	if len(x.Pairs) > maxPairs || len(x.Classes) > maxClasses {
		return fmt.Errorf("%d pairs and %d classes, at most %d and %d", len(x.Pairs), len(x.Classes), maxPairs, maxClasses)
	}
	for i, p := range x.Pairs {
		switch {
		case p.A.compare(p.B) > 0, i > 0 && comparePairs(x.Pairs[i-1].Pair, p.Pair) >= 0:
			return fmt.Errorf("pair %d is not in order", i+1)
		case p.A.PC == 0, !p.A.Write && !p.B.Write:
			return fmt.Errorf("pair %d is no conflict", i+1)
		case max(p.Runs[0], p.Runs[1]) > runs || p.Runs == [2]uint64{}:
			return fmt.Errorf("pair %d was seen in %d and in %d of %d schedules", i+1, p.Runs[0], p.Runs[1], runs)
		}
	}
	if x.Skipped > 63 {
		return fmt.Errorf("classes with %d zeros", x.Skipped)
	}
	left, kept := runs, &Seen{skipped: x.Skipped}
	for i, c := range x.Classes {
		if i > 0 && c.Class <= x.Classes[i-1].Class || !kept.keeps(c.Class) {
			return fmt.Errorf("class %d is not in order", i+1)
		}
		if c.Runs == 0 || c.Runs > left {
			return fmt.Errorf("a class was seen in %d of %d schedules", c.Runs, left)
		}
		left -= c.Runs
	}
	return nil
}
