package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scripts"
)

// underModels searches a scenario under memory models, and tells each one's verdict, number of executions and missing barriers,
// as in "sc clean 2; arm failing 4 acquire".
func underModels(t *testing.T, models, suite string, arch loader.Arch, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"emurace", "explore", "--memory", models, "--sysroot", "debian:" + suite, "--arch", arch.String(), "--keep-going", "--json", "--minimize=false", "--jobs", "1"}, args...)
	t.Chdir(t.TempDir()) // for the traces
	if code := doMain(t.Context(), args, &stdout, &stderr); code > 1 {
		t.Fatalf("%s\nexit code %d\n%s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
	var list []string
	for line := range strings.Lines(stdout.String()) {
		var r struct {
			Event     string
			Model     string `json:"memory_model"`
			Verdict   string
			Schedules uint64
			Missing   []struct{ Barrier string } `json:"missing_barriers"`
			Proved    bool                       `json:"missing_barriers_proved"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Event != "result" {
			continue
		}
		text := fmt.Sprintf("%s %s %d", r.Model, r.Verdict, r.Schedules)
		for _, m := range r.Missing {
			text += " " + m.Barrier
		}
		if len(r.Missing) > 0 && !r.Proved {
			text += " unproved"
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// TestWeakExamples: the C code of examples/weak-memory, as gcc -O2 makes it, fails without its barriers where the architectures'
// manuals say so, and not with them.
func TestWeakExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	folder, err := filepath.Abs(filepath.Join("..", "..", "examples", "weak-memory"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		arch    loader.Arch
		off, on string
	}{
		{"dekker", loader.ARM64, "sc clean 3; tso failing 9 dmb ish; arm failing 9 dmb ish", "sc clean 3; tso clean 3; arm clean 3"},
		{"dekker", loader.AMD64, "sc clean 3; tso failing 9 mfence", "sc clean 3; tso clean 3"},
		{"message", loader.ARM64, "sc clean 2; tso clean 2; arm failing 3 acquire release", "sc clean 2; tso clean 2; arm clean 2"},
		{"message", loader.AMD64, "sc clean 2; tso clean 2", "sc clean 2; tso clean 2"},
		{"rcu", loader.ARM64, "sc clean 6; tso clean 6; arm failing 8 release", "sc clean 5; tso clean 5; arm clean 5"},
		{"rcu", loader.AMD64, "sc clean 6; tso clean 6", "sc clean 5; tso clean 5"},
		{"skip", loader.ARM64, "sc clean 2; tso clean 2; arm failing 3 acquire", "sc clean 2; tso clean 2; arm clean 2"},
		{"skip", loader.AMD64, "sc clean 2; tso clean 2", "sc clean 2; tso clean 2"},
		{"descriptor", loader.ARM64, "sc clean 2; tso clean 2; arm failing 3 acquire", "sc clean 2; tso clean 2; arm clean 2"},
		{"descriptor", loader.AMD64, "sc clean 2; tso clean 2", "sc clean 2; tso clean 2"},
	} {
		t.Run(c.name+"/"+c.arch.String(), func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(folder, c.name+".c"))
			if err != nil {
				t.Fatal(err)
			}
			library, err := guestcode.Compile(c.arch, c.name+".c", string(source), "-O2", "-fPIC", "-shared")
			if err != nil {
				t.Fatal(err)
			}
			script, err := os.ReadFile(filepath.Join(folder, c.name+".star"))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			star := filepath.Join(dir, c.name+".star")
			for file, b := range map[string][]byte{star: script, filepath.Join(dir, "lib"+c.name+".so"): library} {
				if err := os.WriteFile(file, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			models := "sc,tso"
			if c.arch == loader.ARM64 {
				models = "sc,tso,arm"
			}
			for barrier, want := range map[string]string{"off": c.off, "on": c.on} {
				if got := underModels(t, models, "bookworm", c.arch, star, "--set", "barrier="+barrier); got != want {
					t.Errorf("barrier=%s: %s, want %s", barrier, got, want)
				}
			}
		})
	}
}

// TestPrimitives: no execution of a contended section of glibc's primitives fails under any model, of any version, with LSE and
// with exclusives. How many there are is the same under TSO, which runs no store exclusive that fails, with both.
func TestPrimitives(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	script, err := filepath.Abs(filepath.Join("..", "..", "testdata", "weak", "primitives.star"))
	if err != nil {
		t.Fatal(err)
	}
	for i, suite := range []string{"bullseye", "bookworm", "trixie", "forky"} {
		for k, c := range []struct{ kind, want string }{
			{"mutex", "tso clean 12; arm clean 12"},
			{"rwlock", "tso clean 174; arm clean 696"},
			{"readers", "tso clean 92; arm clean 262"},
			{"semaphore", "tso clean 24; arm clean 24"},
			{"spin", "tso clean 12; arm clean 12"},
			{"once", "tso clean 26; arm clean 26"},
		} {
			for l, lse := range []string{"on", "off"} {
				if !thorough.On() && (i+k+l)%5 != 1 {
					continue
				}
				want := c.want
				switch {
				case c.kind == "rwlock" && lse == "off":
					want = "tso clean 288; arm clean 722"
				case c.kind == "readers" && suite == "bullseye":
					want = "tso clean 92; arm clean 274"
				}
				t.Run(suite+"/"+c.kind+"/"+lse, func(t *testing.T) {
					testsystem.Of(t, suite, loader.ARM64)
					if got := underModels(t, "tso,arm", suite, loader.ARM64, script, "--set", "kind="+c.kind, "--set", "lse="+lse); got != want {
						t.Errorf("%s, want %s", got, want)
					}
				})
			}
		}
	}
}

// TestShippedUnderSC: of the scenarios that are shipped there are as many executions under sequential consistency as dpor runs schedules,
// with the same kinds of failure. Where a thread crashes, or finds a fault, there are fewer: dpor tells apart how far the others had
// come.
func TestShippedUnderSC(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	endless := []string{"cond-tokens", "malloc-free", "fopen-fclose"} // one of the two does not end within a minute or so
	few := []string{"abba", "getenv-unsetenv", "rwlock", "strtok-strtok", "getenv-putenv"}
	for _, sc := range scripts.All() {
		name := sc.Name
		if slices.Contains(endless, name) || !thorough.On() && !slices.Contains(few, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			search := func(how ...string) (schedules uint64, kinds []string, crashes bool) {
				var stdout, stderr bytes.Buffer
				args := append([]string{
					"emurace", "explore", name, "--sysroot", "debian:bookworm", "--arch", "arm64", "--keep-going", "--json", "--minimize=false", "--jobs", "1",
					"--end", noEnd, "--output", filepath.Join(t.TempDir(), "trace"),
				}, how...)
				if code := doMain(t.Context(), args, &stdout, &stderr); code > 1 {
					t.Fatalf("%s\nexit code %d\n%s%s", strings.Join(args, " "), code, &stdout, &stderr)
				}
				for line := range strings.Lines(stdout.String()) {
					var r struct {
						Event     string
						Complete  bool
						Schedules uint64
						Findings  []struct {
							Kind string
							End  struct{ Thread string } // who has ended the run in its middle
						}
					}
					if err := json.Unmarshal([]byte(line), &r); err != nil {
						t.Fatal(err)
					}
					if r.Event != "result" {
						continue
					}
					if !r.Complete {
						t.Errorf("%v does not cover everything: %s", how, line)
					}
					schedules = r.Schedules
					for _, f := range r.Findings {
						if !slices.Contains(kinds, f.Kind) {
							kinds = append(kinds, f.Kind)
						}
						crashes = crashes || f.End.Thread != ""
					}
				}
				slices.Sort(kinds)
				return schedules, kinds, crashes
			}
			want, wantKinds, crashes := search("--strategy", "dpor")
			got, kinds, _ := search("--memory", "sc")
			if got != want && !(crashes && got < want) || !slices.Equal(kinds, wantKinds) {
				t.Errorf("%d executions under SC, failing by %v, and %d schedules of dpor, failing by %v", got, kinds, want, wantKinds)
			}
		})
	}
}
