package main

import (
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"emurace/replay"
)

// colorFlag is --color of every command that prints for people.
func colorFlag() cli.Flag {
	return &cli.StringFlag{Name: "color", Value: "auto", Usage: "colours: auto, always or never; NO_COLOR turns auto off", EnvVars: []string{"EMURACE_COLOR"}}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printer writes for people to standard output, in colour when --color says so.
func printer(c *cli.Context) (*replay.Printer, error) {
	color := false
	switch mode := c.String("color"); mode {
	case "always":
		color = true
	case "never":
	case "auto":
		color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(c.App.Writer)
	default:
		return nil, usage(fmt.Errorf("--color %q: not auto, always or never", mode), "")
	}
	p := replay.NewPrinter(c.App.Writer, color)
	if f, ok := c.App.Writer.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil { // of a terminal
			p.Fold(columns)
		}
	}
	return p, nil
}
