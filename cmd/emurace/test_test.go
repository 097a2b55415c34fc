package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"emurace/suite"
)

// TestSearchFlags: an expectation says how to search, and nothing that would have a file
// written or read.
func TestSearchFlags(t *testing.T) {
	for search, want := range map[string]struct {
		chooses bool
		wrong   string // how the error begins, behind where it is
	}{
		"":                                 {},
		"--keep-going=false --seed 3":      {},
		"--locks abstract":                 {chooses: true},
		"--locks=abstract":                 {chooses: true},
		"--locks raw":                      {},
		"--strategy deep --schedules 20":   {chooses: true},
		"--preemptions 1":                  {chooses: true},
		"--time 3s":                        {chooses: true},
		"--set n=3 --detect data-race":     {},
		"--output x":                       {wrong: "--output: not a flag that says how to search"},
		"-o=x":                             {wrong: "-o=x: not a flag"},
		"--resume s --seed 1":              {wrong: "--resume: not a flag"},
		"--corpus=/etc/x":                  {wrong: "--corpus=/etc/x: not a flag"},
		"--script x.star":                  {wrong: "--script: not a flag"},
		"--baseline x --update-baseline":   {wrong: "--baseline: not a flag"},
		"--jobs 9":                         {wrong: "--jobs: not a flag"},
		"--json":                           {wrong: "--json: not a flag"},
		"-- ./a.out":                       {wrong: "--: not a flag"},
		"other.star":                       {wrong: `unexpected argument "other.star"`},
		"--seed x":                         {wrong: `--seed "x": not a whole number`},
		"--strategy luck":                  {wrong: `--strategy "luck": not `},
		"--schedules 0":                    {wrong: "--schedules 0: "},
		"--preemptions -1":                 {wrong: "--preemptions -1: not a number from 0 up"},
		"--strategy surw --preemptions 1":  {wrong: "--preemptions does not go with"},
		"--strategy script":                {chooses: true},
		"--timeouts sometimes --seed 1":    {wrong: "--timeouts"},
		"--guest-memory 1GiB --minimize=0": {},
	} {
		wish, err := checkSearchFlags(search)
		text := ""
		if err != nil {
			text = strings.TrimPrefix(err.Error(), "expect: search: ")
		}
		if (want.wrong == "") != (err == nil) || !strings.HasPrefix(text, want.wrong) || err == nil && wish.chooses != want.chooses {
			t.Errorf("%q: %+v, %v, want %+v", search, wish, err, want)
		}
	}
	// What the user has set for searches is no part of it.
	t.Setenv("EMURACE_STRATEGY", "luck")
	t.Setenv("EMURACE_PREEMPTIONS", "-1")
	if _, err := checkSearchFlags("--seed 3"); err != nil {
		t.Error(err)
	}
}

// TestSelfEnvironment: what changes searches does not reach tests.
func TestSelfEnvironment(t *testing.T) {
	got := selfEnvironment([]string{"PATH=/bin", "EMURACE_TIME=1s", "EMURACE_CACHE=/c", "XDG_CONFIG_HOME=/x", "XDG_STATE_HOME=/y", "HOME=/h", "EMURACE_DETECT=data-race"})
	if want := []string{"PATH=/bin", "EMURACE_CACHE=/c", "HOME=/h"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestComplaint: of what a search has printed, its error is told, and not its progress.
func TestComplaint(t *testing.T) {
	for text, want := range map[string][2]string{
		"emurace: 5 schedules, 3/s\nemurace: a: b\nhint: c\n": {"a: b", "c"},
		"x.star:1:1: printed\nemurace: a: b\n":                {"a: b", ""},
		"":                                                    {"the search ended with exit code 3 and no word", ""},
		"goroutine 1":                                         {"the search ended with exit code 3 and no word", ""},
	} {
		reasons, hint := (&ranSelf{stderr: []byte(text), code: 3}).complaint()
		if len(reasons) != 1 || reasons[0] != want[0] || hint != want[1] {
			t.Errorf("%q: %q, %q", text, reasons, hint)
		}
	}
	w := &headWriter{most: 5}
	for range 3 {
		if n, err := w.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if string(w.data) != "abcab" {
		t.Errorf("%q", w.data)
	}
}

// TestKnownText: what is known is told in few words.
func TestKnownText(t *testing.T) {
	base, other := suite.Known{By: byBaseline}, suite.Known{By: bySuppression}
	for want, list := range map[string][]suite.Known{
		"3 problems of the baseline":                             {base, base, base},
		"what 1 suppression names":                               {other},
		"1 problem of the baseline and what 2 suppressions name": {other, base, other},
		"more problems that are known":                           {{By: "further"}},
	} {
		if got := knownText(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Scenarios for the tests below: one that is over at once, and one that no machine finishes.
const (
	plainTest = "thread(\"main\", lambda t: t.call(\"getpid\"))\nthread(\"worker\", lambda t: t.call(\"getpid\"))\nexpect(\"clean\")\n"
	longTest  = "x = data(8)\ndef work(t):\n    for i in range(60):\n        t.put_u64(x, t.u64(x) + 1)\nfor n in [\"main\", \"a\", \"b\"]:\n    thread(n, work)\n"
)

// threeTests is emurace test of three scenarios, the second of which goes on and on.
func threeTests(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := subprocess(t, append([]string{"test", "a.star", "b.star", "-c.star"}, args...)...)
	for name, text := range map[string]string{"a.star": plainTest, "b.star": longTest, "-c.star": plainTest} {
		if err := os.WriteFile(filepath.Join(cmd.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cmd
}

// TestEngineDiesInTest: an engine that dies takes its own test with it, and no other.
func TestEngineDiesInTest(t *testing.T) {
	cmd := threeTests(t)
	cmd.Args = append(cmd.Args[:2], ".") // a name with a dash in front is no argument, but one that is found
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(engineOf(t, childOf(t, cmd.Process.Pid, "b.star"), 300*time.Millisecond), syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitEnvironment {
		t.Errorf("%v, want exit code %d: %s", err, exitEnvironment, &stderr)
	}
	for _, line := range []string{`^ok +a\.star `, `^ok +-c\.star `, `^ERROR +b\.star `, `^    because the engine died at `, `^    hint    it is a fault of emurace: please report it with `, `^2 ok, 1 with an error of 3 tests, `} {
		if !regexp.MustCompile("(?m)" + line).MatchString(stdout.String()) {
			t.Errorf("no line is %s:\n%s%s", line, &stdout, &stderr)
		}
	}
}

// TestTestsInterrupted: Ctrl-C keeps what is done: its lines, and the reports. No process is left.
func TestTestsInterrupted(t *testing.T) {
	cmd := threeTests(t, "--jobs", "2", "--junit", "j.xml")
	cmd.Args[4] = "./-c.star"
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "ok         a.star  ") {
		t.Errorf("%q, %v", lines.Text(), lines.Err())
	}
	busy := engineOf(t, childOf(t, cmd.Process.Pid, "b.star"), 200*time.Millisecond)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var rest []string
	for lines.Scan() {
		rest = append(rest, lines.Text())
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("%v, want exit code %d: %s", err, exitInterrupted, &stderr)
	}
	if last := rest[len(rest)-1]; !strings.Contains(last, " not run of 3 tests, ") || stderr.Len() > 0 {
		t.Errorf("%q; %s", rest, &stderr)
	}
	for end := time.Now().Add(30 * time.Second); exists("/proc/" + itoa(busy)); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the search goes on")
		}
	}
	data, err := os.ReadFile(filepath.Join(cmd.Dir, "j.xml"))
	var report struct {
		Tests int `xml:"tests,attr"`
	}
	if err == nil {
		err = xml.Unmarshal(data, &report)
	}
	if err != nil || report.Tests < 1 || report.Tests > 2 {
		t.Errorf("%v: %+v", err, report)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// childOf waits for a process that another one has started with an argument.
func childOf(t *testing.T, parent int, argument string) int {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		list, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range list {
			line, _ := os.ReadFile(file) // it may be gone
			stat, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
			_, rest, _ := bytes.Cut(stat, []byte(") "))
			fields := strings.Fields(string(rest))
			if len(fields) < 2 || fields[1] != itoa(parent) || !slices.Contains(strings.Split(string(line), "\x00"), argument) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no process has been started for %s", argument)
	return 0
}
