package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/internal/guard"
	"emurace/scenario"
)

// keepEvery is how often the state of a search without --resume is handed to the
// supervisor, for the case that the engine dies.
const keepEvery = 2 * time.Second

// raiseExplore puts a search behind walls.
func raiseExplore(c *cli.Context, jobs []job, end *endSource) error {
	var g grants
	end.grant(&g)
	var names []string
	numbers := systems(jobs)
	for i, j := range jobs {
		g.sysroot(j.cache, j.spec, j.recipe.Arch)
		g.Read = append(g.Read, slices.Collect(maps.Values(j.dirs))...)
		if numbers[i] == len(names) {
			names = append(names, fmt.Sprintf("%s-%s-%s.state", fileName(j.recipe.Scenario.Name), j.recipe.Arch, fileName(j.spec.String())))
		}
	}
	for _, flag := range []string{"resume", "corpus", "output"} {
		if name := c.String(flag); name != "" {
			g.file(name)
		}
	}
	if c.String("output") == "" {
		g.file("")
	}
	if name := c.String("baseline"); name != "" && c.Bool("update-baseline") {
		g.file(name)
	}
	own := c.String("resume") != ""
	if own {
		names = []string{c.String("resume")}
	}
	if err := guard.From(c.Context).States(names, own); err != nil {
		return err
	}
	return raise(c, g)
}

// searchContext is the context of a search. It has ended already where a search that has
// died is only to show what it had found.
func searchContext(c *cli.Context) context.Context {
	if !guard.From(c.Context).Settles() {
		return c.Context
	}
	ctx, stop := context.WithCancel(c.Context)
	stop()
	return ctx
}

// keep has the supervisor keep the state of a search that keeps none itself, unless it is
// one that cannot be resumed. It returns what makes the search's sessions.
func (j job) keep(c *cli.Context, start func() (*scenario.Session, error), o *explore.Options) func() (*scenario.Session, error) {
	e := guard.From(c.Context)
	if e == nil || o.Save != nil || j.schedule != nil && (j.schedule.Fixed() || j.schedule.Sequential()) {
		return start
	}
	var search atomic.Pointer[stateFile]
	if o.SaveEvery = saveEvery; o.SaveEvery == 0 {
		o.SaveEvery = keepEvery
	}
	described := *o
	o.Save = func(state *explore.State) error {
		have := search.Load()
		if have == nil {
			return nil
		}
		data, err := json.Marshal(have.with(j.memory, j.begun, state))
		if j.memory != "" {
			j.begun[j.memory] = state
		}
		if err == nil && len(data) <= maxState {
			// A supervisor that cannot be told is dead, and this process soon.
			_ = e.Keep(j.number, data)
		}
		return nil
	}
	return func() (*scenario.Session, error) {
		s, err := start()
		if err == nil && search.Load() == nil {
			file := j.describeSearch(s.Libc(), strategy(c), &described)
			search.Store(&file)
		}
		return s, err
	}
}
