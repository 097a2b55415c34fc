package coverage

import (
	"cmp"
	"maps"
	"slices"
)

// Bounds of what is kept of a search of any length.
const (
	maxPairs   = 1 << 15
	maxClasses = 1 << 13
)

// Seen is what all runs of a search have shown.
type Seen struct {
	runs    uint64
	pairs   map[Pair]*[2]uint64 // of each order, how many runs have shown it
	both    int                 // pairs that were seen in both orders
	once    uint64              // orders that one run has shown
	twice   uint64              // and two
	full    bool                // not all was taken in
	classes map[uint64]uint64   // how many runs were of each class that is kept
	skipped uint                // the classes kept are those with so many zeros at the end
}

// NewSeen is an account of no runs.
func NewSeen() *Seen { return &Seen{pairs: map[Pair]*[2]uint64{}, classes: map[uint64]uint64{}} }

// Add takes in a run.
func (s *Seen) Add(r *Shown) {
	s.runs++
	s.full = s.full || r.cut
	for _, o := range r.orders {
		n := s.pairs[o.Pair]
		if n == nil {
			if len(s.pairs) >= maxPairs {
				s.full = true
				continue
			}
			n = &[2]uint64{}
			s.pairs[o.Pair] = n
		}
		n[o.dir]++
		switch n[o.dir] {
		case 1:
			s.once++
			if n[1-o.dir] > 0 {
				s.both++
			}
		case 2:
			s.once--
			s.twice++
		case 3:
			s.twice--
		}
	}
	s.addClass(r.class)
}

// addClass counts a class. When there are too many, one half of them is counted no longer,
// which are those whose number is odd, then odd when halved, and so on: the share of the
// classes that are seen once is in what is left what it is in all. (Wegman's adaptive sampling;
// Flajolet, On Adaptive Sampling, Computing 43, 1990.)
func (s *Seen) addClass(class uint64) {
	if !s.keeps(class) {
		return
	}
	s.classes[class]++
	for len(s.classes) > maxClasses && s.skipped < 63 {
		s.skipped++
		maps.DeleteFunc(s.classes, func(class, _ uint64) bool { return !s.keeps(class) })
	}
}

func (s *Seen) keeps(class uint64) bool { return class&(1<<s.skipped-1) == 0 }

// Sizes are how many pairs were seen in both orders, and how many in one of them only.
func (s *Seen) Sizes() (both, one int) { return s.both, len(s.pairs) - s.both }

// Summary is what there is to say of what was seen.
type Summary struct {
	Runs uint64
	Both int // pairs that were seen in both orders
	One  int // and in one order only
	// Full tells that some conflicts were left out, since there are too many.
	Full bool
	// Unseen estimates how many orders of pairs have not been seen that further runs of the
	// same kind would show: at least so many.
	//
	// It is Chao2, a lower bound: with q orders that one of m runs has shown and p that two
	// have, (m-1)/m q(q-1) / 2(p+1). Source: Chao, Estimating the Population Size for
	// Capture-Recapture Data with Unequal Catchability, Biometrics 43, 1987; in this form, which has a
	// value when p is 0, Colwell et al., Journal of Plant Ecology 5, 2012, equation 7. It takes the runs
	// for independent of each other, which those of a strategy that learns are not.
	Unseen float64
	// Fresh estimates the chance that the next run of the same kind is of a class that has not
	// been seen, runs of one class being those that differ in the order of independent
	// events only.
	//
	// It is the share of the runs whose class was seen once. Source: Good, The Population
	// Frequencies of Species and the Estimation of Population Parameters, Biometrika 40,
	// 1953 (Good and Turing); for tests of programs, Böhme, STADS, TOSEM 27, 2018.
	Fresh float64
	// Classes is how many classes of runs were seen; where those are too many to be kept
	// apart, it is estimated.
	Classes uint64
	// Seldom lists pairs that were seen in one order only, that seen most often first: where
	// the other order had the most chances.
	Seldom []OneOrder
}

// OneOrder is a pair that was seen in one order only, by so many runs.
type OneOrder struct {
	First, Then Site
	Runs        uint64
}

// Listed is how many pairs a summary lists.
const Listed = 20

// Summary sums it up.
func (s *Seen) Summary() *Summary {
	x := &Summary{Runs: s.runs, Full: s.full}
	x.Both, x.One = s.Sizes()
	x.Unseen = chao2(s.runs, s.once, s.twice)
	x.Fresh = s.fresh()
	x.Classes = uint64(len(s.classes)) << s.skipped
	for p, n := range s.pairs {
		switch {
		case n[1] == 0:
			x.Seldom = append(x.Seldom, OneOrder{p.A, p.B, n[0]})
		case n[0] == 0:
			x.Seldom = append(x.Seldom, OneOrder{p.B, p.A, n[1]})
		}
	}
	slices.SortFunc(x.Seldom, func(a, b OneOrder) int {
		return cmp.Or(cmp.Compare(b.Runs, a.Runs), a.First.compare(b.First), a.Then.compare(b.Then))
	})
	x.Seldom = slices.Clone(x.Seldom[:min(len(x.Seldom), Listed)])
	return x
}

// chao2 is how many are unseen at least, of which runs show some each; see Summary.
func chao2(runs, once, twice uint64) float64 {
	if runs == 0 || once == 0 {
		return 0
	}
	q := float64(once)
	return float64(runs-1) / float64(runs) * q * (q - 1) / (2 * (float64(twice) + 1))
}

// fresh is the chance of a new class; see Summary. A run counts by the classes that are kept.
func (s *Seen) fresh() float64 {
	once, runs := uint64(0), uint64(0)
	for _, n := range s.classes {
		runs += n
		if n == 1 {
			once++
		}
	}
	if runs == 0 {
		return 0
	}
	return float64(once) / float64(runs)
}
