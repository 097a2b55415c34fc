package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/portable"
	"emurace/scripts/scenariolang"
	"emurace/scripts/strategylang"
)

func scriptCommand() *cli.Command {
	return &cli.Command{
		Name:      "script",
		Usage:     "run a script of your own: a scenario, a schedule, or both",
		ArgsUsage: "FILE.star [SCENARIO | -- PROGRAM [ARG...]]",
		Description: `A file that declares threads is a scenario, and explored; --strategy and the
other flags are those of emurace explore. A file with a schedule in words, such as

  run("main", until = reads("environ"))
  run("worker", until = returns("setenv"))
  run("main")

runs it, on SCENARIO or, when the file declares one, on its own. So does one with a
strategy: a function next(point) or search(s). A scenario that ships with a schedule, as
article does, is named without a file, and its schedule is kept as it is written. A file with program(path, argument, ...)
names a program, as emurace explore -- does, and the program may stand behind -- too; its
threads are "main", "main.1" and so on. docs/writing-scenarios.md explains both
languages.

Examples:
  emurace script crash.star
  emurace script crash.star --sysroot debian:bullseye --arch arm64 --arch amd64
  emurace script fuzzer.star getenv-putenv --schedules 1000
  emurace script my-scenario.star --set n=3
  emurace script crash.star -- ./a.out 4
  emurace script article`,
		Flags:  append(searchFlags(), programFlags()...),
		Action: scriptAction,
	}
}

func scriptAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	if c.Bool("list") || c.IsSet("describe") {
		return showScenarios(c, p)
	}
	if c.NArg() == 0 {
		return usage(errors.New("script: which file? It is missing"), "name a file that ends in "+scripts.Suffix+"; emurace script --help shows examples")
	}
	file, on, argv := c.Args().First(), c.Args().Get(1), []string(nil)
	if isProgram(c) && on == "--" {
		on, argv = "", c.Args().Slice()[2:]
	}
	if !scripts.IsFile(file) && !shipsSchedule(file) {
		return usage(fmt.Errorf("script: %q: not the name of a script", file), "scripts end in "+scripts.Suffix+"; emurace explore NAME explores a scenario that ships")
	}
	if argv == nil && c.NArg() > 2 {
		return usage(fmt.Errorf("script: unexpected argument %q", c.Args().Get(2)), "one file, and one scenario")
	}
	if c.IsSet("script") {
		return usage(errors.New("script: --script: the file is named already"), "leave --script out")
	}
	has, err := contents(file)
	if err != nil {
		return scriptError(fmt.Errorf("script: %w", err))
	}
	if has.schedule && (!c.IsSet("strategy") || c.String("strategy") == strategyScript) {
		if err := c.Set("script", file); err != nil {
			return err
		}
	}
	if argv == nil {
		if err := withoutProgram(c); err != nil {
			return err
		}
	}
	switch {
	case has.own && (on != "" || argv != nil):
		return usage(fmt.Errorf("script: %s is a scenario itself, and cannot run on %q", file, cmp.Or(on, "--")), "leave one of them out")
	case has.program != nil && (on != "" || argv != nil):
		return usage(fmt.Errorf("script: %s names a program itself, and cannot run on %q", file, cmp.Or(on, "--")), "leave one of them out")
	case has.program != nil:
		return exploreNamed(c, p, has.program)
	case has.own:
		on = file
	case !has.schedule:
		return usage(fmt.Errorf("script: %s: neither a scenario nor a schedule: no thread(name, function), no program(path), no run(...), no next(point), no search(s)", file), "docs/writing-scenarios.md explains how to write one")
	case argv != nil:
		if err := checkExpect(c.StringSlice("expect")); err != nil {
			return err
		}
		w, err := wishOf(c, argv, maxTracedInput)
		if err != nil {
			return err
		}
		return exploreWish(c, p, w)
	case on == "":
		on = scripts.Default
	}
	return exploreScenario(c, p, on)
}

// exploreNamed does what the flags say with the program that a script names.
func exploreNamed(c *cli.Context, p *replay.Printer, named *scenariolang.Program) error {
	w := wish{argv: slices.Clone(named.Argv), env: named.Env, cwd: named.Folder, input: named.Input, expect: named.Expect, from: named.From, to: named.To, expected: named.Expected, end: named.End}
	if w.argv[0] != named.Path {
		w.name, w.argv[0] = w.argv[0], named.Path
	}
	for _, f := range named.Files {
		w.files = append(w.files, f.At+"="+f.Host)
	}
	if named.Stdin != "" {
		var err error
		if w.input, err = readInput(named.Stdin, maxTracedInput); err != nil {
			return err
		}
	}
	c.App.Metadata[programKey] = true
	return exploreWish(c, p, w)
}

// content is what a script holds.
type content struct {
	own, schedule bool
	program       *scenariolang.Program
}

// readScript reads a file, or the script of a scenario that ships.
func readScript(name string) (*scripts.Script, error) {
	if s, ok := scripts.Shipped(name); ok {
		return s, nil
	}
	return scripts.Read(name)
}

// shipsSchedule tells whether a scenario of the name ships, with a schedule in words beside it.
func shipsSchedule(name string) bool {
	s, ok := scripts.Shipped(name)
	if !ok {
		return false
	}
	_, err := s.Schedule()
	return err == nil
}

// contents tells what a script holds.
func contents(file string) (has content, err error) {
	s, err := readScript(file)
	if err != nil {
		return has, err
	}
	_, none := s.Scenario()
	if none != nil && !errors.Is(none, scenariolang.ErrNone) {
		return has, none
	}
	has.own = none == nil
	if has.program, err = s.Named(); err != nil {
		return has, err
	}
	_, none = s.Schedule()
	if none != nil && !errors.Is(none, strategylang.ErrNone) {
		return has, none
	}
	has.schedule = none == nil
	return has, nil
}

// findSchedule reads the script of --script, or else the scenario's own.
func findSchedule(c *cli.Context, scenario string) (*scripts.Script, *strategylang.Schedule, error) {
	file := c.String("script")
	if file == "" {
		file = scenario
	}
	if !scripts.IsFile(file) && !shipsSchedule(file) {
		return nil, nil, usage(errors.New("--strategy script: which one? There is no --script FILE"), "name a file that ends in "+scripts.Suffix)
	}
	s, err := readScript(file)
	if err != nil {
		return nil, nil, scriptError(fmt.Errorf("--script: %w", err))
	}
	schedule, err := s.Schedule()
	if errors.Is(err, strategylang.ErrNone) {
		return nil, nil, usage(fmt.Errorf("--script %s: %w", file, err), "docs/writing-scenarios.md explains how to write one")
	}
	if err != nil {
		return nil, nil, scriptError(fmt.Errorf("--script: %w", err))
	}
	switch {
	case schedule.Fixed() && (c.IsSet("schedules") || c.IsSet("time") || c.IsSet("resume")):
		return nil, nil, usage(fmt.Errorf("%s is one schedule: --schedules, --time and --resume do not go with it", file), "leave them out")
	case c.IsSet("corpus") && !schedule.Sequential():
		return nil, nil, usage(fmt.Errorf("--corpus: %s has no search(s) that could save anything", file), "leave it out")
	case schedule.Sequential() && c.IsSet("resume"):
		return nil, nil, usage(fmt.Errorf("%s searches in a way of its own, which only it can go on with: --resume does not go with it", file), "let it s.save(...) what it goes on from, find that in s.saved, and keep it with --corpus FILE; docs/writing-scenarios.md shows one")
	}
	return s, schedule, nil
}

// jobsOfScript has jobs do what a script says: that of --script, or the scenario's own.
func jobsOfScript(c *cli.Context, jobs []job, scenario string) error {
	script, schedule, err := findSchedule(c, scenario)
	if err != nil {
		return err
	}
	for i := range jobs {
		jobs[i].script, jobs[i].schedule, jobs[i].corpus, jobs[i].played = script, schedule, c.String("corpus"), &portable.Result{}
	}
	return nil
}

// searchScript runs what the job's script says.
func (j job) searchScript(ctx context.Context, start func() (*scenario.Session, error), o explore.Options) (*explore.Result, error) {
	s, corpus := j.schedule, j.corpus
	if s.Fixed() {
		return explore.One(ctx, start, func(session *scenario.Session) (scenario.Schedule, error) {
			r, err := s.Play(session)
			*j.played = r
			return r.Schedule, err
		}, o)
	}
	options := strategylang.SearchOptions{Seed: o.Seed}
	if corpus != "" {
		if err := openCorpus(corpus, &options); err != nil {
			return nil, err
		}
	}
	walk, end := s.Walk(options)
	o.Walk = func(w *explore.Walk) error {
		err := walk(w)
		if errors.Is(err, strategylang.ErrEnd) {
			return explore.ErrStop
		}
		return err
	}
	if s.Sequential() {
		o.Jobs = 1
	}
	r, err := explore.Sample(ctx, start, explore.Script, o)
	ended := end()
	if err == nil || errors.Is(err, context.Canceled) && ended != nil {
		err = ended
	}
	return r, err
}

// openCorpus reads what a search before has saved, and lets this one save there. What
// is wrong with the file shows now, and not when the search has lasted for a while.
func openCorpus(name string, o *strategylang.SearchOptions) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // a link is not to be replaced by a file
	}
	data, err := readBounded(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return environmentError(fmt.Errorf("corpus: %w", err), "name a file that a search has written, or one that does not exist yet")
	}
	if err == nil {
		if err := strategylang.CheckSaved(data); err != nil {
			return environmentError(fmt.Errorf("corpus: %s: not what a search has saved, or damaged: %w", name, err), "remove the file to begin anew")
		}
		o.Saved = data
	}
	if err := replay.CheckWritable(name); err != nil {
		return corpusError(err)
	}
	o.Save = func(data []byte) error {
		if err := replaceFile(name, data); err != nil {
			return &explore.SaveError{Err: corpusError(err)}
		}
		return nil
	}
	return nil
}

func corpusError(err error) error {
	return environmentError(fmt.Errorf("save the corpus: %w", err), "make room, or name a file that can be written with --corpus FILE; what was saved last is still there")
}
