package main

import (
	"errors"
	"slices"

	"emurace/explore"
	"emurace/replay"
	"emurace/scenario"
)

// What a search has found is run again before it is shown. A schedule is all that a run
// depends on, so one that failed fails; if ever it does not, something of the machine has
// leaked from one run into another, and nobody knows which of the two was right. Then it
// is no finding but a doubt.

// fails runs a schedule and tells whether that fails, in a way that counts.
func fails(s *scenario.Session, schedule scenario.Schedule) (bool, error) {
	if err := s.Restart(); err != nil {
		return false, err
	}
	if err := s.Play(schedule); err != nil {
		var other *scenario.MismatchError
		if errors.As(err, &other) {
			err = nil // it does not even get so far
		}
		return false, err
	}
	o, over := s.Outcome()
	if !over || !o.Failed() {
		return false, nil
	}
	_, rests := s.Doubts(o)
	return !rests, nil
}

// repeat runs all failures again and keeps those that fail.
func (o *outcome) repeat(s *scenario.Session) error {
	found := o.result.Findings
	o.result.Findings = nil
	for _, f := range found {
		ok, err := fails(s, f.Schedule)
		if err != nil {
			return err
		}
		if ok {
			o.result.Findings = append(o.result.Findings, f)
		} else {
			o.unrepeated(f)
		}
	}
	return nil
}

// unrepeated makes a doubt of a finding that does not show again. It is in no
// list any more.
func (o *outcome) unrepeated(f explore.Finding) {
	r := o.result
	r.Failing -= min(r.Failing, f.Count)
	r.Complete = false
	d := explore.Doubt{Doubt: scenario.Doubt{Kind: scenario.Unrepeated, Name: string(f.Outcome.Kind)}, Schedules: f.Count, Failing: f.Count, Outcome: f.Outcome.String()}
	if i := slices.IndexFunc(r.Doubts, func(o explore.Doubt) bool { return o.Doubt == d.Doubt }); i >= 0 {
		r.Doubts[i].Schedules += d.Schedules
		r.Doubts[i].Failing += d.Failing
	} else {
		r.Doubts = append(r.Doubts, d)
	}
}

// settle says what is left to say when findings did not show again.
func (o *outcome) settle() {
	if r := o.result; r.Verdict == explore.Failing && len(r.Findings) == 0 && len(o.problems) == 0 {
		r.Verdict, r.Failing = explore.Undecided, 0
	}
}

// explained is why a failure failed, nil when it did not when it was run for that.
func (o *outcome) explained(s *scenario.Session, heaps *heaps, f explore.Finding, first bool) (*replay.Explanation, error) {
	h, err := replay.NewHistory(s, f.Schedule)
	if err != nil {
		return nil, err
	}
	x, err := heaps.explain(h, f.Schedule)
	if err != nil || !x.Outcome.Failed() {
		return nil, err
	}
	if first && o.minimal != nil {
		err = x.AddEssential(h, essential(o.minimal))
	}
	return x, err
}
