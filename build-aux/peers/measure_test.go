package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"emurace/build-aux/measured"
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
	host, err := measured.HostArch()
	if err != nil {
		t.Skip(err)
	}
	all := tools(host)
	alone := all[slices.IndexFunc(all, func(t *tool) bool { return t.name == "by itself" })]
	alone.runs, alone.twinRuns, alone.limit = 5, 3, 500*time.Millisecond
	never := &tool{name: "never", version: alone.version, cannot: map[programs.Language]string{programs.C: "it is C"}}
	return &comparison{programs: list, tools: []*tool{alone, never}}
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
			if err := all.measure(context.Background(), all.tools, 2); err != nil {
				t.Fatal(err)
			}
			r := all.of(all.programs[0], all.tools[0])
			if r.Runs != c.runs || r.Twin.Runs != 3 {
				t.Errorf("%d runs, %d of the twin", r.Runs, r.Twin.Runs)
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

	wrong := small(t, "int main(void) { return x; }")
	if err := wrong.measure(context.Background(), wrong.tools, 2); err == nil || !strings.Contains(err.Error(), "one.c:6") {
		t.Errorf("a mistake in a program: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := small(t, bug("")).measure(ctx, wrong.tools, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestTotals: what is reported of the twin too is not counted as told apart.
func TestTotals(t *testing.T) {
	race := finding{Reports: []string{"data race"}}
	a := &tool{name: "a tool"}
	c := &comparison{programs: []programs.Program{{Name: "p"}, {Name: "q"}, {Name: "r"}, {Name: "s"}}, tools: []*tool{a}, kept: kept{Results: map[string]map[string]result{
		"p": {a.name: {First: race, Runs: 1, Wall: time.Second, Twin: twin{Runs: 20, Reported: 20, Kinds: race}}},
		"q": {a.name: {First: race, Runs: 7, Wall: 12 * time.Second, Twin: twin{Runs: 20}}},
		"r": {a.name: {Runs: 90, Wall: 40 * time.Second, Twin: twin{Runs: 20, Reported: 2, Kinds: race}}},
		"s": {a.name: {Cannot: "no"}},
	}}}
	var b strings.Builder
	c.totals(&b)
	if want := "| a tool | 2 of 3 | 1 | 2 of 3 | 12 s |\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%s, want %s", b.String(), want)
	}
	r := c.of(c.programs[0], a)
	if got, want := r.cell(a), "**data race**<br>1 run, 1.0 s<br>twin: data race, 20 of 20 runs"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestExplored: what emurace prints is taken for what it says, and what is no result is an error.
func TestExplored(t *testing.T) {
	object := func(more string) string {
		return "emurace: 12 schedules, 3.0/s\n" + `{"event":"result","schema":1,"verdict":"failing","schedules":17,"findings":[` + more + `]}` + "\n"
	}
	for _, c := range []struct {
		name  string
		ended ended
		want  string // the finding
		err   string
	}{
		{"nothing", ended{said: object("")}, "", ""},
		{"an abort", ended{code: 1, said: object(`{"kind":"abort"}`)}, "aborts", ""},
		{"a fault", ended{code: 1, said: object(`{"kind":"segv","pc":"0x1"},{"kind":"abort"}`)}, "crashes", ""},
		{"a signal", ended{code: 1, said: object(`{"kind":"signal"}`)}, "crashes", ""},
		{"a deadlock", ended{code: 1, said: object(`{"kind":"deadlock"}`)}, "hangs", ""},
		{"a livelock", ended{code: 1, said: object(`{"kind":"livelock"}`)}, "hangs", ""},
		{"an exit code", ended{code: 1, said: object(`{"kind":"exit","code":3}`)}, "exit code 3", ""},
		{"a problem", ended{code: 1, said: object(`{"kind":"data-race"}`)}, "data-race", ""},
		{"an error", ended{code: 3, said: "emurace: no\nhint: do\n"}, "", "exit code 3, signal 0, and no result: emurace: no"},
		{"an error behind a result", ended{code: 3, said: object("")}, "", "exit code 3"},
		{"a finding and no exit code", ended{said: object(`{"kind":"abort"}`)}, "", "no result"},
		{"an exit code and no finding", ended{code: 1, said: object("")}, "", "no result"},
		{"no schedules", ended{said: strings.ReplaceAll(object(""), "17", "0")}, "", "no result"},
		{"it does not end", ended{late: true, said: object("")}, "", "no result"},
		{"not JSON", ended{said: "{no\n"}, "", "invalid character"},
	} {
		f, err := explored(c.ended)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || f.String() != c.want || f.found() != (c.want != "") || f.runs != 17 {
			t.Errorf("%s: %q of %d runs, %v, want %q", c.name, f, f.runs, err, c.want)
		}
	}
}

// TestManyRuns: of a tool that makes many runs in one command all of them count, and the twin
// has a command of its own.
func TestManyRuns(t *testing.T) {
	all := small(t, "int main(void) { return 0; }\n")
	many := *all.tools[0]
	many.name, many.runs, many.twinRuns, many.unit = "many", 2, 2, "schedule"
	many.read = func(ended) (finding, error) { return finding{runs: 700}, nil }
	many.onTwin = func(_ programs.Program, file string) ([]string, []string) {
		return []string{"touch", file + ".seen"}, nil
	}
	all.tools = []*tool{&many}
	if err := all.measure(context.Background(), all.tools, 1); err != nil {
		t.Fatal(err)
	}
	r := all.of(all.programs[0], &many)
	if r.Runs != 1400 || r.Twin.Runs != 1400 || !strings.HasPrefix(r.cell(&many), "nothing<br>1,400 schedules, ") {
		t.Errorf("%d runs, %d of the twin: %s", r.Runs, r.Twin.Runs, r.cell(&many))
	}
}

// TestKeep: what is measured with a tool takes the place of what was measured before, and the
// others' results stay.
func TestKeep(t *testing.T) {
	all := small(t, "int main(void) { return 0; }\n")
	if err := all.lacks(); err == nil || !strings.Contains(err.Error(), "one.c was not measured with by itself; run: make peers") {
		t.Error(err)
	}
	if err := all.measure(context.Background(), all.tools, 1); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "measured.json")
	if err := measured.Write(name, &all.kept); err != nil {
		t.Fatal(err)
	}
	again := &comparison{programs: all.programs, tools: all.tools}
	if err := measured.Read(name, &again.kept); err != nil {
		t.Fatal(err)
	}
	if again.page() != all.page() {
		t.Errorf("written and read the page is another one:\n%s", again.page())
	}
	before := again.kept.Results["one"]["by itself"]
	if err := again.measure(context.Background(), all.tools[1:], 1); err != nil {
		t.Fatal(err)
	}
	if s := again.kept.Sessions; len(s) != 2 || len(s[0].Tools) != 1 || s[0].Tools["by itself"] == "" || len(s[1].Tools) != 1 || again.kept.version("never") == "" {
		t.Errorf("sessions %+v", s)
	}
	if after := again.kept.Results["one"]["by itself"]; after.Wall != before.Wall {
		t.Error("what was not measured is another result")
	}
	if err := again.measure(context.Background(), all.tools, 1); err != nil || len(again.kept.Sessions) != 1 {
		t.Errorf("%v, sessions %+v", err, again.kept.Sessions)
	}
	if err := again.lacks(); err != nil {
		t.Error(err)
	}
}

func TestChoose(t *testing.T) {
	all := []*tool{{name: "a"}, {name: "b"}}
	for names, want := range map[string]int{"": 2, "none": 0, "b": 1, "b,a": 2} {
		if got, err := choose(all, names); err != nil || len(got) != want {
			t.Errorf("%q: %d, %v", names, len(got), err)
		}
	}
	if _, err := choose(all, "a,c"); err == nil || !strings.Contains(err.Error(), "no such tool") {
		t.Error(err)
	}
}

// TestPage: docs/peers.md is made from the results, and they are of the programs and tools that
// there are.
func TestPage(t *testing.T) {
	list, err := programs.List(filepath.Join("..", "..", "testdata", "programs"))
	if err != nil {
		t.Fatal(err)
	}
	host, err := measured.HostArch()
	if err != nil {
		t.Skip(err)
	}
	all := &comparison{programs: list, tools: tools(host)}
	if err := measured.Read("measured.json", &all.kept); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(all.lacks(), all.check()); err != nil {
		t.Fatal(err)
	}
	for name := range all.kept.Results {
		if !slices.ContainsFunc(list, func(p programs.Program) bool { return p.Name == name }) {
			t.Errorf("there are results of %s, and no such program", name)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "peers.md"))
	if err != nil {
		t.Fatal(err)
	}
	made := all.page()
	if made != string(page) {
		t.Error("docs/peers.md is not what the results say; run: make peers TOOLS=none")
	}
	for _, p := range list {
		if want := "\n| `" + p.File + "`<br>" + p.Title + " |"; !strings.Contains(made, want) {
			t.Errorf("docs/peers.md has no %q", want)
		}
	}
}
