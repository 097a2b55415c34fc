package explore

import "emurace/explore/coverage"

// sampleState is a search at random. The profile is not in it: it follows from
// the bytes that are known to be shared.
type sampleState struct {
	// Result is of the schedules from the first on without a gap. With none, the
	// rest means nothing.
	Result *tally `json:"result"`
	// Batch is the size of the present batch, of which the last Begun schedules
	// are. A batch can be cut short by Options.Schedules; resumed, it is
	// brought to its end with what was known when it began, as if it had never
	// been cut.
	Batch   uint64       `json:"batch"`
	Begun   uint64       `json:"begun"`
	Shared  []sharedWord `json:"shared"`
	Learned []sharedWord `json:"learned,omitempty"` // by the batch so far
	Made    []string     `json:"made,omitempty"`    // threads that the process makes, in the order of their indices
	Fuzz    *fuzzState   `json:"fuzz,omitempty"`    // with fuzz only
	Deep    *deepState   `json:"deep,omitempty"`    // with deep only
	Aimed   uint64       `json:"aimed,omitempty"`   // as in Result
	// Seen is what the schedules have shown.
	Seen *coverage.State `json:"seen"`
}

// state is what is to be kept of the search; the caller holds the lock or is
// alone.
func (p *sampler) state() *State {
	s := &sampleState{
		Result: tallyOf(p.total), Batch: p.size, Begun: p.begun,
		Shared: sharedList(p.shared), Learned: sharedList(p.learned), Made: p.sessions.threads(), Aimed: p.aimed, Seen: p.seen.State(),
	}
	p.learner.save(s)
	if p.total.Schedules < inOrders {
		s = &sampleState{Result: &tally{}, Batch: firstBatch, Shared: []sharedWord{}, Seen: coverage.NewSeen().State()}
	}
	return &State{Strategy: p.strategy, Sample: s}
}

// inOrders is how many schedules are not drawn. They are run again when they
// were not all run.
const inOrders = 2

// prepare checks a search that was broken off, and takes up what it has found.
func (p *sampler) prepare() error {
	if p.Resume == nil {
		return nil
	}
	if err := p.Resume.check(p.strategy, maxThreads); err != nil {
		return err
	}
	s := p.Resume.Sample
	p.total = s.Result.result()
	p.size, p.begun = s.Batch, s.Begun
	p.seen, p.aimed = s.Seen.Resume(), s.Aimed
	p.shared, p.learned = sharedMap(s.Shared), sharedMap(s.Learned)
	if p.total.Schedules > 0 {
		p.sessions.learn(s.Made)
	}
	switch l := p.learner.(type) {
	case *fuzzer:
		if s.Fuzz != nil {
			l.resume(s.Fuzz)
		}
	case *deepener:
		if s.Deep != nil {
			l.resume(s.Deep)
		}
	}
	p.ran, p.failing = p.total.Schedules, p.total.Failing
	return p.Resume.accept(p.start, p.strategy, p.total, p.Options)
}

// check refuses what no search of so many threads has written.
func (s *sampleState) check(want Strategy, threads int) error {
	if err := checkAll(threads, []*tally{s.Result}); err != nil {
		return err
	}
	if err := s.checkLearned(want, threads); err != nil {
		return err
	}
	size := s.Batch
	for size > firstBatch && size%2 == 0 {
		size /= 2
	}
	if size != firstBatch || s.Batch > mostBatch || s.Begun > s.Batch {
		return damaged("schedule %d of a batch of %d", s.Begun, s.Batch)
	}
	switch n := s.Result.Schedules; {
	case n == 0:
		if s.Begun != 0 || len(s.Shared) != 0 || len(s.Learned) != 0 {
			return damaged("no schedule has run, and something was learned")
		}
	case n < inOrders+s.Begun:
		return damaged("%d schedules, of which %d are of the batch", n, s.Begun)
	}
	if s.Aimed > maxCount {
		return damaged("%d events are aimed at", s.Aimed)
	}
	if s.Seen == nil {
		return damaged("what the schedules have shown is missing")
	}
	if err := s.Seen.Check(s.Result.Schedules); err != nil {
		return damaged("%w", err)
	}
	if err := checkShared(s.Shared); err != nil {
		return err
	}
	return checkShared(s.Learned)
}

// checkLearned refuses a state of a strategy that learns without what it has learned, or the other
// way round.
func (s *sampleState) checkLearned(want Strategy, threads int) error {
	ran := s.Result.Schedules
	has := map[Strategy]bool{Fuzz: s.Fuzz != nil, Deep: s.Deep != nil}
	for strategy, there := range has {
		switch {
		case there && (strategy != want || ran == 0):
			return damaged("strategy %s has learned of %d schedules", want, ran)
		case !there && strategy == want && ran > 0:
			return damaged("what was learned of %d schedules is missing", ran)
		}
	}
	if _, learns := has[want]; learns && s.Batch != firstBatch {
		return damaged("a batch of %d, not %d", s.Batch, firstBatch)
	}
	switch {
	case s.Fuzz != nil:
		return s.Fuzz.check(ran)
	case s.Deep != nil:
		return s.Deep.check(ran, s.Begun, threads)
	}
	return nil
}
