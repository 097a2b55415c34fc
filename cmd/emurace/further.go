package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore"
	"emurace/scenario"
)

// furtherSchedules is how many schedules are run to see whether a process also fails by itself that
// has shown a problem, as with a data race in the first schedule.
const furtherSchedules = 200

// further looks for a schedule that fails by itself, where a search has ended with the first
// schedule that has a problem: that is to be told with the failure that it leads to, if there is
// one near, and not in its place. What is found is added to the outcome's result. The limits of the
// search hold for both together.
func (j job) further(c *cli.Context, sys *emu.System, o *outcome, began time.Time, wrong *wrongs, options explore.Options) error {
	own := func(f explore.Finding) bool { return f.Problem == "" }
	if len(j.detect) == 0 || o.keepGoing || o.strategy == strategyScript || c.String("resume") != "" ||
		o.result == nil || len(o.result.Findings) == 0 || slices.ContainsFunc(o.result.Findings, own) {
		return nil
	}
	j.detect = nil
	if options.Time > 0 {
		if options.Time -= time.Since(began); options.Time <= 0 {
			return nil
		}
	}
	most := uint64(furtherSchedules)
	if options.Schedules > 0 {
		if most = min(most, options.Schedules-min(options.Schedules, o.result.Schedules)); most == 0 {
			return nil
		}
	}
	options.Inspect, options.Save, options.Draw, options.Schedules = nil, nil, 0, most
	begin := j.starter(sys, o.strategy)
	start := func() (*scenario.Session, error) {
		s, err := begin()
		if err == nil {
			s.OnUnjudged(wrong.add)
		}
		return s, err
	}
	r, err := j.search(searchContext(c), o.strategy, start, options)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the problem is found all the same
	}
	if err != nil || r == nil { // also of Ctrl-C: the result so far is told as that
		return err
	}
	if err := sameThreads(start, o.result, r); err != nil {
		return err
	}
	for i := range r.Findings {
		r.Findings[i].Number += o.result.Schedules
	}
	o.result.Findings = append(r.Findings, o.result.Findings...)
	o.result.Schedules += r.Schedules
	o.result.Failing += r.Failing
	o.result.Instructions += r.Instructions
	return nil
}

// sameThreads has the findings of two results of one process know the same threads that it makes,
// so that threads have the same indices in all of them.
func sameThreads(start func() (*scenario.Session, error), list ...*explore.Result) error {
	var all []string
	for _, r := range list {
		all = append(all, r.Made...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	s, err := start()
	if err != nil {
		return err
	}
	defer s.Close()
	names := func(made []string) ([]string, error) {
		err := s.SetMade(made)
		return s.ScheduleNames(), err
	}
	for _, r := range list {
		from, err := names(r.Made)
		if err != nil {
			return err
		}
		to, err := names(all)
		if err != nil {
			return err
		}
		for i := range r.Findings {
			// All of the threads are among those of all.
			r.Findings[i].Schedule, _ = r.Findings[i].Schedule.Renamed(from, to)
			if t := r.Findings[i].Outcome.Thread; t >= 0 {
				r.Findings[i].Outcome.Thread = slices.Index(to, from[t])
			}
		}
		r.Made = all
	}
	return nil
}
