package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/loader"
	"emurace/sysroot"
)

// archFlag is --arch of every command that has it: one or more architectures, given several
// times or with commas, which goes for its variable and the config file too. more is what its
// help says beside that: what is taken without it, or of several.
func archFlag(more string) cli.Flag {
	return &cli.StringSliceFlag{Name: "arch", Usage: "arm64, amd64, or both with a comma" + more, EnvVars: []string{"EMURACE_ARCH"}}
}

// archesOf are the architectures that --arch names, each once, in that order; none if it was
// not given.
func archesOf(c *cli.Context) ([]string, error) {
	var list []string
	for _, text := range c.StringSlice("arch") {
		for name := range strings.SplitSeq(text, ",") {
			name = strings.TrimSpace(name)
			if !slices.Contains(sysroot.Arches(), name) {
				return nil, usage(fmt.Errorf("architecture %q: not %s", name, strings.Join(sysroot.Arches(), " or ")), "use --arch arm64, --arch amd64 or --arch arm64,amd64")
			}
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list, nil
}

// archesOr is archesOf, with what is meant where none is named.
func archesOr(c *cli.Context, usual string) ([]string, error) {
	list, err := archesOf(c)
	if err == nil && len(list) == 0 {
		list = []string{usual}
	}
	return list, err
}

// programArches are the architectures for which a program is to be run, "" for its own. Where
// several were asked for, as in a config file, a file of this machine is run for its own.
func programArches(c *cli.Context, w wish) ([]string, error) {
	list, err := archesOr(c, "")
	if err != nil || len(list) < 2 || strings.HasPrefix(w.argv[0], "/") {
		return list, err
	}
	o := &order{name: c.Command.Name, argv: slices.Clone(w.argv), given: map[string][]byte{}, hosts: map[string]string{}}
	kind, is, err := o.hostFile()
	if err == nil && is && kind.Script == nil && kind.Arch != loader.Arch(0) && slices.Contains(list, kind.Arch.String()) {
		list = []string{kind.Arch.String()}
	}
	return list, err
}
