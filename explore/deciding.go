package explore

import (
	"context"
	"errors"
	"slices"

	"emurace/scenario"
)

// Deciding is Minimize for a failing schedule that is to stay as it is: it finds out which races, or
// which critical sections, decide that it fails. The result has the finding's schedule; it is nil
// where nothing is found out: of a livelock, of a schedule that moves the clock, or where an
// instruction ends in its middle. Nothing is certified.
func Deciding(ctx context.Context, start func() (*scenario.Session, error), f Finding) (*Minimal, error) {
	if f.Outcome.Kind == scenario.Livelock {
		return nil, nil
	}
	s, err := start()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	wrong := wrongRuns{}
	s.OnUnjudged(wrong.passOver)
	m := &minimizer{ctx: ctx, s: s, want: f.Outcome, most: s.Limit}
	s.WantEvents(true)
	if err := m.measure(f.Schedule); err != nil {
		return nil, err
	}
	for {
		known := m.s.Process().SharedGrown()
		min, err := m.decides(f.Schedule)
		switch {
		case m.s.Process().SharedGrown() != known: // there are more events
		case errors.Is(err, errUnlike):
			return nil, nil // it does not fail event by event
		case err != nil:
			return nil, err
		default:
			return m.asWritten(min, f)
		}
	}
}

// decides finds out what decides of a schedule as it is.
func (m *minimizer) decides(schedule scenario.Schedule) (*Minimal, error) {
	threads, err := m.learn(schedule)
	if err != nil {
		return nil, err
	}
	min, err := m.result(threads)
	if err != nil {
		return nil, err
	}
	return min, m.flip(min)
}

// asWritten says of the finding's run what was found out of one that has the same events in the same
// order: where a thread is taken off between two events may differ, and so the numbers of
// instructions do.
func (m *minimizer) asWritten(min *Minimal, f Finding) (*Minimal, error) {
	odd := func(sl scenario.Slice) bool { return sl.Half || m.s.IsClock(sl.Thread) }
	if slices.ContainsFunc(min.Schedule, odd) || slices.ContainsFunc(f.Schedule, odd) {
		return nil, nil
	}
	translate := func(p *Place) { p.Step = stepOf(f.Schedule, p.Thread, ownStep(min.Schedule, p.Thread, p.Step)) }
	for i := range min.Essential {
		translate(&min.Essential[i].First)
		translate(&min.Essential[i].Second)
	}
	for i := range min.Sections {
		for k := range min.Sections[i] {
			translate(&min.Sections[i][k].First)
			if !min.Sections[i][k].Held {
				translate(&min.Sections[i][k].Last)
			}
		}
	}
	min.Schedule, min.Outcome, min.Switches, min.Preemptions = f.Schedule, f.Outcome, f.Schedule.Switches(), f.Preemptions
	return min, nil
}

// ownStep is the how-manieth of its thread's instructions number step of a run is. The last slice
// goes on for as long as it takes.
func ownStep(schedule scenario.Schedule, thread int, step uint64) uint64 {
	own, at := uint64(0), uint64(0)
	for i, sl := range schedule {
		if sl.Thread == thread && (step <= at+sl.N || i == len(schedule)-1) {
			return own + step - at
		}
		at += sl.N
		if sl.Thread == thread {
			own += sl.N
		}
	}
	return own
}

// stepOf is the number in a run of a thread's own instruction.
func stepOf(schedule scenario.Schedule, thread int, own uint64) uint64 {
	at := uint64(0)
	for i, sl := range schedule {
		switch {
		case sl.Thread != thread:
			at += sl.N
			continue
		case own <= sl.N || i == len(schedule)-1:
			return at + own
		}
		at, own = at+sl.N, own-sl.N
	}
	return at
}
