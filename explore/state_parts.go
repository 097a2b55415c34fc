package explore

// partDone is what the parts of every search in parts have in a state.
type partDone struct {
	Share  float64 `json:"share"`
	Result *tally  `json:"result,omitempty"` // none: still to be searched
}

// addTo adds a part's result, if it has one, to what was in front of it.
func (p *partDone) addTo(total *Result) {
	if p.Result != nil {
		total.merge(p.Result.result())
	}
}

// joining adds up the results of neighbours that are finished: of these only the sum is of interest any more. What
// lies in front of all others can always be added up, see Result.joins.
type joining struct{ sum *Result }

// breaks notes a part that is not finished.
func (j *joining) breaks() { j.sum = nil }

// begins tells whether a finished part is not to be added to the part before it. First tells that this is the first one.
func (j *joining) begins(r *Result, first bool) bool {
	if j.sum != nil && (first || j.sum.joins(r)) {
		return false
	}
	j.sum = &Result{}
	return true
}

// add adds a finished part to one that is new, or that it joins.
func (j *joining) add(to *partDone, share float64, r *Result) {
	j.sum.merge(r)
	to.Share = min(to.Share+share, 1) // a sum of quotients can come out above
	to.Result = tallyOf(j.sum)
}

// sharing is how much of a search its parts are.
type sharing struct{ sum float64 }

// add refuses shares that those of parts cannot be.
func (s *sharing) add(i int, share float64) error {
	if !(share >= 0 && share <= 1) { // NaN is not either
		return damaged("part %d is %v of the search", i+1, share)
	}
	if s.sum += share; s.sum > 1+1e-6 {
		return damaged("its parts are %v of the search", s.sum)
	}
	return nil
}

// checkRestarts refuses numbers that no search comes to.
func checkRestarts(n int) error {
	if n < 0 || n > 8*maxShared {
		return damaged("%d restarts", n)
	}
	return nil
}
