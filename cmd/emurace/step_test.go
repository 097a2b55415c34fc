package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"emurace/internal/testroot"
)

// tmux is a real terminal that the program runs in. Its server is the test's own.
type tmux struct {
	t      *testing.T
	socket string
	dir    string // where the script runs
}

// patience bounds the wait for anything to appear. The machine may be busy.
const patience = time.Minute

// newTmux starts a shell script in a terminal of the size, in a folder of its own
// where emurace is the program under test.
func newTmux(t *testing.T, w, h int, script string) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatalf("%v; run: make setup", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(bin, "emurace")); err != nil { // TestMain goes by the name
		t.Fatal(err)
	}
	// A socket's path may not be long, and a test's folder may be.
	sockets, err := os.MkdirTemp("", "tmux")
	if err != nil {
		t.Fatal(err)
	}
	x := &tmux{t: t, socket: filepath.Join(sockets, "s"), dir: dir}
	t.Cleanup(func() {
		// Where the server is gone already there is nothing to end.
		_ = x.command("kill-server").Run()
		_ = os.RemoveAll(sockets)
	})
	cmd := x.command("-f", "/dev/null", "-u", "new-session", "-d", "-x", fmt.Sprint(w), "-y", fmt.Sprint(h), "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CONFIG_HOME="+dir,
		"EMURACE_CACHE="+testroot.Cache(t).Path(), "NO_COLOR=", "TERM=", "TMUX=", "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	return x
}

func (x *tmux) command(args ...string) *exec.Cmd {
	return exec.Command("tmux", append([]string{"-S", x.socket}, args...)...)
}

func (x *tmux) run(args ...string) string {
	x.t.Helper()
	out, err := x.command(args...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// keys are pressed one after the other.
func (x *tmux) keys(keys ...string) {
	x.t.Helper()
	x.run(append([]string{"send-keys"}, keys...)...)
}

// screen is what the terminal shows, with the escape sequences of colours if asked.
func (x *tmux) screen(colors bool) string {
	x.t.Helper()
	if colors {
		return x.run("capture-pane", "-p", "-e")
	}
	return x.run("capture-pane", "-p")
}

// wait returns the screen as soon as each of the patterns is on it.
func (x *tmux) wait(patterns ...string) string {
	x.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		text := x.screen(false)
		missing := ""
		for _, p := range patterns {
			if !regexp.MustCompile(p).MatchString(text) {
				missing = p
			}
		}
		switch {
		case missing == "":
			return text
		case time.Now().After(end):
			x.t.Fatalf("no match of %s on the screen:\n%s", missing, text)
		}
	}
}

// moment is the present moment by the title.
func moment(t *testing.T, screen string) string {
	t.Helper()
	m := regexp.MustCompile(`moment ([\d,]+) of`).FindStringSubmatch(screen)
	if m == nil {
		t.Fatalf("no moment on the screen:\n%s", screen)
	}
	return m[1]
}

// TestStepTerminal goes through a crash in a real terminal: opens it, steps back
// and on, seeks, leaves the record and saves a run, resizes, and quits with the
// terminal as it was.
func TestStepTerminal(t *testing.T) {
	x := newTmux(t, 120, 40, `emurace explore >found; stty -a >before; emurace step; echo "exit code $?"; stty -a >after; cmp before after && echo same terminal; emurace replay | head -5; emurace step --lesson; exec sleep 1000`)
	screen := x.wait(`main: failed`, `✗> \+0x94 +ldrh w2, \[x19\]`, `x19 +0x220`, `end +Main dies of SIGSEGV in getenv`, `word 66 +0x220 `)
	end := moment(t, screen)
	x.keys("S")
	screen = x.wait(`reverse-step →`, `gdb: reverse-stepi`)
	if moment(t, screen) == end {
		t.Errorf("a step back stays at %s", end)
	}
	x.keys("s")
	x.wait(`(?m)^step → `, `moment `+end+` of`, `main: failed`)
	x.keys("w", "C")
	screen = x.wait(`reverse-continue → watch 0x[0-9a-f]+: worker writes 0x220 \(was 0x0\) at _int_free\+`, `▶ 2 worker: runs next`)
	write := moment(t, screen)
	x.keys("g", "1", "0", "0", "Enter")
	x.wait(`moment 100 of`, `go to moment 100 →`)
	x.keys("Home")
	x.wait(`moment 0 of`, `the start of the race`)
	x.keys("c")
	x.wait(`continue → watch 0x[0-9a-f]+: worker writes 0x220`)

	// Smaller and larger again, with the same moment on the screen.
	x.keys("D", "S")
	x.wait(`moment ` + write + ` of`)
	x.run("resize-window", "-x", "80", "-y", "24")
	x.wait(`(?m)^\? keys .*…$`, `moment `+write+` of`, `▶ 2 worker: runs next`)
	x.run("resize-window", "-x", "40", "-y", "10")
	x.wait(`small terminal`)
	x.run("resize-window", "-x", "20", "-y", "5")
	x.wait(`The terminal is too`)
	x.run("resize-window", "-x", "120", "-y", "40")
	x.wait(`next +[\d,]+ worker _int_free\+0x`, `moment `+write+` of`)

	// main goes first: it reads the old list to its end, and nothing fails.
	x.keys("x")
	x.wait(`FREE`, `1 main \(can run\)`)
	x.keys("+", "+", "+", "1")
	x.wait(`YOUR OWN RUN`, `run main 1000 →`)
	x.keys("o")
	x.wait(`end +Nothing failed`)
	x.keys("W")
	x.wait(`save the schedule as: getenv-setenv-arm64-own\.trace`)
	x.keys("Enter")
	x.wait(`save → getenv-setenv-arm64-own\.trace`)
	x.keys("W", "Enter")
	x.wait(`there is a file of this name already`)
	x.keys("r")
	x.wait(`return → the recorded run`, `moment `+write+` of`)

	if !strings.Contains(x.screen(true), "\x1b[36m") {
		t.Error("there are no colours")
	}
	x.keys("q")
	// The program's screen is gone, what was before is back, and the saved run is one
	// that replay knows.
	screen = x.wait(`exit code 0`, `same terminal`, `MATCH `, `(?m)^nothing failed`,
		`step: lesson: the run did not fail, so there is nothing to tell`, `hint: emurace step without --lesson`)
	if strings.Contains(screen, "moment") {
		t.Errorf("something of the program is left:\n%s", screen)
	}
}

// TestStepKilled: a kill ends the program with the exit code for that, and with the
// terminal as it was.
func TestStepKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("another terminal")
	}
	x := newTmux(t, 80, 24, `emurace explore >found; stty -a >before; sh -c 'echo $$ >pid; exec emurace step'; echo "exit code $?"; stty -a >after; cmp before after && echo same terminal; exec sleep 1000`)
	x.wait(`main: failed`)
	b, err := os.ReadFile(filepath.Join(x.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	x.wait(`emurace: interrupted`, `exit code 130`, `same terminal`)
}

// TestStepLessonTerminal: the cards, NO_COLOR, and Ctrl-C.
func TestStepLessonTerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("another terminal, for what is tested without one too")
	}
	x := newTmux(t, 100, 50, `emurace explore >found; NO_COLOR=1 emurace step --lesson; echo "exit code $?"; exec sleep 1000`)
	x.wait(`lesson  the beginning`, `Why main dies of SIGSEGV in getenv`)
	x.keys("Space")
	x.wait(`1/7  The block is handed out`)
	x.keys("Enter", "Enter", "Enter")
	x.wait(`4/7  worker writes 0x220`, `word 66 +0x0 → 0x220`)
	x.keys("BSpace")
	x.wait(`3/7  What is in the block is copied`)
	if colors := regexp.MustCompile(`\x1b\[[0-9;]*(3[0-7]|9[0-7])m`).FindString(x.screen(true)); colors != "" {
		t.Errorf("NO_COLOR, but %q", colors)
	}
	x.keys("d")
	x.wait(`debugger → lesson 3/7`, `▶ 2 worker: runs next`)
	x.keys("L")
	x.wait(`3/7  What is in the block is copied`)
	x.keys("C-c")
	x.wait(`exit code 0`)
}
