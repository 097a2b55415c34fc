package explore

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"emurace/scenario"
)

// State is a search that was broken off, to be resumed: what of it is
// finished, and with what result. It belongs to one scenario with its parameters
// on one libc, and to the Options that say what is searched (the bound, the seed,
// the depth, KeepGoing, AbstractLocks, and what Inspect looks for); who keeps it
// sees to that. Jobs, Schedules and Time may be others: a search that is gone on
// with ends with the result of an undisturbed one.
//
// A state may come from a file that anybody has written. What no search has
// written is refused as far as it can be seen: how often schedules failed cannot,
// that the first of each kind does is tried.
type State struct {
	Strategy Strategy      `json:"strategy"`
	DPOR     *dporState    `json:"dpor,omitempty"`
	Bounded  *boundedState `json:"bounded,omitempty"`
	Sample   *sampleState  `json:"sample,omitempty"`
	Graphs   *graphsState  `json:"graphs,omitempty"`
}

// The strategies that are no matter of chance, as they are named in a state.
const (
	strategyDPOR    Strategy = "dpor"
	strategyBounded Strategy = "bounded"
	strategyGraphs  Strategy = "graphs"
)

// Bounds of what is believed of a state. They are far above what a search comes
// to.
const (
	maxCount  = 1 << 56 // schedules, instructions: what is added to them does not overflow
	maxShared = 1 << 17 // places in memory
	maxPrefix = 1 << 20 // events, turns
	maxLevel  = 64      // preemptions: no one waits for 2^64 schedules
)

// ErrState is the error of a state that is refused.
var ErrState = errors.New("the state is damaged or of another search")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrState}, args...)...)
}

// check refuses a state of another strategy, and one that no search of so many
// threads has written.
func (s *State) check(want Strategy, threads int) error {
	if s.Strategy != want {
		return damaged("it is of strategy %q, not %s", s.Strategy, want)
	}
	of := 0
	for _, there := range []bool{s.DPOR != nil, s.Bounded != nil, s.Sample != nil, s.Graphs != nil} {
		if there {
			of++
		}
	}
	switch {
	case of != 1:
		return damaged("it is of %d strategies", of)
	case want == strategyDPOR && s.DPOR != nil:
		return s.DPOR.check(threads)
	case want == strategyBounded && s.Bounded != nil:
		return s.Bounded.check(threads)
	case want == strategyGraphs && s.Graphs != nil:
		return s.Graphs.check(threads)
	case want != strategyDPOR && want != strategyBounded && want != strategyGraphs && s.Sample != nil:
		return s.Sample.check(want, threads)
	}
	return damaged("what it holds is not of strategy %s", want)
}

// made is the threads that the state's search knew its process to make; false when it had
// not begun.
func (s *State) made() (threads []string, known bool) {
	switch {
	case s.DPOR != nil:
		return s.DPOR.Made, true
	case s.Bounded != nil:
		return s.Bounded.Made, s.Bounded.Level > 0
	case s.Graphs != nil:
		return s.Graphs.Made, true
	case s.Sample != nil:
		return s.Sample.Made, s.Sample.Result != nil && s.Sample.Result.Schedules > 0
	}
	return nil, false
}

// accept checks a state against the scenario, and runs the findings of its
// result so far to see whether they happen.
func (s *State) accept(start func() (*scenario.Session, error), want Strategy, so *Result, o Options) error {
	session, err := start()
	if err != nil {
		return err
	}
	defer session.Close()
	if made, known := s.made(); known {
		if err := session.SetMade(made); err != nil {
			return damaged("%w", err)
		}
		if !slices.Equal(session.Made(), made) {
			return damaged("the threads %v are not in order", made)
		}
	}
	if err := s.check(want, session.Schedulable()); err != nil {
		return err
	}
	for i := range so.Findings {
		happens, err := so.Findings[i].happens(session, o.Inspect)
		if err != nil {
			return damaged("finding %d: %w", i+1, err)
		}
		if !happens {
			return damaged("finding %d does not happen here", i+1)
		}
	}
	return nil
}

// happens tells whether the schedule of a finding leads to what it says.
func (f *Finding) happens(s *scenario.Session, inspect inspection) (bool, error) {
	if f.Problem == "" {
		if err := s.Restart(); err != nil {
			return false, err
		}
		if err := s.Play(f.Schedule); err != nil {
			return false, err
		}
		o, over := s.Outcome()
		return over && o.Failed() && siteOf(o) == siteOf(f.Outcome), nil
	}
	if inspect == nil {
		return false, nil
	}
	problems, err := inspect(s.Made(), f.Schedule)
	return slices.Contains(problems, Problem{Kind: f.Outcome.Kind, Site: f.Problem}), err
}

// tally is a result without what follows from it, as a state holds it.
type tally struct {
	Schedules    uint64    `json:"schedules"`
	Failing      uint64    `json:"failing"`
	Unlike       uint64    `json:"unlike,omitempty"`
	Blocked      uint64    `json:"blocked,omitempty"`
	Endless      bool      `json:"endless,omitempty"`
	Due          bool      `json:"due,omitempty"`
	Cut          bool      `json:"cut,omitempty"`
	Closed       uint64    `json:"closed,omitempty"`
	Instructions uint64    `json:"instructions"`
	Findings     []Finding `json:"findings,omitempty"`
	Ended        []Ended   `json:"ended,omitempty"`
	Doubts       []Doubt   `json:"doubts,omitempty"`
	Met          []Met     `json:"met,omitempty"`
}

func tallyOf(r *Result) *tally {
	return &tally{
		Schedules: r.Schedules, Failing: r.Failing, Unlike: r.Unlike, Blocked: r.Blocked, Endless: r.Endless, Due: r.Due, Cut: r.Cut, Closed: r.Closed,
		Instructions: r.Instructions, Findings: slices.Clone(r.Findings),
		Ended: slices.Clone(r.Ended), Doubts: slices.Clone(r.Doubts), Met: slices.Clone(r.Met),
	}
}

func (t *tally) result() *Result {
	return &Result{
		Schedules: t.Schedules, Failing: t.Failing, Unlike: t.Unlike, Blocked: t.Blocked, Endless: t.Endless, Due: t.Due, Cut: t.Cut, Closed: t.Closed,
		Instructions: t.Instructions, Findings: slices.Clone(t.Findings),
		Ended: slices.Clone(t.Ended), Doubts: slices.Clone(t.Doubts), Met: slices.Clone(t.Met),
	}
}

// joins tells whether the work that comes next may be merged into the result
// before what lies in front of both. Otherwise the bound of findings might cut
// off kinds of failure that are not cut off in an undisturbed search.
func (r *Result) joins(next *Result) bool {
	return len(r.Findings)+len(next.Findings) <= maxFindings && len(r.Doubts)+len(next.Doubts) <= maxDoubts && len(r.Met)+len(next.Met) <= maxMet
}

// check refuses counts that no search comes to.
func (t *tally) check(threads int) error {
	switch {
	case max(t.Schedules, t.Blocked, t.Instructions) > maxCount:
		return damaged("a count is too high to be true")
	case t.Failing > t.Schedules, t.Unlike > t.Failing:
		return damaged("%d of %d schedules fail", t.Failing, t.Schedules)
	case t.Closed > t.Schedules:
		return damaged("%d of %d schedules come to the window's end", t.Closed, t.Schedules)
	case len(t.Findings) > maxFindings:
		return damaged("%d findings, at most %d", len(t.Findings), maxFindings)
	case (t.Failing > 0) != (len(t.Findings) > 0):
		return damaged("%d schedules fail, in %d ways", t.Failing, len(t.Findings))
	}
	if err := t.checkNotes(); err != nil {
		return err
	}
	last := uint64(1)
	for i := range t.Findings {
		f := &t.Findings[i]
		if f.Count == 0 || f.Count > t.Failing || f.Number < last || f.Number > t.Schedules {
			return damaged("finding %d: number %d, %d times, of %d schedules", i+1, f.Number, f.Count, t.Schedules)
		}
		if f.Preemptions < -1 || f.Preemptions > maxLevel {
			return damaged("finding %d: %d preemptions", i+1, f.Preemptions)
		}
		last = f.Number
		for _, sl := range f.Schedule {
			if sl.Thread < 0 || sl.Thread >= threads {
				return damaged("finding %d: its schedule names thread %d of %d", i+1, sl.Thread, threads)
			}
		}
	}
	return nil
}

// checkAll checks tallies, also that together they are not too much.
func checkAll(threads int, all []*tally) error {
	sum := tally{}
	for _, t := range all {
		if t == nil {
			return damaged("a result is missing")
		}
		if err := t.check(threads); err != nil {
			return err
		}
		sum.Schedules += t.Schedules
		sum.Blocked += t.Blocked
		sum.Instructions += t.Instructions
		if max(sum.Schedules, sum.Blocked, sum.Instructions) > maxCount {
			return damaged("its counts are too high to be true")
		}
	}
	return nil
}

// sharedWord are bytes of the eight at Addr that threads share, lowest bit
// first.
type sharedWord struct {
	Addr uint64 `json:"addr"`
	Mask uint8  `json:"mask"`
}

// sharedList puts shared bytes in the order of addresses.
func sharedList(shared map[uint64]uint8) []sharedWord {
	list := []sharedWord{}
	for addr, mask := range shared {
		list = append(list, sharedWord{addr, mask})
	}
	slices.SortFunc(list, func(a, b sharedWord) int {
		if a.Addr < b.Addr {
			return -1
		}
		return 1
	})
	return list
}

func sharedMap(list []sharedWord) map[uint64]uint8 {
	shared := make(map[uint64]uint8, len(list))
	for _, b := range list {
		shared[b.Addr] = b.Mask
	}
	return shared
}

func checkShared(list []sharedWord) error {
	if len(list) > maxShared {
		return damaged("%d shared places, at most %d", len(list), maxShared)
	}
	for i, b := range list {
		if b.Addr%8 != 0 || b.Mask == 0 || i > 0 && b.Addr <= list[i-1].Addr {
			return damaged("shared bytes %#x at %#x", b.Mask, b.Addr)
		}
	}
	return nil
}

// SaveError is why a search has ended whose state could not be saved.
type SaveError struct {
	// Err is what Options.Save has returned.
	Err error
}

// Error is its text.
func (e *SaveError) Error() string { return e.Err.Error() }

// Unwrap is what Options.Save has returned.
func (e *SaveError) Unwrap() error { return e.Err }

// saveEvery is how often the state of a long search is saved, unless
// Options.SaveEvery says otherwise.
const saveEvery = 20 * time.Second

// saver saves a search's state from time to time and in the end. What it is
// given makes the state, and is called only when it is to be saved.
type saver struct {
	save  func(*State) error // nil to keep nothing
	every time.Duration
	last  time.Time
}

func newSaver(o Options) saver {
	s := saver{save: o.Save, every: o.SaveEvery, last: time.Now()}
	if s.every <= 0 {
		s.every = saveEvery
	}
	return s
}

// sometimes saves unless that was done a short while ago.
func (s *saver) sometimes(state func() *State) error {
	if s.save == nil || time.Since(s.last) < s.every {
		return nil
	}
	err := s.save(state())
	s.last = time.Now()
	if err != nil {
		return &SaveError{err}
	}
	return nil
}

// finally saves for the last time, and adds to why the search has ended that
// this was in vain, if it was.
func (s *saver) finally(ended error, state func() *State) error {
	var failed *SaveError
	if s.save == nil || errors.As(ended, &failed) {
		return ended
	}
	if err := s.save(state()); err != nil {
		return errors.Join(ended, &SaveError{err})
	}
	return ended
}
