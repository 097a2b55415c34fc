package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/oracle"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/sysroot"
)

// traceSuffix is what the names of traces end in that emurace chooses itself.
const traceSuffix = ".trace"

// isTrace tells whether an argument of explore names a trace, whose failure is to be searched for
// anew: by what the name ends in, or by what the file of any other name begins with.
func isTrace(name string) bool {
	if strings.HasSuffix(name, traceSuffix) {
		return true
	}
	if info, err := os.Stat(name); scripts.IsFile(name) || err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it is only read
	begin := make([]byte, 1)
	n, _ := f.Read(begin)
	return n == 1 && begin[0] == '{'
}

// given tells whether a flag stands on the command line. What the environment or the config file says
// of it does not count.
func given(c *cli.Context, flag string) bool {
	args, _ := c.App.Metadata[argsKey].([]string)
	for _, a := range args {
		if a == "--" {
			break
		}
		if name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); strings.HasPrefix(a, "-") && name == flag {
			return true
		}
	}
	return false
}

// exploreTrace searches for the failure of a trace anew: the scenario or the program, its settings,
// architecture, sysroot, seed and timeouts are those of the trace, which holds the scenario's
// source, so that the search works wherever the trace is.
func exploreTrace(c *cli.Context, p *replay.Printer, name string) error {
	for _, flag := range append(slices.Collect(namesOf(programFlags())), "arch", "set") {
		if given(c, flag) {
			return usage(fmt.Errorf("explore: --%s does not go with a trace, which says that itself", flag), "name the scenario or the program in place of the trace")
		}
	}
	t, err := readTrace(name)
	if err != nil {
		return err
	}
	source := ""
	if given(c, "sysroot") {
		if source = c.StringSlice("sysroot")[0]; len(c.StringSlice("sysroot")) > 1 {
			return usage(errors.New("explore: a trace is searched for on one --sysroot at a time"), "")
		}
	}
	recipe, folders, err := traceRecipe(c, t, source)
	if err != nil {
		return err
	}
	defer closeFolders(folders)
	if given(c, "seed") {
		recipe.Seed = c.Uint64("seed")
	}
	if given(c, "timeouts") {
		recipe.Timeouts = scenario.Timeouts(c.String("timeouts"))
	}
	c.App.Metadata[programKey] = t.Program != nil
	if err := checkHow(c); err != nil {
		return err
	}
	j, err := traceJob(c, t, recipe)
	if err != nil {
		return err
	}
	j.folders = folders
	jobs, err := withModels(c, []job{j})
	if err != nil {
		return err
	}
	if strategy(c) == strategyScript {
		if err := jobsOfScript(c, jobs, ""); err != nil {
			return err
		}
	}
	return exploreAll(c, p, jobs)
}

// traceJob is the search for the failure of a trace.
func traceJob(c *cli.Context, t *replay.Trace, r replay.Recipe) (job, error) {
	spec, err := sysroot.Parse(r.Source)
	if err != nil {
		return job{}, environmentError(fmt.Errorf("the trace: %w", err), "the trace was changed; name a sysroot with --sysroot")
	}
	if r.Source, err = sourceOf(spec); err != nil {
		return job{}, err
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return job{}, err
	}
	log, err := logOf(c)
	if err != nil {
		return job{}, err
	}
	detect, err := detected(c)
	if err != nil {
		return job{}, err
	}
	if !given(c, "detect") {
		if detect, err = traceDetects(t); err != nil {
			return job{}, err
		}
	}
	known, err := knownOf(c)
	if err != nil {
		return job{}, err
	}
	j := job{recipe: r, cache: cache, spec: spec, detect: detect, known: known, log: log}
	if t.Program != nil {
		j.dirs = map[string]string{}
		for _, f := range t.Program.Folders {
			j.dirs[f.Path] = f.Host
		}
	}
	return j, nil
}

// traceDetects are the kinds of problems that a trace was looked through for.
func traceDetects(t *replay.Trace) ([]scenario.Kind, error) {
	kinds := map[scenario.Kind]bool{}
	for _, name := range t.Detect {
		k, err := oracle.ParseKind(name)
		if err != nil {
			return nil, environmentError(fmt.Errorf("the trace: detect: %w", err), "the trace was changed")
		}
		kinds[k] = true
	}
	return slices.SortedFunc(maps.Keys(kinds), func(a, b scenario.Kind) int {
		return slices.Index(oracle.Kinds(), a) - slices.Index(oracle.Kinds(), b)
	}), nil
}
