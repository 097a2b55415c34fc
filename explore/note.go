package explore

import (
	"slices"

	"emurace/scenario"
)

// Ended is a way in which a process may end, and how many schedules ended so.
type Ended struct {
	scenario.Ending
	Schedules uint64
}

// Doubt is why a search does not say what it would say otherwise: runs of it may differ
// from those that there are on Linux.
type Doubt struct {
	scenario.Doubt
	Schedules uint64 // that it is about
	Failing   uint64 // of them: those that fail, which need not be so on Linux
	Outcome   string `json:",omitempty"` // of the first that fails
}

// maxDoubts bounds the doubts that are kept apart. Beyond it no further ones are kept.
const maxDoubts = 64

// note takes in what else there is to say of a finished run. Rests tells that its failure
// does not count.
func (r *Result) note(s *scenario.Session, o scenario.Outcome) (rests bool) {
	if e, ok := o.Ending(); ok && o.Expected {
		r.addEnded(Ended{e, 1})
	}
	r.Endless = r.Endless || s.CutShort()
	if s.Closed() {
		r.Closed++
	}
	list, rests := s.Doubts(o)
	rests = rests && o.Failed()
	for _, d := range list {
		doubt := Doubt{Doubt: d, Schedules: 1}
		if rests {
			doubt.Failing, doubt.Outcome = 1, o.String()
		}
		r.addDoubt(doubt)
	}
	return rests
}

func (r *Result) addEnded(e Ended) {
	i := slices.IndexFunc(r.Ended, func(o Ended) bool { return o.Ending == e.Ending })
	if i < 0 {
		r.Ended = append(r.Ended, e)
		return
	}
	r.Ended[i].Schedules += e.Schedules
}

func (r *Result) addDoubt(d Doubt) {
	i := slices.IndexFunc(r.Doubts, func(o Doubt) bool { return o.Doubt == d.Doubt })
	switch {
	case i >= 0:
		have := &r.Doubts[i]
		have.Schedules += d.Schedules
		have.Failing += d.Failing
		if have.Outcome == "" {
			have.Outcome = d.Outcome
		}
	case len(r.Doubts) < maxDoubts:
		r.Doubts = append(r.Doubts, d)
	}
}

// checkNotes refuses notes that no search of so many schedules makes.
func (t *tally) checkNotes() error {
	ended := uint64(0)
	for _, e := range t.Ended {
		if e.Schedules == 0 || e.Schedules > t.Schedules-ended {
			return damaged("%d schedules end with %v, of %d", e.Schedules, e.Ending, t.Schedules)
		}
		ended += e.Schedules
	}
	if len(t.Met) > maxMet+1 {
		return damaged("%d known problems", len(t.Met))
	}
	for _, m := range t.Met {
		if m.By == "" || m.Schedules == 0 || m.Schedules > t.Schedules || !scenario.Printable(m.Text) || !scenario.Printable(m.By) || !scenario.Printable(string(m.Kind)) {
			return damaged("a known problem %q, %q: in %d schedules of %d", m.Kind, m.Text, m.Schedules, t.Schedules)
		}
	}
	if len(t.Doubts) > maxDoubts {
		return damaged("%d doubts", len(t.Doubts))
	}
	for _, d := range t.Doubts {
		if err := d.Check(); err != nil {
			return damaged("%w", err)
		}
		if d.Schedules == 0 || d.Schedules > t.Schedules || d.Failing > d.Schedules || (d.Failing > 0) != (d.Outcome != "") || !scenario.Printable(d.Outcome) {
			return damaged("doubt %v: of %d schedules %d fail, as %q", d.Doubt, d.Schedules, d.Failing, d.Outcome)
		}
	}
	return nil
}
