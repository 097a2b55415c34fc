package explore

import (
	"slices"

	"emurace/scenario"
)

// deepState is what a search with deep has learned up to the last schedule before the present
// batch, and what the schedules of the batch have shown so far.
type deepState struct {
	Traits []known `json:"traits"` // in the order in which they were seen
	Taken  []taken `json:"taken,omitempty"`
}

func (f *deepener) save(s *sampleState) {
	s.Deep = &deepState{Traits: append([]known{}, f.traits...), Taken: slices.Clone(f.taken)}
}

// resume takes up what was learned.
func (f *deepener) resume(s *deepState) {
	*f = *newDeep()
	f.traits, f.taken = slices.Clone(s.Traits), slices.Clone(s.Taken)
	for i, k := range f.traits {
		f.index[k.trait] = i
		for _, m := range k.Moments {
			f.kept += len(m)
		}
	}
	f.fill()
}

// check refuses what no search of so many schedules of so many threads has learned, of which some
// are of the present batch.
func (s *deepState) check(schedules, begun uint64, threads int) error {
	if len(s.Traits) > maxTraits {
		return damaged("%d traits, at most %d", len(s.Traits), maxTraits)
	}
	kept := 0
	index := map[trait]bool{}
	for i, k := range s.Traits {
		switch {
		case index[k.trait]:
			return damaged("trait %d is there twice", i+1)
		case k.Seen == 0 || k.Seen > schedules:
			return damaged("trait %d was seen %d times in %d schedules", i+1, k.Seen, schedules)
		case len(k.Moments) > maxMoments:
			return damaged("trait %d has %d moments, at most %d", i+1, len(k.Moments), maxMoments)
		}
		if err := k.check(); err != nil {
			return damaged("trait %d: %w", i+1, err)
		}
		index[k.trait] = true
		for _, m := range k.Moments {
			if err := checkMoment(m, threads); err != nil {
				return damaged("trait %d: %w", i+1, err)
			}
			kept += len(m)
		}
	}
	if kept > maxKept {
		return damaged("its moments have %d slices, at most %d", kept, maxKept)
	}
	// The schedules that are not drawn are learned from with the first batch.
	if n := uint64(len(s.Taken)); n != begun && n != begun+inOrders {
		return damaged("%d schedules of a batch are learned from, not %d", n, begun)
	}
	for i, t := range s.Taken {
		if t.From != (trait{}) && !index[t.From] {
			return damaged("schedule %d of the batch was begun from what nobody has shown", i+1)
		}
		if err := t.check(threads); err != nil {
			return damaged("schedule %d of the batch: %w", i+1, err)
		}
	}
	return nil
}

func (t trait) check() error {
	if t.Of == 0 || t.Times > maxTimes {
		return damaged("no event is passed by %d times", t.Times)
	}
	return nil
}

func (t *taken) check(threads int) error {
	if len(t.Shown) > maxRunTraits {
		return damaged("it has shown %d traits, at most %d", len(t.Shown), maxRunTraits)
	}
	if err := checkMoment(t.Schedule, threads); err != nil && len(t.Shown) > 0 {
		return err
	}
	for _, s := range t.Shown {
		if s.Slices < 1 || s.Slices > len(t.Schedule) {
			return damaged("a trait has shown after %d slices of %d", s.Slices, len(t.Schedule))
		}
		if err := s.trait.check(); err != nil {
			return err
		}
		if err := checkMoment(scenario.Schedule{s.Last}, threads); err != nil {
			return err
		}
	}
	return nil
}

// checkMoment refuses a beginning of a schedule that names threads which are not there.
func checkMoment(m scenario.Schedule, threads int) error {
	if len(m) == 0 {
		return damaged("a moment is the start of the race")
	}
	for _, sl := range m {
		if sl.Thread < 0 || sl.Thread >= threads {
			return damaged("a moment's schedule names thread %d of %d", sl.Thread, threads)
		}
	}
	return nil
}
