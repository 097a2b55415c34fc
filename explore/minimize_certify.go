package explore

import (
	"errors"
	"slices"
	"time"

	"emurace/scenario"
)

// certify runs every schedule with fewer preemptions than the minimal one has. The first one that
// fails in the same way is a better one, and is cut down in its place. That fewer do not fail is
// said only where none of them fails in any way, and that they do not fail so where the others were
// all run.
func (m *minimizer) certify(start func() (*scenario.Session, error), min *Minimal, limit time.Duration) (*Minimal, error) {
	if min.Preemptions == 0 {
		min.Certified, min.Fewest = true, true
		return min, nil
	}
	r, err := Bounded(m.ctx, start, Options{
		Preemptions: min.Preemptions - 1, Jobs: 1, Time: limit, trusted: true,
		wanted: func(o scenario.Outcome) bool { return sameFailure(o, m.want) },
	})
	if err != nil {
		return nil, err
	}
	// Of a run that no check could judge nothing is known.
	complete := r.Complete && !slices.ContainsFunc(r.Doubts, func(d Doubt) bool { return d.Kind == scenario.GoneWrong })
	if len(r.Findings) > 0 {
		f := r.Findings[0]
		next, err := m.minimize(f.Schedule)
		switch {
		case errors.Is(err, errUnlike):
		case err != nil:
			return nil, err
		case next.Preemptions < min.Preemptions:
			// It was the first one, so that all with fewer than it has were run.
			min, complete = next, next.Preemptions == f.Preemptions || next.Preemptions == 0
		}
	}
	min.Fewest = complete
	min.Certified = complete && (r.others == 0 || r.others-1 >= min.Preemptions)
	return min, nil
}
