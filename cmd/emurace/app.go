package main

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// helpError is why the help could not be written, which the library does not say.
var helpError error

func init() {
	show := cli.HelpPrinter
	cli.HelpPrinter = func(w io.Writer, template string, data any) {
		heard := &hearing{w: w}
		show(heard, template, data)
		helpError = heard.err
	}
}

// hearing keeps the first error of a writer.
type hearing struct {
	w   io.Writer
	err error
}

func (h *hearing) Write(b []byte) (int, error) {
	n, err := h.w.Write(b)
	if h.err == nil {
		h.err = err
	}
	return n, err
}

// newApp describes the command line.
func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:  "emurace",
		Usage: "find, replay and explain crashes that depend on how threads interleave",
		Description: `emurace loads a real C library into an emulated processor, runs threads on it
interleaved instruction by instruction, and searches the schedules for one that
fails. What it finds it writes down as a trace that replays bit for bit.

Examples:
  emurace explore                             the getenv/setenv crash on arm64
  emurace explore --arch amd64 --sysroot debian:bullseye
  emurace explore --set tcache=on --json
  emurace replay                              run the last trace again and dump it
  emurace report                              make a page of it, to be opened in a browser
  emurace step --lesson                       the same told card by card
  emurace sysroot pull debian:trixie --arch arm64,amd64

Exit codes:` + exitLines(),
		Flags:           []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "show the versions, as emurace version does"}, cli.HelpFlag},
		Writer:          stdout,
		ErrWriter:       stderr,
		HideVersion:     true,
		HideHelpCommand: true,
		Commands: []*cli.Command{
			exploreCommand(), runCommand(), replayCommand(), stepCommand(), gdbCommand(), reportCommand(), coreCommand(), diagnoseCommand(), sysrootCommand(), scriptCommand(), testCommand(), manCommand(), completionCommand(), helpCommand(), versionCommand(),
		},
		// A value may hold commas.
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return noSuchCommand("emurace ", c.App.Commands, c.Args().First())
			}
			if c.Bool("version") {
				return showVersion(c, false)
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, c := range app.Commands {
		prepare(c)
	}
	return app
}

// prepare gives a command and its subcommands what they all have.
func prepare(c *cli.Command) {
	c.OnUsageError = usageError
	c.HideHelpCommand = true
	if action := c.Action; action != nil {
		c.Action = func(ctx *cli.Context) error {
			if err := applyConfig(ctx); err != nil {
				return err
			}
			return withHint(ctx, action(ctx))
		}
	}
	for _, sub := range c.Subcommands {
		prepare(sub)
	}
	if len(c.Subcommands) > 0 {
		c.Action = func(ctx *cli.Context) error {
			if ctx.Args().Present() {
				return noSuchCommand("emurace "+ctx.Command.Name+" ", ctx.Command.Subcommands, ctx.Args().First())
			}
			return cli.ShowSubcommandHelp(ctx)
		}
	}
}

func usageError(c *cli.Context, err error, _ bool) error {
	if err := unmarkedIn(c); err != nil {
		return err
	}
	hint := helpHint(c)
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil && c.Command != nil {
		hint = meant(dashed(m[1]), flagNames(c.Command.Flags), "", hint)
	}
	return usage(flagError(c, err), hint)
}

// flagsFirst moves a command's flags before its arguments, since the flag
// package stops at the first argument. What follows "--" stays as it is. Asked
// for help, it leaves the arguments out: the library would take them for topics.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	commands := app.Commands
	var names, flags, rest []string
	var known []cli.Flag
	help := false
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			rest = append(rest, args[i:]...)
			i = len(args)
		case len(a) > 1 && a[0] == '-' && !isNumber(a):
			flags = append(flags, a)
			help = help || a == "-h" || a == "--help"
			if takesValue(known, a) && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		default:
			if c := find(commands, a); c != nil && len(rest) == 0 {
				names = append(names, a)
				commands, known = c.Subcommands, c.Flags
				continue
			}
			rest = append(rest, a)
		}
	}
	if help && len(names) > 0 {
		rest = nil
	}
	out := append([]string{args[0]}, names...)
	return append(append(out, flags...), rest...)
}

// isNumber tells a negative number from a flag.
func isNumber(a string) bool { return strings.Trim(a[1:], "0123456789") == "" }

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// takesValue tells whether the word after the flag belongs to it.
func takesValue(known []cli.Flag, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	name := strings.TrimLeft(arg, "-")
	for _, f := range known {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
