package explore

import (
	"context"
	"time"

	"emurace/explore/target"
	"emurace/scenario"
)

// Ends has a search look for an end: what fails otherwise is counted and does not end it.
type Ends struct {
	// Grade tells how near a failing run has come, at whose end the session stands. It is called from
	// several goroutines at once, and must say the same of equal runs. It may not move the session.
	Grade func(s *scenario.Session, schedule scenario.Schedule) (target.Grade, error)
	// Enough is the grade that ends the search, at least target.Function. It is asked once there is a
	// session, and is always the same.
	Enough func() target.Grade
}

func (e *Ends) grade(s *scenario.Session, schedule scenario.Schedule) (target.Grade, error) {
	if e == nil {
		return target.None, nil
	}
	return e.Grade(s, schedule)
}

// found tells whether a search has what it ends with.
func (o Options) found(r *Result) bool {
	if r == nil || o.KeepGoing || r.Failing == 0 {
		return false
	}
	return o.Ends == nil || r.Nearest() >= o.Ends.Enough()
}

// Nearest is the highest grade of the findings.
func (r *Result) Nearest() target.Grade {
	if len(r.Findings) == 0 {
		return target.None
	}
	return r.Findings[r.near()].Grade
}

// near is the first of the findings with the highest grade; there are some.
func (r *Result) near() int {
	k := 0
	for i := range r.Findings {
		if r.Findings[i].Grade > r.Findings[k].Grade {
			k = i
		}
	}
	return k
}

// farthest is the last of the findings with the lowest grade; there are some.
func (r *Result) farthest() int {
	k := 0
	for i := range r.Findings {
		if r.Findings[i].Grade <= r.Findings[k].Grade {
			k = i
		}
	}
	return k
}

// Stage is one of several searches for an end, in turn.
type Stage struct {
	Strategy Strategy // one that is drawn, or StageBounded
	// Share of the limits: of what they leave to this stage and those behind it, in tenths.
	Share uint64
	// Schedules is its limit where there is none at all; 0 for none.
	Schedules uint64
}

// StageBounded is Bounded as a stage, with whatever preemptions.
const StageBounded Strategy = strategyBounded

// unlimitedDraws is how many schedules a stage draws where nothing limits the search.
const unlimitedDraws = 10_000

// Stages are those that a search for an end has: SURW, whose schedules come to most failures soonest;
// POS, which draws differently and so comes to others; and then every schedule with few preemptions.
// Without limits the last has no end.
func Stages() []Stage {
	return []Stage{{SURW, 4, unlimitedDraws}, {POS, 7, unlimitedDraws}, {StageBounded, 10, 0}}
}

// Towards looks for an end, see o.Ends, with one stage after the other until one has found it. The
// result is that of all of them together, and by tells which one was the last to run. When the context
// ends, or a stage fails, the result so far is returned with the error. A state is not kept.
// Begins is called before each stage, unless it is nil.
//
// With o.Schedules alone, or without limits, what is found does not depend on o.Jobs.
func Towards(ctx context.Context, start func() (*scenario.Session, error), o Options, stages []Stage, begins func(Stage)) (total *Result, by Strategy, err error) {
	began := time.Now()
	limited := o.Schedules > 0 || o.Time > 0
	for i, stage := range stages {
		one := o
		one.Save, one.Resume, one.Draw, one.Preemptions = nil, nil, 0, -1
		if o.Schedules > 0 {
			left := o.Schedules
			if total != nil {
				left -= min(left, total.Schedules)
			}
			if one.Schedules = (left*stage.Share + 9) / 10; one.Schedules == 0 {
				break
			}
		}
		if o.Time > 0 {
			left := o.Time - time.Since(began)
			if left <= 0 && i > 0 {
				break
			}
			one.Time = max(left*time.Duration(stage.Share)/10, time.Millisecond)
		}
		if !limited {
			one.Schedules = stage.Schedules
		}
		if begins != nil {
			begins(stage)
		}
		var r *Result
		if r, err = stage.run(ctx, start, one); r != nil {
			by = stage.Strategy
			o.begins(context.WithoutCancel(ctx)) // what the stage has watched may have ended
			var failed error
			if total, failed = bothStages(start, total, r); failed != nil {
				return r, by, failed
			}
		}
		if err != nil || o.found(total) || total != nil && total.Complete {
			break
		}
	}
	return total, by, err
}

func (s Stage) run(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
	if s.Strategy == StageBounded {
		return Bounded(ctx, start, o)
	}
	return Sample(ctx, start, s.Strategy, o)
}

// bothStages adds the result of a stage to that of those before it, nil for none.
func bothStages(start func() (*scenario.Session, error), before, r *Result) (*Result, error) {
	if before == nil {
		return r, nil
	}
	total, err := bothResults(start, before, r)
	if err != nil {
		return nil, err
	}
	total.Preemptions, total.Unbounded, total.SelfCheck = r.Preemptions, r.Unbounded && r.Complete, r.SelfCheck
	if total.Coverage == nil {
		total.Coverage = before.Coverage
	}
	total.conclude(Options{Preemptions: -1})
	return total, nil
}
