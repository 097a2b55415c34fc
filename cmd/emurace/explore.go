package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore"
	"emurace/explore/graph"
	"emurace/explore/target"
	"emurace/internal/guard"
	"emurace/internal/logging"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/portable"
	"emurace/scripts/strategylang"
	"emurace/sysroot"
)

func exploreCommand() *cli.Command {
	return &cli.Command{
		Name:      "explore",
		Usage:     "find a failing schedule of a program or a scenario, or show that there is none",
		ArgsUsage: "[SCENARIO | TRACE | -- PROGRAM [ARG...]]",
		Description: `Behind -- stands a program: an unmodified one for Linux on arm64 or x86-64, dynamic or
static, which is run as emurace run does it. Its threads race from the moment when it
makes a second one; with --from PLACE from when a thread comes there, and with --to PLACE
until one comes there. What is right is said by --expect; crashes, aborts, deadlocks and
livelocks never are. The sysroot is host for a file of this machine and its
architecture, else debian:bookworm. Without -- it is a scenario: one that ships, or a
file; or a trace, for whose failure is searched anew: of what it holds, with its settings,
architecture, sysroot and seed.

Strategies:
  dpor     runs one schedule of each class of equivalent ones; when it ends, every
           schedule is covered and the result is a proof. With --preemptions only of
           classes that have a schedule with so few: what bounded proves of that, in
           far fewer runs. The default.
  graphs   goes through every execution that a memory model allows, each once. The default
           with --memory: sc is what dpor covers, tso what x86 processors do, arm what ARMv8
           processors do, but for reads that wait for a later write. Several in one go are
           compared, as in --memory sc,tso,arm. A failure of the memory model comes with
           what was seen out of order, and the barriers that are missing. Where there are too
           many, --strategy pct, pos or random draws executions with --memory.
  bounded  runs every schedule with 0 preemptions, then with 1, 2, ..., at every
           machine instruction. The default with --preemptions.
  surw     draws schedules at random, so that the orders of the accesses to one
           place are about equally likely; which place is drawn for each schedule.
           The default with --schedules or --time, once dpor has not come to its end
           within half of that (and 4,095 schedules): a proof that takes little is found
           whatever the limit. proof_tried in the JSON object says what dpor did.
  pct      draws priorities for the threads, and --depth less one places at which
           the thread that runs gets the lowest. The default with --depth.
  pos      draws a priority for every access that other threads care about. The
           default for a program.
  fuzz     does the same under constraints, such as that a certain read sees a
           certain write; those of schedules that showed something new are
           changed a little for further ones.
  deep     goes on from where earlier schedules have shown what few of them have: for
           failures that take several steps, each of them rare.
  random   draws the next thread, again and again.
  script   does as a script says: the one of --script, or SCENARIO's own. It is one
           schedule in words, or a strategy; docs/writing-scenarios.md shows how.
With --only and --focus what is drawn at random switches mostly where these say, and a
quarter of the schedules as without them. They are weights and leave out nothing: of dpor
and bounded they concern the 200 schedules of a program that are drawn before the search.
What a strategy at random finds depends on --seed, and not on --jobs; without a
limit it goes on until something fails.
The search stops at the first failing schedule, or with --keep-going counts them
all. With --end FILE, or where the scenario declares an end, it looks for that one: the same
instruction, else the same function with the same kind of value, else the same function. Other
failures are counted and do not end it; surw, pos and bounded take turns. Ctrl-C shows the result so far. The exit code is 1 when a schedule fails, and with
--require-proof 5 when none does and not all were covered.

Examples:
  emurace explore
  emurace explore --arch amd64 --sysroot host
  emurace explore --sysroot debian:trixie --keep-going
  emurace explore --sysroot debian:trixie --preemptions 1 --keep-going
  emurace explore philosophers --strategy dpor --preemptions 2 --keep-going
  emurace explore --schedules 1000 --seed 7
  emurace explore --strategy pct --depth 4 --time 1m --keep-going
  emurace explore --strategy deep cond-tokens
  emurace explore getenv-setenv --set entries=65 --set setenvs=1 --preemptions 1
  emurace explore --set name=EMURACE_060 --detect use-after-free --detect data-race
  emurace explore my-scenario.star --locks abstract
  emurace explore my-scenario.star --memory sc,tso,arm
  emurace explore --script crash.star --sysroot debian:bullseye
  emurace explore crash.trace --sysroot debian:trixie
  emurace explore my-scenario.star --end crash.json --time 10m
  emurace explore --list
  emurace explore --focus environ --only setenv --schedules 2000
  emurace explore -- ./a.out
  emurace explore --expect stdout='^total 100$' --time 5m -- ./a.out 4
  emurace explore --strategy dpor -- ./a.out
  emurace explore --strategy dpor --from work --to main.1:cache.c:73 -- ./a.out
  emurace explore --arch arm64 --sysroot debian:bookworm --env LANG=C.UTF-8 -- python3.11 app.py`,
		Flags:  append(searchFlags(), programFlags()...),
		Action: exploreAction,
	}
}

// searchFlags are the flags that say what to search, and how.
func searchFlags() []cli.Flag {
	return append([]cli.Flag{
		archFlag("; may be given several times (default: arm64)"),
		&cli.StringSliceFlag{Name: "sysroot", Usage: "the libc: debian:`SUITE`, host or a folder; may be given several times (default: debian:bookworm, or what the machine has for host)", EnvVars: []string{"EMURACE_SYSROOT"}},
		&cli.StringFlag{Name: "strategy", Usage: "how to search: " + oneOf(strategies()), DefaultText: "see above", EnvVars: []string{"EMURACE_STRATEGY"}},
		&cli.StringFlag{Name: "script", Usage: "run the schedule, or the strategy, of a script; its `FILE` ends in .star"},
		&cli.StringFlag{Name: "corpus", Usage: "keep what the search(s) of a script saves in `FILE`, for the next one"},
		memoryModelFlag(),
		&cli.IntFlag{Name: "preemptions", Value: -1, DefaultText: "no bound", Usage: "bounded, dpor: the highest `N` of preemptions to try", EnvVars: []string{"EMURACE_PREEMPTIONS"}},
		&cli.IntFlag{Name: "depth", Value: explore.DefaultDepth, Usage: "pct: find failures that take `N` ordering constraints", EnvVars: []string{"EMURACE_DEPTH"}},
		&cli.Uint64Flag{Name: "schedules", Usage: "stop after about `N` schedules", DefaultText: "no limit", EnvVars: []string{"EMURACE_SCHEDULES"}},
		&cli.DurationFlag{Name: "time", Usage: "stop after a time such as 30s", DefaultText: "no limit", EnvVars: []string{"EMURACE_TIME"}},
		&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Value: runtime.NumCPU(), DefaultText: "number of processors", Usage: "search with `N` machines side by side", EnvVars: []string{"EMURACE_JOBS"}},
		&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the random bytes that the process gets, and of what surw, fuzz, deep, pos, pct and random draw", EnvVars: []string{"EMURACE_SEED"}},
		&cli.BoolFlag{Name: "keep-going", Usage: "count every failing schedule instead of stopping at the first", EnvVars: []string{"EMURACE_KEEP_GOING"}},
		&cli.StringFlag{Name: "locks", Value: "raw", Usage: "dpor: raw runs a lock's instructions like any others, abstract takes a lock as one thing, where that makes no difference", EnvVars: []string{"EMURACE_LOCKS"}},
		&cli.StringFlag{Name: "timeouts", Value: string(scenario.AnyTime), DefaultText: "any; of a program due", Usage: "when waits with a timeout, and sleeps, may end by themselves: any time, when they are due, or when nothing else can happen (idle)", EnvVars: []string{"EMURACE_TIMEOUTS"}},
		&cli.StringFlag{Name: "resume", Usage: "keep the search's state in `FILE`, and go on from there if it exists"},
		&cli.BoolFlag{Name: "minimize", Value: true, Usage: "cut the first failing schedule down to what the failure needs; one in words only when this is asked for", EnvVars: []string{"EMURACE_MINIMIZE"}},
		endFlag(), detectFlag(), suppressionsFlag(), baselineFlag(), updateBaselineFlag(), requireProofFlag(),
		&cli.StringSliceFlag{Name: "set", Usage: "a parameter of the scenario, `NAME=VALUE`; may be given several times"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the trace to `FILE` (default: NAME-SETTINGS-ARCH-VERSION.trace, with a number where that is taken)"},
		forceFlag(),
		&cli.BoolFlag{Name: "json", Usage: "print the result as a JSON object"},
		&cli.BoolFlag{Name: "list", Usage: "list the scenarios that ship"},
		&cli.StringFlag{Name: "describe", Usage: "say what a scenario shows, and its parameters; `NAME` is one that ships or a file"},
		memoryFlag(usualMemory), cacheFlag(), colorFlag(), logFlag(),
	}, aimFlags()...)
}

// job is one search: a scenario on one libc for one architecture.
type job struct {
	recipe replay.Recipe
	cache  *sysroot.Cache
	spec   sysroot.Spec
	detect []scenario.Kind // problems to look for in every run
	known  *knownProblems  // of those: which do not count; nil for none
	// folders are those of this machine that a program sees, at their places in the guest, and
	// dirs where they are here.
	folders map[string]*emu.Folder
	dirs    map[string]string
	log     *logging.Log
	// script and schedule are of strategy script.
	script   *scripts.Script
	schedule *strategylang.Schedule
	corpus   string           // the file of what its search saves, "" for none
	played   *portable.Result // of a schedule in words, once it was run
	only     []string         // what drawn schedules are to try most, as --only and --focus say
	focus    []string
	number   int         // of its system, among those of the command line
	end      *target.End // that is looked for, nil for any failure
	memory   graph.Model // of strategy graphs
	// models are all that this system is searched under, and begun the states of those searches that a supervisor keeps.
	models []graph.Model
	begun  map[graph.Model]*explore.State
}

func exploreAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	if c.Bool("list") || c.IsSet("describe") {
		return showScenarios(c, p)
	}
	if isProgram(c) {
		return exploreProgram(c, p)
	}
	if err := withoutProgram(c); err != nil {
		return err
	}
	if name := c.Args().First(); looksLikeProgram(name) {
		return unmarkedProgram(c.Args().Slice())
	}
	name := scripts.Default
	switch c.NArg() {
	case 0:
	case 1:
		name = c.Args().First()
	default:
		return usage(fmt.Errorf("explore: unexpected argument %q", c.Args().Get(1)), "one scenario at a time")
	}
	if isTrace(name) {
		return exploreTrace(c, p, name)
	}
	return exploreScenario(c, p, name)
}

// exploreScenario does what the flags say with a scenario.
func exploreScenario(c *cli.Context, p *replay.Printer, name string) error {
	jobs, err := exploreJobs(c, name)
	if err != nil {
		return err
	}
	return exploreAll(c, p, jobs)
}

// exploreAll does the searches.
func exploreAll(c *cli.Context, p *replay.Printer, jobs []job) error {
	if err := checkOutput(c); err != nil {
		return err
	}
	if c.String("output") != "" && len(jobs) > 1 {
		return usage(errors.New("--output: there are several searches and one file"), "leave --output out: each trace gets a name of its own")
	}
	numbers := systems(jobs)
	if c.String("resume") != "" && numbers[len(jobs)-1] > 0 {
		return usage(errors.New("--resume: there are several searches and one file"), "resume them one by one")
	}
	end, err := lookedFor(c, jobs)
	if err != nil {
		return err
	}
	if err := setEnd(c, jobs, end); err != nil {
		return err
	}
	var table []*outcome
	for i, j := range jobs {
		j.number = numbers[i]
		o, err := j.run(c)
		if err != nil {
			return err
		}
		table = append(table, o)
		switch {
		case c.Bool("json"):
			err = o.printJSON(c)
		case len(jobs) == 1:
			err = o.print(p)
		}
		if err = errors.Join(err, o.unwritten()); err != nil {
			return err
		}
		if o.interrupted {
			break
		}
	}
	if len(jobs) > 1 && !c.Bool("json") {
		if err := printTable(p, table); err != nil {
			return err
		}
	}
	if err := outcomesBaseline(c, table); err != nil {
		return err
	}
	return exit(exitOf(c, table))
}

// exploreJobs checks everything about the command line that can be checked
// before a machine is booted.
func exploreJobs(c *cli.Context, name string) ([]job, error) {
	sc, err := findScenario("explore", name)
	if err != nil {
		return nil, err
	}
	values, err := settledValues(c, sc, name)
	if err != nil {
		return nil, err
	}
	if err := checkHow(c); err != nil {
		return nil, err
	}
	jobs, err := exploreMachines(c, sc, values)
	if err == nil {
		jobs, err = withModels(c, jobs)
	}
	if err != nil || strategy(c) != strategyScript {
		return jobs, err
	}
	return jobs, jobsOfScript(c, jobs, name)
}

// checkHow checks the flags that say how to search.
func checkHow(c *cli.Context) error {
	if err := checkStrategy(c); err != nil {
		return err
	}
	if n := c.Int("jobs"); n < 1 || n > 256 {
		return usage(fmt.Errorf("--jobs %d: not a number from 1 to 256", n), "")
	}
	return nil
}

// exploreMachines crosses the sysroots with the architectures.
func exploreMachines(c *cli.Context, sc *scenario.Scenario, values scenario.Values) ([]job, error) {
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return nil, err
	}
	detect, err := detected(c)
	if err != nil {
		return nil, err
	}
	known, err := knownOf(c)
	if err != nil {
		return nil, err
	}
	memory, err := guestMemory(c)
	if err != nil {
		return nil, err
	}
	log, err := logOf(c)
	if err != nil {
		return nil, err
	}
	libraries, host, err := libraryArch(sc, values)
	if err != nil {
		return nil, err
	}
	specs := c.StringSlice("sysroot")
	if len(specs) == 0 {
		specs = []string{"debian:bookworm"}
	}
	var jobs []job
	for _, text := range specs {
		spec, err := sysroot.Parse(text)
		if err != nil {
			return nil, err
		}
		source, err := sourceOf(spec)
		if err != nil {
			return nil, err
		}
		usual := "arm64"
		if spec.Kind == sysroot.Host {
			usual = runtime.GOARCH
		}
		if libraries != 0 {
			usual = libraries.String()
		}
		arches, err := archesOr(c, usual)
		if err != nil {
			return nil, err
		}
		for _, name := range arches {
			arch, err := loader.ParseArch(name)
			if err != nil {
				return nil, usage(err, "use --arch arm64 or --arch amd64")
			}
			if err := checkLibraryArch(libraries, host, arch); err != nil {
				return nil, err
			}
			jobs = append(jobs, job{
				recipe: replay.Recipe{Scenario: sc, Values: values, Arch: arch, Source: source, Seed: c.Uint64("seed"), Timeouts: scenario.Timeouts(c.String("timeouts")), Memory: memory},
				cache:  cache, spec: spec, detect: detect, known: known, log: log,
			})
		}
	}
	return jobs, nil
}

// drawnFirst is how many schedules of a program are drawn before a systematic search.
const drawnFirst = 200

func (j job) run(c *cli.Context) (*outcome, error) {
	began := time.Now()
	j.only, j.focus = c.StringSlice("only"), c.StringSlice("focus")
	sys, err := system(j.cache, j.spec, j.recipe.Arch, j.log)
	if err != nil {
		return nil, err
	}
	defer sys.Close()
	show := newProgress(c)
	options := explore.Options{
		Preemptions: c.Int("preemptions"), KeepGoing: c.Bool("keep-going"), Jobs: c.Int("jobs"),
		Schedules: c.Uint64("schedules"), Time: c.Duration("time"), Progress: show.update,
		AbstractLocks: c.String("locks") == "abstract", Seed: j.recipe.Seed, Depth: c.Int("depth"), Log: j.log, Aim: aimOf(c),
	}
	if j.recipe.Program != nil {
		options.Draw = drawnFirst
	}
	if !guard.From(c.Context).Settles() { // its search has ended before it begins, but it boots
		options.Watch = func(ctx context.Context) { sys.Interrupt(ctx.Err) }
	}
	if pool := j.inspections(sys, &options); pool != nil {
		defer pool.Close()
	}
	o := &outcome{job: j, ctx: c.Context, listing: c.Bool("json"), minimizing: c.Bool("minimize") && (!j.fixed() || c.IsSet("minimize")), keepGoing: c.Bool("keep-going"), strategy: strategy(c), locks: c.String("locks"), aimed: aims(c), force: c.Bool("force"), proofWanted: c.Bool("require-proof"), bound: c.Int("preemptions")}
	early, cancel := withTime(c.Context, options.Time)
	defer cancel()
	sys.Interrupt(early.Err)
	err = nil
	if name := c.String("resume"); name != "" {
		err = j.resume(sys, name, strategy(c), &options)
	}
	begin := j.starter(sys, strategy(c))
	if j.end == nil {
		begin = j.keep(c, begin, &options)
	} else {
		o.ends = newEndSearch(sys, j)
		defer o.ends.close()
		options.Ends = &explore.Ends{Grade: o.ends.grade, Enough: func() target.Grade { return o.ends.best }}
	}
	wrong := &wrongs{}
	start := func() (*scenario.Session, error) {
		s, err := begin()
		if o.raced.CompareAndSwap(false, err == nil); err == nil {
			s.OnUnjudged(wrong.add)
			o.ends.begin(s)
		}
		return s, err
	}
	if err == nil {
		o.result, err = j.searchBy(c, o, show, start, options)
	}
	if err == nil {
		err = j.further(c, sys, o, began, wrong, options)
	}
	if err == nil {
		err = wrong.first()
	}
	err = withPackage(err, j.cache, j.spec, j.recipe.Arch)
	show.finish()
	// What was found is told also when the search was broken off.
	sys.Interrupt(nil)
	o.elapsed = time.Since(began)
	if !o.raced.Load() && (err != nil || o.result.Schedules == 0) {
		o.interrupted = errors.Is(err, context.Canceled)
		if r, ok := noRace(err); ok {
			o.result, err = r, nil
		} else if _, _, fatal := j.searched(nil, err, c.String("resume")); fatal != nil {
			err = fatal
		}
		return o, err
	}
	if o.interrupted, o.stateErr, err = j.searched(o.result, err, c.String("resume")); err != nil {
		return nil, err
	}
	if o.result == nil {
		o.result = &explore.Result{Verdict: explore.Undecided, Preemptions: -1}
	}
	return o, o.explain(sys, c.String("output"))
}
