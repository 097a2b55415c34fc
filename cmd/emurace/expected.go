package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
	"emurace/replay"
	"emurace/scenario"
	"emurace/suite"
)

// expectedObject is what a scenario expects of a system.
type expectedObject struct {
	Verdict string   `json:"verdict"`
	Kinds   []string `json:"kinds,omitempty"`
	Search  string   `json:"search,omitempty"`
	Why     string   `json:"why,omitempty"`
	Differs []string `json:"differs,omitempty"` // what of a result contradicts it
}

// differs is what the scenario expects of this libc and architecture, where the result
// contradicts it; else nil, also where the two are of searches that cannot be compared.
func (o *outcome) differs() *expectedObject {
	about := suite.About(o.recipe.Scenario.Expected, o.libc.Version, o.recipe.Arch.String())
	if len(about) != 1 || !o.raced.Load() || o.fixed() || o.ends != nil || len(o.result.Met) > 0 {
		return nil
	}
	want := about[0]
	was, err := searchOf(o.recipe, want.Search)
	if err != nil {
		return nil // emurace test tells of it
	}
	how := suite.Search{
		Settings: o.recipe.Scenario.Settings(o.recipe.Values), Detect: texts(o.detect), Timeouts: string(o.recipe.Timeouts), Memory: o.recipe.Memory, Model: o.modelName(),
		Bound: o.bound, KeepGoing: o.keepGoing,
	}
	if o.result.Unbounded {
		how.Bound = -1 // it has covered what there is
	}
	got := suite.Shown{Verdict: string(o.result.Verdict), Complete: o.result.Complete}
	for _, f := range o.objects {
		got.Findings = append(got.Findings, suite.Found{Kind: string(f.Kind)})
	}
	list := suite.Contradicts(want, was, got, how)
	if len(list) == 0 {
		return nil
	}
	return &expectedObject{Verdict: want.Verdict, Kinds: want.Kinds, Search: want.Search, Why: want.Why, Differs: list}
}

// searchOf is the search that an expectation of a recipe's scenario, or program, names.
func searchOf(r replay.Recipe, flags string) (was suite.Search, err error) {
	sc := r.Scenario
	err = withSearchFlags(flags, func(c *cli.Context) error {
		values, err := sc.Settle(c.StringSlice("set"))
		if err != nil {
			return err
		}
		detect, err := detected(c)
		if err != nil {
			return err
		}
		memory, err := guestMemory(c)
		if err != nil {
			return err
		}
		list, err := models(c)
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return errors.New("several memory models: one expectation is of one")
		}
		timeouts := c.String("timeouts")
		if r.Program != nil && !c.IsSet("timeouts") {
			timeouts = string(scenario.WhenDue)
		}
		was = suite.Search{
			Settings: sc.Settings(values), Detect: texts(detect), Timeouts: timeouts, Memory: memory, Model: string(list[0]),
			Bound: c.Int("preemptions"), KeepGoing: true, Partial: suite.Partial(flags),
		}
		return checkHow(c)
	})
	return was, err
}

// withSearchFlags has the command itself read flags of a search, and calls do with them. Nothing
// is run, and neither variables nor a config file add to them.
func withSearchFlags(flags string, do func(*cli.Context) error) error {
	app := newApp(io.Discard, io.Discard)
	app.Metadata = map[string]any{}
	command := app.Command("explore")
	for _, f := range command.Flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			f.EnvVars = nil
		case *cli.StringSliceFlag:
			f.EnvVars = nil
		case *cli.IntFlag:
			f.EnvVars = nil
		case *cli.Uint64Flag:
			f.EnvVars = nil
		case *cli.DurationFlag:
			f.EnvVars = nil
		case *cli.BoolFlag:
			f.EnvVars = nil
		}
	}
	command.Action = do
	return app.RunContext(context.Background(), slices.Concat([]string{app.Name, command.Name}, strings.Fields(flags)))
}

// printDiffers says that a result is not what the scenario expects.
func (o *outcome) printDiffers(p *replay.Printer) {
	x := o.differs()
	if x == nil {
		return
	}
	for _, text := range x.Differs {
		p.Printf("%s   of %s on %v: %s\n", p.Head("differs"), o.libc, o.recipe.Arch, printable.Line(text))
	}
}
