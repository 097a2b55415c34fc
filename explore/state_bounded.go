package explore

import "emurace/scenario"

// boundedState is a search of Bounded's: the level that it is at, and how far.
type boundedState struct {
	Level int `json:"level"` // 0: it is not worth keeping what was run
	// Began is the schedules of the levels before, and Result what those have
	// come to together with the first Next units of this level.
	Began  uint64 `json:"began"`
	Units  int    `json:"units"` // of the level
	Next   int    `json:"next"`
	Result *tally `json:"result"`
	// Made are the threads that the process makes, in the order of their indices.
	Made     []string `json:"made,omitempty"`
	Restarts int      `json:"restarts,omitempty"` // with more of them
	// Done are units further on, in their order.
	Done []unitsState `json:"done,omitempty"`
}

// unitsState is units that are finished, or, where At says how far it was
// walked, one that is not.
type unitsState struct {
	From   int    `json:"from"`
	To     int    `json:"to"` // the one after the last
	At     []turn `json:"at,omitempty"`
	Result *tally `json:"result"`
}

// state is what is to be kept of the search; the caller holds the level's lock
// or is alone.
func (b *bounded) state() *State {
	s := &boundedState{Result: &tally{}}
	if b.level != nil {
		s = b.level.state()
		s.Made, s.Restarts = b.sessions.threads(), b.total.Restarts
	}
	return &State{Strategy: strategyBounded, Bounded: s}
}

func (l *level) state() *boundedState {
	s := &boundedState{Level: l.number, Began: l.began, Units: l.count, Next: l.next, Result: tallyOf(l.before)}
	var finished *Result // of the last in Done, when that is finished
	for _, u := range l.units.Items {
		last := len(s.Done) - 1
		switch {
		case u.number < l.next:
		case u.whole && finished != nil && finished.joins(u.result):
			finished.merge(u.result)
			s.Done[last].To, s.Done[last].Result = u.number+1, tallyOf(finished)
		case u.whole:
			finished = tallyOf(u.result).result()
			s.Done = append(s.Done, unitsState{From: u.number, To: u.number + 1, Result: tallyOf(finished)})
		default:
			finished = nil
			if u.walked != nil {
				s.Done = append(s.Done, unitsState{From: u.number, To: u.number + 1, At: u.at, Result: tallyOf(u.walked)})
			}
		}
	}
	return s
}

// resumes tells whether the search goes on with one that has got somewhere.
func (b *bounded) resumes() bool { return b.Resume != nil && b.Resume.Bounded.Level > 0 }

// prepare checks a search that was broken off, and takes up what it has found.
func (b *bounded) prepare() error {
	if b.Resume == nil {
		return nil
	}
	if err := b.Resume.check(strategyBounded, maxThreads); err != nil {
		return err
	}
	s := b.Resume.Bounded
	if b.Preemptions >= 0 && s.Level > b.Preemptions {
		return damaged("it has come to %d preemptions, more than %d", s.Level, b.Preemptions)
	}
	if !b.resumes() {
		return nil // to begin with, as it is kept
	}
	so := s.so()
	b.sessions.learn(s.Made)
	b.total.Restarts = s.Restarts
	b.count.Store(so.Schedules)
	return b.Resume.accept(b.start, strategyBounded, so, b.Options)
}

// resume takes up a level that was broken off.
func (l *level) resume(s *boundedState) error {
	units := l.units.Items
	if s.Units != len(units) {
		return damaged("its level has %d units, not %d", s.Units, len(units))
	}
	l.began, l.next, l.before = s.Began, s.Next, s.Result.result()
	l.b.total.merge(l.before)
	l.b.total.Preemptions = l.number - 1
	limit := len(units) // those from here on are of no interest
	if l.b.Options.found(l.before) {
		limit = s.Next
	}
	for _, d := range s.Done {
		u := units[d.From]
		u.result = d.Result.result()
		if len(d.At) > 0 {
			u.at, u.walked = d.At, d.Result.result()
			continue
		}
		// The first of several stands for all: nothing comes in between.
		u.whole = true
		for _, u := range units[d.From+1 : d.To] {
			u.result, u.whole = &Result{}, true
		}
		if l.b.Options.found(d.Result.result()) {
			limit = min(limit, d.To)
		}
	}
	l.units.Items = units[s.Next:limit]
	return nil
}

// check refuses what no search of so many threads has written.
func (s *boundedState) check(threads int) error {
	if s.Restarts < 0 || s.Restarts > scenario.MaxSchedulable {
		return damaged("%d restarts", s.Restarts)
	}
	if s.Level < 0 || s.Level > maxLevel || s.Units < 0 || s.Next < 0 || s.Next > s.Units {
		return damaged("level %d, unit %d of %d", s.Level, s.Next, s.Units)
	}
	results := []*tally{s.Result}
	next := s.Next
	for i, d := range s.Done {
		if d.From < next || d.To <= d.From || d.To > s.Units || len(d.At) > 0 && d.To > d.From+1 {
			return damaged("its units %d to %d of %d come after %d", d.From, d.To, s.Units, next)
		}
		next = d.To
		if len(d.At) > maxPrefix {
			return damaged("unit %d was walked for %d turns", d.From, len(d.At))
		}
		for k, t := range d.At {
			last := k == len(d.At)-1
			if t.N == 0 || t.N > maxCount || t.Next < 0 || t.Next > threads || last && t.Next == 0 {
				return damaged("unit %d was walked to %d and thread %d", d.From, t.N, t.Next)
			}
		}
		results = append(results, s.Done[i].Result)
	}
	if err := checkAll(threads, results); err != nil {
		return err
	}
	// The search ends with the first level that has no schedule.
	if s.Began > s.Result.Schedules || s.Began < uint64(s.Level) {
		return damaged("%d schedules of %d are of the %d levels before", s.Began, s.Result.Schedules, s.Level)
	}
	return nil
}

// so is the result so far.
func (s *boundedState) so() *Result {
	total := s.Result.result()
	for _, d := range s.Done {
		total.merge(d.Result.result())
	}
	return total
}
