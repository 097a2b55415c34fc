package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOverAtOnce: a race that is over before an instruction of it has run fails at
// schedule 1 whatever the strategy, and all that shows a run shows this one.
func TestOverAtOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	thread := write("thread.star", "def work(t):\n    fail('not today')\nthread('main', work)\nthread('other', work)\n")
	check := write("check.star", "def work(t):\n    pass\nthread('a', work)\ndef wrong(p):\n    return 'not today'\ncheck(wrong)\n")
	script := write("script.star", "def next(point):\n    return point.choice(point.threads)\n")
	run := write("run.star", "run('main')\n")
	rows := [][]string{{thread, "--script", run}}
	for _, file := range []string{thread, check} {
		for _, s := range strategies() {
			if s == strategyScript {
				rows = append(rows, []string{file, "--script", script})
				continue
			}
			rows = append(rows, []string{file, "--strategy", s})
		}
		rows = append(rows, []string{file, "--preemptions", "0"}, []string{file, "--preemptions", "2"},
			[]string{file, "--locks", "abstract"}, []string{file, "--detect", "use-after-free"})
	}
	state := filepath.Join(dir, "state")
	rows = append(rows, []string{thread, "--resume", state, "--keep-going"}, []string{thread, "--resume", state, "--keep-going"})
	for _, row := range rows {
		code, stdout, stderr, _ := inProcess(t, t.Context(), append([]string{"explore"}, row...)...)
		if code != exitFound || stderr != "" || !strings.Contains(stdout, "\n    it said: not today\n") ||
			!strings.Contains(stdout, "\nschedule  the race was over before an instruction of it ran\n") {
			t.Errorf("%q: exit code %d, %s%s", row, code, stdout, stderr)
			continue
		}
		if testing.Short() && len(row) > 3 {
			continue
		}
		var found struct{ Schedule []string }
		data, err := os.ReadFile(traceIn(t))
		if err == nil {
			err = json.Unmarshal(data, &found)
		}
		if err != nil || found.Schedule == nil || len(found.Schedule) != 0 {
			t.Fatalf("%q: the trace's schedule is %q, %v", row, found.Schedule, err)
		}
	}
	for _, show := range []struct {
		args, says string
		code       int
	}{
		{"replay", "MATCH", exitOK}, {"replay --json", `"match":true`, exitOK}, {"replay --as-script", "nothing to run", exitOK},
		{"step --lesson", "It said: not today", exitOK}, {"report -o r.html", "r.html", exitOK}, {"core -o c.core", "after 0 of 0 instructions", exitOK},
	} {
		var out, errs bytes.Buffer
		code := doMain(t.Context(), append([]string{"emurace"}, append(strings.Fields(show.args), traceIn(t))...), &out, &errs)
		if code != show.code || errs.Len() > 0 || !strings.Contains(out.String(), show.says) {
			t.Errorf("%s: exit code %d, %s%s", show.args, code, &out, &errs)
		}
	}
}

// traceIn is the trace in the present folder.
func traceIn(t *testing.T) string {
	t.Helper()
	list, err := filepath.Glob("*.trace")
	if err != nil || len(list) != 1 {
		t.Fatalf("traces %q, %v", list, err)
	}
	return list[0]
}
