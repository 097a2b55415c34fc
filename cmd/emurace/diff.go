package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"emurace/replay"
	"emurace/scenario"
)

// inOrderName is what --diff takes in place of a trace: a run that mostly passes, and that nobody
// has to find first.
const inOrderName = "in-order"

// howToPass says how to get a trace to compare with.
const howToPass = `a schedule in words that passes becomes a trace: emurace script FILE.star --output passing.trace; ` +
	`emurace replay --as-script writes the failing one to begin with`

// another is a run that this one is compared with.
type another struct {
	session  *scenario.Session
	schedule scenario.Schedule
	lines    []string // the schedule as text
	outcome  string
}

func (q *query) diff() error {
	var o *another
	var err error
	if q.c.String("diff") == inOrderName {
		o, err = q.passing()
	} else {
		o, err = q.fromTrace(q.c.String("diff"))
	}
	if err != nil {
		return err
	}
	defer o.session.Close()
	made := slices.Concat(q.r.session.Made(), o.session.Made())
	slices.Sort(made)
	made = slices.Compact(made)
	own, err := historyKnowing(q.r.session, q.r.verification.Schedule, made)
	if err != nil {
		return err
	}
	other, err := historyKnowing(o.session, o.schedule, made)
	if err != nil {
		return err
	}
	list, err := replay.Diff(own, other)
	if err != nil {
		return err
	}
	if q.json != nil {
		for _, d := range list {
			if err := q.json(replay.ReportDiff(own, other, d)); err != nil {
				return err
			}
		}
		return nil
	}
	q.p.Printf("%s   %s; %s\n", q.p.Head("this run"), strings.Join(q.r.trace.Schedule, ", "), q.r.trace.Outcome)
	q.p.Printf("%s  %s; %s\n", q.p.Head("the other"), strings.Join(o.lines, ", "), o.outcome)
	replay.TellDiff(q.p, own, other, list)
	return nil
}

// fromTrace is the run of another trace.
func (q *query) fromTrace(name string) (*another, error) {
	t, err := replay.Read(name)
	if err != nil {
		return nil, environmentError(err, "--diff "+inOrderName+" needs no trace; "+howToPass)
	}
	if list := unlike(q.r.trace, t); len(list) > 0 {
		return nil, environmentError(fmt.Errorf("%s: only runs that differ in nothing but their schedule can be compared: %s", name, strings.Join(list, "; ")), howToPass)
	}
	s, err := start(q.r.sys, q.r.recipe)
	if err != nil {
		return nil, err
	}
	v, err := replay.Verify(s, t)
	if err == nil && !v.Match {
		err = errors.New(v.Difference)
	}
	if err != nil {
		s.Close()
		return nil, environmentError(fmt.Errorf("%s: %w", name, err), traceCommand("explore", name)+" searches for its failure anew")
	}
	return &another{session: s, schedule: v.Schedule, lines: t.Schedule, outcome: t.Outcome.String()}, nil
}

// unlike says in what, beside their schedules, two traces differ.
func unlike(this, other *replay.Trace) []string {
	var list []string
	differ := func(what, here, there string) {
		if here != there {
			list = append(list, fmt.Sprintf("%s is %s here and %s there", what, here, there))
		}
	}
	name := func(t *replay.Trace) string {
		if t.Program != nil {
			return "the program " + t.Program.Path
		}
		return t.Scenario
	}
	if a, b := name(this), name(other); a != b {
		return []string{fmt.Sprintf("this is of %s and that of %s", a, b)}
	}
	settings := map[string]string{}
	for _, s := range other.Settings {
		key, value, _ := strings.Cut(s, "=")
		settings[key] = value
	}
	for _, s := range this.Settings {
		key, value, _ := strings.Cut(s, "=")
		differ(key, value, settings[key])
		delete(settings, key)
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) { // of another version of the scenario
		list = append(list, fmt.Sprintf("%s is %s there and no parameter here", key, settings[key]))
	}
	differ("the architecture", this.Arch, other.Arch)
	differ("the seed", fmt.Sprint(this.Seed), fmt.Sprint(other.Seed))
	if differ("the libc", this.Libc.String(), other.Libc.String()); this.Libc.SHA256 != other.Libc.SHA256 && this.Libc.String() == other.Libc.String() {
		list = append(list, "the libc is another build")
	}
	return list
}

// passing is a run of the same process whose threads run one after the other, in their order or in
// the reverse, and which does not fail.
func (q *query) passing() (*another, error) {
	s, err := q.r.again()
	if err != nil {
		return nil, err
	}
	for _, reverse := range []bool{false, true} {
		if err = s.Restart(); err != nil {
			break
		}
		var played scenario.Schedule
		if played, err = inOrder(s, reverse); err != nil {
			break
		}
		if o, over := s.Outcome(); over && !o.Failed() {
			return &another{session: s, schedule: played, lines: played.Texts(s.ScheduleNames()), outcome: string(o.Kind)}, nil
		}
	}
	s.Close()
	if err == nil {
		err = usage(errors.New("--diff "+inOrderName+": the process does not come to a good end either with its threads one after the other"), howToPass)
	}
	return nil, err
}

// historyKnowing is the history of a schedule's run on a session that is to know the
// threads that its process makes, those of the run among them.
func historyKnowing(s *scenario.Session, schedule scenario.Schedule, made []string) (*replay.History, error) {
	names := s.ScheduleNames()
	if err := s.SetMade(made); err != nil {
		return nil, err
	}
	schedule, ok := schedule.Renamed(names, s.ScheduleNames())
	if !ok {
		return nil, errors.New("compare: a thread of the run is not known")
	}
	return replay.NewHistory(s, schedule)
}
