package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
	"emurace/sysroot"
)

func sysrootCommand() *cli.Command {
	return &cli.Command{
		Name:  "sysroot",
		Usage: "list and pull real libc builds",
		Subcommands: []*cli.Command{
			{
				Name:  "list",
				Usage: "show the sysroots that are there and those that can be pulled",
				Flags: []cli.Flag{cacheFlag(), &cli.BoolFlag{Name: "json", Usage: "print a JSON object a line"}},
				Description: `Besides the sysroots listed, --sysroot takes "host", the machine's own libc, and
any folder that holds an ld.so and a libc. debian:SUITE/musl is listed once it has
been pulled.`,
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

Examples:
  emurace sysroot pull debian:bookworm --arch arm64
  emurace sysroot pull debian:bookworm/musl --arch arm64,amd64
  emurace sysroot pull debian:trixie zlib1g libc-bin --arch arm64,amd64`,
				Flags: []cli.Flag{
					cacheFlag(),
					&cli.StringFlag{Name: "arch", Value: "arm64", Usage: "arm64, amd64, or both with a comma", EnvVars: []string{"EMURACE_ARCH"}},
					&cli.StringFlag{Name: "mirror", Usage: "`URL` of a Debian archive; the machine's apt sources without it", EnvVars: []string{"EMURACE_MIRROR"}},
					&cli.StringFlag{Name: "keyring", Usage: "`FILE` with the keys that must have signed it; that of the apt sources without it"},
					&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors"},
				},
				Action: pullSysroot,
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
			}
			if err := printable.JSON(c.App.Writer, row); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	// Errors of a tabwriter come out at Flush.
	_, _ = fmt.Fprintln(w, "SYSROOT\tARCH\tLIBC\tPACKAGES")
	for _, s := range entries {
		packages := "not pulled"
		switch {
		case s.Spec.Libc != "":
			packages = "in the same folder"
		case s.Pulled:
			var names []string
			for _, p := range s.Packages {
				names = append(names, p.Name+" "+p.Version)
			}
			packages = strings.Join(names, ", ")
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\n", s.Spec, s.Arch, s.LibcName, printable.Line(s.Libc), printable.Line(packages))
	}
	_, _ = fmt.Fprintf(w, "host\t%s\t\tthe machine's own\n", runtime.GOARCH)
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
	arches := strings.Split(c.String("arch"), ",")
	for _, arch := range arches {
		if !slices.Contains(sysroot.Arches(), arch) {
			return usage(fmt.Errorf("architecture %q: not supported", arch), "use "+strings.Join(sysroot.Arches(), " or "))
		}
	}
	for i, arch := range arches {
		if slices.Contains(arches[:i], arch) {
			continue
		}
		progress := func(line string) {
			if !c.Bool("quiet") {
				_, _ = fmt.Fprintf(c.App.ErrWriter, "%s %s: %s\n", spec, arch, line)
			}
		}
		entry, err := cache.Pull(c.Context, sysroot.PullRequest{
			Suite: spec.Suite, Libc: spec.Libc, Arch: arch, Packages: c.Args().Tail(),
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
