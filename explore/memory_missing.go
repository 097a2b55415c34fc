package explore

import (
	"context"
	"errors"
	"time"

	"emurace/explore/graph"
)

// Missing are barriers with which a failure that there is under a memory model is none any more.
type Missing struct {
	Barriers []graph.Barrier
	// Proved tells that a search with them has covered everything, and found no failure.
	Proved bool
}

// Bounds of the search for barriers.
const (
	mostBarrierRounds = 12
	barrierTime       = 60 * time.Second
)

// missing looks for the fewest barriers that forbid the failure. Each set that forbids the failing graphs so far is
// tried by a search of its own, which finds another failing graph, or none. It is nil for a failure that sequential
// consistency has too, and where no barriers help. Where an end is looked for, see Ends, it is that which they are to
// forbid.
func (w *graphSearch) missing(found *Result) *Missing {
	if w.model == graph.SC || found.Failing == 0 || len(found.Findings) == 0 || !found.Findings[found.near()].Schedule.Odd() {
		return nil
	}
	if w.Ends != nil && found.Nearest() < w.Ends.Enough() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(w.ctx, barrierTime, errBudget)
	defer cancel()
	var failing []*graph.Graph
	var set []graph.Barrier
	for range mostBarrierRounds {
		one := w.again(ctx, set)
		err := one.searchAll()
		switch {
		case errors.Is(err, errFound) && one.failing != nil:
			failing = append(failing, one.failing)
		case err == nil:
			r := one.merge()
			return &Missing{set, !r.Endless && !r.Due && len(r.Doubts) == 0}
		default:
			return unverified(set)
		}
		if set, _ = graph.Missing(failing, w.model); set == nil {
			return nil
		}
	}
	return unverified(set)
}

func unverified(set []graph.Barrier) *Missing {
	if len(set) == 0 {
		return nil
	}
	return &Missing{Barriers: set}
}

// again is the search once more, up to its first failure, by one session and with barriers.
func (w *graphSearch) again(ctx context.Context, set []graph.Barrier) *graphSearch {
	one := &graphSearch{Options: w.Options, model: w.model, ctx: ctx, sessions: w.sessions, report: w.report, shared: w.shared, cuts: w.cuts, barriers: set}
	one.KeepGoing, one.Jobs, one.Schedules, one.Inspect, one.Progress = false, 1, 0, nil, nil
	one.parts = list[*graphPart]{
		Items: []*graphPart{{Share: 1}}, Jobs: 1, Take: one.session, Put: one.sessions.Put, Work: one.work,
		Over: func(p *graphPart) bool { return p.Result != nil },
	}
	return one
}
