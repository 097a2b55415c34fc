package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// The texts of the flag package and of urfave/cli about flags, which come as
// nothing but text.
var (
	unknownFlag  = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	missingValue = regexp.MustCompile(`^flag needs an argument: -(.*)$`)
	wrongValue   = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-(\S+): `)
	wrongEnv     = regexp.MustCompile(`^could not parse (".*") as .* value from environment variable "(.*)" for flag (\S+): `)
)

// flagError says in the form of all errors, `what: why`, what the library has
// to say about a flag.
func flagError(c *cli.Context, err error) error {
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s: no such flag", dashed(m[1]))
	}
	if m := missingValue.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s: its value is missing", dashed(m[1]))
	}
	if m := wrongValue.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s %s: not %s", dashed(m[2]), m[1], wanted(c, m[2]))
	}
	if m := wrongEnv.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s %s: not %s", m[2], m[1], wanted(c, m[3]))
	}
	return errors.New(text)
}

// dashed writes a flag as a user does.
func dashed(name string) string {
	if name = strings.TrimPrefix(name, "-"); len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// wanted says what values a flag takes.
func wanted(c *cli.Context, name string) string {
	for _, f := range c.Command.Flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		switch f.(type) {
		case *cli.IntFlag:
			return "a whole number"
		case *cli.Uint64Flag:
			return "a whole number from 0 up"
		case *cli.DurationFlag:
			return "a time such as 30s"
		case *cli.BoolFlag:
			return "true or false"
		}
	}
	return "a value that it takes"
}

// helpHint points to the help of the command that c belongs to.
func helpHint(c *cli.Context) string {
	name := ""
	for _, up := range c.Lineage() {
		// The outermost command is the app itself, with or without its name.
		if up.Command != nil && up.Command.Name != "" && up.Command.Name != c.App.Name {
			name = " " + up.Command.Name + name
		}
	}
	return "emurace" + name + " --help shows the usage"
}

// withHint gives a usage error that knows no better the hint to the help.
func withHint(c *cli.Context, err error) error {
	var f *failure
	if errors.As(err, &f) && f.code == exitUsage && f.cause != nil && f.hint == "" {
		f.hint = helpHint(c)
	}
	return err
}
