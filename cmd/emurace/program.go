package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/internal/files"
	"emurace/internal/shell"
	"emurace/loader"
	"emurace/program"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// programKey is in the metadata of a command line that has something behind --.
const programKey = "program"

// argsKey is in the metadata too: the command line as it was given.
const argsKey = "args"

// noteProgram notes whether a command line names a program, which the library does not tell: it
// takes -- away.
func noteProgram(app *cli.App, args []string) {
	i := slices.Index(args, "--")
	app.Metadata = map[string]any{programKey: i >= 0 && i+1 < len(args), argsKey: args}
}

// unmarkedProgram is the error about a program, and its arguments, that stand where a scenario
// is to stand.
func unmarkedProgram(argv []string) error {
	return usage(fmt.Errorf("explore: %q: that is a program, and programs stand behind --", argv[0]), shell.Line(append([]string{"emurace", "explore", "--"}, argv...)...))
}

// unmarkedIn looks in the command line of explore for a program without the -- before it. What
// is behind it may be wrong as a flag only since it is the program's.
func unmarkedIn(c *cli.Context) error {
	args, _ := c.App.Metadata[argsKey].([]string)
	at := slices.Index(args, "explore")
	if at < 0 || isProgram(c) {
		return nil
	}
	known := exploreCommand().Flags
	for i := at + 1; i < len(args); i++ {
		switch a := args[i]; {
		case takesValue(known, a):
			i++
		case !strings.HasPrefix(a, "-"):
			if looksLikeProgram(a) {
				return unmarkedProgram(args[i:])
			}
			return nil
		}
	}
	return nil
}

// programFlags are the flags of a command that explores programs.
func programFlags() []cli.Flag {
	return append(processFlags(),
		&cli.StringSliceFlag{Name: "expect", Usage: "what is right of a program, `WHAT`: exit=STATUS, abort, signal=NUMBER, stdout=REGEX, stderr=REGEX; may be given several times", DefaultText: scenario.Expecting},
		&cli.StringFlag{Name: "from", Usage: "where the search of a program begins: when a thread comes to a `PLACE`, which is a function, a function and an offset, or FILE:LINE; with THREAD: in front when that thread does", DefaultText: "where there is a second thread"},
		&cli.StringFlag{Name: "to", Usage: "where it ends, likewise a `PLACE`; what comes behind it runs in one fixed order", DefaultText: "the end of the process"},
	)
}

// isProgram tells whether the command line names a program.
func isProgram(c *cli.Context) bool {
	is, _ := c.App.Metadata[programKey].(bool)
	return is
}

// withoutProgram refuses the flags that say something about a program where there is none.
func withoutProgram(c *cli.Context) error {
	for _, f := range programFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			return usage(fmt.Errorf("%s: --%s says something about a program, and there is none", c.Command.Name, name), "the program stands behind --, as in emurace explore -- ./a.out")
		}
	}
	return nil
}

// exploreProgram does what the flags say with the program behind --.
func exploreProgram(c *cli.Context, p *replay.Printer) error {
	if err := checkExpect(c.StringSlice("expect")); err != nil {
		return err
	}
	w, err := wishOf(c, c.Args().Slice(), maxTracedInput)
	if err != nil {
		return err
	}
	return exploreWish(c, p, w)
}

// parseBound reads --from or --to, nil for none.
func parseBound(text string) (*scenario.Bound, error) {
	if text == "" {
		return nil, nil
	}
	return portable.ParseBound(text)
}

// checkWindow checks --from and --to, as far as no process is needed for that.
func checkWindow(w wish) error {
	for _, b := range [][2]string{{"--from", w.from}, {"--to", w.to}} {
		if _, err := parseBound(b[1]); err != nil {
			return usage(fmt.Errorf("%s: %w", b[0], err), "for example "+b[0]+" work, "+b[0]+" main.c:12 or "+b[0]+" main.1:work")
		}
	}
	return nil
}

func checkExpect(list []string) error {
	if _, _, err := scenario.ParseExpect(list); err != nil {
		return usage(fmt.Errorf("--expect %w", err), "for example --expect exit=0 --expect stdout='^done$'")
	}
	return nil
}

// exploreWish does what the flags say with a program.
func exploreWish(c *cli.Context, p *replay.Printer, w wish) error {
	if c.IsSet("set") {
		return usage(fmt.Errorf("%s: --set is of scenarios, and %s is a program", c.Command.Name, w.argv[0]), "")
	}
	if err := errors.Join(checkHow(c), checkWindow(w)); err != nil {
		return err
	}
	jobs, err := programJobs(c, w)
	defer func() {
		for _, j := range jobs {
			closeFolders(j.folders)
		}
	}()
	if err == nil && strategy(c) == strategyScript {
		err = jobsOfScript(c, jobs, "")
	}
	if err != nil {
		return err
	}
	return exploreAll(c, p, jobs)
}

// maxTracedInput bounds what --stdin reads of a program whose run may become a trace, which
// holds it.
const maxTracedInput = 16 << 20

// programJobs are the searches of a program, on each sysroot for each architecture that is
// asked for.
func programJobs(c *cli.Context, w wish) (jobs []job, err error) {
	either := func(list []string) []string {
		if len(list) == 0 {
			return []string{""}
		}
		return list
	}
	detect, err := detected(c)
	if err != nil {
		return nil, err
	}
	arches, err := programArches(c, w)
	if err != nil {
		return nil, err
	}
	known, err := knownOf(c)
	if err != nil {
		return nil, err
	}
	for _, spec := range either(c.StringSlice("sysroot")) {
		for _, arch := range arches {
			o, err := newOrder(c, w, arch, spec)
			if err != nil {
				return jobs, err
			}
			j, err := o.job(c, w)
			if err != nil {
				return jobs, err
			}
			j.detect, j.known = detect, known
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// job is the search of an order's program.
func (o *order) job(c *cli.Context, w wish) (job, error) {
	sys, command, err := o.open()
	if err != nil {
		return job{}, err
	}
	if err := sys.Close(); err != nil {
		return job{}, err
	}
	if command.Kind.Warning != "" {
		warn(c, "%s: warning: %s", command.Path, command.Kind.Warning)
	}
	folders, err := o.folders()
	if err != nil {
		return job{}, err
	}
	source, err := sourceOf(o.spec)
	if err != nil {
		closeFolders(folders)
		return job{}, err
	}
	kept := o.trace(command, w.expect)
	kept.From, kept.To = w.from, w.to
	timeouts := scenario.WhenDue
	if c.IsSet("timeouts") {
		timeouts = scenario.Timeouts(c.String("timeouts"))
	}
	sc := programScenario(kept, o.given, folders)
	sc.Expected, sc.End = w.expected, w.end
	return job{
		recipe: replay.Recipe{
			Scenario: sc, Arch: o.arch, Source: source, Seed: c.Uint64("seed"),
			Timeouts: timeouts, Memory: o.memory, Program: kept,
		},
		cache: o.cache, spec: o.spec, log: o.log, folders: folders, dirs: o.dirs,
	}, nil
}

// trace is what a trace keeps of an order's program.
func (o *order) trace(command program.Command, expect []string) *replay.Program {
	p := &replay.Program{Path: command.Path, Argv: command.Argv, Env: append([]string{}, o.env...), Folder: o.cwd, Stdin: o.stdin, Expect: expect}
	if len(expect) == 0 {
		p.Expect = []string{scenario.Expecting}
	}
	for _, at := range slices.Sorted(maps.Keys(o.given)) {
		p.Files = append(p.Files, replay.NewGiven(at, o.hosts[at], o.given[at]))
	}
	for _, at := range slices.Sorted(maps.Keys(o.dirs)) {
		p.Folders = append(p.Folders, replay.Given{Path: at, Host: o.dirs[at]})
	}
	return p
}

// programScenario is what the process of a program does, as a scenario without parameters.
func programScenario(p *replay.Program, given map[string][]byte, folders map[string]*emu.Folder) *scenario.Scenario {
	return &scenario.Scenario{
		Name: path.Base(p.Path),
		Build: func(scenario.Values) (*scenario.Plan, error) {
			endings, prints, err := scenario.ParseExpect(p.Expect)
			from, errFrom := parseBound(p.From)
			to, errTo := parseBound(p.To)
			return &scenario.Plan{
				Env: p.Env, Files: given, Endings: endings,
				Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
				Program: &scenario.Program{Path: p.Path, Argv: p.Argv, Folder: p.Folder, Input: p.Stdin, Folders: folders, Prints: prints, From: from, To: to},
			}, errors.Join(err, errFrom, errTo)
		},
	}
}

// programHash is the SHA-256 of all that a program's run depends on, beside the sysroot.
func programHash(p *replay.Program) string {
	h := sha256.New()
	// Neither a hash nor a list of texts can fail.
	_ = json.NewEncoder(h).Encode(p)
	return hex.EncodeToString(h.Sum(nil))
}

// traceProgram is the scenario of a trace's program, with the files that it was given, which
// have to be as they were. The folders are to be closed.
func traceProgram(p *replay.Program, arch loader.Arch) (*scenario.Scenario, map[string]*emu.Folder, error) {
	for _, text := range []string{p.From, p.To} {
		if _, err := parseBound(text); err != nil {
			return nil, nil, environmentError(fmt.Errorf("the trace: its window: %w", err), "the trace was changed")
		}
	}
	o := &order{given: map[string][]byte{}, dirs: map[string]string{}, arch: arch}
	for _, g := range p.Files {
		content, err := files.Read(g.Host, loader.MaxFile)
		if err == nil {
			err = g.Check(content)
		}
		if err != nil {
			return nil, nil, environmentError(fmt.Errorf("the trace: %w", err), "the program has to be as it was; emurace explore -- PROGRAM finds a failure of one that is another now")
		}
		o.given[g.Path] = content
	}
	for _, g := range p.Folders {
		o.dirs[g.Path] = g.Host
	}
	folders, err := o.folders()
	if err != nil {
		return nil, nil, err
	}
	return programScenario(p, o.given, folders), folders, nil
}

// programObject is the program that was searched, in the result object.
type programObject struct {
	Path   string   `json:"path"` // in the guest
	Argv   []string `json:"argv"`
	Expect []string `json:"expect"` // as --expect has it
	From   string   `json:"from,omitempty"`
	To     string   `json:"to,omitempty"`
}
