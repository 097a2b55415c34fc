package main

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/sysroot"
)

func sysrootCommand() *cli.Command {
	return &cli.Command{
		Name:  "sysroot",
		Usage: "list, pull and remove real libc builds",
		Subcommands: []*cli.Command{
			{
				Name:  "list",
				Usage: "show the sysroots that are there and those that can be pulled",
				Flags: []cli.Flag{cacheFlag(), &cli.BoolFlag{Name: "json", Usage: "print a JSON object a line"}},
				Description: `Besides the sysroots listed, --sysroot takes "host", the machine's own libc, and
any folder that holds an ld.so and a libc. debian:SUITE/musl is listed once it has
been pulled. Each pull that changes a sysroot makes a new generation of it. An older
one is listed while a process uses it; it goes with the next pull after that.`,
				Action: listSysroots,
			},
			{
				Name:      "pull",
				Usage:     "fetch a libc, its debug files and further packages through apt",
				ArgsUsage: "debian:SUITE[/musl] [PACKAGE...]",
				Description: `The packages are fetched by the machine's apt, with its signature checks, into a
folder of the user's cache; the system stays as it is. Packages that the named
ones depend on are not fetched: name them too. With /musl, Debian's package musl
comes with the others; --sysroot debian:SUITE/musl then runs on that instead of
glibc.

What has been pulled stays as it is: further packages are added to it, in a new
generation beside the old one, which whoever runs on it keeps. To have the archive's
present libc, remove the sysroot and pull it anew.

Examples:
  emurace sysroot pull debian:bookworm --arch arm64
  emurace sysroot pull debian:bookworm --source
  emurace sysroot pull debian:bookworm/musl --arch arm64,amd64
  emurace sysroot pull debian:trixie zlib1g libc-bin --arch arm64,amd64`,
				Flags: []cli.Flag{
					cacheFlag(),
					archFlag(" (default: arm64)"),
					&cli.StringFlag{Name: "mirror", Usage: "`URL` of a Debian archive; the machine's apt sources without it", EnvVars: []string{"EMURACE_MIRROR"}},
					&cli.StringFlag{Name: "keyring", Usage: "`FILE` with the keys that must have signed it; that of the apt sources without it"},
					&cli.BoolFlag{Name: "source", Usage: "fetch glibc's source too, for gdb and step to show its lines; needs dpkg-dev"},
					&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors"},
				},
				Action: pullSysroot,
			},
			{
				Name:      "remove",
				Usage:     "remove a pulled sysroot",
				ArgsUsage: "debian:SUITE",
				Description: `Nothing finds the sysroot any more. What a process is using stays until it ends, and
goes with the next pull or removal after that.

Example:
  emurace sysroot remove debian:trixie --arch arm64,amd64`,
				Flags: []cli.Flag{
					cacheFlag(),
					archFlag(" (default: arm64)"),
					&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors"},
				},
				Action: removeSysroot,
			},
			findCommand(),
		},
	}
}

func cacheFlag() cli.Flag {
	return &cli.StringFlag{Name: "cache", Usage: "`DIR` of the pulled sysroots (default: $XDG_CACHE_HOME/emurace)", EnvVars: []string{"EMURACE_CACHE"}}
}

func listSysroots(c *cli.Context) error {
	if c.Args().Present() {
		return usage(fmt.Errorf("sysroot list: unexpected argument %q", c.Args().First()), "emurace sysroot list --help shows the usage")
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return err
	}
	entries, err := cache.List()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		for _, s := range entries {
			row := map[string]any{"event": "sysroot", "spec": s.Spec.String(), "arch": s.Arch, "libc_name": s.LibcName, "libc": s.Libc, "pulled": s.Pulled}
			if s.Pulled {
				row["build_id"], row["packages"], row["size"], row["path"] = s.BuildID, s.Packages, s.Size, s.Path
				if s.Source != nil {
					row["source"] = s.Source
				}
				row["generation"], row["in_use"] = s.Generation, s.Held
			}
			if len(s.Older) > 0 {
				row["older"] = s.Older
			}
			if err := printable.JSON(c.App.Writer, row); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	// Errors of a tabwriter come out at Flush.
	_, _ = fmt.Fprintln(w, "SYSROOT\tARCH\tLIBC\tGENERATION\tPACKAGES")
	for _, s := range entries {
		packages, generation := "not pulled", "-"
		switch {
		case s.Spec.Libc != "":
			packages = "in the same folder"
		case s.Pulled:
			generation = generationText(s.Generation, s.Held)
			var names []string
			for _, p := range s.Packages {
				names = append(names, p.Name+" "+p.Version)
			}
			if s.Source != nil {
				names = append(names, "the source "+s.Source.Version)
			}
			packages = strings.Join(names, ", ")
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\t%s\n", s.Spec, s.Arch, s.LibcName, printable.Line(s.Libc), generation, printable.Line(packages))
		for _, g := range s.Older {
			if s.Spec.Libc == "" {
				_, _ = fmt.Fprintf(w, "%s\t%s\t\t%s\tolder\n", s.Spec, s.Arch, generationText(g.Number, g.Held))
			}
		}
	}
	_, _ = fmt.Fprintf(w, "host\t%s\t\t-\tthe machine's own\n", runtime.GOARCH)
	return w.Flush()
}

func pullSysroot(c *cli.Context) error {
	if !c.Args().Present() {
		return usage(errors.New("sysroot pull: no sysroot named"), "for example: emurace sysroot pull debian:bookworm --arch arm64")
	}
	spec, err := sysroot.Parse(c.Args().First())
	if err != nil {
		return err
	}
	if spec.Kind != sysroot.Debian {
		return usage(fmt.Errorf("sysroot pull %s: only debian:SUITE can be pulled", spec), "use --sysroot "+spec.String()+" directly")
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return err
	}
	arches, err := archesOr(c, "arm64")
	if err != nil {
		return err
	}
	for _, arch := range arches {
		progress := func(line string) {
			if !c.Bool("quiet") {
				_, _ = fmt.Fprintf(c.App.ErrWriter, "%s %s: %s\n", spec, arch, line)
			}
		}
		entry, err := cache.Pull(c.Context, sysroot.PullRequest{
			Suite: spec.Suite, Libc: spec.Libc, Arch: arch, Packages: c.Args().Tail(), Source: c.Bool("source"),
			Mirror: c.String("mirror"), Keyring: c.String("keyring"), Progress: progress,
		})
		if err != nil {
			return err
		}
		if !c.Bool("quiet") {
			if _, err := fmt.Fprintf(c.App.Writer, "%s %s: %s %s, build-id %s\n", spec, arch, entry.LibcName, entry.Libc, entry.BuildID); err != nil {
				return err
			}
		}
	}
	return nil
}

// generationText is a generation in the list.
func generationText(number int, held bool) string {
	if held {
		return fmt.Sprintf("%d, in use", number)
	}
	return strconv.Itoa(number)
}

func removeSysroot(c *cli.Context) error {
	switch c.NArg() {
	case 0:
		return usage(errors.New("sysroot remove: no sysroot named"), "for example: emurace sysroot remove debian:trixie --arch arm64")
	case 1:
	default:
		return usage(fmt.Errorf("sysroot remove: unexpected argument %q", c.Args().Get(1)), "one sysroot at a time, and both architectures with --arch arm64,amd64")
	}
	spec, err := sysroot.Parse(c.Args().First())
	if err != nil {
		return err
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return err
	}
	arches, err := archesOr(c, "arm64")
	if err != nil {
		return err
	}
	for _, arch := range arches {
		inUse, err := cache.Remove(spec, arch)
		if err != nil {
			return err
		}
		if c.Bool("quiet") {
			continue
		}
		text := "removed"
		if len(inUse) > 0 {
			text += fmt.Sprintf("; a process still uses %s: the next pull or removal after its end removes that too", words.Count(uint64(len(inUse)), "generation"))
		}
		if _, err := fmt.Fprintf(c.App.Writer, "%s %s: %s\n", spec, arch, text); err != nil {
			return err
		}
	}
	return nil
}
