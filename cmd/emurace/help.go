package main

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/internal/suggest"
)

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "show what a command does and takes, as its --help does",
		ArgsUsage: "[COMMAND...]",
		Description: `Examples:
  emurace help
  emurace help explore
  emurace help sysroot pull`,
		Action: func(c *cli.Context) error {
			// The library shows help while it reads a command line, and only then.
			again := newApp(c.App.Writer, c.App.ErrWriter)
			args, commands := []string{c.App.Name}, again.Commands
			for _, name := range c.Args().Slice() {
				next := find(commands, name)
				if next == nil {
					return noSuchCommand(strings.Join(args, " ")+" ", commands, name)
				}
				args, commands = append(args, next.Name), next.Subcommands
			}
			return again.RunContext(c.Context, append(args, "--help"))
		},
	}
}

// noSuchCommand is the error about a command that there is not, with those that it may be
// mistyped for; line is the command line before it, with a space behind.
func noSuchCommand(line string, commands []*cli.Command, name string) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	what := ""
	if under := strings.TrimSpace(strings.TrimPrefix(line, "emurace ")); under != "" {
		what = under + ": "
	}
	return usage(fmt.Errorf("%sno such command: %q", what, name),
		meant(name, slices.Values(names), line, line+"--help lists the commands"))
}

// meant is the hint for a mistyped name: those that are near to it, with before in front of
// each, or else what is otherwise to be done.
func meant(name string, among iter.Seq[string], before, otherwise string) string {
	near := suggest.Names(name, among, strings.ToLower)
	if len(near) == 0 {
		return otherwise
	}
	const most = 3
	near = near[:min(most, len(near))]
	for i := range near {
		near[i] = before + near[i]
	}
	return "did you mean " + strings.Join(near, " or ") + "? " + otherwise
}

// namesOf are the long names of flags, and flagNames the same with their dashes.
func namesOf(flags []cli.Flag) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range flags {
			for _, name := range f.Names() {
				if len(name) > 1 && !yield(name) {
					return
				}
			}
		}
	}
}

func flagNames(flags []cli.Flag) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range namesOf(flags) {
			if !yield(dashed(name)) {
				return
			}
		}
	}
}
