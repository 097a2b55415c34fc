package main

import (
	"context"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"emurace/internal/shell"
	"emurace/internal/testroot"
	"emurace/loader"
)

// newShell is a folder in which emurace is the program under test, and a home of its own.
func newShell(t *testing.T) (dir string, run func(line string) (text string, code int)) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink(exe, filepath.Join(bin, "emurace")); err != nil { // TestMain goes by the name
		t.Fatal(err)
	}
	dir = t.TempDir()
	return dir, func(line string) (string, int) {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		defer stop()
		cmd := exec.CommandContext(ctx, "sh", "-c", line)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+home, "XDG_STATE_HOME="+home, "XDG_CONFIG_HOME="+home,
			"EMURACE_CACHE="+testroot.Cache(t).Path(), "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatalf("%s: %v", line, err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
}

// nextCommands are the command lines that a result says to try next.
func nextCommands(text string) []string {
	var list []string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		first, ok := strings.CutPrefix(line, "next      ")
		if !ok {
			continue
		}
		list = append(list, first)
		for _, more := range lines[i+1:] {
			if !strings.HasPrefix(more, "          ") {
				break
			}
			list = append(list, strings.Split(strings.TrimSpace(more), ", ")...)
		}
	}
	return list
}

// TestNextLines: what is said to try next works as it is printed, of findings of all kinds: run by a
// shell, in the folder that the search was run in. So does what the page says to search with.
func TestNextLines(t *testing.T) {
	for i, c := range []struct {
		name   string
		detect bool
	}{
		{"data-race", true}, {"segv-read", false}, {"segv-write", false}, {"abort", false}, {"check-memory", false}, {"check-result", false},
		{"deadlock-mutex", false}, {"livelock", false}, {"use-after-free", true}, {"double-free", true}, {"check-output", false},
	} {
		if testing.Short() && i > 0 {
			break
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, run := newShell(t)
			file := "it's " + c.name + ".star" // a name that a shell takes apart
			search := "emurace explore " + `"` + file + `"`
			if c.detect {
				search += " --detect " + c.name
			}
			if c.name == "check-output" {
				args, _ := kindProgram(t, c.name, loader.AMD64, dir)
				search = shell.Line(append([]string{"emurace", "explore", "--sysroot", "debian:bookworm", "--arch", "amd64"}, args[1:]...)...)
			} else {
				source, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kinds", c.name+".star"))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, file), source, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			text, code := run(search)
			commands := nextCommands(text)
			if code != exitFound || len(commands) != 4 {
				t.Fatalf("%s\nexit code %d, %q\n%s", search, code, commands, text)
			}
			for _, line := range commands {
				if out, code := run(line + " </dev/null"); code != exitOK {
					t.Errorf("%s\nexit code %d\n%s", line, code, out)
				}
			}
			pages, err := filepath.Glob(filepath.Join(dir, "*.html"))
			if err != nil || len(pages) != 1 {
				t.Fatalf("%q, %v", pages, err)
			}
			page, err := os.ReadFile(pages[0])
			if err != nil {
				t.Fatal(err)
			}
			said := regexp.MustCompile(`emurace explore [^<]*`).FindString(string(page))
			anew := html.UnescapeString(said)
			if c.name != "check-output" { // the program has to be there, the script need not be
				if err := os.Remove(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
			}
			if out, code := run(anew); code != exitFound || strings.Count(out, "FAILING") != 1 {
				t.Errorf("%s\nexit code %d\n%s", anew, code, out)
			}
		})
	}
}
