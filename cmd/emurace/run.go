package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/internal/files"
	"emurace/internal/logging"
	"emurace/loader"
	"emurace/program"
	"emurace/sysroot"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a program, one schedule of it, as it is",
		ArgsUsage: "-- PROGRAM [ARG...]",
		Description: `Runs an unmodified Linux program for arm64 or x86-64, dynamic or static, with its
threads in turn. What it prints is passed on as it comes, and its exit code is that
of emurace, 128 and the number of the signal when one has ended it.

PROGRAM is a file of this machine when it is written with a slash and is there, else
one of the sysroot, which names without a slash are looked for in the folders of
PATH. The sysroot is host for a file of this machine and its architecture, else
debian:bookworm. The program gets the environment that --env and --env-from say, and
nothing of this machine's. It may write files; they are kept in memory, and gone when it
ends.

Examples:
  emurace run -- ./server --once
  emurace run --env LANG=C.UTF-8 -- ./a.out 1 2 3
  emurace run --file /data=./data --cwd /data --stdin input.txt -- ./a.out
  emurace run --sysroot debian:trixie --arch amd64 -- /usr/bin/getconf PAGE_SIZE
  emurace run --log syscalls -- ./a.out 2>calls`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "arch", Usage: "arm64 or amd64, for a program of the sysroot (default: that of the program's file, else arm64)", EnvVars: []string{"EMURACE_ARCH"}},
			&cli.StringFlag{Name: "sysroot", Usage: "the libraries: debian:`SUITE`, host or a folder", DefaultText: "see above", EnvVars: []string{"EMURACE_SYSROOT"}},
			&cli.StringSliceFlag{Name: "env", Usage: "a variable of the program's environment, `NAME=VALUE`; may be given several times"},
			&cli.StringFlag{Name: "env-from", Usage: "variables from a `FILE` with a NAME=VALUE in each line"},
			&cli.StringFlag{Name: "cwd", Usage: "the program's working folder, a `PATH` of the guest", DefaultText: "/"},
			&cli.StringFlag{Name: "stdin", Usage: "what the program reads from its standard input: a `FILE`, or - for this command's", DefaultText: "nothing"},
			&cli.StringSliceFlag{Name: "file", Usage: "a file or folder of this machine that the program sees at a path of its own, read-only, `GUEST=HOST`; may be given several times"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the random bytes that the process gets", EnvVars: []string{"EMURACE_SEED"}},
			&cli.DurationFlag{Name: "time", Usage: "stop after a time such as 30s", DefaultText: "no limit", EnvVars: []string{"EMURACE_TIME"}},
			memoryFlag(usualMemory), cacheFlag(), logFlag(),
		},
		Action: runAction,
	}
}

// errTime ends a run by --time.
var errTime = errors.New("the time is up")

func runAction(c *cli.Context) error {
	o, err := runOrder(c)
	if err != nil {
		return err
	}
	sys, command, err := o.open()
	if err != nil {
		return err
	}
	var g grants
	g.sysroot(o.cache, o.spec, o.arch)
	for _, dir := range o.dirs {
		g.Read = append(g.Read, dir)
	}
	if err := raise(c, g); err != nil {
		return errors.Join(err, sys.Close())
	}
	ctx := c.Context
	if limit := c.Duration("time"); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTime)
		defer cancel()
	}
	end, err := o.run(ctx, c, sys, command)
	if err := errors.Join(err, sys.Close()); err != nil {
		return err
	}
	switch {
	case end.Kind == emu.EndLimit:
		return environmentError(fmt.Errorf("run: %s comes to %v", command.Path, end.Limit), limitHint(&emu.LimitError{Limit: end.Limit}))
	case end.Kind != emu.EndExit:
		warn(c, "%s: %v", command.Argv[0], end)
	}
	return exit(program.Status(end, o.arch))
}

// order is what a command line asks to be run.
type order struct {
	argv   []string
	env    []string
	given  map[string][]byte // files of this machine, by their place in the guest
	dirs   map[string]string // folders of this machine, likewise
	cwd    string
	stdin  []byte
	ofHost bool // the program is a file of this machine
	arch   loader.Arch
	cache  *sysroot.Cache
	spec   sysroot.Spec
	memory uint64
	log    *logging.Log
}

// runOrder checks the command line.
func runOrder(c *cli.Context) (o *order, err error) {
	o = &order{argv: c.Args().Slice(), given: map[string][]byte{}, dirs: map[string]string{}, cwd: "/"}
	if len(o.argv) == 0 {
		return nil, usage(errors.New("run: no program named"), "for example: emurace run -- ./a.out")
	}
	if o.env, err = environment(c); err != nil {
		return nil, err
	}
	if err := o.readFiles(c); err != nil {
		return nil, err
	}
	if o.memory, err = guestMemory(c); err != nil {
		return nil, err
	}
	if o.log, err = logOf(c); err != nil {
		return nil, err
	}
	if o.cache, err = sysroot.Open(c.String("cache")); err != nil {
		return nil, err
	}
	var kind program.Kind
	kind, o.ofHost, err = o.hostFile()
	if err != nil {
		return nil, err
	}
	text := c.String("sysroot")
	switch {
	case text != "":
	case o.ofHost && (kind.Script != nil || kind.Arch.String() == runtime.GOARCH):
		text = "host"
	default:
		text = "debian:bookworm"
		if strings.Contains(kind.Interp, "musl") {
			text += "/musl"
		}
	}
	if o.spec, err = sysroot.Parse(text); err != nil {
		return nil, err
	}
	o.arch = kind.Arch
	if o.arch == 0 {
		o.arch = loader.ARM64
		if o.spec.Kind == sysroot.Host {
			o.arch, _ = loader.ParseArch(runtime.GOARCH)
		}
		if name := c.String("arch"); name != "" {
			if o.arch, err = loader.ParseArch(name); err != nil {
				return nil, usage(err, "use --arch arm64 or --arch amd64")
			}
		}
	}
	if name := c.String("arch"); name != "" && name != o.arch.String() {
		return nil, usage(fmt.Errorf("run: --arch %s: %s is a program for %v", name, o.argv[0], o.arch), "leave --arch out")
	}
	return o, nil
}

// hostFile looks whether the program is a file of this machine, and which kind.
func (o *order) hostFile() (kind program.Kind, is bool, err error) {
	name := o.argv[0]
	if !strings.Contains(name, "/") {
		return kind, false, nil
	}
	data, err := files.Read(name, loader.MaxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kind, false, nil // maybe it is in the sysroot
	case err != nil:
		return kind, false, environmentError(fmt.Errorf("run: %s: %w", name, err), "name a program, which is a regular file")
	}
	if kind, err = program.KindOf(name, data); err != nil {
		return kind, false, refused(err)
	}
	at, err := filepath.Abs(name)
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	if err != nil {
		return kind, false, err
	}
	o.argv[0], o.given[at] = at, data
	return kind, true, nil
}

// readFiles is --cwd, --stdin and --file. Files are read here, before the walls stand.
func (o *order) readFiles(c *cli.Context) (err error) {
	if at := c.String("cwd"); at != "" {
		if o.cwd = path.Clean(at); !path.IsAbs(at) {
			return usage(fmt.Errorf("--cwd %q: not an absolute path of the guest", at), "for example --cwd /tmp")
		}
	}
	switch name := c.String("stdin"); name {
	case "":
	case "-":
		if o.stdin, err = io.ReadAll(io.LimitReader(os.Stdin, maxInput+1)); err == nil && len(o.stdin) > maxInput {
			err = &files.TooLarge{Most: maxInput}
		}
	default:
		o.stdin, err = files.Read(name, maxInput)
	}
	if err != nil {
		return environmentError(fmt.Errorf("--stdin %s: %w", c.String("stdin"), err), "name a regular file, or - for this command's own input")
	}
	for _, text := range c.StringSlice("file") {
		at, name, ok := strings.Cut(text, "=")
		if !ok || !path.IsAbs(at) || name == "" {
			return usage(fmt.Errorf("--file %q: not GUEST=HOST, with an absolute path of the guest", text), "for example --file /etc/app.conf=./app.conf")
		}
		at = path.Clean(at)
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			if o.dirs[at], err = filepath.Abs(name); err != nil {
				return err
			}
			continue
		}
		if o.given[at], err = files.Read(name, loader.MaxFile); err != nil {
			return environmentError(fmt.Errorf("--file %s: %w", text, err), "name a regular file or a folder of this machine")
		}
	}
	return nil
}

// maxInput bounds what --stdin reads, which is in memory as long as the program runs.
const maxInput = 256 << 20

// environment is what --env and --env-from say.
func environment(c *cli.Context) ([]string, error) {
	var list []string
	if name := c.String("env-from"); name != "" {
		const most = 1 << 20
		text, err := files.Read(name, most)
		if err != nil {
			return nil, environmentError(fmt.Errorf("--env-from %s: %w", name, err), "name a file with a NAME=VALUE in each line")
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimRight(line, "\n"); line != "" {
				list = append(list, line)
			}
		}
	}
	list = append(list, c.StringSlice("env")...)
	for _, v := range list {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.IndexByte(v, 0) >= 0 {
			return nil, usage(fmt.Errorf("--env %q: not NAME=VALUE", v), "for example --env LANG=C.UTF-8")
		}
	}
	return list, nil
}

// open opens the sysroot, and finds the program in it.
func (o *order) open() (*emu.System, program.Command, error) {
	sys, err := system(o.cache, o.spec, o.arch, o.log)
	if err != nil {
		return nil, program.Command{}, err
	}
	if at := o.argv[0]; o.spec.Kind == sysroot.Host && o.ofHost {
		delete(o.given, at) // it is there
	}
	search := program.SearchPath
	for _, v := range o.env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			search = value
		}
	}
	command, err := program.Find(guestFiles{sys, o.given}, o.cwd, search, o.argv)
	if err == nil && command.Kind.Arch != o.arch {
		err = &program.RefusedError{Path: command.Path, Why: fmt.Sprintf("is a program for %v, and the sysroot is for %v", command.Kind.Arch, o.arch), Hint: fmt.Sprintf("use --arch %v", command.Kind.Arch)}
	}
	if err != nil {
		return nil, program.Command{}, errors.Join(refused(err), sys.Close())
	}
	return sys, command, nil
}

// guestFiles are the sysroot's files and those that are given beside.
type guestFiles struct {
	sys   *emu.System
	given map[string][]byte
}

// File is the content of one.
func (f guestFiles) File(name string) ([]byte, error) {
	if data, ok := f.given[name]; ok {
		return data, nil
	}
	return f.sys.File(name)
}

// run runs the program to its end.
func (o *order) run(ctx context.Context, c *cli.Context, sys *emu.System, command program.Command) (*emu.End, error) {
	if command.Kind.Warning != "" {
		warn(c, "%s: warning: %s", command.Path, command.Kind.Warning)
	}
	folders := map[string]*emu.Folder{}
	defer func() {
		for _, f := range folders {
			_ = f.Close() // it was only read
		}
	}()
	for at, dir := range o.dirs {
		f, err := emu.OpenFolder(dir, o.arch)
		if err != nil {
			return nil, environmentError(fmt.Errorf("--file %s=%s: %w", at, dir, err), "name a folder of this machine that can be read")
		}
		folders[at] = f
	}
	// A program that prints to where nothing can be written may never look at that.
	var failed error
	sys.Interrupt(func() error {
		if failed != nil {
			return failed
		}
		return context.Cause(ctx)
	})
	m, err := emu.NewProgram(emu.ProgramOptions{
		System: sys, Path: command.Path, Argv: command.Argv, Env: o.env, Seed: c.Uint64("seed"), Memory: o.memory, Files: o.given,
		Folders: folders, Folder: o.cwd, Input: o.stdin,
		Print: func(fd int, data []byte) {
			w := c.App.Writer
			if fd == 2 {
				w = c.App.ErrWriter
			}
			if _, err := w.Write(data); err != nil && failed == nil {
				failed = err
			}
		},
	})
	if err != nil {
		return nil, startError(err, o)
	}
	defer m.Close()
	end, err := program.Run(m)
	var stuck *program.StuckError
	switch {
	case failed != nil:
		return nil, failed
	case errors.Is(err, errTime):
		return nil, environmentError(fmt.Errorf("run: %s: %w after %v", command.Path, err, c.Duration("time").Round(time.Millisecond)), "give it more with --time")
	case errors.As(err, &stuck):
		return nil, &failure{code: exitFound, cause: fmt.Errorf("run: %s: %w", command.Path, err), hint: "on Linux it would wait for ever too"}
	case err != nil:
		return nil, err
	}
	for _, u := range m.Missed() {
		warn(c, "%s: %s is not there: what the program did then may not be what it does on Linux", command.Path, u.Name)
	}
	return end, nil
}

// startError is that a process could not be made of a program.
func startError(err error, o *order) error {
	var interp *emu.InterpreterError
	if errors.As(err, &interp) {
		hint := "use another --sysroot, one that has it"
		if strings.Contains(interp.Path, "musl") {
			hint = fmt.Sprintf("emurace sysroot pull debian:bookworm/musl --arch %v; then --sysroot debian:bookworm/musl", o.arch)
		}
		return environmentError(fmt.Errorf("run: %w", err), hint)
	}
	return environmentError(fmt.Errorf("run: %w", err), "look at --cwd, --file and the size of the arguments and of the environment")
}

// warn says beside a program's output what may be different from what it does on Linux.
func warn(c *cli.Context, format string, args ...any) {
	// There is nothing left to do when even this cannot be written.
	_, _ = fmt.Fprintf(c.App.ErrWriter, "emurace: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// refused is the error of a file that is no program, or not there.
func refused(err error) error {
	var r *program.RefusedError
	var missing *program.NotFoundError
	switch {
	case errors.As(err, &r):
		hint := r.Hint
		if hint == "" {
			hint = "name a program: an ELF file for arm64 or x86-64, or a script that begins with #!"
		}
		return environmentError(fmt.Errorf("run: %w", err), hint)
	case errors.As(err, &missing):
		return environmentError(fmt.Errorf("run: %w", err), "a program of this machine is written with a slash, as ./a.out; emurace sysroot pull debian:SUITE PACKAGE adds one to a sysroot")
	}
	return environmentError(fmt.Errorf("run: %w", err), "name a program that can be read")
}
