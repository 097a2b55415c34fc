package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"emurace/internal/logging"
)

// logFlag is --log of every command that runs a guest.
func logFlag() cli.Flag {
	return &cli.StringFlag{Name: "log", Usage: "tell on standard error of `TOPICS`, a list with commas of syscalls (what the guest asks the kernel), search (what the search decides), boot (what is opened)", EnvVars: []string{"EMURACE_LOG"}}
}

// logOf is what --log asks for, nil for nothing.
func logOf(c *cli.Context) (*logging.Log, error) {
	l, err := logging.New(c.App.ErrWriter, c.String("log"))
	if err != nil {
		return nil, usage(fmt.Errorf("--log: %w", err), "for example --log syscalls,boot")
	}
	return l, nil
}
