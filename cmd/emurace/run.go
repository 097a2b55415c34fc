package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/program"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a program, one schedule of it, as it is",
		ArgsUsage: "-- PROGRAM [ARG...]",
		Description: `Runs an unmodified Linux program for arm64 or x86-64, dynamic or static, with its
threads in turn. What it prints is passed on as it comes, and its exit code is that
of emurace, 128 and the number of the signal when one has ended it.

PROGRAM is a file of this machine when it is written with a slash and is there, unless
the sysroot, or --arch, says that it is another one of the same path; else
one of the sysroot, which names without a slash are looked for in the folders of
PATH. The sysroot is host for a file of this machine and its architecture, else
debian:bookworm. The program gets the environment that --env and --env-from say, and
nothing of this machine's. It may write files; they are kept in memory, and gone when it
ends.

Examples:
  emurace run -- ./server --once
  emurace run --env LANG=C.UTF-8 -- ./a.out 1 2 3
  emurace run --file /data=./data --cwd /data --stdin input.txt -- ./a.out
  emurace run --sysroot debian:trixie --arch amd64 -- /usr/bin/getconf PAGE_SIZE
  emurace run --log syscalls -- ./a.out 2>calls`,
		Flags: append([]cli.Flag{
			archFlag(", for a program of the sysroot; of several the first (default: that of the program's file, else arm64)"),
			&cli.StringFlag{Name: "sysroot", Usage: "the libraries: debian:`SUITE`, host or a folder", DefaultText: "see above", EnvVars: []string{"EMURACE_SYSROOT"}},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the random bytes that the process gets", EnvVars: []string{"EMURACE_SEED"}},
			&cli.DurationFlag{Name: "time", Usage: "stop after a time such as 30s", DefaultText: "no limit", EnvVars: []string{"EMURACE_TIME"}},
			memoryFlag(usualMemory), cacheFlag(), logFlag(),
		}, processFlags()...),
		Action: runAction,
	}
}

// maxInput bounds what --stdin reads, in bytes, which is in memory as long as the program runs.
const maxInput = 256 << 20

// mostComplaint bounds what is kept of standard error, in bytes: a dynamic linker that has not
// found a library says so in a line.
const mostComplaint = 8 << 10

// errTime ends a run by --time.
var errTime = errors.New("the time is up")

func runAction(c *cli.Context) error {
	w, err := wishOf(c, c.Args().Slice(), maxInput)
	if err != nil {
		return err
	}
	arches, err := programArches(c, w)
	if err != nil {
		return err
	}
	o, err := newOrder(c, w, arches[0], c.String("sysroot"))
	if err != nil {
		return err
	}
	sys, command, err := o.open()
	if err != nil {
		return err
	}
	var g grants
	g.sysroot(o.cache, o.spec, o.arch)
	for _, dir := range o.dirs {
		g.Read = append(g.Read, dir)
	}
	if err := raise(c, g); err != nil {
		return errors.Join(err, sys.Close())
	}
	ctx := c.Context
	if limit := c.Duration("time"); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTime)
		defer cancel()
	}
	end, err := o.run(ctx, c, sys, command)
	if err := errors.Join(err, sys.Close()); err != nil {
		return err
	}
	switch {
	case end.Kind == emu.EndLimit:
		return environmentError(fmt.Errorf("run: %s comes to %v", command.Path, end.Limit), limitHint(&emu.LimitError{Limit: end.Limit}))
	case end.Kind != emu.EndExit:
		warn(c, "%s: %v", command.Argv[0], end)
	}
	return exit(program.Status(end, o.arch))
}

// run runs the program to its end.
func (o *order) run(ctx context.Context, c *cli.Context, sys *emu.System, command program.Command) (*emu.End, error) {
	if command.Kind.Warning != "" {
		warn(c, "%s: warning: %s", command.Path, command.Kind.Warning)
	}
	folders, err := o.folders()
	if err != nil {
		return nil, err
	}
	defer closeFolders(folders)
	// A program that prints to where nothing can be written may never look at that.
	var failed error
	var complaint []byte // the beginning of what it says to standard error
	sys.Interrupt(func() error {
		if failed != nil {
			return failed
		}
		return context.Cause(ctx)
	})
	m, err := emu.NewProgram(emu.ProgramOptions{
		System: sys, Path: command.Path, Argv: command.Argv, Env: o.env, Seed: c.Uint64("seed"), Memory: o.memory, Files: o.given,
		Folders: folders, Folder: o.cwd, Input: o.stdin,
		Print: func(fd int, data []byte) {
			w := c.App.Writer
			if fd == 2 {
				w = c.App.ErrWriter
				complaint = append(complaint, data[:min(len(data), mostComplaint-len(complaint))]...)
			}
			if _, err := w.Write(data); err != nil && failed == nil {
				failed = err
			}
		},
	})
	if err != nil {
		return nil, environmentError(fmt.Errorf("run: %w", err), startHint(err, o.arch))
	}
	defer m.Close()
	end, err := program.Run(m)
	var stuck *program.StuckError
	switch {
	case failed != nil:
		return nil, failed
	case errors.Is(err, errTime):
		return nil, environmentError(fmt.Errorf("run: %s: %w after %v", command.Path, err, c.Duration("time").Round(time.Millisecond)), "give it more with --time")
	case errors.As(err, &stuck):
		return nil, &failure{code: exitFound, cause: fmt.Errorf("run: %s: %w", command.Path, err), hint: "on Linux it would wait for ever too"}
	case err != nil:
		return nil, err
	}
	if missing := m.MissingLibrary(complaint); missing != nil {
		warn(c, "%s: %v", command.Path, withPackage(missing, o.cache, o.spec, o.arch))
		_, _ = fmt.Fprintf(c.App.ErrWriter, "hint: %s\n", oneLine(packageHint(missing.Library, o.cache, o.spec, o.arch)))
	}
	for _, u := range m.Missed() {
		if u.MoreThreads() {
			warn(c, "%s: it makes more than the %d threads that there can be at a time, or the %d in all: a call failed that need not fail on Linux", command.Path, emu.MaxThreads, emu.MostMade)
			continue
		}
		warn(c, "%s: %s is not there: what the program did then may not be what it does on Linux", command.Path, u.Name)
	}
	return end, nil
}

// warn says beside a program's output what may be different from what it does on Linux.
func warn(c *cli.Context, format string, args ...any) {
	// There is nothing left to do when even this cannot be written.
	_, _ = fmt.Fprintf(c.App.ErrWriter, "emurace: %s\n", oneLine(fmt.Sprintf(format, args...)))
}
