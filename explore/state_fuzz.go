package explore

import (
	"cmp"
	"slices"
)

// fuzzState is what a search with fuzz has learned up to the last schedule of the
// result. What the present batch is made of is kept apart: a batch that was cut
// short is brought to its end with what was known when it began.
type fuzzState struct {
	Pairs  []pair          `json:"pairs"` // in the order in which they were seen
	Corpus []entryState    `json:"corpus"`
	Counts []combinedState `json:"counts"` // in the order of Combined
	Cursor int             `json:"cursor"` // in the corpus, of the rounds
	At     int             `json:"at"`     // in the corpus
	Left   int             `json:"left"`
	// Parents are what the schedules of the batch are made of, and Pool is how
	// many of the pairs were known when it began.
	Parents []parentState `json:"parents"`
	Pool    int           `json:"pool"`
}

// parentState is an abstract schedule and what its run has shown. Both are
// numbers of pairs, counted from 1, of the constraints negative where the pair is
// not to show.
type parentState struct {
	Constraints []int `json:"constraints"`
	Shown       []int `json:"shown"`
}

// entryState is an entry of the corpus.
type entryState struct {
	parentState
	Combined uint64 `json:"combined"`
	Chosen   int    `json:"chosen"`
	Fresh    bool   `json:"fresh,omitempty"`
}

// combinedState is a combination of pairs and how many runs have shown it.
type combinedState struct {
	Combined uint64 `json:"combined"`
	Count    uint64 `json:"count"`
}

func (f *fuzzer) save(s *sampleState) { s.Fuzz = f.state() }

// state is what is to be kept.
func (f *fuzzer) state() *fuzzState {
	s := &fuzzState{Pairs: slices.Clone(f.pairs), Cursor: f.cursor, At: f.at, Left: f.left, Pool: len(f.pool)}
	for _, e := range f.corpus {
		s.Corpus = append(s.Corpus, entryState{e.parent(), e.combined, e.chosen, e.fresh})
	}
	for combined, n := range f.counts {
		s.Counts = append(s.Counts, combinedState{combined, n})
	}
	slices.SortFunc(s.Counts, func(a, b combinedState) int { return cmp.Compare(a.Combined, b.Combined) })
	for _, e := range f.parents {
		s.Parents = append(s.Parents, e.parent())
	}
	return s
}

// resume takes up what was learned.
func (f *fuzzer) resume(s *fuzzState) {
	*f = fuzzer{numbers: map[pair]int{}, counts: map[uint64]uint64{}, cursor: s.Cursor, at: s.At, left: s.Left}
	f.pairs = slices.Clone(s.Pairs)
	f.pool = f.pairs[:s.Pool]
	for i, p := range f.pairs {
		f.numbers[p] = i
	}
	for _, e := range s.Corpus {
		kept := e.entry()
		kept.combined, kept.chosen, kept.fresh = e.Combined, e.Chosen, e.Fresh
		f.corpus = append(f.corpus, kept)
	}
	for _, c := range s.Counts {
		f.counts[c.Combined] = c.Count
	}
	for _, p := range s.Parents {
		f.parents = append(f.parents, p.entry())
	}
}

// parent is what of an entry stands in a state for the schedules made of it.
func (e *entry) parent() parentState {
	p := parentState{Constraints: []int{}, Shown: []int{}}
	for _, c := range e.abstract {
		n := c.pair + 1
		if c.not {
			n = -n
		}
		p.Constraints = append(p.Constraints, n)
	}
	for _, n := range e.shown {
		p.Shown = append(p.Shown, n+1)
	}
	return p
}

// entry is the inverse.
func (p parentState) entry() entry {
	var e entry
	for _, n := range p.Constraints {
		e.abstract = append(e.abstract, constraint{pair: max(n, -n) - 1, not: n < 0})
	}
	for _, n := range p.Shown {
		e.shown = append(e.shown, n-1)
	}
	return e
}

// check refuses what no search of so many schedules has learned.
func (s *fuzzState) check(schedules uint64) error {
	if err := checkPairs(s.Pairs); err != nil {
		return err
	}
	if err := checkCounts(s.Counts, schedules); err != nil {
		return err
	}
	switch n := len(s.Corpus); {
	case n == 0 || n > maxCorpus:
		return damaged("%d abstract schedules, at most %d", n, maxCorpus)
	case s.Cursor < 0 || s.Cursor >= n:
		return damaged("at abstract schedule %d of %d", s.Cursor, n)
	case s.At < 0 || s.At >= n:
		return damaged("schedules are made of abstract schedule %d of %d", s.At, n)
	case s.Left < 0 || s.Left > maxEnergy:
		return damaged("%d schedules are to be made of one, at most %d", s.Left, maxEnergy)
	case s.Pool < 0 || s.Pool > len(s.Pairs):
		return damaged("%d pairs of %d were known", s.Pool, len(s.Pairs))
	case len(s.Parents) != fuzzBatch:
		return damaged("a batch of %d, not %d", len(s.Parents), fuzzBatch)
	}
	for i, e := range s.Corpus {
		if err := e.check(len(s.Pairs)); err != nil {
			return damaged("abstract schedule %d: %w", i+1, err)
		}
		if e.Chosen < 0 || e.Chosen > maxCount {
			return damaged("abstract schedule %d was chosen %d times", i+1, e.Chosen)
		}
	}
	for i, p := range s.Parents {
		if err := p.check(s.Pool); err != nil {
			return damaged("schedule %d of the batch: %w", i+1, err)
		}
	}
	return nil
}

// checkPairs also bounds what is read, since a run goes through those bytes one by
// one. What is written can be a whole block of the heap.
func checkPairs(pairs []pair) error {
	if len(pairs) > maxPairs {
		return damaged("%d pairs, at most %d", len(pairs), maxPairs)
	}
	seen := map[pair]bool{}
	for i, p := range pairs {
		w, r := p.Write, p.Read
		switch {
		case seen[p]:
			return damaged("pair %d is there twice", i+1)
		case r.Size == 0 || r.Size > 8 || r.Addr+r.Size < r.Addr:
			return damaged("pair %d reads %d bytes at %#x", i+1, r.Size, r.Addr)
		case w != spot{} && (w.Size == 0 || w.Addr+w.Size < w.Addr || !w.overlaps(r)):
			return damaged("pair %d: %d bytes written at %#x are not read", i+1, w.Size, w.Addr)
		}
		seen[p] = true
	}
	return nil
}

func checkCounts(counts []combinedState, schedules uint64) error {
	if len(counts) > maxCombined {
		return damaged("%d combinations of pairs, at most %d", len(counts), maxCombined)
	}
	left := schedules
	for i, c := range counts {
		if i > 0 && c.Combined <= counts[i-1].Combined {
			return damaged("its combinations of pairs are not in order")
		}
		if c.Count == 0 || c.Count > left {
			return damaged("a combination of pairs was seen %d times in %d schedules", c.Count, schedules)
		}
		left -= c.Count
	}
	return nil
}

// check refuses what no run can have been of so many pairs.
func (p *parentState) check(pairs int) error {
	if len(p.Constraints) > maxConstraints || len(p.Shown) > maxShown {
		return damaged("%d constraints and %d pairs, at most %d and %d", len(p.Constraints), len(p.Shown), maxConstraints, maxShown)
	}
	for i, n := range p.Shown {
		if n < 1 || n > pairs || i > 0 && n <= p.Shown[i-1] {
			return damaged("pair %d of %d, which its run has shown", n, pairs)
		}
	}
	seen := map[int]bool{}
	for _, n := range p.Constraints {
		if n == 0 || n > pairs || n < -pairs {
			return damaged("a constraint on pair %d of %d", n, pairs)
		}
		if n = max(n, -n); seen[n] {
			return damaged("two constraints on pair %d", n)
		}
		seen[n] = true
	}
	return nil
}
