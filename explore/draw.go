package explore

import (
	"context"

	"emurace/scenario"
)

// drawFirst draws some schedules before a systematic search; the result is nil when none are to
// be drawn. One that fails ends the search.
//
// A systematic search tries one order after the other, and may come to the one that fails when
// all that are alike in how they begin are done. Of a program that takes days; chance tries
// other beginnings each time.
func (o Options) drawFirst(ctx context.Context, start func() (*scenario.Session, error)) (first *Result, over bool, err error) {
	if o.Draw == 0 || o.Resume != nil || o.KeepGoing || o.Ends != nil {
		return nil, false, nil
	}
	d := o
	d.Schedules, d.Time, d.Save, d.AbstractLocks, d.Watch = o.Draw, 0, nil, false, nil
	if o.Schedules > 0 {
		d.Schedules = min(o.Draw, o.Schedules)
	}
	first, err = Sample(ctx, start, POS, d)
	if first != nil {
		first.Drawn = first.Schedules
		for i := range first.Findings {
			first.Findings[i].Drawn = true
		}
	}
	return first, err != nil || first.Failing > 0, err
}

// withDrawn adds to what a search has found what was drawn before it, of which none fails.
func (r *Result) withDrawn(first *Result, o Options) {
	if first == nil {
		return
	}
	r.Drawn = first.Drawn
	for _, d := range first.Doubts {
		r.addDoubt(d)
	}
	r.conclude(o)
}
