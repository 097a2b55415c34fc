package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/loader"
	"emurace/oracle"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/sysroot"
)

// run is the run of a trace on a machine of its own. The session stands at the
// run's end.
type run struct {
	trace        *replay.Trace
	recipe       replay.Recipe
	sys          *emu.System
	session      *scenario.Session
	verification *replay.Verification
	heaps        *heaps
	reports      []oracle.Report        // the problems that it has
	folders      map[string]*emu.Folder // of this machine, that a program sees
}

// traceSysrootFlag is --sysroot of every command that opens a trace.
func traceSysrootFlag() cli.Flag {
	return &cli.StringFlag{Name: "sysroot", Usage: "where the trace's libc is: debian:`SUITE`, host or a folder (default: what the trace names)", EnvVars: []string{"EMURACE_SYSROOT"}}
}

// openRun runs the trace that the command line names, behind walls with what is granted
// beside its sysroot. Whether it is the same run as in the trace is in the verification;
// see mustMatch.
func openRun(c *cli.Context, g grants) (*run, error) {
	t, err := openTrace(c)
	if err != nil {
		return nil, err
	}
	recipe, folders, err := traceRecipe(c, t, c.String("sysroot"))
	if err != nil {
		return nil, err
	}
	if t.Program != nil {
		for _, f := range t.Program.Folders {
			g.Read = append(g.Read, f.Host)
		}
	}
	s, sys, err := traceSession(c, recipe, g)
	if err != nil {
		closeFolders(folders)
		return nil, err
	}
	r := &run{trace: t, recipe: recipe, sys: sys, session: s, heaps: &heaps{sys: sys, recipe: recipe}, folders: folders}
	r.verification, err = replay.Verify(s, t)
	if err == nil {
		return r, nil
	}
	r.close()
	switch {
	case errors.Is(err, replay.ErrOtherLibc):
		err = environmentError(err, "name a sysroot that has it with --sysroot, or search for the failure anew: emurace explore TRACE")
	case errors.Is(err, replay.ErrFormat):
		err = environmentError(err, "the trace was changed or belongs to another scenario")
	}
	return nil, err
}

// close frees the machines.
func (r *run) close() {
	r.heaps.close()
	r.session.Close()
	closeFolders(r.folders)
	// The folder was only read; nothing can be lost.
	_ = r.sys.Close()
}

// again makes another session of the run's race, which knows the same threads.
func (r *run) again() (*scenario.Session, error) {
	return startKnowing(r.sys, r.recipe, r.session.Made())
}

// mustMatch is an error when the run is not that of the trace, for commands
// that can show nothing else.
func (r *run) mustMatch() error {
	if r.verification.Match {
		return nil
	}
	return &failure{code: exitDiverged, cause: fmt.Errorf("the run diverged from the trace: %s", r.verification.Difference),
		hint: "emurace replay shows the same; emurace explore TRACE searches for the failure anew"}
}

// explain finds out why the run failed. The session is left at its end.
func (r *run) explain() (*replay.Explanation, *replay.History, error) {
	h, err := replay.NewHistory(r.session, r.verification.Schedule)
	if err != nil {
		return nil, nil, err
	}
	x, err := r.heaps.explain(h, r.verification.Schedule)
	if err == nil {
		err = x.AddTrace(h, r.trace)
	}
	if errors.Is(err, replay.ErrFormat) {
		return nil, nil, environmentError(err, "the trace was changed or belongs to another scenario")
	}
	if err == nil {
		err = r.inspect()
	}
	for _, report := range r.reports {
		x.Problems = append(x.Problems, problemOf(report))
	}
	if text := missing(r.trace, r.reports); text != "" && err == nil {
		r.verification.Match, r.verification.Difference = false, text
	}
	return x, h, err
}

// inspect finds the problems that the run has, of the kinds that were looked for when its trace was
// made.
func (r *run) inspect() error {
	detect, err := traceDetects(r.trace)
	if err != nil || len(detect) == 0 {
		return err
	}
	r.reports, err = oracle.Explain(func(prepare func(*emu.Process) error) (*scenario.Session, error) {
		return startWith(r.sys, r.recipe, prepare)
	}, r.session.Made(), r.verification.Schedule, detect...)
	return err
}

// timeline makes the run one that can be gone through. It takes the session
// over: nothing else may move it from here on.
func (r *run) timeline() (*timeline.Timeline, error) {
	t, err := timeline.New(r.session, r.verification.Schedule)
	if errors.Is(err, timeline.ErrTooLong) {
		return nil, environmentError(err, "emurace replay shows the end of a run of any length")
	}
	return t, err
}

// openTrace reads the trace that the command line names.
func openTrace(c *cli.Context) (*replay.Trace, error) {
	if c.NArg() > 1 {
		return nil, usage(fmt.Errorf("%s: unexpected argument %q", c.Command.Name, c.Args().Get(1)), "one trace at a time")
	}
	name := c.Args().First()
	if name == "" {
		if c.NArg() > 0 {
			return nil, usage(fmt.Errorf("%s: the name of the trace is empty", c.Command.Name), "leave it out for the last trace")
		}
		var err error
		if name, err = lastTrace(); err != nil {
			return nil, err
		}
	}
	return readTrace(name)
}

// readTrace reads a trace's file.
func readTrace(name string) (*replay.Trace, error) {
	t, err := replay.Read(name)
	switch {
	case errors.Is(err, replay.ErrVersion):
		return nil, environmentError(err, "use the version of emurace that wrote it, or find the failure again with emurace explore")
	case err != nil:
		return nil, environmentError(err, "a trace is what emurace explore writes")
	}
	return t, nil
}

// traceRecipe is how the run of a trace is set up again, with the folders of this machine that
// its program sees. The sysroot is another one than the trace names where source says so.
func traceRecipe(c *cli.Context, t *replay.Trace, source string) (r replay.Recipe, folders map[string]*emu.Folder, err error) {
	arch, err := loader.ParseArch(t.Arch)
	if err != nil {
		return r, nil, environmentError(fmt.Errorf("the trace: %w", err), "the trace was changed")
	}
	memory, err := traceMemory(c, t)
	if err != nil {
		return r, nil, err
	}
	r = replay.Recipe{Arch: arch, Source: t.Libc.Source, Seed: t.Seed, Timeouts: t.Timeouts, Memory: memory, Program: t.Program}
	if source != "" {
		r.Source = source
	}
	if t.Program != nil {
		r.Scenario, folders, err = traceProgram(t.Program, arch)
		return r, folders, err
	}
	var known *failure
	if r.Scenario, err = traceScenario(t); errors.As(err, &known) {
		return r, nil, err
	} else if err != nil {
		return r, nil, environmentError(fmt.Errorf("the trace: %w", err), "the trace was changed or is of another version of emurace")
	}
	if r.Values, err = r.Scenario.Settle(t.Settings); err != nil {
		return r, nil, environmentError(fmt.Errorf("the trace: %w", err), "the trace was changed")
	}
	return r, nil, nil
}

// traceScenario is the scenario that a trace is of, made of the source in it: that
// is the one that was run, whatever ships today.
func traceScenario(t *replay.Trace) (*scenario.Scenario, error) {
	libraries, err := traceLibraries(t)
	if err != nil {
		return nil, err
	}
	script, err := scripts.FromSource(t.Script, libraries)
	if err != nil {
		return nil, err
	}
	sc, err := script.Scenario()
	if err != nil {
		return nil, err
	}
	if sc.Name != t.Scenario {
		return nil, fmt.Errorf("it is of scenario %q, and holds the source of %q", t.Scenario, sc.Name)
	}
	again := *sc
	again.Build = func(v scenario.Values) (*scenario.Plan, error) {
		plan, err := sc.Build(v)
		if err == nil {
			t.Settle(plan) // also for a trace from before there was a choice
		}
		return plan, err
	}
	return &again, nil
}

// traceSession boots the machine of a trace's recipe, behind walls.
func traceSession(c *cli.Context, r replay.Recipe, g grants) (*scenario.Session, *emu.System, error) {
	spec, err := sysroot.Parse(r.Source)
	if err != nil && c.String("sysroot") == "" {
		return nil, nil, environmentError(fmt.Errorf("the trace: %w", err), "the trace was changed; name a sysroot with --sysroot")
	}
	if err != nil {
		return nil, nil, err
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return nil, nil, err
	}
	log, err := logOf(c)
	if err != nil {
		return nil, nil, err
	}
	sys, err := system(cache, spec, r.Arch, log)
	if err != nil {
		return nil, nil, err
	}
	if g.before != nil {
		err = g.before(r, sys)
	}
	g.sysroot(cache, spec, r.Arch)
	if err == nil {
		err = raise(c, g)
	}
	var s *scenario.Session
	if err == nil {
		sys.Interrupt(c.Context.Err)
		s, err = start(sys, r)
	}
	if err != nil {
		return nil, nil, errors.Join(withPackage(err, cache, spec, r.Arch), sys.Close())
	}
	return s, sys, nil
}
