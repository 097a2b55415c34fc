package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/crash"
	"emurace/internal/guard"
	"emurace/internal/testroot"
	"emurace/internal/wall"
	"emurace/loader"
)

// engineOf waits for the engine process of a program that runs, until it stands behind its
// walls and has used some of the processor since.
func engineOf(t *testing.T, supervisor int, busy time.Duration) int {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		stats, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range stats {
			data, _ := os.ReadFile(file) // it may be gone
			_, rest, _ := bytes.Cut(data, []byte(") "))
			fields := strings.Fields(string(rest))
			if len(fields) < 13 || fields[1] != fmt.Sprint(supervisor) {
				continue
			}
			var pid, ticks int
			if _, err := fmt.Sscan(string(data), &pid); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(fields[11], &ticks); err != nil {
				t.Fatal(err)
			}
			const tick = 10 * time.Millisecond
			if walled(t, pid) && time.Duration(ticks)*tick >= busy {
				return pid
			}
		}
	}
	t.Fatal("there is no engine process")
	return 0
}

// walled tells whether a process has raised its walls; where there are none, whether it
// is there.
func walled(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	return !wall.Available().Seccomp || strings.Contains(string(status), "\nSeccomp:\t2\n")
}

// dying is a program whose engine process gets a signal when it has been busy for a
// while. It returns what the program says then.
func dying(t *testing.T, cmd *exec.Cmd, busy time.Duration, sig syscall.Signal) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(engineOf(t, cmd.Process.Pid, busy), sig); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != exitEnvironment {
		t.Errorf("%v, want exit code %d: %s", err, exitEnvironment, &errs)
	}
	// Lines of progress are of searches that take long.
	text := regexp.MustCompile(`(?m)^emurace: \d+ (preemptions?|interleavings)\b.*\n`).ReplaceAllString(errs.String(), "")
	if !errorForm.MatchString(text) {
		t.Errorf("standard error: %q", text)
	}
	return out.String(), text
}

// TestEngineDies: a search whose engine dies says where it was, shows what it had found,
// writes its trace, and keeps its state, from which it goes on.
func TestEngineDies(t *testing.T) {
	t.Setenv(testSaveEvery, "20ms")
	args := []string{"explore", "--strategy", "bounded", "--keep-going", "--json", "--minimize=false"}
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGKILL} {
		if testing.Short() && sig != syscall.SIGSEGV {
			continue
		}
		cmd := subprocess(t, args...)
		stdout, stderr := dying(t, cmd, 1500*time.Millisecond, sig)
		place := `(main|worker) [\w.]+\+0x[0-9a-f]+( \([\w.-]+\))?`
		if sig == syscall.SIGKILL {
			// Nothing has run that could tell more than where the last slice ended.
			place = `(main|worker)( [\w.]+\+0x[0-9a-f]+( \([\w.-]+\))?)?`
		}
		if !regexp.MustCompile(`^emurace: the engine died at ` + place + `: SIG`).MatchString(stderr) {
			t.Errorf("%v: %q", sig, stderr)
		}
		const state = "getenv-setenv-arm64-debian_bookworm.state"
		if !strings.Contains(stderr, state) {
			t.Errorf("%v: %q does not name the state", sig, stderr)
		}
		var r resultObject
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Verdict != "failing" || !r.Interrupted || len(r.Findings) == 0 {
			t.Fatalf("%v: %v: %s", sig, err, stdout)
		}
		if _, err := os.Stat(filepath.Join(cmd.Dir, r.Findings[0].Trace)); err != nil {
			t.Error(err)
		}
		before := savedSchedules(t, filepath.Join(cmd.Dir, state))
		if before == 0 || before < r.Schedules {
			t.Errorf("%v: %d schedules are saved, and %d were shown", sig, before, r.Schedules)
		}
		// The state is the user's now: the next death does not touch it. With --resume it
		// is the search's own.
		again := subprocess(t, slices.Concat(args[:1], []string{"--resume", state}, args[1:])...)
		again.Dir = cmd.Dir
		stdout, stderr = dying(t, again, 1500*time.Millisecond, sig)
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Schedules < before || !strings.Contains(stderr, " "+state) {
			t.Errorf("%v: %v: %s, %s", sig, err, stdout, stderr)
		}
		if files, err := filepath.Glob(filepath.Join(cmd.Dir, "*.state")); err != nil || len(files) != 1 {
			t.Errorf("%v, %v", files, err)
		}
	}
}

// TestEngineDiesShowing: a command that shows a trace says which.
func TestEngineDiesShowing(t *testing.T) {
	dir := t.TempDir()
	trace := filepath.Join(dir, "x.trace")
	runFor(t, exitFound, "explore", "-o", trace)
	cmd := subprocess(t, "gdb", "--stdio", trace)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	defer func() { _ = w.Close() }() // until then it waits for more
	cmd.Stdin = r
	_, stderr := dying(t, cmd, 0, syscall.SIGBUS)
	if !strings.Contains(stderr, ": SIGBUS (bus error)\n") || !strings.Contains(stderr, "report it with the trace "+trace) {
		t.Errorf("%q", stderr)
	}
}

// TestPlace: an address is named as in the rest of the program.
func TestPlace(t *testing.T) {
	dir := testroot.Dir(t, "debian:bookworm", "arm64")
	sys, err := emu.OpenSystem(dir, loader.ARM64)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close()
	m, err := emu.New(emu.Options{System: sys})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	libc, _ := m.Libc()
	addr, err := m.Lookup("getenv")
	if err != nil {
		t.Fatal(err)
	}
	d := crash.Death{Thread: "main", PC: addr + 0x94, Process: crash.Process{
		Root: dir, Modules: []crash.Module{{Path: libc.Path, Base: libc.Base, Lo: libc.Lo, Hi: libc.Hi}},
	}}
	for want, change := range map[string]func(*crash.Death){
		" at main getenv+0x94 (libc.so.6)":     func(*crash.Death) {},
		fmt.Sprintf(" at main %#x", addr+0x94): func(d *crash.Death) { d.Modules = nil },
		" at main":                             func(d *crash.Death) { d.PC = 0 },
		"":                                     func(d *crash.Death) { d.Thread = "" },
		fmt.Sprintf(" at main no+%#x", addr+0x94-libc.Base):   func(d *crash.Death) { d.Modules[0].Path = "/no" },
		fmt.Sprintf(" at main dir+%#x", addr+0x94-libc.Base):  func(d *crash.Death) { d.Modules[0].Path, d.Root = "/dir", t.TempDir() },
		fmt.Sprintf(" at main bash+%#x", addr+0x94-libc.Base): func(d *crash.Death) { d.Modules[0].Path = "../../bash" },
	} {
		c := d
		c.Modules = slices.Clone(d.Modules)
		change(&c)
		if got := place(&c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestDied: what is said of a death, and what to do.
func TestDied(t *testing.T) {
	at := &crash.Death{Thread: "main"}
	for want, end := range map[string]guard.End{
		"emurace: the engine died at main: SIGKILL (killed), as the machine had no memory left\nhint: use fewer --jobs":                              {Signal: syscall.SIGKILL, Memory: true, Death: at},
		"emurace: the engine died at main: SIGKILL (killed)\nhint: somebody has killed it":                                                           {Signal: syscall.SIGKILL, Death: at},
		"emurace: the engine died at main: SIGSEGV: segmentation violation\nhint: it is a fault of emurace: please report it with the trace x.trace": {Crash: "SIGSEGV: segmentation violation", Death: at},
		"emurace: the program died: panic: no\nhint: it is a fault of emurace":                                                                       {Crash: "panic: no", Death: at},
	} {
		var b bytes.Buffer
		if code := finish(died(end, []string{"emurace", "replay", "x.trace"}, nil, nil), &b); code != exitEnvironment || !strings.HasPrefix(b.String(), want) {
			t.Errorf("%d, %q, want %q", code, &b, want)
		}
	}
}

// TestRunsGuest: only what runs a guest has an engine process.
func TestRunsGuest(t *testing.T) {
	for line, want := range map[string]bool{
		"": false, "emurace": false, "emurace version": false, "emurace --help": false, "emurace sysroot pull debian:bookworm": false,
		"emurace sysroot explore": false, "emurace help explore": false, "emurace explore": true, "emurace explore --help": true, "emurace -h replay": true, "emurace gdb --stdio": true,
	} {
		if got := runsGuest(strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	for _, c := range newApp(nil, nil).Commands {
		if known := slices.Contains(append([]string{"sysroot", "man", "completion", "help", "version", "test", "diagnose"}, guestCommands...), c.Name); !known {
			t.Errorf("whether %s runs a guest is not said", c.Name)
		}
	}
}
