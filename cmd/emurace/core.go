package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/core"
	"emurace/sysroot"
)

func coreCommand() *cli.Command {
	return &cli.Command{
		Name:      "core",
		Usage:     "write the process of a trace as a core file, which gdb opens",
		ArgsUsage: "[TRACE]",
		Description: `Without a name the trace that was written last is used. The core is of the moment
when the run fails, or of any other one. Beside it, as FILE.exe, comes the program
that gdb asks for. The command that opens both is printed.

Examples:
  emurace core -o getenv.core
  emurace core -o early.core --at 1500 getenv-setenv-arm64-2.36.trace
  emurace core -o - | zstd > getenv.core.zst`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the core to `FILE`; - is standard output", EnvVars: []string{"EMURACE_CORE"}},
			&cli.Uint64Flag{Name: "at", Usage: "the moment when the race has run `N` instructions", DefaultText: "the end", EnvVars: []string{"EMURACE_AT"}},
			&cli.BoolFlag{Name: "json", Usage: "print the result as a JSON object"},
			traceSysrootFlag(), memoryFlag("the trace's, at most " + usualMemory), cacheFlag(), colorFlag(), logFlag(),
		},
		Action: coreAction,
	}
}

func coreAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	if err := checkCoreOutput(c); err != nil {
		return err
	}
	var g grants
	if out := c.String("output"); out != "-" {
		g.file(out)
	}
	r, err := openRun(c, g)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.mustMatch(); err != nil {
		return err
	}
	first, at, err := seekCore(c, r)
	if err != nil {
		return err
	}
	process, err := core.Of(r.session, first)
	if err != nil {
		return err
	}
	if c.String("output") == "-" {
		return process.Write(c.App.Writer)
	}
	files, err := process.Save(c.String("output"))
	if err != nil {
		return environmentError(fmt.Errorf("write the core: %w", err), "name another file with --output FILE")
	}
	root, err := lastingRoot(r.sys)
	if err != nil {
		return err
	}
	res := coreResult{Event: "result", Schema: 1, Path: files.Core, Program: files.Program, Size: files.Size,
		At: at, Steps: r.trace.Steps, Signal: process.Signal.Number, Sysroot: root}
	for _, t := range process.Threads {
		res.Threads = append(res.Threads, coreThread{Name: t.Name, ID: t.ID, PC: fmt.Sprintf("%#x", t.PC())})
	}
	if files.Program != "" { // else there is nothing to open
		res.GDB = core.GDBCommand(root, sysroot.SourceDir(root), files.Program, files.Core, libraryDirs(r.trace)...)
	}
	if c.Bool("json") {
		return printable.JSON(c.App.Writer, res)
	}
	return res.tell(p)
}

// seekCore takes the run to the moment that is asked for, and tells which racing
// thread it is about, -1 for none of them in particular.
func seekCore(c *cli.Context, r *run) (first int, at uint64, err error) {
	at = r.trace.Steps
	if !c.IsSet("at") {
		return r.verification.Outcome.Thread, at, nil
	}
	if at = c.Uint64("at"); at > r.trace.Steps {
		return 0, 0, usage(fmt.Errorf("--at %d: the run has %d instructions", at, r.trace.Steps), "leave the flag out for the end of the run")
	}
	line, err := r.timeline()
	if err != nil {
		return 0, 0, err
	}
	defer line.Close()
	return line.Thread(at), at, line.Seek(at)
}

// checkCoreOutput judges --output before anything is run.
func checkCoreOutput(c *cli.Context) error {
	out := c.String("output")
	switch {
	case out == "":
		return usage(errors.New("core: no file to write to"), "for example: emurace core -o getenv.core")
	case out == "-" && c.Bool("json"):
		return usage(errors.New("--json does not go with --output -"), "name a file for the core with --output FILE")
	case out == "-" && isTerminal(c.App.Writer):
		return usage(errors.New("core: standard output is a terminal"), "name a file with --output FILE, or direct standard output to one")
	case out == "-":
		return nil
	}
	trace := c.Args().First()
	if trace == "" {
		// Without a last trace there is nothing to keep, and openRun says so.
		trace, _ = lastTrace()
	}
	a, errA := os.Stat(out)
	b, errB := os.Stat(trace)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return usage(fmt.Errorf("core: %s is the trace itself", out), "name another file with --output FILE")
	}
	if err := replay.CheckWritable(out); err != nil {
		return environmentError(fmt.Errorf("write the core: %w", err), "name another file with --output FILE")
	}
	return nil
}

// coreResult is the object that core --json prints.
type coreResult struct {
	Event   string       `json:"event"`
	Schema  int          `json:"schema"`
	Path    string       `json:"path"`
	Program string       `json:"program,omitempty"`
	Size    uint64       `json:"size"`
	At      uint64       `json:"at"`    // instructions of the race that have run
	Steps   uint64       `json:"steps"` // of the whole run
	Signal  int          `json:"signal,omitempty"`
	Threads []coreThread `json:"threads"` // in the order of the core
	Sysroot string       `json:"sysroot"`
	GDB     string       `json:"gdb,omitempty"`
}

type coreThread struct {
	Name string `json:"name"`
	ID   uint32 `json:"id"`
	PC   string `json:"pc"`
}

// tell says the same for people.
func (r *coreResult) tell(p *replay.Printer) error {
	p.Printf("core      %s, %s bytes\n", r.Path, words.Grouped(uint64(r.Size)))
	moment := fmt.Sprintf("after %s of %s", words.Grouped(r.At), words.Count(r.Steps, "instruction"))
	if r.Signal != 0 {
		moment += ", " + emu.SignalName(r.Signal)
	}
	p.Printf("moment    %s\n", moment)
	for i, t := range r.Threads {
		label := ""
		if i == 0 {
			label = "threads"
		}
		p.Printf("%-9s %d %s at %s\n", label, t.ID, t.Name, t.PC)
	}
	if r.Program != "" {
		p.Printf("program   %s\n", r.Program)
		p.Printf("next      %s\n", r.GDB)
	}
	return p.Err()
}
