package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"emurace/internal/testroot"
)

// subprocess is the program in a process of its own, with a home of its own,
// killed when it does not end in time.
func subprocess(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = append([]string{"emurace"}, args...) // TestMain goes by the name
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "XDG_STATE_HOME="+cmd.Dir, "XDG_CONFIG_HOME="+cmd.Dir,
		"EMURACE_CACHE="+testroot.Cache(t).Path())
	return cmd
}

// endless is a search that no machine finishes.
var endless = []string{"explore", "--sysroot", "debian:trixie", "--strategy", "bounded"}

// TestSignal: Ctrl-C, or a plain kill, ends a search in good order: the result
// so far on standard output, a note, exit code 130, and nothing half-written.
func TestSignal(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the first line of progress, which takes 5 s")
	}
	for name, sig := range map[string]os.Signal{"SIGINT": os.Interrupt, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := subprocess(t, endless...)
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stderr)
			if !lines.Scan() || !regexp.MustCompile(`^emurace: \d+ preemptions?: [\d,]+ schedules, (\d\.\d|[\d,]{2,})/s, [\d,]+ of [\d,]+ parts$`).MatchString(lines.Text()) {
				t.Errorf("progress: %q, %v", lines.Text(), lines.Err())
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			sent := time.Now()
			for lines.Scan() {
				t.Errorf("standard error: %q", lines.Text())
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
				t.Errorf("%v, want exit code %d", err, exitInterrupted)
			}
			if took := time.Since(sent); took > 20*time.Second {
				t.Errorf("it took %v to end", took)
			}
			checkInterrupted(t, stdout.String(), cmd.Dir)
		})
	}
}

func checkInterrupted(t *testing.T, stdout, dir string) {
	t.Helper()
	for _, pattern := range []string{
		`(?m)^getenv-setenv on arm64, glibc 2\.41 `,
		`(?m)^UNDECIDED: of [\d,]+ schedules? so far none fails; `,
		`(?m)^note: interrupted; this is the result so far$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(stdout) {
			t.Errorf("no match of %s in\n%s", pattern, stdout)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// inProcess runs the program here, in a folder and a home of its own.
func inProcess(t *testing.T, ctx context.Context, args ...string) (code int, stdout, stderr, dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("EMURACE_CACHE", testroot.Cache(t).Path())
	t.Chdir(dir)
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, filepath.Join(dir, "home"))
	}
	var out, errs bytes.Buffer
	code = doMain(ctx, append([]string{"emurace"}, args...), &out, &errs)
	return code, out.String(), errs.String(), dir
}

// TestInterrupted: the same when the context ends at some other time: before
// anything was done, and with findings in hand.
func TestInterrupted(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	code, stdout, stderr, dir := inProcess(t, done, endless...)
	if code != exitInterrupted || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	checkInterrupted(t, stdout, dir)

	later, cancel := context.WithTimeoutCause(context.Background(), time.Second, context.Canceled)
	defer cancel()
	later = canceled{later}
	code, stdout, stderr, _ = inProcess(t, later, "explore", "--strategy", "bounded", "--keep-going", "--json", "--minimize=false")
	if code != exitInterrupted || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	for _, part := range []string{`"verdict":"failing","complete":false,"interrupted":true,`, `"value":"0x220"`, `"trace":"getenv-setenv-arm64-2.36.trace"`} {
		if !strings.Contains(stdout, part) {
			t.Errorf("no %s in %s", part, stdout)
		}
	}
	if _, err := os.Stat("getenv-setenv-arm64-2.36.trace"); err != nil {
		t.Error(err)
	}
}

// TestInterruptedBoot: so does a boot that never ends, whatever it is for.
func TestInterruptedBoot(t *testing.T) {
	code, _, stderr, dir := inProcess(t, t.Context(), "explore")
	if code != exitFound {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	trace := filepath.Join(dir, "getenv-setenv-arm64-2.36.trace")
	cached := filepath.Join(testroot.Dir(t, "debian:bookworm", "arm64"), "lib")
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "lib"), os.DirFS(cached)); err != nil {
		t.Fatal(err)
	}
	linker := filepath.Join(root, "lib", "ld-linux-aarch64.so.1")
	data, err := os.ReadFile(linker)
	if err == nil {
		err = spin(data)
	}
	if err == nil {
		err = os.WriteFile(linker, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"explore"}, {"explore", "--resume", "state"}, {"explore", "--strategy", "surw"}, {"explore", "--preemptions", "1", "--time", "1h"},
		{"replay", trace}, {"core", "-o", "core", trace}, {"report", "-o", "page", trace}, {"gdb", "--stdio", trace},
	} {
		done, cancel := context.WithCancel(context.Background())
		time.AfterFunc(100*time.Millisecond, cancel) // it boots for far longer
		code, stdout, stderr, dir := inProcess(t, done, append([]string{args[0], "--sysroot", root}, args[1:]...)...)
		cancel()
		if code != exitInterrupted {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
		if args[0] == "explore" && (!strings.Contains(stdout, "the process had not come to the race, ") || !strings.Contains(stdout, "note: interrupted") || stderr != "") {
			t.Errorf("%q: %q, %q", args, stdout, stderr)
		}
		if args[0] != "explore" && (stdout != "" || !strings.HasPrefix(stderr, "emurace: interrupted\n")) {
			t.Errorf("%q: %q, %q", args, stdout, stderr)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%q leaves %v, %v", args, entries, err)
		}
	}
}

// canceled is a context that ends by its deadline as if by a signal.
type canceled struct{ context.Context }

func (c canceled) Err() error {
	if c.Context.Err() != nil {
		return context.Canceled
	}
	return nil
}

// TestInterruptedPull: a pull that is interrupted says so, with the exit code.
func TestInterruptedPull(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	code, stdout, stderr, _ := inProcess(t, done, "sysroot", "pull", "-q", "debian:bookworm", "--cache", dir, "--mirror", "http://127.0.0.1:9/debian")
	if code != exitInterrupted || stdout != "" || !errorForm.MatchString(stderr) || !strings.HasPrefix(stderr, "emurace: interrupted\n") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}

// TestBrokenPipe: a reader that goes away ends the program, quickly and without
// a cry.
func TestBrokenPipe(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts the program six times")
	}
	for _, args := range [][]string{
		{"--help"}, {"version"}, {"sysroot", "list"}, {"explore", "--list"},
		{"explore"}, {"explore", "--json"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := read.Close(); err != nil {
				t.Fatal(err)
			}
			cmd := subprocess(t, args...)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = write, &stderr
			err = cmd.Run()
			if err := write.Close(); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("it ended with %v", err)
			}
			status, ok := exit.Sys().(syscall.WaitStatus)
			if !ok || !(status.Signaled() && status.Signal() == syscall.SIGPIPE) && exit.ExitCode() != exitEnvironment {
				t.Errorf("it ended with %v", exit)
			}
			if strings.Contains(stderr.String(), "goroutine") || strings.Contains(stderr.String(), "panic") {
				t.Errorf("standard error: %s", &stderr)
			}
		})
	}
}
