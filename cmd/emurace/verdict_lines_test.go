package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVerdictLines: what is said beside the verdict, so that nobody takes it for more
// than it is. A failing run, with libraries that the race loads, is the same again.
func TestVerdictLines(t *testing.T) {
	atHome(t)
	for i, c := range []struct {
		file, flags string
		lines       []string // expressions, each of which a line matches
		replay      bool
	}{
		{"waits", "--set what=semaphore", []string{`^FAILING.* deadlock: main waits, and nobody is left to wake it$`}, true},
		{"waits", "--set what=mutex", []string{`^FAILING.* deadlock: main waits for itself$`}, true},
		{"files", "--set what=folder", []string{`^CLEAN: `}, false},
		{"files", "--set what=stream", []string{`^CLEAN: `, `^This assumes.* sequentially consistent.*timeout.*signal handlers.*locks`, `--detect`}, false},
		{"files", "--set what=library --sysroot debian:bookworm", []string{`^FAILING.* a check fails$`, `it said: the library is there`}, true},
		{"inside", "", []string{`^CLEAN: `}, false},
		{"missing", "--set what=inotify_init", []string{`^UNDECIDED: .*inotify_init1 in inotify_init`}, false},
		{"endings", "--set what=dies", []string{`^CLEAN: `, `signal 15, as the scenario expects$`}, false},
		{"endings", "--set what=never", []string{`^FAILING`, `it said: .*with exit status 3$`}, true},
		{"ends", "--set what=ask --sysroot debian:bullseye", []string{`^FAILING.* a check fails$`, `pthread_kill says 3$`}, true},
		{"early", "--set what=thread", []string{`^FAILING at schedule 1, .*main finds a fault$`}, true},
		{"early", "--set what=check --strategy surw", []string{`^FAILING at schedule 1, .*a check fails$`}, true},
	} {
		if testing.Short() && i%4 != 0 {
			continue
		}
		t.Run(strings.ReplaceAll(c.file+" "+c.flags, " ", ","), func(t *testing.T) {
			t.Parallel()
			trace := filepath.Join(t.TempDir(), "trace")
			run := func(args ...string) (string, int) {
				var stdout, stderr bytes.Buffer
				code := doMain(t.Context(), append([]string{"emurace"}, args...), &stdout, &stderr)
				return stdout.String() + stderr.String(), code
			}
			args := append([]string{"explore", verdictFile(c.file), "--output", trace, "--color", "never"}, strings.Fields(c.flags)...)
			out, _ := run(args...)
			for _, line := range c.lines {
				if !regexp.MustCompile("(?m)" + line).MatchString(out) {
					t.Errorf("%s\n%s\nhas no line %s", strings.Join(args, " "), out, line)
				}
			}
			if !c.replay {
				return
			}
			if out, code := run("replay", trace, "--color", "never"); code != exitOK || !strings.HasPrefix(out, "MATCH") {
				t.Errorf("replay ends with %d\n%s", code, out)
			}
		})
	}
}
