package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emurace/internal/programs"
)

// small is a comparison of programs of the test's own, each by itself, with few runs.
func small(t *testing.T, source string) *comparison {
	t.Helper()
	dir := t.TempDir()
	source = "// A title\n//\n// A summary.\n//\n// Fails: abort\n" + source
	if err := os.WriteFile(filepath.Join(dir, "one.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := programs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	host, err := hostArch()
	if err != nil {
		t.Skip(err)
	}
	all := tools(host)
	alone := all[0]
	alone.runs, alone.twinRuns, alone.limit = 5, 3, 500*time.Millisecond
	never := &tool{name: "never", cannot: map[programs.Language]string{programs.C: "it is C"}}
	return &comparison{programs: list, tools: []*tool{alone, never}, versions: []string{"1.0", "2.0"}, host: "amd64", libc: "2.36", rust: "1.63.0", jobs: 2, processors: 2}
}

// TestMeasure: a program runs until it fails, its twin as often as it should, and the page
// and the check say what came of it.
func TestMeasure(t *testing.T) {
	// Each run counts in a file; the third one fails.
	const third = `
#include <stdio.h>
#include <stdlib.h>
int main(void) {
	FILE *f = fopen("count", "a");
	fputc('x', f);
	long n = ftell(f);
	fclose(f);
	%s
	return 0;
}
`
	bug := func(fails string) string {
		return strings.ReplaceAll(third, "%s", "\n#ifndef FIXED\nif (n == 3) { "+fails+" }\n#else\n(void)n;\n#endif\n")
	}
	for _, c := range []struct {
		name, source string
		cell         string
		runs         int
		check        string
	}{
		{"third", bug("abort();"), "**aborts**<br>3 runs, ", 3, ""},
		{"never", bug(""), "nothing<br>5 runs, ", 5, ""},
		{"another way", bug("return 4;"), "**exit code 4**<br>3 runs, ", 3, `one.c: by itself: fails by exit code, and its head comment says ["abort"]`},
		{"hang", bug("for (;;) {}"), "**hangs**<br>3 runs, 0.", 3, "fails by deadlock"},
		{"the twin", strings.ReplaceAll(third, "%s", "\n(void)n;\n#ifdef FIXED\nabort();\n#endif\n"), "<br>twin: aborts, 3 of 3 runs", 5, "one.c: by itself: the repaired twin fails by abort"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := small(t, c.source)
			if err := all.measure(context.Background()); err != nil {
				t.Fatal(err)
			}
			r := all.results[0][0]
			if r.runs != c.runs || r.twin.runs != 3 {
				t.Errorf("%d runs, %d of the twin", r.runs, r.twin.runs)
			}
			page := all.page()
			for _, want := range []string{c.cell, "| `one.c`<br>A title |", "| not run |", "- `one.c` was not run with never: it is C."} {
				if !strings.Contains(page, want) {
					t.Errorf("the page has no %q:\n%s", want, page)
				}
			}
			if err := all.check(); (err == nil) != (c.check == "") || err != nil && !strings.Contains(err.Error(), c.check) {
				t.Errorf("check: %v, want %q", err, c.check)
			}
		})
	}

	if err := small(t, "int main(void) { return x; }").measure(context.Background()); err == nil || !strings.Contains(err.Error(), "one.c:6") {
		t.Errorf("a mistake in a program: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := small(t, bug("")).measure(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestTotals: what is reported of the twin too is not counted as told apart.
func TestTotals(t *testing.T) {
	race := finding{reports: []string{"data race"}}
	c := &comparison{programs: make([]programs.Program, 4), tools: []*tool{{name: "a tool"}}, results: [][]result{
		{{first: race, runs: 1, wall: time.Second, twin: twin{runs: 20, reported: 20, kinds: race}}},
		{{first: race, runs: 7, wall: 12 * time.Second, twin: twin{runs: 20}}},
		{{runs: 90, wall: 40 * time.Second, twin: twin{runs: 20, reported: 2, kinds: race}}},
		{{cannot: "no"}},
	}}
	var b strings.Builder
	c.totals(&b)
	if want := "| a tool | 2 of 3 | 1 | 2 of 3 | 12 s |\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%s, want %s", b.String(), want)
	}
	if got, want := c.results[0][0].cell(), "**data race**<br>1 run, 1.0 s<br>twin: data race, 20 of 20 runs"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestVersionOf(t *testing.T) {
	for words, want := range map[string]string{
		"gcc (Debian 12.2.0-14+deb12u1) 12.2.1":              "12.2.1",
		"valgrind-3.19.0":                                    "3.19.0",
		"qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)":  "7.2.22",
		"rustc 1.63.0":                                       "1.63.0",
		"glibc 2.36":                                         "2.36",
		"gcc-14 (Ubuntu 14.2.0-4ubuntu2~24.04) 14.2.0\nmore": "14.2.0",
	} {
		if got, err := versionOf([]string{"printf", "%s\n", words}); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", words, got, err, want)
		}
	}
	if _, err := versionOf([]string{"echo", "none"}); err == nil || !strings.Contains(err.Error(), "no version") {
		t.Error(err)
	}
	if _, err := versionOf([]string{"/nowhere/at/all"}); err == nil || !strings.Contains(err.Error(), "make peers") {
		t.Error(err)
	}
}

// TestPage: docs/peers.md is of the programs and tools that there are.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "peers.md"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := programs.List(filepath.Join("..", "..", "testdata", "programs"))
	if err != nil {
		t.Fatal(err)
	}
	host, err := hostArch()
	if err != nil {
		t.Skip(err)
	}
	head := "| program |"
	for _, tool := range tools(host) {
		head += " " + tool.name + " |"
	}
	want := []string{head}
	for _, p := range list {
		want = append(want, "| `"+p.File+"`<br>"+p.Title+" |")
	}
	for _, w := range want {
		if !strings.Contains(string(page), "\n"+w) {
			t.Errorf("docs/peers.md has no %q; run: make peers", w)
		}
	}
}
