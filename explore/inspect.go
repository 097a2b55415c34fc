package explore

import (
	"slices"

	"emurace/explore/target"
	"emurace/scenario"
)

// Problem is something wrong with a run that need not have failed, such as a
// data race.
type Problem struct {
	Kind scenario.Kind
	Site string // where it is; problems of one kind and site are the same
	// Known is unset for a problem that counts. One that is known, as Known says, is told and
	// makes no run fail.
	Known Known
}

// Known is why a problem does not count: it was known before.
type Known struct {
	By   string // what says so, "" for nothing
	Text string // what it says
}

// Met is a known problem that runs have, and in how many schedules.
type Met struct {
	Kind scenario.Kind
	Known
	Schedules uint64
}

// maxMet bounds the known problems that are kept apart. What is beyond it is kept as one.
const maxMet = 256

// beyondMet is what they are kept as.
var beyondMet = Known{By: "further", Text: "more of them"}

// addMet counts a known problem.
func (r *Result) addMet(m Met) {
	i := slices.IndexFunc(r.Met, func(o Met) bool { return o.Kind == m.Kind && o.Known == m.Known })
	if i < 0 && len(r.Met) >= maxMet {
		m.Kind, m.Known = "", beyondMet
		i = slices.IndexFunc(r.Met, func(o Met) bool { return o.Kind == m.Kind && o.Known == m.Known })
	}
	if i < 0 {
		r.Met = append(r.Met, m)
		return
	}
	r.Met[i].Schedules += m.Schedules
}

// inspection is Options.Inspect.
type inspection = func(made []string, schedule scenario.Schedule) ([]Problem, error)

// judge counts a finished run, at whose end the session is: how it failed, and what an inspection finds wrong
// with it. A run with several problems is one failing schedule. When its failure rests on
// a doubt, neither counts. Enough tells that it is what a search ends with.
func (r *Result) judge(s *scenario.Session, o scenario.Outcome, schedule scenario.Schedule, preemptions int, inspect inspection, ends *Ends, rests bool) (enough bool, err error) {
	if rests {
		return false, nil
	}
	before := r.Failing
	f := Finding{Outcome: o, Schedule: schedule, Preemptions: preemptions, Number: r.Schedules, Count: 1}
	if o.Failed() {
		if f.Grade, err = ends.grade(s, schedule); err != nil {
			return false, err
		}
		if ends != nil && f.Grade == target.None {
			r.Unlike++
		}
		r.add(f)
	}
	enough = ends == nil || f.Grade >= ends.Enough()
	if inspect != nil {
		f.Grade = target.None
		problems, err := inspect(s.Made(), schedule)
		if err != nil {
			return false, err
		}
		var met []Met
		for _, p := range problems {
			if p.Known.By != "" {
				if m := (Met{p.Kind, p.Known, 1}); !slices.Contains(met, m) {
					met = append(met, m)
				}
				continue
			}
			f.Outcome, f.Problem = scenario.Outcome{Kind: p.Kind, Thread: -1}, p.Site
			r.add(f)
		}
		for _, m := range met {
			r.addMet(m)
		}
	}
	if r.Failing > before {
		r.Failing = before + 1
		return enough, nil
	}
	return false, nil
}

// ending is a schedule of a run that is over, to be run again to the same end. With
// all, or where threads go round, each is run out at last: that it can get no further
// is found out anew.
func ending(s *scenario.Session, schedule scenario.Schedule, all bool) scenario.Schedule {
	schedule = schedule.ToEnd()
	for t := range s.Threads() {
		all = all || s.Spinning(t)
	}
	if all {
		for t := range s.Threads() {
			if s.MachineThread(t) < 0 {
				continue
			}
			schedule = append(schedule, scenario.Slice{Thread: t})
		}
	}
	return schedule
}
