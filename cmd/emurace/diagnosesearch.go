package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
)

// command is a search that follows a diagnosis: emurace explore, in a process of its own as always.
type command struct {
	args []string // without the program's name
	dir  string   // of files that are only for it, "" for none
}

// close removes what was only for the search.
func (s *command) close() {
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // it is below the folder for what is temporary
	}
}

// search is the search for a way to the core's crash: of the scenario that was drafted, or, where there is
// none, of the program itself, whose window begins when it has two threads.
func (d *diagnosis) search(c *cli.Context) (*command, error) {
	dir, err := os.MkdirTemp("", "emurace-diagnose-")
	if err != nil {
		return nil, environmentError(fmt.Errorf("--search: %w", err), "set TMPDIR to a folder that can be written to")
	}
	s := &command{dir: dir}
	if err := d.arrange(c, s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// arrange makes the command line of a search.
func (d *diagnosis) arrange(c *cli.Context, s *command) error {
	var program []string
	switch {
	case d.why == nil:
		file := d.file
		if file == "" {
			// The trace is named after it.
			file = filepath.Join(s.dir, scenarioName(d.core)+".star")
			if err := os.WriteFile(file, []byte(d.scenario), 0o600); err != nil {
				return environmentError(fmt.Errorf("--search: %w", err), "set TMPDIR to a folder that can be written to")
			}
		}
		s.args = d.explore(file)[1:]
	case c.String("program") != "":
		end := d.End()
		if end == nil || end.Check() != nil {
			return environmentError(errors.New("--search: there is no end in the core that could be looked for"), "emurace explore -- PROGRAM looks for any failure of it")
		}
		file := filepath.Join(s.dir, "end.json")
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if err == nil {
			err = errors.Join(printable.JSON(f, end), f.Close())
		}
		if err != nil {
			return environmentError(fmt.Errorf("--search: %w", err), "set TMPDIR to a folder that can be written to")
		}
		s.args = append([]string{"explore", "--end", file}, d.flags()...)
		name := c.String("program")
		if !strings.Contains(name, "/") {
			name = "./" + name // else it would be one of the sysroot
		}
		program = append([]string{"--", name}, d.arguments()...)
	default:
		return environmentError(fmt.Errorf("--search: %w", d.why), "with --program FILE the program itself is searched")
	}
	for _, name := range []string{"cache", "color"} {
		if c.IsSet(name) {
			s.args = append(s.args, "--"+name, c.String(name))
		}
	}
	if c.IsSet("time") {
		s.args = append(s.args, "--time", c.Duration("time").String())
	}
	if out := c.String("output"); out != "" {
		s.args = append(s.args, "--output", out)
	}
	if c.Bool("json") {
		s.args = append(s.args, "--json")
	}
	s.args = append(s.args, program...)
	return nil
}

// scenarioName is what the scenario of a core is called: by the core's file, of letters that a name has.
func scenarioName(core string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, filepath.Base(core))
	if name = strings.Trim(name, "-"); name == "" {
		return "crash"
	}
	return name
}

// arguments are those that the process was started with, as far as the core has all of them.
func (d *diagnosis) arguments() []string {
	const cut = 79 // NT_PRPSINFO has no more
	if len(d.Process.Core.Args) >= cut {
		return nil
	}
	words := strings.Fields(d.Process.Core.Args)
	return words[min(1, len(words)):]
}

// run runs the search, with this process's terminal, and ends as it ends. An interrupt is for the
// search, which then tells what it has.
func (s *command) run(c *cli.Context) error {
	self, err := os.Executable()
	if err != nil {
		return environmentError(fmt.Errorf("--search: %w", err), "")
	}
	signal.Ignore(os.Interrupt)
	defer signal.Reset(os.Interrupt)
	search := exec.CommandContext(c.Context, self, s.args...)
	search.Args[0] = "emurace" // by which the program knows itself
	search.Cancel = func() error { return search.Process.Signal(syscall.SIGTERM) }
	search.Stdout, search.Stderr = c.App.Writer, c.App.ErrWriter
	err = search.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ended) && ended.ExitCode() > 0:
		return exit(ended.ExitCode())
	}
	return environmentError(fmt.Errorf("--search: %w", err), "")
}
