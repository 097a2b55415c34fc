package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/internal/files"
	"emurace/internal/manual"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "write the manual pages, one for each command, into a folder",
		ArgsUsage: "DIR",
		Description: `The pages are made of what --help says. Their date is that of the commit which the
program was built from, or that of $SOURCE_DATE_EPOCH.

Examples:
  emurace man ~/.local/share/man/man1
  emurace man . && man ./emurace-explore.1`,
		Action: manAction,
	}
}

func manAction(c *cli.Context) error {
	switch c.NArg() {
	case 0:
		return usage(errors.New("man: no folder named"), "for example: emurace man ~/.local/share/man/man1")
	case 1:
	default:
		return usage(fmt.Errorf("man: unexpected argument %q", c.Args().Get(1)), "one folder at a time")
	}
	date, err := manualDate()
	if err != nil {
		return err
	}
	dir := c.Args().First()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return environmentError(fmt.Errorf("man: %w", err), "name a folder that can be written to")
	}
	for _, p := range manual.Pages(c.App, aboutManual(date)) {
		if err := files.Replace(filepath.Join(dir, p.File), p.Text); err != nil {
			return environmentError(fmt.Errorf("man: %w", err), "name a folder that can be written to")
		}
	}
	return nil
}

// manualDate is the date of the pages. A build outside of a repository knows of no commit,
// and is as old as its file.
func manualDate() (time.Time, error) {
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		s, err := strconv.ParseInt(text, 10, 64)
		if err != nil || s < 0 || time.Unix(s, 0).Year() > 9999 {
			return time.Time{}, environmentError(fmt.Errorf("SOURCE_DATE_EPOCH %q: not a time in seconds since 1970", text), "git log -1 --format=%ct prints one")
		}
		return time.Unix(s, 0), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				return time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	info, err := os.Stat("/proc/self/exe")
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// aboutManual is what the pages say beside what --help does.
func aboutManual(date time.Time) manual.About {
	return manual.About{
		Version: version, Date: date, Exits: exits,
		Environment: []manual.Entry{
			{Name: "NO_COLOR", Text: "turns colours off, unless --color says otherwise"},
			{Name: "XDG_CONFIG_HOME, XDG_CACHE_HOME, XDG_STATE_HOME", Text: "are where the files below lie, in place of ~/.config, ~/.cache and ~/.local/state"},
		},
		Files: []manual.Entry{
			{Name: "~/.config/emurace/config.toml", Text: "has defaults for flags: a table for each command, such as [explore], with keys named as the flags. The command line and the environment come first."},
			{Name: "~/.cache/emurace", Text: "holds the sysroots that were pulled"},
			{Name: "~/.local/state/emurace/last-trace", Text: "holds the path of the trace that was written last"},
			{Name: "~/.local/state/emurace/last-traces", Text: "holds the path of the last trace of each folder, the latest first"},
			{Name: "/usr/share/doc/emurace", Text: "holds, where the program was installed as a package, README.md, the documents that it links to, and in examples the scenarios that ship"},
		},
		SeeAlso: []string{"gdb(1)", "core(5)", "pthreads(7)"},
	}
}
