package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"emurace/emu"
	"emurace/internal/crash"
	"emurace/internal/guard"
	"emurace/loader"
)

// guestCommands are the commands that run a guest: in an engine process, behind walls.
var guestCommands = []string{"explore", "run", "script", "replay", "step", "gdb", "report", "core"}

// runsGuest tells whether a command line is one of those. That is decided before the
// command line is judged, so one that is wrong is judged by the engine process.
func runsGuest(args []string) bool {
	i := slices.IndexFunc(args[min(1, len(args)):], func(a string) bool { return a == "" || a[0] != '-' })
	return i >= 0 && slices.Contains(guestCommands, args[1+i])
}

// supervise has an engine process do what the arguments say, and returns the exit code.
func supervise(args []string, stderr io.Writer) int {
	end, err := guard.Supervise(guard.Options{Args: args})
	remember(end)
	_, _ = io.WriteString(stderr, lines(lastSaid(end))) // a help for whoever looks into it
	switch {
	case err != nil:
		return finish(environmentError(err, "the machine may lack processes, files or memory, or have no /proc"), stderr)
	case end.Launched != nil:
		return finish(environmentError(end.Launched, ""), stderr)
	case end.Death != nil:
		saved, err := keepStates(end.States)
		again := args
		if len(saved) == 1 {
			again = slices.Concat(args[:2], []string{"--resume", saved[0]}, args[2:])
		}
		for _, name := range end.Own {
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
				saved = append(saved, name)
			}
		}
		if len(saved) == 1 {
			settle(again)
		}
		return finish(died(end, args, saved, err), stderr)
	case end.Signal == unix.SIGPIPE:
		dieOfPipe()
		return exitEnvironment
	}
	return end.Code
}

// dieOfPipe ends the program as the engine process has ended, and as a program does that
// writes what nobody reads: Go's runtime does so for a write to the standard output or
// error, and ignores the signal that somebody sends.
func dieOfPipe() {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}}
		if n, err := unix.Poll(fds, 0); err == nil && n == 1 && fds[0].Revents&unix.POLLERR != 0 {
			_, _ = f.WriteString("\n") // to nobody
		}
	}
}

// lastSaid is what to show of what libraries have said: all, or of the state of Go's runtime
// the part that tells where it gave up.
func lastSaid(end guard.End) string {
	switch {
	case end.Crash == "" && end.Death == nil:
		return end.Said
	case end.Crash == "":
		return "" // it is in the error
	}
	const most = 60
	var kept []string
	for line := range strings.Lines(end.Said) {
		if strings.HasPrefix(line, "goroutine ") && slices.ContainsFunc(kept, func(l string) bool { return strings.HasPrefix(l, "goroutine ") }) || len(kept) == most {
			break
		}
		kept = append(kept, line)
	}
	return strings.TrimRight(strings.Join(kept, ""), "\n") + "\n"
}

// settle shows what a search that has died had found, from its state. If that fails, the
// state is still there.
func settle(args []string) {
	if end, err := guard.Supervise(guard.Options{Args: args, Settle: true}); err == nil {
		remember(end)
	}
}

// remember keeps the name of the trace that was written last.
func remember(end guard.End) {
	if filepath.IsAbs(end.Note) {
		_ = keepLastTrace(end.Note) // a convenience
	}
}

// died is the error that the engine process has died, with what is left of its search.
func died(end guard.End, args, saved []string, unsaved error) error {
	what, where := "engine", place(end.Death)
	if end.Signal == 0 && !strings.HasPrefix(end.Crash, "SIG") {
		// A panic, which is not the guest's doing and has no place there.
		what, where = "program", ""
	}
	why := end.Crash
	if end.Signal != 0 {
		why = fmt.Sprintf("%s (%v)", unix.SignalName(end.Signal), end.Signal)
		if said := strings.TrimSpace(end.Said); said != "" { // as by an assertion
			why += ", and it said: " + said[strings.LastIndexByte(said, '\n')+1:]
		}
	}
	hint := "it is a fault of emurace: please report it with " + evidence(args)
	switch {
	case end.Memory:
		why += ", as the machine had no memory left"
		hint = "use fewer --jobs, or a machine with more memory"
	case end.Signal == unix.SIGKILL:
		hint = "somebody has killed it, or the machine had no memory left: then fewer --jobs help"
	}
	if len(saved) > 0 {
		hint += "; the search as it was is in " + strings.Join(saved, ", ") + ", and goes on from there with --resume"
	}
	if unsaved != nil {
		hint += "; the search as it was could not be saved: " + unsaved.Error()
	}
	return environmentError(fmt.Errorf("the %s died%s: %s", what, where, why), hint)
}

// evidence is what a report of a fault needs.
func evidence(args []string) string {
	for _, a := range args[1:] {
		if strings.HasSuffix(a, ".trace") && slices.Index(args, "-o")+1 != slices.Index(args, a) {
			return "the trace " + a + ", the command and what emurace version says"
		}
	}
	if len(args) > 1 && !slices.Contains([]string{"explore", "script"}, args[1]) {
		return "the trace, the command and what emurace version says"
	}
	return "the command and what emurace version says"
}

// keepStates writes what was kept of searches into files that are not there yet.
func keepStates(states map[string][]byte) (saved []string, err error) {
	for name, data := range states {
		f, failed := createNew(name)
		if failed == nil {
			_, failed = f.Write(data)
			failed = errors.Join(failed, f.Close())
		}
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		saved = append(saved, f.Name())
	}
	slices.Sort(saved)
	return saved, err
}

// createNew makes a file, with a number in its name where there is one already.
func createNew(name string) (*os.File, error) {
	ext := filepath.Ext(name)
	for i := 1; ; i++ {
		try := name
		if i > 1 {
			try = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), i, ext)
		}
		f, err := os.OpenFile(try, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, os.ErrExist) || i == 1000 {
			return f, err
		}
	}
}

// place says where the guest was, as in ` at main getenv+0x94 (libc.so.6)`.
func place(d *crash.Death) string {
	if d.Thread == "" {
		return ""
	}
	if d.PC == 0 {
		return " at " + d.Thread
	}
	at := fmt.Sprintf("%#x", d.PC)
	for _, m := range d.Modules {
		if d.PC < m.Lo || d.PC >= m.Hi {
			continue
		}
		in := path.Base(m.Path)
		at = fmt.Sprintf("%s+%#x", in, d.PC-m.Base)
		if name, ok := symbol(d, m); ok {
			at = fmt.Sprintf("%s (%s)", name, in)
		}
		break
	}
	return fmt.Sprintf(" at %s %s", d.Thread, at)
}

// symbol names the function that the guest was in. It is a name less if the image cannot
// be read.
func symbol(d *crash.Death, m crash.Module) (string, bool) {
	root, err := loader.OpenSysroot(d.Root)
	if err != nil {
		return "", false
	}
	defer root.Close()
	const largest = 256 << 20 // bytes, as of any file of a sysroot
	data, err := root.ReadFile(m.Path, largest)
	if err != nil {
		return "", false
	}
	im, err := loader.Parse(m.Path, data)
	if err != nil {
		return "", false
	}
	if !im.HasDebug() {
		_, _ = im.LoadDebug(root) // or there are fewer names
	}
	sym, off, ok := im.SymbolAt(d.PC - m.Base)
	return fmt.Sprintf("%s+%#x", sym.Name, off), ok
}

// engine is the program in its engine process.
func engine(e *guard.Engine, args []string) int {
	if err := emu.RecordDeath(); err != nil {
		return finish(err, os.Stderr)
	}
	return doMain(e.Context(context.Background()), args, os.Stdout, os.Stderr)
}
