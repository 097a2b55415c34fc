package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/internal/printable"
	"emurace/internal/shell"
	"emurace/loader"
	"emurace/sysroot"
)

// Which package has a library or a program that is not there. The archive says so in a list
// of some ten MB, which is fetched when a person asks for it, and not in the midst of an
// error; what has been fetched is looked at whenever something is missing.

// findCommand is sysroot find.
func findCommand() *cli.Command {
	return &cli.Command{
		Name:      "find",
		Usage:     "say which package has a library or a program",
		ArgsUsage: "debian:SUITE FILE...",
		Description: `FILE is a name, such as libz.so.1 or python3, or a whole path. The list of what the
packages have is fetched through apt, with its signature checks, at the first time and
with --update, and kept in the cache; from then on errors about something that is missing
name its package.

Examples:
  emurace sysroot find debian:bookworm libz.so.1 --arch arm64
  emurace sysroot find debian:trixie /usr/bin/python3 libffi.so.8 --arch amd64`,
		Flags: []cli.Flag{
			cacheFlag(),
			archFlag(" (default: arm64)"),
			&cli.BoolFlag{Name: "update", Usage: "fetch the list anew"},
			&cli.StringFlag{Name: "mirror", Usage: "`URL` of a Debian archive; the machine's apt sources without it", EnvVars: []string{"EMURACE_MIRROR"}},
			&cli.StringFlag{Name: "keyring", Usage: "`FILE` with the keys that must have signed it; that of the apt sources without it"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but the packages, and errors"},
		},
		Action: findPackages,
	}
}

func findPackages(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage(errors.New("sysroot find: it takes a sysroot and at least one file"), "for example: emurace sysroot find debian:bookworm libz.so.1 --arch arm64")
	}
	spec, err := sysroot.Parse(c.Args().First())
	if err != nil {
		return err
	}
	if spec.Kind != sysroot.Debian {
		return usage(fmt.Errorf("sysroot find %s: only the packages of debian:SUITE are known", spec), "for example: emurace sysroot find debian:bookworm libz.so.1")
	}
	arches, err := archesOr(c, "arm64")
	if err != nil {
		return err
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return err
	}
	var none []error
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, arch := range arches {
		index, err := fetchedIndex(c, cache, spec, arch)
		if err != nil {
			return errors.Join(err, w.Flush())
		}
		var missing []string
		for _, name := range c.Args().Tail() {
			owners := index.Owners(name)
			if len(owners) == 0 {
				missing = append(missing, name)
			}
			for _, o := range owners {
				row := o.Package + "\t" + printable.Line(o.Path)
				if len(arches) > 1 {
					row += "\t" + arch
				}
				// Errors of a tabwriter come out at Flush.
				_, _ = fmt.Fprintln(w, row)
			}
		}
		if len(missing) > 0 {
			none = append(none, fmt.Errorf("no package of %s for %s has %s", spec, arch, strings.Join(missing, ", ")))
		}
	}
	if err := w.Flush(); err != nil || len(none) == 0 {
		return err
	}
	return environmentError(fmt.Errorf("sysroot find: %w", none[0]),
		"name a library as ld.so does, such as libz.so.1, or a program; --update fetches the list anew")
}

// fetchedIndex is the index of the cache, fetched where it has none or --update says so.
func fetchedIndex(c *cli.Context, cache *sysroot.Cache, spec sysroot.Spec, arch string) (*sysroot.Index, error) {
	index, err := cache.Index(spec, arch)
	if err == nil && !c.Bool("update") {
		return index, nil
	}
	return cache.FetchIndex(c.Context, sysroot.PullRequest{
		Suite: spec.Suite, Arch: arch, Mirror: c.String("mirror"), Keyring: c.String("keyring"),
		Progress: func(line string) {
			if !c.Bool("quiet") {
				_, _ = fmt.Fprintf(c.App.ErrWriter, "%s %s: %s\n", spec, arch, line)
			}
		},
	})
}

// packageHint is what to do where a library or program is missing in a sysroot: the package to
// pull, where the cache knows it, and else how to learn that.
func packageHint(name string, cache *sysroot.Cache, spec sysroot.Spec, arch loader.Arch) string {
	if strings.Contains(name, "/") && !path.IsAbs(name) {
		return "there is no such file on this machine; one in the sysroot is named by its whole path there, or as a shell would, without a slash"
	}
	if spec.Kind != sysroot.Debian {
		return "give it with --file GUEST=HOST, or use another --sysroot, one that has it"
	}
	index, err := cache.Index(spec, arch.String())
	if err != nil {
		return fmt.Sprintf("emurace sysroot find debian:%s %s --arch %v names the package that has it, and emurace sysroot pull adds that", spec.Suite, shell.Line(name), arch)
	}
	var packages []string
	for _, o := range index.Owners(name) {
		if !slices.Contains(packages, o.Package) {
			packages = append(packages, o.Package)
		}
	}
	pull := func(what string) string { return fmt.Sprintf("emurace sysroot pull %s %s --arch %v", spec, what, arch) }
	switch len(packages) {
	case 0:
		return fmt.Sprintf("no package of debian:%s for %v has it; give it with --file GUEST=HOST", spec.Suite, arch)
	case 1:
		return fmt.Sprintf("package %s has it: %s", packages[0], pull(packages[0]))
	}
	return fmt.Sprintf("packages %s have it: %s, or another one of them", strings.Join(packages, ", "), pull(packages[0]))
}

// withPackage is an error, and where it is about a library that is missing, one that says in
// which sysroot, and which package has it.
func withPackage(err error, cache *sysroot.Cache, spec sysroot.Spec, arch loader.Arch) error {
	var missing *emu.MissingLibrary
	if !errors.As(err, &missing) {
		return err
	}
	return environmentError(fmt.Errorf("cannot load %s: it is not in the sysroot %s for %v", printable.Line(missing.Library), spec, arch), packageHint(missing.Library, cache, spec, arch))
}
