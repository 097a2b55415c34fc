package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/sysroot"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "run a trace again, prove that it is the same run, and dump its end",
		ArgsUsage: "[TRACE]",
		Description: `Without a name the trace that was written last is used.

Examples:
  emurace replay
  emurace replay --last 200 getenv-setenv-arm64-2.36.trace
  emurace replay --json --sysroot ./my-sysroot crash.trace`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "sysroot", Usage: "where the trace's libc is: debian:`SUITE`, host or a folder (default: what the trace names)", EnvVars: []string{"EMURACE_SYSROOT"}},
			&cli.Uint64Flag{Name: "last", Value: 40, Usage: "show the last `N` instructions of the interleaving", EnvVars: []string{"EMURACE_LAST"}},
			&cli.BoolFlag{Name: "json", Usage: "print the result as a JSON object"},
			cacheFlag(), colorFlag(),
		},
		Action: replayAction,
	}
}

func replayAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	t, err := openTrace(c)
	if err != nil {
		return err
	}
	recipe, err := traceRecipe(c, t)
	if err != nil {
		return err
	}
	s, sys, err := traceSession(c, recipe)
	if err != nil {
		return err
	}
	defer sys.Close()
	defer s.Close()
	v, err := replay.Verify(s, t)
	switch {
	case errors.Is(err, replay.ErrOtherLibc):
		return surroundings(err, "name a sysroot that has it with --sysroot, or find the failure again with emurace explore")
	case errors.Is(err, replay.ErrFormat):
		return surroundings(err, "the trace was changed or belongs to another scenario")
	case err != nil:
		return err
	}
	var x *replay.Explanation
	var h *replay.History
	if v.Match {
		if h, err = replay.NewHistory(s, v.Schedule); err != nil {
			return err
		}
		heaps := &heaps{sys: sys, recipe: recipe}
		defer heaps.close()
		if x, err = heaps.explain(h, v.Schedule); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		return replayJSON(c, t, v, x)
	}
	if !v.Match {
		p.Printf("%s: %s\n", p.Bad("DIVERGED"), v.Difference)
		return errors.Join(p.Err(), exit(exitDiverged))
	}
	p.Printf("%s  the run is the same, bit for bit: %s\n\n", p.Good("MATCH"), v.Digest)
	return replay.Dump(p, h, x, replay.DumpOptions{Last: c.Uint64("last")})
}

// replayResult is the object that replay --json ends with.
type replayResult struct {
	Event      string          `json:"event"`
	Schema     int             `json:"schema"`
	Match      bool            `json:"match"`
	Digest     string          `json:"digest"`
	Difference string          `json:"difference,omitempty"`
	Steps      uint64          `json:"steps"`
	Outcome    replay.Outcome  `json:"outcome"` // as the trace says
	Finding    *replay.Finding `json:"finding,omitempty"`
}

func replayJSON(c *cli.Context, t *replay.Trace, v *replay.Verification, x *replay.Explanation) error {
	r := replayResult{Event: "result", Schema: 1, Match: v.Match, Digest: v.Digest, Difference: v.Difference, Steps: t.Steps, Outcome: t.Outcome}
	if x != nil {
		f := x.Finding()
		r.Finding = &f
	}
	e := json.NewEncoder(c.App.Writer)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return err
	}
	if !v.Match {
		return exit(exitDiverged)
	}
	return nil
}

// openTrace reads the trace that the command line names.
func openTrace(c *cli.Context) (*replay.Trace, error) {
	if c.NArg() > 1 {
		return nil, usage(fmt.Errorf("replay: unexpected argument %q", c.Args().Get(1)), "one trace at a time")
	}
	name := c.Args().First()
	if name == "" {
		if c.NArg() > 0 {
			return nil, usage(errors.New("replay: the name of the trace is empty"), "leave it out for the last trace")
		}
		var err error
		if name, err = lastTrace(); err != nil {
			return nil, err
		}
	}
	t, err := replay.Read(name)
	switch {
	case errors.Is(err, replay.ErrVersion):
		return nil, surroundings(err, "use the version of emurace that wrote it, or find the failure again with emurace explore")
	case err != nil:
		return nil, surroundings(err, "a trace is what emurace explore writes")
	}
	return t, nil
}

// traceRecipe is how the run of a trace is set up again.
func traceRecipe(c *cli.Context, t *replay.Trace) (replay.Recipe, error) {
	sc, ok := scripts.Find(t.Scenario)
	if !ok {
		return replay.Recipe{}, surroundings(fmt.Errorf("the trace's scenario %q is not known", t.Scenario), "emurace explore --list shows the scenarios")
	}
	values, err := sc.Settle(t.Settings)
	if err != nil {
		return replay.Recipe{}, surroundings(fmt.Errorf("the trace: %w", err), "the trace was changed or is of another version of the scenario")
	}
	arch, err := loader.ParseArch(t.Arch)
	if err != nil {
		return replay.Recipe{}, surroundings(fmt.Errorf("the trace: %w", err), "the trace was changed")
	}
	source := c.String("sysroot")
	if source == "" {
		source = t.Libc.Source
	}
	return replay.Recipe{Scenario: sc, Values: values, Arch: arch, Source: source, Seed: t.Seed}, nil
}

// traceSession boots the machine of a trace's recipe.
func traceSession(c *cli.Context, r replay.Recipe) (*scenario.Session, *emu.System, error) {
	spec, err := sysroot.Parse(r.Source)
	if err != nil && c.String("sysroot") == "" {
		return nil, nil, surroundings(fmt.Errorf("the trace: %w", err), "the trace was changed; name a sysroot with --sysroot")
	}
	if err != nil {
		return nil, nil, err
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return nil, nil, err
	}
	sys, err := system(cache, spec, r.Arch)
	if err != nil {
		return nil, nil, err
	}
	s, err := start(sys, r)
	if err != nil {
		return nil, nil, errors.Join(err, sys.Close())
	}
	return s, sys, nil
}
