package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// firstCalls fails when worker runs before main's call has returned. How long that takes,
// and what memory holds then, depends on when libc's calls of its own are bound.
const firstCalls = `"""first calls"""
lazy_binding()
d = data(8)
def main(t):
    t.call("setenv", "NAME", "value", 1)
    t.put_u64(d, 1)
def worker(t):
    if t.u64(d) == 0:
        fail("early")
thread("main", main)
thread("worker", worker)
`

// A trace from before there was a choice says nothing of binding, and neither does its
// script. It is run again with lazy binding, as it was then; one that says so is not.
func TestTraceBinds(t *testing.T) {
	atHome(t)
	dir := t.TempDir()
	file, trace := filepath.Join(dir, "first.star"), filepath.Join(dir, "trace")
	run := func(want int, args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := doMain(t.Context(), append([]string{"emurace"}, args...), &stdout, &stderr); code != want {
			t.Fatalf("%q: exit code %d\n%s%s", args, code, &stdout, &stderr)
		}
		return stdout.String()
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	explore := []string{"explore", file, "--sysroot", "debian:bookworm", "--strategy", "pos", "--schedules", "50", "--seed", "4", "--minimize=false", "--force", "-o", trace}
	for _, lazy := range []bool{true, false} {
		text := firstCalls
		if !lazy {
			text = strings.Replace(text, "lazy_binding()\n", "", 1)
		}
		write(file, text)
		run(exitFound, explore...)
		if out := run(exitOK, "replay", trace); !strings.Contains(out, "MATCH") {
			t.Errorf("lazy %v: %s", lazy, out)
		}
		b, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		const field = "  \"bind_now\": true,\n"
		if strings.Contains(string(b), field) == lazy {
			t.Errorf("lazy %v: the trace is\n%s", lazy, b)
		}
		old := strings.Replace(strings.Replace(string(b), field, "", 1), `lazy_binding()\n`, "", 1)
		write(trace, old)
		want := exitOK
		if !lazy {
			want = exitDiverged
		}
		run(want, "replay", trace)
	}
}
