package explore

import "emurace/scenario"

// Problem is something wrong with a run that need not have failed, such as a
// data race.
type Problem struct {
	Kind scenario.Kind
	Site string // where it is; problems of one kind and site are the same
}

// inspection is Options.Inspect.
type inspection = func(made []string, schedule scenario.Schedule) ([]Problem, error)

// judge counts a finished run: how it failed, and what an inspection finds wrong
// with it. A run with several problems is one failing schedule. When its failure rests on
// a doubt, neither counts.
func (r *Result) judge(o scenario.Outcome, schedule scenario.Schedule, made []string, preemptions int, inspect inspection, rests bool) (failed bool, err error) {
	if rests {
		return false, nil
	}
	before := r.Failing
	f := Finding{Outcome: o, Schedule: schedule, Preemptions: preemptions, Number: r.Schedules, Count: 1}
	if o.Failed() {
		r.add(f)
	}
	if inspect != nil {
		problems, err := inspect(made, schedule)
		if err != nil {
			return false, err
		}
		for _, p := range problems {
			f.Outcome, f.Problem = scenario.Outcome{Kind: p.Kind, Thread: -1}, p.Site
			r.add(f)
		}
	}
	if r.Failing > before {
		r.Failing = before + 1
		return true, nil
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
