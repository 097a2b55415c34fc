package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"emurace/internal/thorough"
)

// counted is what an undisturbed search and one that was killed have in common:
// the result object without the times.
func counted(t *testing.T, stdout []byte) string {
	t.Helper()
	if !times.Match(stdout) || !bytes.Contains(stdout, []byte(`"event":"result"`)) {
		t.Fatalf("no result: %q", stdout)
	}
	return string(times.ReplaceAll(stdout, nil))
}

// runFor runs a search to its end, which must have an exit code.
func runFor(t *testing.T, code int, args ...string) (stdout []byte, stderr string) {
	t.Helper()
	cmd := subprocess(t, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("%q: %v, want exit code %d: %s", args, err, code, &errs)
	}
	return stdout, errs.String()
}

// killed is the searches that are killed, flags and scenario: each takes some seconds,
// those with dpor and graphs because they have so many classes that they are cut into parts.
var killed = map[string][]string{
	"dpor":    {"--set", "seats=4", "philosophers"},
	"bounded": {"--strategy", "bounded", "--preemptions", "1", "getenv-setenv"},
	"surw":    {"--strategy", "surw", "--schedules", "3000", "getenv-setenv"},
	"pct":     {"--strategy", "pct", "--schedules", "2000", "--depth", "2", "getenv-setenv"},
	"fuzz":    {"--strategy", "fuzz", "--schedules", "2000", "getenv-setenv"},
	"graphs":  {"--memory", "tso", "philosophers"},
	"deep":    {"--strategy", "deep", "--schedules", "2000", "getenv-setenv"},
}

// TestKilled: a search that is killed in the middle, several times, goes on from
// its state file, and ends with the result of an undisturbed one.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds for each of the searches")
	}
	t.Setenv(testSaveEvery, "20ms")
	for name, flags := range killed {
		t.Run(name, func(t *testing.T) {
			args := []string{"explore", "--keep-going", "--json", "--minimize=false"}
			began := time.Now()
			stdout, _ := runFor(t, exitFound, append(args, flags...)...)
			whole, took := counted(t, stdout), time.Since(began)

			file := filepath.Join(t.TempDir(), "state.json")
			args = append(args, "--resume", file)
			last := uint64(0)
			for kill := range thorough.Of(2, 4) {
				jobs := []string{"1", "3", "2"}[kill%3]
				cmd := subprocess(t, slices.Concat(args, []string{"--jobs", jobs}, flags)...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				// Not before it has got somewhere, or the test shows nothing.
				until := time.Now().Add(10*took + 20*time.Second)
				for savedSchedules(t, file) <= last && time.Now().Before(until) {
					time.Sleep(5 * time.Millisecond)
				}
				if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
					t.Fatal(err)
				}
				_ = cmd.Wait() // how it ended is looked at below
				status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
				n := savedSchedules(t, file)
				if kill == 0 && (!ok || !status.Signaled()) {
					t.Errorf("it ended with %v before it could be killed", cmd.ProcessState)
				}
				if n < last {
					t.Errorf("after kill %d, %d schedules are saved, and there were %d", kill, n, last)
				}
				last = n
			}
			if last == 0 {
				t.Fatal("nothing was saved")
			}
			stdout, _ = runFor(t, exitFound, append(args, flags...)...)
			if diff := cmp.Diff(whole, counted(t, stdout)); diff != "" {
				t.Errorf("undisturbed -, killed +:\n%s", diff)
			}
		})
	}
}

// savedSchedules is how many schedules a state file has results of.
func savedSchedules(t *testing.T, file string) uint64 {
	t.Helper()
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("a state file that is not whole: %v", err)
	}
	return sumOf(v, "schedules")
}

// sumOf adds up the numbers of a name wherever they are.
func sumOf(v any, name string) uint64 {
	sum := uint64(0)
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if n, ok := inner.(float64); ok && key == name {
				sum += uint64(n)
			}
			sum += sumOf(inner, name)
		}
	case []any:
		for _, inner := range v {
			sum += sumOf(inner, name)
		}
	}
	return sum
}

// TestFullDisk: a search whose state cannot be saved shows what it has found,
// says what is wrong, and leaves the state that was saved before.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state.json")
	args := []string{"explore", "--keep-going", "--json", "--minimize=false", "--strategy", "surw", "--resume", file}
	runFor(t, exitFound, append(args, "--schedules", "300")...)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := runFor(t, exitFound, "explore", "--keep-going", "--json", "--minimize=false", "--strategy", "surw", "--schedules", "500")

	for name, env := range map[string]string{"at the end": "1h", "in the middle": "1ms"} {
		if testing.Short() && env == "1h" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Setenv(testFileSize, "1000")
			t.Setenv(testSaveEvery, env)
			stdout, stderr := runFor(t, exitEnvironment, append(args, "--schedules", "500")...)
			var r resultObject
			if err := json.Unmarshal(stdout, &r); err != nil || r.Failing == 0 || len(r.Findings) == 0 || r.Schedules < 300 {
				t.Errorf("the result is %q (%v)", stdout, err)
			}
			if env == "1h" && r.Schedules != 500 {
				t.Errorf("%d schedules", r.Schedules)
			}
			if !errorForm.MatchString(stderr) || !strings.Contains(stderr, "save the search: ") || !strings.Contains(stderr, "file too large") {
				t.Errorf("standard error: %q", stderr)
			}
			after, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the state file has changed (%v)", err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
	// With room again, it goes on.
	stdout, _ := runFor(t, exitFound, append(args, "--schedules", "500")...)
	if diff := cmp.Diff(counted(t, whole), counted(t, stdout)); diff != "" {
		t.Errorf("undisturbed -, resumed +:\n%s", diff)
	}
}

// TestNoPlaceForState: where nothing can be written, the search does not begin.
func TestNoPlaceForState(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "no", "state.json"), filepath.Join(dir, "file", "state.json"), dir, pipe, os.DevNull} {
		began := time.Now()
		stdout, stderr := runFor(t, exitEnvironment, append(endless, "--resume", name)...)
		if len(stdout) > 0 || !errorForm.MatchString(stderr) || !strings.Contains(stderr, name) {
			t.Errorf("%s: %q, %q after %v", name, stdout, stderr, time.Since(began))
		}
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is no device any more: %v, %v", os.DevNull, info, err)
	}
}

// TestStateLink: a link to a state file stays one.
func TestStateLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "state.json"), filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	args := []string{"explore", "--strategy", "random", "--schedules", "30", "--sysroot", "debian:trixie", "--resume"}
	runFor(t, exitOK, append(args, file)...)
	before := savedSchedules(t, file)
	args[4] = "60"
	runFor(t, exitOK, append(args, link)...)
	if after := savedSchedules(t, file); before != 30 || after != 60 {
		t.Errorf("%d, then %d schedules", before, after)
	}
	if real, err := os.Readlink(link); err != nil || real != file {
		t.Errorf("the link leads to %s, %v", real, err)
	}
}

// FuzzStateFile: what is read as a state file is one when it is written again,
// and differs from no search but another one.
func FuzzStateFile(f *testing.F) {
	f.Add([]byte(`{"emurace_state":2,"scenario":"getenv-setenv","settings":["a=b"],"arch":"arm64","libc_sha256":"00","strategy":"pct","depth":3,"seed":1,"keep_going":true,"locks":"raw","state":{"strategy":"pct","sample":{"result":{"schedules":0,"failing":0,"instructions":0},"batch":8,"begun":0,"shared":[]}}}`))
	f.Add([]byte(`{"emurace_state":5,"strategy":"graphs","memory_models":["sc","arm"],"states":{"sc":{"strategy":"graphs","graphs":{"model":"sc","shared":[{"addr":8,"mask":1}],"restarts":0,"parts":[{"root":{"sources":[[[]],[[[-1,0,0]]]],"run":[0,1],"added":[1,0]},"share":1}]}}}}`))
	f.Add([]byte(`{"emurace_state":2,"preemptions":1,"state":{}}`))
	f.Add([]byte(`{"emurace_state":1,"parts":[]}`))
	f.Add([]byte(`{"emurace_state":2,"state":{}} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err != nil {
			if strings.ContainsAny(oneLine(err.Error()), "\n\x1b") {
				t.Errorf("the error is %q", err)
			}
			return
		}
		if s.State == nil && len(s.States) == 0 || s.Version != stateVersion {
			t.Fatalf("accepted: %+v", s)
		}
		file := filepath.Join(t.TempDir(), "state.json")
		if err := writeState(file, *s); err != nil {
			t.Fatal(err)
		}
		again, err := readState(file, *s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Error(diff)
		}
		other := *s
		other.Seed++
		if _, err := readState(file, other); err == nil {
			t.Error("a state of another seed was taken")
		}
	})
}
