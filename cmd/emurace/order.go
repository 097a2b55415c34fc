package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore/target"
	"emurace/internal/files"
	"emurace/internal/logging"
	"emurace/loader"
	"emurace/program"
	"emurace/scenario"
	"emurace/sysroot"
)

// processFlags are the flags that say what a program sees, for every command that runs one.
func processFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "env", Usage: "a variable of the program's environment, `NAME=VALUE`; may be given several times"},
		&cli.StringFlag{Name: "env-from", Usage: "variables from a `FILE` with a NAME=VALUE in each line"},
		&cli.StringFlag{Name: "cwd", Usage: "the program's working folder, a `PATH` of the guest", DefaultText: "/"},
		&cli.StringFlag{Name: "stdin", Usage: "what the program reads from its standard input: a `FILE`, or - for this command's", DefaultText: "nothing"},
		&cli.StringSliceFlag{Name: "file", Usage: "a file or folder of this machine that the program sees at a path of its own, read-only, `GUEST=HOST`; may be given several times"},
	}
}

// order is what a command line asks to be run.
type order struct {
	name   string // the command's
	argv   []string
	argv0  string // what the program is to take for its name, "" for that of argv
	env    []string
	given  map[string][]byte // files of this machine, by their place in the guest
	hosts  map[string]string // where they are here
	dirs   map[string]string // folders of this machine, likewise
	cwd    string
	stdin  []byte
	ofHost bool   // the program is a file of this machine
	asked  string // its absolute path as it was given, where that may be one of the sysroot too
	arch   loader.Arch
	cache  *sysroot.Cache
	spec   sysroot.Spec
	memory uint64
	log    *logging.Log
}

// wish says which program is to be run, by flags or by a script.
type wish struct {
	argv   []string // its path or name first
	name   string   // its argv[0] where that is another than its path, as a script may say; "" for none
	env    []string
	cwd    string
	files  []string // GUEST=HOST
	input  []byte
	expect []string
	from   string // where the window begins, "" for where there is a second thread
	to     string // and where it ends, "" for the end of the process
	// expected is what a script that names it expects of searches.
	expected []scenario.Expected
	// end is the one that it has searches look for, nil for any failure.
	end *target.End
}

// wishOf is what the flags say about a program with these arguments. Of standard input it reads
// so many bytes at most.
func wishOf(c *cli.Context, argv []string, most int) (w wish, err error) {
	w = wish{argv: argv, cwd: c.String("cwd"), files: c.StringSlice("file"), expect: c.StringSlice("expect"), from: c.String("from"), to: c.String("to")}
	if len(argv) == 0 {
		return w, usage(fmt.Errorf("%s: no program named", c.Command.Name), fmt.Sprintf("for example: emurace %s -- ./a.out", c.Command.Name))
	}
	if w.env, err = environment(c); err != nil {
		return w, err
	}
	w.input, err = readInput(c.String("stdin"), most)
	return w, err
}

// newOrder checks what is to be run; arch and spec are what the command line asks for, "" for
// nothing.
func newOrder(c *cli.Context, w wish, arch, spec string) (o *order, err error) {
	o = &order{name: c.Command.Name, argv: slices.Clone(w.argv), argv0: w.name, env: w.env, stdin: w.input, given: map[string][]byte{}, hosts: map[string]string{}, dirs: map[string]string{}, cwd: "/"}
	if err := o.readFiles(w); err != nil {
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
	asked := o.argv[0]
	kind, o.ofHost, err = o.hostFile()
	if err != nil {
		return nil, err
	}
	if o.ofHost && path.IsAbs(asked) {
		o.asked = asked
	}
	if o.asked != "" && arch != "" && kind.Script == nil && arch != kind.Arch.String() {
		o.leaveHost() // it is the sysroot's that is meant
		kind = program.Kind{}
	}
	text := spec
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
		if arch != "" {
			if o.arch, err = loader.ParseArch(arch); err != nil {
				return nil, usage(err, "use --arch arm64 or --arch amd64")
			}
		}
	}
	if arch != "" && arch != o.arch.String() {
		return nil, usage(fmt.Errorf("%s: --arch %s: %s is a program for %v", o.name, arch, o.argv[0], o.arch), "leave --arch out")
	}
	return o, nil
}

// leaveHost takes the program from the sysroot.
func (o *order) leaveHost() {
	delete(o.given, o.argv[0])
	delete(o.hosts, o.argv[0])
	o.argv[0], o.ofHost = o.asked, false
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
		return kind, false, environmentError(fmt.Errorf("%s: %s: %w", o.name, name, err), "name a program, which is a regular file")
	}
	if kind, err = program.KindOf(name, data); err != nil {
		return kind, false, o.refused(err)
	}
	at, err := filepath.Abs(name)
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	if err != nil {
		return kind, false, err
	}
	o.argv[0], o.given[at], o.hosts[at] = at, data, at
	return kind, true, nil
}

// readFiles is --cwd and --file. Files are read here, before the walls stand.
func (o *order) readFiles(w wish) (err error) {
	if at := w.cwd; at != "" {
		if o.cwd = path.Clean(at); !path.IsAbs(at) {
			return usage(fmt.Errorf("--cwd %q: not an absolute path of the guest", at), "for example --cwd /tmp")
		}
	}
	for _, text := range w.files {
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
		if o.hosts[at], err = filepath.Abs(name); err != nil {
			return err
		}
	}
	return nil
}

// readInput is --stdin, of so many bytes at most. It is read once, whatever is run of it.
func readInput(name string, most int) (input []byte, err error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		if input, err = io.ReadAll(io.LimitReader(os.Stdin, int64(most)+1)); err == nil && len(input) > most {
			err = &files.TooLarge{Most: int64(most)}
		}
	default:
		input, err = files.Read(name, int64(most))
	}
	if err != nil {
		return nil, environmentError(fmt.Errorf("--stdin %s: %w", name, err), "name a regular file, or - for this command's own input; of what is large, --file gives a file")
	}
	return input, nil
}

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
	switch at := o.argv[0]; {
	case o.spec.Kind == sysroot.Host && o.ofHost:
		delete(o.given, at) // it is there
	case o.asked != "" && o.ofHost:
		if _, err := sys.File(o.asked); err == nil {
			o.leaveHost()
		}
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
		return nil, program.Command{}, errors.Join(o.refused(err), sys.Close())
	}
	if o.argv0 != "" {
		command.Argv[0] = o.argv0
	}
	return sys, command, nil
}

// folders opens those of this machine that the program sees.
func (o *order) folders() (map[string]*emu.Folder, error) {
	list := map[string]*emu.Folder{}
	for at, dir := range o.dirs {
		f, err := emu.OpenFolder(dir, o.arch)
		if err != nil {
			closeFolders(list)
			return nil, environmentError(fmt.Errorf("--file %s=%s: %w", at, dir, err), "name a folder of this machine that can be read")
		}
		list[at] = f
	}
	return list, nil
}

// closeFolders lets go of folders, which were only read.
func closeFolders(list map[string]*emu.Folder) {
	for _, f := range list {
		_ = f.Close()
	}
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

// startHint is what helps where a process could not be made of a program.
func startHint(err error, arch loader.Arch) string {
	var interp *emu.InterpreterError
	switch {
	case !errors.As(err, &interp):
		return "look at --cwd, --file and the size of the arguments and of the environment"
	case strings.Contains(interp.Path, "musl"):
		return fmt.Sprintf("emurace sysroot pull debian:bookworm/musl --arch %v; then --sysroot debian:bookworm/musl", arch)
	}
	return "use another --sysroot, one that has it"
}

// refused is the error of a file that is no program, or not there.
func (o *order) refused(err error) error {
	var r *program.RefusedError
	var missing *program.NotFoundError
	switch {
	case errors.As(err, &r):
		hint := r.Hint
		if hint == "" {
			hint = "name a program: an ELF file for arm64 or x86-64, or a script that begins with #!"
		}
		return environmentError(fmt.Errorf("%s: %w", o.name, err), hint)
	case errors.As(err, &missing):
		hint := "a program of this machine is written with a slash, as ./a.out"
		if o.spec.Kind == sysroot.Debian {
			hint = packageHint(missing.Name, o.cache, o.spec, o.arch)
			if missing.For == "" && !strings.Contains(missing.Name, "/") {
				hint += "; a program of this machine is written with a slash, as ./" + missing.Name
			}
		}
		return environmentError(fmt.Errorf("%s: %w", o.name, err), hint)
	}
	return environmentError(fmt.Errorf("%s: %w", o.name, err), "name a program that can be read")
}
