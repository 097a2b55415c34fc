package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"emurace/diagnose"
	"emurace/diagnose/process"
	"emurace/internal/printable"
	"emurace/loader"
	"emurace/loader/corefile"
	"emurace/sysroot"
)

func diagnoseCommand() *cli.Command {
	return &cli.Command{
		Name:      "diagnose",
		Usage:     "explain a core file",
		ArgsUsage: "CORE",
		Description: `Reads the core file of a process, of arm64 or amd64, on any machine: what it died of,
every thread's stack, what the bad value is and whose block it lies in, what became of
the environment, and who waits for whom. Each sentence is certain or likely, and says
what it stands on. CORE may be compressed with zstd, lz4, xz or gzip; - is standard input.

The libraries of the process are found by their build-ids: in the folders of --sysroot,
such as a container's copied /lib and /usr, in the sysroots that were pulled, and on this
machine. What is missing is named, with the command that would bring it.

Examples:
  emurace diagnose core.1234
  emurace diagnose --sysroot container/ --program app core.1234
  coredumpctl dump | emurace diagnose -
  emurace diagnose --json core.zst | jq .facts
  emurace diagnose --scenario crash.star core.1234
  emurace diagnose --search --time 1m core.1234`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "sysroot", Usage: "look for the process's files in `SPEC` first: a folder that stands for its root directory, debian:SUITE or host; may be given several times", EnvVars: []string{"EMURACE_SYSROOT"}},
			&cli.StringFlag{Name: "program", Usage: "the program's file is `FILE`", EnvVars: []string{"EMURACE_PROGRAM"}},
			&cli.StringFlag{Name: "scenario", Usage: "write to `FILE` a scenario that looks for a way to the crash", EnvVars: []string{"EMURACE_SCENARIO"}},
			&cli.BoolFlag{Name: "search", Usage: "search that scenario, and with --program the program itself where there is none, for a way to the crash", EnvVars: []string{"EMURACE_SEARCH"}},
			&cli.DurationFlag{Name: "time", Usage: "search for at most `D`, as 30s or 5m; without it until a way is found", EnvVars: []string{"EMURACE_TIME"}},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the trace that the search finds to `FILE`", EnvVars: []string{"EMURACE_TRACE"}},
			&cli.BoolFlag{Name: "private", Usage: "leave out what the user's data is: values of the environment, strings, paths", EnvVars: []string{"EMURACE_PRIVATE"}},
			&cli.BoolFlag{Name: "json", Usage: "print the result as a JSON object"},
			cacheFlag(), colorFlag(),
		},
		Action: diagnoseAction,
	}
}

func diagnoseAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	switch c.NArg() {
	case 0:
		return usage(errors.New("diagnose: no core file named"), "for example: emurace diagnose core.1234")
	case 1:
	default:
		return usage(fmt.Errorf("diagnose: unexpected argument %q", c.Args().Get(1)), "one core file at a time; flags stand before it")
	}
	if err := checkDiagnose(c); err != nil {
		return err
	}
	name := c.Args().First()
	core, err := corefile.OpenContext(c.Context, name, os.Stdin)
	if err != nil {
		return coreError(name, err)
	}
	defer func() { _ = core.Close() }() // it is only read
	files, closeFiles, err := moduleFiles(c, core, name)
	if err != nil {
		return err
	}
	defer closeFiles()
	proc, err := process.New(core, files)
	if err != nil {
		return environmentError(fmt.Errorf("diagnose: %s: %w", name, err), "")
	}
	d, err := diagnose.Explain(proc, c.Bool("private"))
	if err != nil {
		return environmentError(fmt.Errorf("diagnose: %s: %w", name, err), "")
	}
	show := diagnosis{Diagnosis: d, core: name, private: c.Bool("private")}
	show.builds = buildsOf(c, proc)
	if err := show.draft(c.String("scenario")); err != nil {
		return err
	}
	var search *command
	if c.Bool("search") {
		if search, err = show.search(c); err != nil {
			return err
		}
		defer search.close()
	}
	if c.Bool("json") {
		err = printable.JSON(c.App.Writer, show.object())
	} else {
		show.tell(p)
		err = p.Err()
	}
	if err != nil || search == nil {
		return err
	}
	return search.run(c)
}

// checkDiagnose judges flags that go only with others.
func checkDiagnose(c *cli.Context) error {
	if !c.Bool("search") {
		for _, name := range []string{"time", "output"} {
			if c.IsSet(name) {
				return usage(fmt.Errorf("--%s is about a search, and none is asked for", name), "add --search")
			}
		}
	}
	if c.IsSet("time") && c.Duration("time") <= 0 {
		return usage(fmt.Errorf("--time %v: not a time above 0", c.Duration("time")), "leave the flag out for no limit")
	}
	if file := c.String("scenario"); file != "" && !strings.HasSuffix(file, ".star") {
		return usage(fmt.Errorf("--scenario %s: a scenario's file ends in .star", file), "for example: --scenario crash.star")
	}
	return nil
}

// buildsOf are packages that modules without a file are of, as far as apt's lists tell.
func buildsOf(c *cli.Context, p *process.Process) []sysroot.Build {
	var ids []string
	for _, m := range p.List() {
		if (m.Origin == process.NoFile || m.Origin == process.FromCore) && m.BuildID != "" && m.Path != "[vdso]" {
			ids = append(ids, m.BuildID)
		}
	}
	list, err := sysroot.Builds(c.Context, ids)
	if err != nil {
		return nil // it would only have been a help
	}
	return list
}

// coreError is the error about a core that could not be read.
func coreError(name string, err error) error {
	hint := "the core may be damaged; readelf -n -l shows what is in it"
	var path *fs.PathError
	errors.As(err, &path)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrNotExist):
		hint = "coredumpctl list shows what systemd has kept; a plain core lies where the process ran, if ulimit -c let it"
	case errors.Is(err, fs.ErrPermission):
		hint = "cores belong to the user of the process; read it as that one, or have it copied"
	case errors.Is(err, corefile.ErrNotCore):
		hint = "emurace diagnose takes what the kernel, gcore, systemd-coredump or qemu's user mode have written"
	case errors.Is(err, corefile.ErrTooLong):
		hint = "unpack it into a file, and name that"
	case errors.Is(err, unix.ENOSPC):
		hint = "unpacked, the core does not fit into the folder for temporary files; name another with TMPDIR"
	case strings.Contains(err.Error(), "no thread in it"):
		hint = "nothing can be told without the thread's notes at the core's beginning; see whether ulimit -c or a full disk has cut it"
	}
	if path != nil {
		err = path.Err
	}
	return environmentError(fmt.Errorf("diagnose: %s: %w", name, err), hint)
}

// moduleFiles are the places where the files of the process's modules may be: what the command line
// names, the pulled sysroots, and this machine.
func moduleFiles(c *cli.Context, core *corefile.File, name string) (*process.Files, func(), error) {
	f := &process.Files{Program: c.String("program")}
	var opened []*loader.Sysroot
	closeAll := func() {
		for _, r := range opened {
			_ = r.Close() // it is only read
		}
	}
	add := func(label, dir string, given bool) error {
		root, err := loader.OpenSysroot(dir)
		if err != nil {
			return err
		}
		opened = append(opened, root)
		f.Sources = append(f.Sources, process.Source{Name: label, Root: root, Given: given})
		return nil
	}
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return nil, nil, err
	}
	named := map[string]bool{}
	for _, text := range c.StringSlice("sysroot") {
		spec, err := sysroot.Parse(text)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		dir := text
		if spec.Kind == sysroot.Debian {
			if dir, err = cache.Dir(spec, core.Arch.String()); err != nil {
				closeAll()
				return nil, nil, err
			}
		} else if spec.Kind == sysroot.Host {
			dir = "/"
		}
		if err := add(text, dir, true); err != nil {
			closeAll()
			return nil, nil, environmentError(fmt.Errorf("--sysroot %s: %w", text, err), "name a folder that has the process's /lib and /usr")
		}
		named[text] = true
	}
	if _, err := os.Stat(name + ".exe"); name != "-" && err == nil {
		f.Beside = name + ".exe" // emurace core puts it there
	}
	entries, err := cache.List()
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	seen := map[string]bool{} // one folder may have two C libraries
	for _, e := range entries {
		label := e.Spec.String()
		if !e.Pulled || e.Arch != core.Arch.String() || named[label] {
			continue
		}
		if dir, err := cache.Dir(e.Spec, e.Arch); err == nil && !seen[dir] {
			seen[dir] = true
			_ = add(label, dir, false) // what was just listed and is gone is not looked into
		}
	}
	if core.Arch.String() == runtime.GOARCH && !named["host"] {
		_ = add("host", "/", false) // a machine without a readable / has no files for us
	}
	return f, closeAll, nil
}
