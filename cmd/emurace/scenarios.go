package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/sandbox"
	"emurace/scripts/scenariolang"
)

// findScenario is the scenario that ships under a name, or that of a file.
func findScenario(what, name string) (*scenario.Scenario, error) {
	if !scripts.IsFile(name) {
		sc, ok := scripts.Find(name)
		if !ok {
			return nil, usage(fmt.Errorf("%s: no such scenario: %q", what, name),
				meant(name, scenarioNames, "", "emurace explore --list shows them; the name of a file ends in "+scripts.Suffix))
		}
		return sc, nil
	}
	script, err := scripts.Read(name)
	if err == nil {
		var sc *scenario.Scenario
		if sc, err = script.Scenario(); err == nil {
			return sc, nil
		}
	}
	return nil, scriptError(fmt.Errorf("%s: %w", what, err))
}

// scenarioNames are those that ship.
func scenarioNames(yield func(string) bool) {
	for _, s := range scripts.All() {
		if !yield(s.Name) {
			return
		}
	}
}

// looksLikeProgram tells whether a name that is to be a scenario's is that of a program: it
// has a slash, or is a file of this machine that can be executed, and neither a script of ours nor a trace.
func looksLikeProgram(name string) bool {
	if scripts.IsFile(name) || isTrace(name) {
		return false
	}
	info, err := os.Stat(name)
	return strings.Contains(name, "/") || err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// scriptError is an error of a script, with the calls in progress.
func scriptError(err error) error {
	var known *failure
	var script *sandbox.Error
	var path *fs.PathError
	var call *scenario.CallError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &script):
		return &failure{code: exitUsage, cause: err, hint: scriptHint(err), detail: script.Detail()}
	case errors.As(err, &call):
		return usage(err, scriptHint(err))
	case errors.Is(err, scenariolang.ErrNone):
		return usage(err, "docs/writing-scenarios.md explains how to write one")
	case errors.As(err, &path):
		return environmentError(err, "name a file that is there, or one of the scenarios of emurace explore --list")
	}
	return err
}

// scriptHint is what to do about an error of a script: what the error itself knows, or
// else where the language is explained.
func scriptHint(err error) string {
	var advised interface{ Hint() string }
	if errors.As(err, &advised) && advised.Hint() != "" {
		return advised.Hint()
	}
	var script *sandbox.Error
	if errors.As(err, &script) && (strings.Contains(script.Line, ".returned(") || strings.Contains(script.Line, ".results(")) {
		return "a check sees what has happened so far: p.results(thread) has a result for each call that has returned, p.returned(thread) is None until the thread's function has"
	}
	return "docs/writing-scenarios.md explains the language; emurace explore --describe getenv-setenv shows a scenario"
}

// showScenarios answers --list and --describe.
func showScenarios(c *cli.Context, p *replay.Printer) error {
	if c.Bool("list") {
		return listScenarios(c, p)
	}
	return describeScenario(c, p)
}

// listScenarios shows what ships, a line each.
func listScenarios(c *cli.Context, p *replay.Printer) error {
	if c.Bool("json") {
		for _, s := range scripts.All() {
			if err := printable.JSON(c.App.Writer, describe(s)); err != nil {
				return err
			}
		}
		return nil
	}
	width := 0
	for _, s := range scripts.All() {
		width = max(width, len(s.Name))
	}
	for _, s := range scripts.All() {
		p.Printf("%s%s  %s\n", p.Head(s.Name), strings.Repeat(" ", width-len(s.Name)), s.Summary)
	}
	p.Printf("%s\n", "emurace explore --describe NAME says more; a file of your own works like one of these")
	return p.Err()
}

// describeScenario shows all about one scenario.
func describeScenario(c *cli.Context, p *replay.Printer) error {
	sc, err := findScenario("explore: --describe", c.String("describe"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printable.JSON(c.App.Writer, describe(sc))
	}
	p.Printf("%s  %s\n", p.Head(sc.Name), sc.Summary)
	if sc.Doc != "" {
		p.Printf("\n%s\n", sc.Doc)
	}
	if len(sc.Params) > 0 {
		p.Printf("\n%s\n", p.Head("parameters"))
	}
	for _, param := range sc.Params {
		p.Printf("    --set %s=%s\n        %s\n", p.Name(param.Name), printable.Line(param.Default), param.Help)
		if param.Values != "" {
			p.Printf("        %s\n", param.Values)
		}
	}
	if len(sc.Packages) > 0 {
		p.Printf("\n%s\n    %s\n", p.Head("packages that it needs beside libc's"), strings.Join(sc.Packages, ", "))
	}
	if len(sc.Expected) > 0 {
		p.Printf("\n%s\n", p.Head("what is known"))
	}
	for _, e := range sc.Expected {
		p.Printf("    %s\n", expectedText(e))
	}
	for _, n := range sc.Notes {
		p.Printf("\n%s\n", p.Head(n.Title))
		for _, text := range n.Text {
			p.Printf("    %s\n", text)
		}
	}
	return p.Err()
}

// expectedText is a line about what searches of a scenario show.
func expectedText(e scenario.Expected) string {
	where := "every glibc"
	if len(e.Libc) > 0 {
		where = "glibc " + strings.Join(e.Libc, ", ")
	}
	if e.Arch != "" {
		where += ", " + e.Arch
	}
	text := where + ": " + e.Verdict
	if len(e.Kinds) > 0 {
		text += " (" + strings.Join(e.Kinds, ", ") + ")"
	}
	if e.Search != "" {
		text += ", with " + e.Search
	}
	if e.Why != "" {
		text += ": " + e.Why
	}
	return text
}

// describe is a scenario as an object.
func describe(s *scenario.Scenario) map[string]any {
	type param struct {
		Name    string `json:"name"`
		Default string `json:"default"`
		Help    string `json:"help"`
		Values  string `json:"values,omitempty"`
	}
	params := []param{}
	for _, q := range s.Params {
		params = append(params, param{q.Name, q.Default, q.Help, q.Values})
	}
	row := map[string]any{"event": "scenario", "name": s.Name, "summary": s.Summary, "params": params}
	if s.Doc != "" {
		row["doc"] = s.Doc
	}
	if len(s.Packages) > 0 {
		row["packages"] = s.Packages
	}
	return row
}
