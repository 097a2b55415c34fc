package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"emurace/internal/wall"
)

// guarded is the name under which the test's own program runs, as a supervisor and then
// as an engine process. Its argument says what that does.
const guarded = "guarded"

func TestMain(m *testing.M) {
	if os.Args[0] != guarded {
		os.Exit(m.Run())
	}
	e, err := Inherited()
	if err != nil {
		panic(err)
	}
	if e != nil {
		os.Exit(engines[os.Args[1]](e))
	}
	end, err := Supervise(Options{Args: os.Args, Settle: os.Args[1] == "settle"})
	if err != nil {
		panic(err)
	}
	if end.Launched != nil {
		fmt.Println("launched:", end.Launched)
	}
	end.Launched = nil
	if err := json.NewEncoder(os.Stdout).Encode(end); err != nil {
		panic(err)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func die(sig syscall.Signal) int {
	must(unix.Kill(os.Getpid(), sig))
	time.Sleep(time.Minute)
	return 0
}

// engines are what the engine process may do.
var engines = map[string]func(*Engine) int{
	"exit":  func(*Engine) int { return 7 },
	"panic": func(*Engine) int { panic("at the disco") },
	"nil": func(*Engine) int {
		var none *Engine
		return len(none.reports.Name())
	},
	"talk": func(*Engine) int {
		_, err := unix.Write(2, []byte("a library speaks\n"))
		must(err)
		_, err = os.Stderr.WriteString("the program speaks\n")
		must(err)
		return 2
	},
	"abort": func(*Engine) int { return die(unix.SIGABRT) },
	"kill":  func(*Engine) int { return die(unix.SIGKILL) },
	"pipe": func(*Engine) int {
		r, w, err := os.Pipe()
		must(err)
		must(r.Close())
		must(unix.Dup3(int(w.Fd()), 1, 0))
		_, err = os.Stdout.WriteString("nobody reads")
		must(err)
		return 0
	},
	"states": func(e *Engine) int {
		must(e.States([]string{"one", "two"}, false))
		must(e.Raise(wall.Grant{}))
		must(e.Keep(1, []byte("old")))
		must(e.Note("no"))
		must(e.Note("noted"))
		must(e.Keep(1, bytes.Repeat([]byte("n"), 1<<20)))
		return die(unix.SIGKILL)
	},
	"half a state": func(e *Engine) int {
		must(e.States([]string{"one"}, false))
		must(e.Keep(0, []byte("whole")))
		_, err := e.reports.Write([]byte{byte(reportState), 200, 0, 0, 0, 0, 0, 0, 0, 'h'})
		must(err)
		return die(unix.SIGKILL)
	},
	"too late": func(e *Engine) int {
		must(e.Raise(wall.Grant{}))
		must(e.States([]string{"/etc/passwd"}, false))
		time.Sleep(time.Minute)
		return 0
	},
	"order": func(e *Engine) int {
		ctx := e.Context(context.Background())
		if From(ctx) != e {
			return 1
		}
		fmt.Println("ready", os.Getpid())
		<-ctx.Done()
		time.Sleep(100 * time.Millisecond) // whatever else comes
		return 42
	},
	"deaf": func(e *Engine) int {
		e.Context(context.Background())
		fmt.Println("ready", os.Getpid())
		time.Sleep(time.Minute)
		return 0
	},
	"launch": func(e *Engine) int {
		ctx := e.Context(context.Background())
		must(e.Launch(Launch{Program: "/bin/sh", Args: []string{"-c", "echo from outside; exit 3"}}))
		must(e.Raise(wall.Grant{}))
		must(e.Start())
		<-ctx.Done()
		return 0
	},
	"launch late": func(e *Engine) int {
		must(e.Raise(wall.Grant{}))
		must(e.Launch(Launch{Program: "/bin/sh", Args: []string{"-c", "echo taken over"}}))
		time.Sleep(time.Minute)
		return 0
	},
	"settle": func(e *Engine) int { fmt.Println(e.Settles()); return 0 },
	"arguments": func(*Engine) int {
		_, ours := os.LookupEnv(marker)
		fmt.Println(strings.Join(os.Args, " "), ours)
		return 0
	},
}

// start starts the program; its output is to be read.
func start(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = append([]string{guarded}, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // signals to a group are not for the tests
	var out bytes.Buffer
	cmd.Stderr = &out
	return cmd, &out
}

// endOf is what the supervisor says of an end, after what the engine process has said.
func endOf(t *testing.T, out []byte) (said string, end End) {
	t.Helper()
	i := bytes.LastIndex(bytes.TrimSpace(out), []byte("\n")) + 1
	if err := json.Unmarshal(out[i:], &end); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return string(out[:i]), end
}

func run(t *testing.T, args ...string) (said string, end End, stderr string) {
	t.Helper()
	cmd, errs := start(t, args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	said, end = endOf(t, out)
	return said, end, errs.String()
}

// TestEnds: the supervisor survives whatever the engine process dies of, and knows it.
func TestEnds(t *testing.T) {
	for how, want := range map[string]End{
		"exit":  {Code: 7},
		"panic": {Crash: "panic: at the disco"},
		"nil":   {Crash: "panic: runtime error: invalid memory address or nil pointer dereference"},
		"abort": {Crash: "SIGABRT: abort"},
		"kill":  {Signal: unix.SIGKILL},
		"pipe":  {Signal: unix.SIGPIPE},
	} {
		t.Run(how, func(t *testing.T) {
			said, end, stderr := run(t, how)
			if said != "" || end.Code != want.Code || end.Signal != want.Signal || end.Crash != want.Crash {
				t.Errorf("%q, %+v; %s", said, end, stderr)
			}
			if stderr != "" || (want.Crash != "") != strings.Contains(end.Said, "\ngoroutine ") {
				t.Errorf("%q, %q", stderr, end.Said)
			}
			if died := how != "exit" && how != "pipe"; died != (end.Death != nil) {
				t.Errorf("death: %+v", end.Death)
			}
		})
	}
	if said, _, _ := run(t, "arguments", "a b"); said != "guarded arguments a b false\n" {
		t.Errorf("its arguments, and whether it is marked: %q", said)
	}
	if _, end, stderr := run(t, "talk"); end.Said != "a library speaks\n" || stderr != "the program speaks\n" || end.Code != 2 || end.Death != nil {
		t.Errorf("%+v, %q", end, stderr)
	}
	if said, _, _ := run(t, "settle"); said != "true\n" {
		t.Errorf("it settles: %q", said)
	}
}

// TestStates: what was kept last is there after a death, whole, and under names that were
// given before the walls only.
func TestStates(t *testing.T) {
	_, end, _ := run(t, "states")
	if len(end.States) != 1 || string(end.States["two"]) != strings.Repeat("n", 1<<20) || end.Signal != unix.SIGKILL || end.Note != "noted" {
		t.Errorf("%.200v", end)
	}
	if _, end, _ = run(t, "half a state"); string(end.States["one"]) != "whole" {
		t.Errorf("%.200v", end)
	}
	if _, end, _ = run(t, "too late"); len(end.States) != 0 || end.Signal != unix.SIGKILL {
		t.Errorf("%.200v", end)
	}
}

// TestLaunch: the supervisor starts the program that was named before the walls, and no
// other.
func TestLaunch(t *testing.T) {
	said, end, _ := run(t, "launch")
	if said != "from outside\nlaunched: /bin/sh: exit status 3\n" || end.Code != 0 {
		t.Errorf("%q, %+v", said, end)
	}
	said, end, _ = run(t, "launch late")
	if said != "" || end.Signal != unix.SIGKILL {
		t.Errorf("%q, %+v", said, end)
	}
}

// ready starts the program and waits until the engine process is at work. It returns that
// one's number.
func ready(t *testing.T, how string) (cmd *exec.Cmd, rest *os.File, engine int) {
	t.Helper()
	cmd, _ = start(t, how)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var line []byte
	for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; {
		if _, err := r.Read(b); err != nil {
			t.Fatal(err)
		}
		line = append(line, b[0])
	}
	if engine, err = strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(string(line)), "ready ")); err != nil {
		t.Fatal(err)
	}
	return cmd, r, engine
}

// TestSignals: a signal is one order to end, whether it has come to the supervisor alone
// or to both, as Ctrl-C does.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if signal.Ignored(sig) {
			continue // under nohup it is no order
		}
		for _, group := range []bool{false, true} {
			cmd, rest, _ := ready(t, "order")
			to := cmd.Process.Pid
			if group {
				to = -to
			}
			if err := unix.Kill(to, sig); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if _, err := out.ReadFrom(rest); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			if _, end := endOf(t, out.Bytes()); end.Code != 42 || end.Death != nil {
				t.Errorf("%v, to the group: %v: %+v", sig, group, end)
			}
		}
	}
}

// TestSecondSignal: the second one ends both.
func TestSecondSignal(t *testing.T) {
	cmd, _, engine := ready(t, "deaf")
	for range 2 {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // or the two would be one
	}
	_ = cmd.Wait() // how it ended is looked at
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != unix.SIGINT {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
	mustEnd(t, engine)
}

// TestOrphan: an engine process does not outlive its supervisor.
func TestOrphan(t *testing.T) {
	cmd, _, engine := ready(t, "deaf")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	mustEnd(t, engine)
}

// mustEnd waits for the end of a process that is not the test's child.
func mustEnd(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

// TestNoSupervisor: without one, all does nothing; and the mark alone makes none.
func TestNoSupervisor(t *testing.T) {
	t.Setenv(marker, fmt.Sprint(os.Getppid()))
	e, err := Inherited()
	if e != nil || err != nil {
		t.Errorf("%v, %v", e, err)
	}
	for _, err := range []error{e.Raise(wall.Grant{}), e.States(nil, false), e.Keep(0, nil), e.Note(""), e.Launch(Launch{}), e.Start()} {
		if err != nil {
			t.Error(err)
		}
	}
	if From(context.Background()) != nil {
		t.Error("a context without a supervisor has one")
	}
}
