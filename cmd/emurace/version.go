package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/internal/printable"
	"emurace/internal/wall"
	"emurace/replay"
)

// version is that of the program; CHANGELOG.md has its history.
const version = "0.1.0"

// revision is the commit of a program that build-aux/dist has built.
var revision string

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "show the versions of emurace and of what it is made of, and which walls stand around the engine",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print a JSON object"}},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage(fmt.Errorf("version: unexpected argument %q", c.Args().First()), "")
			}
			return showVersion(c, c.Bool("json"))
		},
	}
}

// showVersion prints the versions, for programs or for people.
func showVersion(c *cli.Context, asJSON bool) error {
	v := map[string]any{
		"event": "version", "emurace": version, "unicorn": emu.UnicornVersion(), "unicorn_patched": emu.UnicornPatched(), "go": runtime.Version(),
		"trace_format": replay.FormatVersion, "walls": wall.Available(),
	}
	if revision != "" {
		v["revision"] = revision
	} else if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["revision"] = s.Value
			}
		}
	}
	if asJSON {
		return printable.JSON(c.App.Writer, v)
	}
	unicorn := emu.UnicornVersion()
	if !emu.UnicornPatched() {
		unicorn += " without our patches"
	}
	_, err := fmt.Fprintf(c.App.Writer, "emurace %s (unicorn %s, %s, trace format %d)\nwalls of the engine: %v\n",
		version, unicorn, runtime.Version(), replay.FormatVersion, wall.Available())
	return err
}
