package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"emurace/internal/shell"
	"emurace/replay"
	"emurace/scripts"
	"emurace/scripts/portable"
)

// asScript writes the run's schedule in words.
func (r *run) asScript(c *cli.Context, p *replay.Printer) error {
	if err := r.mustMatch(); err != nil {
		return err
	}
	if asks(c) || c.Bool("json") || c.String("format") == "json" || c.IsSet("last") {
		return usage(errors.New("--as-script does not go with other questions, nor with --json or --last"), "ask one by one")
	}
	if r.trace.Program != nil {
		return usage(errors.New("--as-script: a script runs scenarios, and the trace is of a program"), "the trace itself holds the schedule, for this build of the program and its libraries")
	}
	r.sys.LoadDebug()
	runs, notes, err := portable.Describe(r.again, r.verification.Schedule)
	if err != nil {
		return environmentError(fmt.Errorf("the schedule cannot be put into words: %w", err), "the trace itself holds the schedule, for this build of libc")
	}
	t := r.trace
	p.Printf("# The schedule of a trace of %s on %s, glibc %s, in words.\n", t.Scenario, t.Arch, t.Libc.Version)
	if len(runs) == 0 {
		p.Printf("# The race is over before an instruction of it runs: there is nothing to run.\n")
		return p.Err()
	}
	command := "emurace script FILE.star"
	if t.Scenario != scripts.Default {
		command += " " + shell.Line(scenarioArgument(t.Scenario))
	}
	for _, set := range changed(r) {
		command += " --set " + shell.Line(set)
	}
	p.Printf("# Run it with: %s\n", command)
	for _, note := range notes {
		p.Printf("# %s\n", note)
	}
	p.Printf("%s", portable.Text(runs))
	return p.Err()
}

// scenarioArgument names a scenario on the command line: one that does not ship is a file.
func scenarioArgument(name string) string {
	if _, ships := scripts.Find(name); ships {
		return name
	}
	return name + scripts.Suffix
}

// changed are the settings that are not the scenario's defaults.
func changed(r *run) []string {
	var list []string
	for _, param := range r.recipe.Scenario.Params {
		if v := r.recipe.Values[param.Name]; v != param.Default {
			list = append(list, param.Name+"="+v)
		}
	}
	return list
}
