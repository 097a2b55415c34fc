package explore

import "slices"

// dporState is a search of DPOR's: what is known of the scenario, and the parts.
type dporState struct {
	Shared   []sharedWord `json:"shared"`
	Locks    []uint64     `json:"locks,omitempty"` // in order
	Raw      []uint64     `json:"raw,omitempty"`   // words that look like locks and are none, in order
	Made     []string     `json:"made,omitempty"`  // threads that the process makes, in the order of their indices
	Restarts int          `json:"restarts"`
	// Parts are in order. Neighbours that are finished are one, of which only
	// the result is of interest any more.
	Parts []partState `json:"parts"`
}

type partState struct {
	Threads []int `json:"threads,omitempty"`
	Asleep  set   `json:"asleep,omitzero"`
	partDone
}

// state is what is to be kept of the search; the caller holds the lock or is
// alone.
func (w *partition) state() *State {
	s := &dporState{Restarts: w.restarts, Locks: slices.Clone(w.locks), Raw: slices.Clone(w.raw), Made: w.sessions.threads(), Shared: sharedList(w.shared)}
	var finished joining
	for _, p := range w.parts.Items {
		if p.Result == nil || p.partial {
			s.Parts = append(s.Parts, partState{Threads: slices.Clone(p.Threads), Asleep: p.Asleep, partDone: partDone{Share: p.Share}})
			finished.breaks()
			continue
		}
		if finished.begins(p.Result, len(s.Parts) == 1) {
			s.Parts = append(s.Parts, partState{})
		}
		finished.add(&s.Parts[len(s.Parts)-1].partDone, p.Share, p.Result)
	}
	return &State{Strategy: strategyDPOR, DPOR: s}
}

// resume takes up a search that was broken off.
func (w *partition) resume(s *dporState) {
	w.restarts = s.Restarts
	w.locks = slices.Clone(s.Locks)
	w.raw = slices.Clone(s.Raw)
	w.shared = sharedMap(s.Shared)
	w.sessions.learn(s.Made)
	w.parts.Items = nil
	for _, p := range s.Parts {
		q := &part{Threads: slices.Clone(p.Threads), Asleep: p.Asleep, Share: p.Share}
		if p.Result != nil {
			q.Result = p.Result.result()
			w.runs.Add(q.Result.Schedules)
		}
		w.parts.Items = append(w.parts.Items, q)
		if w.found(q.Result) {
			break // those behind it are of no interest
		}
	}
}

// check refuses what no search of so many threads has written.
func (s *dporState) check(threads int) error {
	if err := checkShared(s.Shared); err != nil {
		return err
	}
	for _, words := range [][]uint64{s.Locks, s.Raw} {
		if len(words) > maxShared || !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) < len(words) {
			return damaged("its locks are not in order")
		}
	}
	if slices.ContainsFunc(s.Locks, func(w uint64) bool { return slices.Contains(s.Raw, w) }) {
		return damaged("a word is a lock and is none")
	}
	if err := checkRestarts(s.Restarts); err != nil {
		return err
	}
	if len(s.Parts) == 0 {
		return damaged("no parts")
	}
	var shares sharing
	var results []*tally
	var prefixes [][]int
	for i, p := range s.Parts {
		if err := shares.add(i, p.Share); err != nil {
			return err
		}
		if p.Result != nil {
			if len(p.Threads) > 0 || !p.Asleep.empty() {
				return damaged("part %d is finished and to be searched", i+1)
			}
			results = append(results, p.Result)
			continue
		}
		if len(p.Threads) > maxPrefix {
			return damaged("part %d begins with %d events", i+1, len(p.Threads))
		}
		for _, t := range p.Threads {
			if t < 0 || t >= threads {
				return damaged("part %d names thread %d of %d", i+1, t, threads)
			}
		}
		if p.Asleep.last() >= threads {
			return damaged("part %d: thread %d of %d sleeps", i+1, p.Asleep.last(), threads)
		}
		prefixes = append(prefixes, p.Threads)
	}
	// In the order of words, what begins with a word comes right after it.
	slices.SortFunc(prefixes, slices.Compare)
	for i := 1; i < len(prefixes); i++ {
		if a, b := prefixes[i-1], prefixes[i]; len(a) <= len(b) && slices.Equal(a, b[:len(a)]) {
			return damaged("two of its parts overlap")
		}
	}
	return checkAll(threads, results)
}

// so is the result so far.
func (s *dporState) so() *Result {
	total := &Result{}
	for _, p := range s.Parts {
		p.addTo(total)
	}
	return total
}
