package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/scenariolang"
	"emurace/suite"
	"emurace/sysroot"
)

const scenariosHead = `# Scenarios

These are the scenarios that ship, and what is known of each: this part is made from
them by ` + "`go test ./cmd/emurace -run TestScenariosDoc -update`" + `, and a test fails when it
is stale. ` + "`go test ./cmd/emurace -run TestVerdicts`" + ` runs all of them on every libc below
and compares. [How to write one](#how-to-write-one) is at the end.

    emurace explore NAME                    find a failing schedule
    emurace explore NAME --keep-going       count them all, or prove that there is none
    emurace explore --describe NAME         all that is below
    emurace script article                  run the schedule in words that is beside it
    cp scripts/NAME.star my.star            begin one of your own
    emurace explore my.star

## What they show

Of each glibc on arm64 and amd64; both are the same where none is named. Clean is a
proof: no schedule fails, with the scenario's own parameters, and where memory is the
same for all threads at any time. Where a search is named, it is proved for that search.

`

// scenariosRest begins what is written by hand and stays.
const scenariosRest = "\n<!-- from here on written by hand -->\n"

// TestScenariosDoc: docs/scenarios.md shows what the scripts say now, and explains
// every name of the language.
func TestScenariosDoc(t *testing.T) {
	made := scenariosHead + verdictTable(t, scripts.All(), suiteVersions(t))
	made += "\n## The scenarios\n"
	for _, sc := range scripts.All() {
		made += scenarioSection(sc)
	}
	file := filepath.Join("..", "..", "docs", "scenarios.md")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(have), scenariosRest)
	if !found {
		t.Fatalf("docs/scenarios.md has no line %q", strings.TrimSpace(scenariosRest))
	}
	made += scenariosRest + rest
	if *update {
		if err := os.WriteFile(file, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
		have = []byte(made)
	}
	if d := cmp.Diff(string(have), made); d != "" {
		t.Errorf("docs/scenarios.md is stale (-file +scripts):\n%s\nrun: go test ./cmd/emurace -run TestScenariosDoc -update", d)
	}
	for name := range scenariolang.Names() {
		if !strings.Contains(rest, "`"+name+"(") {
			t.Errorf("docs/scenarios.md does not explain %s(...)", name)
		}
	}
}

// verdictTable has a line for each scenario and a column for each libc.
func verdictTable(t *testing.T, list []*scenario.Scenario, versions map[string]string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| scenario |")
	for _, name := range sysroot.Suites() {
		fmt.Fprintf(&b, " %s, %s |", versions[name], name)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 1+len(versions)) + "\n")
	for _, sc := range list {
		fmt.Fprintf(&b, "| [%s](#%s) |", sc.Name, sc.Name)
		for _, name := range sysroot.Suites() {
			fmt.Fprintf(&b, " %s |", cell(t, sc, versions[name]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// cell is what a scenario shows of one libc.
func cell(t *testing.T, sc *scenario.Scenario, version string) string {
	t.Helper()
	var texts, named []string
	for _, arch := range sysroot.Arches() {
		e, err := suite.Expectation(sc, version, arch)
		if err != nil {
			t.Error(err)
		}
		text := e.Verdict
		if len(e.Kinds) > 0 {
			text += ": " + strings.Join(e.Kinds, ", ")
		}
		if e.Search != "" {
			text += " (`" + e.Search + "`)"
		}
		texts, named = append(texts, text), append(named, arch+" "+text)
	}
	if same := slices.Compact(slices.Clone(texts)); len(same) == 1 {
		return same[0]
	}
	return strings.Join(named, "; ")
}

// scenarioSection is all about one scenario.
func scenarioSection(sc *scenario.Scenario) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n**%s.**\n\n%s\n", sc.Name, sc.Summary, sc.Doc)
	if len(sc.Params) > 0 {
		b.WriteString("\n| parameter | default | |\n| --- | --- | --- |\n")
		for _, p := range sc.Params {
			help := p.Help
			if p.Values != "" {
				help += "; " + p.Values
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, code(p.Default), strings.ReplaceAll(help, "|", `\|`))
		}
	}
	b.WriteString("\n")
	for _, e := range sc.Expected {
		fmt.Fprintf(&b, "- %s\n", expectedText(e))
	}
	for _, n := range sc.Notes {
		fmt.Fprintf(&b, "\n%s:\n\n", n.Title)
		for _, text := range n.Text {
			fmt.Fprintf(&b, "- %s\n", text)
		}
	}
	b.WriteString("\nSource:")
	for i, f := range sc.Source {
		dir := "scripts"
		if i > 0 {
			dir = "scripts/lib" // what it loads
		}
		fmt.Fprintf(&b, " [%s](../%s)", path.Join(dir, f.Name), path.Join(dir, f.Name))
	}
	if len(sc.Packages) > 0 {
		fmt.Fprintf(&b, "; beside libc it needs Debian's %s", strings.Join(sc.Packages, ", "))
	}
	b.WriteString("\n")
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// TestScenarioExample: the scenario that docs/scenarios.md explains shows what it says.
func TestScenarioExample(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```python\n")
	text, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/scenarios.md has no example")
	}
	file := filepath.Join(t.TempDir(), "example.star")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sc, err := findScenario("test", file)
	if err != nil {
		t.Fatal(err)
	}
	atHome(t)
	checkSearch(t, sc, file, "bookworm", "2.36", "arm64", nil, scenario.Expected{Verdict: "failing", Kinds: []string{"check"}})
}

// TestScenarioLinks: what the sections link to is there.
func TestScenarioLinks(t *testing.T) {
	for _, sc := range scripts.All() {
		if len(sc.Source) == 0 {
			t.Errorf("%s: no source", sc.Name)
		}
		for i, f := range sc.Source {
			dir := filepath.Join("..", "..", "scripts")
			if i > 0 {
				dir = filepath.Join(dir, "lib")
			}
			text, err := os.ReadFile(filepath.Join(dir, f.Name))
			if err != nil || string(text) != f.Text {
				t.Errorf("%s: %s is not the file that was read: %v", sc.Name, f.Name, err)
			}
		}
	}
}

// TestVerdictCell: what is the same on both architectures is said once.
func TestVerdictCell(t *testing.T) {
	sc := &scenario.Scenario{Expected: []scenario.Expected{
		{Verdict: "failing", Kinds: []string{"check", "segv"}, Libc: []string{"2.31"}},
		{Verdict: "failing", Kinds: []string{"segv"}, Libc: []string{"2.36"}, Arch: "arm64"},
		{Verdict: "clean", Libc: []string{"2.36"}, Arch: "amd64", Search: "--locks abstract"},
	}}
	for version, want := range map[string]string{
		"2.31": "failing: check, segv",
		"2.36": "arm64 failing: segv; amd64 clean (`--locks abstract`)",
	} {
		if got := cell(t, sc, version); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}
