package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/report"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "make one HTML page of a trace: the cause, the lesson, and the run to be gone through",
		ArgsUsage: "[TRACE]",
		Description: `Without a name the trace that was written last is used. The page needs nothing but
itself, no network and no other file, and is the same each time it is made.

Examples:
  emurace report
  emurace report -o crash.html getenv-setenv-arm64-2.36.trace
  emurace report -o - | gzip > crash.html.gz`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the page to `FILE`, - for standard output (default: the trace's name with .html, in the current folder)"},
			traceSysrootFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print the result as a JSON object"},
			memoryFlag("the trace's, at most " + usualMemory), cacheFlag(), colorFlag(), logFlag(),
		},
		Action: reportAction,
	}
}

// reportResult is the object that report --json ends with.
type reportResult struct {
	Event  string `json:"event"`
	Schema int    `json:"schema"`
	Path   string `json:"path"`
	Bytes  int    `json:"bytes"`
}

func reportAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	name, out, err := reportNames(c)
	if err != nil {
		return err
	}
	var g grants
	if out != "-" {
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
	page, err := r.page(name)
	if err != nil {
		return err
	}
	if out == "-" {
		_, err := c.App.Writer.Write(page)
		return err
	}
	if err := replay.Save(out, func(f *os.File) error { _, err := f.Write(page); return err }); err != nil {
		return reportError(err)
	}
	if c.Bool("json") {
		return printable.JSON(c.App.Writer, reportResult{Event: "result", Schema: 1, Path: out, Bytes: len(page)})
	}
	p.Printf("%s  %s, %s KB\n", p.Head("report"), out, words.Grouped(uint64(len(page)+1023)/1024))
	return p.Err()
}

// reportNames are the names of the trace's file and of the page, checked as far as
// they can be before the trace is run.
func reportNames(c *cli.Context) (trace, out string, err error) {
	trace = c.Args().First()
	if trace == "" && c.NArg() == 0 {
		if trace, err = lastTrace(); err != nil {
			return "", "", err
		}
	}
	trace = filepath.Base(trace)
	switch out = c.String("output"); {
	case c.IsSet("output") && out == "":
		return "", "", usage(errors.New("--output: the name of the page is empty"), "leave it out for a name like the trace's")
	case out == "-" && c.Bool("json"):
		return "", "", usage(errors.New("--output -: the page and the object of --json cannot both go to standard output"), "name a file with --output FILE")
	case out == "-" && isTerminal(c.App.Writer):
		return "", "", usage(errors.New("--output -: standard output is a terminal"), "name a file with --output FILE, or redirect standard output")
	case out == "-":
		return trace, out, nil
	case out == "":
		out = strings.TrimSuffix(trace, ".trace") + ".html"
	}
	if err := replay.CheckWritable(out); err != nil {
		return "", "", reportError(err)
	}
	return trace, out, nil
}

func reportError(err error) error {
	return environmentError(fmt.Errorf("write the page: %w", err), "name another file with --output FILE")
}

// page makes the page of the run of a trace that is called so.
func (r *run) page(name string) ([]byte, error) {
	x, _, err := r.explain()
	if err != nil {
		return nil, err
	}
	in := report.Input{
		Trace: r.trace, File: name, Scenario: r.recipe.Scenario, Explanation: x,
		Version: version, Engine: emu.UnicornVersion(),
	}
	if r.heaps.tracer != nil {
		if in.Heap, err = r.heaps.tracer.Run(r.session.Made(), r.verification.Schedule); err != nil {
			return nil, err
		}
	}
	if in.Line, err = r.timeline(); err != nil {
		return nil, err
	}
	defer in.Line.Close()
	in.Lesson, err = lesson.New(in.Line, x, r.recipe.Scenario.Notes)
	if err != nil && !errors.Is(err, lesson.ErrNothing) {
		return nil, err
	}
	in.Lesson.AddCode(r.trace.Script)
	if x.Backwards() != nil {
		if in.Backwards, err = lesson.Backwards(in.Line, x, nil); err != nil {
			return nil, err
		}
	}
	page, err := report.New(in)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := page.Write(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
