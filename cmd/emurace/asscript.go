package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"go.starlark.net/syntax"

	"emurace/internal/shell"
	"emurace/replay"
	"emurace/scenario"
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
	r.sys.LoadDebug()
	if r.trace.Program != nil {
		return r.programAsScript(p)
	}
	runs, notes, err := portable.Describe(r.again, r.verification.Schedule)
	if errors.Is(err, portable.ErrHalf) {
		runs, notes, err = portable.Exact(r.again, r.verification.Schedule)
	}
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
	for _, set := range changed(r.recipe.Scenario, r.recipe.Values) {
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

// programAsScript writes a script that names the trace's program and comes to the very same run.
func (r *run) programAsScript(p *replay.Printer) error {
	t := r.trace
	named, err := programWord(t.Program)
	if err != nil {
		return environmentError(fmt.Errorf("the program cannot be put into words: %w", err), "the trace itself holds all of it")
	}
	runs, notes, err := portable.Exact(r.again, r.verification.Schedule)
	if err != nil {
		return environmentError(fmt.Errorf("the schedule cannot be put into words: %w", err), "the trace itself holds the schedule, for this build of the program and its libraries")
	}
	command := fmt.Sprintf("emurace script FILE.star --sysroot %s --arch %s", shell.Line(r.recipe.Source), r.recipe.Arch)
	if t.Seed != 1 {
		command += fmt.Sprintf(" --seed %d", t.Seed)
	}
	if t.Timeouts != scenario.WhenDue {
		command += fmt.Sprintf(" --timeouts %s", t.Timeouts)
	}
	p.Printf("# The run of a trace of %s on %s, %s %s, in words.\n", t.Scenario, t.Arch, r.session.Libc().Name, t.Libc.Version)
	p.Printf("# Run it with: %s\n", command)
	for _, note := range notes {
		p.Printf("# %s\n", note)
	}
	p.Printf("%s%s", named, portable.Text(runs))
	return p.Err()
}

// mostInput bounds the standard input that a script holds, in bytes: more is no text to be read.
const mostInput = 64 << 10

// programWord names a trace's program in the words of a script.
func programWord(p *replay.Program) (string, error) {
	if len(p.Stdin) > mostInput {
		return "", fmt.Errorf("its standard input is larger than %d KiB", mostInput>>10)
	}
	var problem error
	quote := func(text string) string {
		if !utf8.ValidString(text) {
			problem = fmt.Errorf("%q is not UTF-8", text)
		}
		return syntax.Quote(text, false)
	}
	list := func(texts []string) string {
		var quoted []string
		for _, text := range texts {
			quoted = append(quoted, quote(text))
		}
		return strings.Join(quoted, ", ")
	}
	lines := []string{list(append([]string{p.Path}, p.Argv[1:]...))}
	add := func(name, text string) { lines = append(lines, name+" = "+text) }
	if p.Argv[0] != p.Path {
		add("name", quote(p.Argv[0]))
	}
	if len(p.Env) > 0 {
		add("env", "["+list(p.Env)+"]")
	}
	if p.Folder != "/" && p.Folder != "" {
		add("cwd", quote(p.Folder))
	}
	if len(p.Stdin) > 0 {
		add("input", syntax.Quote(string(p.Stdin), true))
	}
	var files []string
	for _, g := range slices.Concat(p.Files, p.Folders) {
		if g.Path != p.Path || g.Host != p.Path { // the program itself
			files = append(files, quote(g.Path)+": "+quote(g.Host))
		}
	}
	if len(files) > 0 {
		add("files", "{"+strings.Join(files, ", ")+"}")
	}
	if !slices.Equal(p.Expect, []string{scenario.Expecting}) {
		add("expect", "["+list(p.Expect)+"]")
	}
	for _, b := range [][2]string{{"from_", p.From}, {"to", p.To}} {
		if b[1] != "" {
			add(b[0], quote(b[1]))
		}
	}
	return "program(" + strings.Join(lines, ",\n        ") + ")\n", problem
}
