package replay

import (
	"context"
	"fmt"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The systems of tests, and the architectures.
var (
	arches   = testsystem.Arches
	eachArch = testsystem.EachArch
	system   = testsystem.Of
)

// find is a session of the shipped scenario and the first schedule of it that
// fails, found by the search itself. Tests share it: each begins with a restart.
type find struct {
	*scenario.Session
	recipe   Recipe
	schedule scenario.Schedule
}

// finds are those of earlier tests. Their machines live as long as the tests.
var finds = map[string]find{}

func findRace(t testing.TB, suite string, arch loader.Arch, settings ...string) find {
	t.Helper()
	key := fmt.Sprint(suite, arch, settings)
	if f, ok := finds[key]; ok {
		return f
	}
	values, err := scripts.Get(scripts.Default).Settle(settings)
	must(t, err)
	f := find{recipe: Recipe{Scenario: scripts.Get(scripts.Default), Values: values, Arch: arch, Source: "debian:" + suite, Seed: 1}}
	f.Session, err = startRace(system(t, suite, arch), f.recipe)
	must(t, err)
	start := func() (*scenario.Session, error) { return startRace(system(t, suite, arch), f.recipe) }
	r, err := explore.Bounded(context.Background(), start, explore.Options{Preemptions: 1, Jobs: 1})
	must(t, err)
	if len(r.Findings) != 1 {
		t.Fatalf("%s %v %q: %d findings, want one", suite, arch, settings, len(r.Findings))
	}
	f.schedule = r.Findings[0].Schedule
	finds[key] = f
	return f
}

// startRace boots a machine of its own for a recipe.
func startRace(sys *emu.System, r Recipe) (*scenario.Session, error) {
	plan, err := r.Scenario.Build(r.Values)
	if err != nil {
		return nil, err
	}
	return scenario.Start(sys, plan, r.Seed)
}

func bootRace(t testing.TB, sys *emu.System, r Recipe) *scenario.Session {
	t.Helper()
	s, err := startRace(sys, r)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

// record makes the trace of the find.
func (f find) record(t testing.TB) *Trace {
	t.Helper()
	trace, err := Record(f.Session, f.recipe, f.schedule)
	must(t, err)
	return trace
}

// history notes the find's run instruction by instruction.
func (f find) history(t testing.TB) *History {
	t.Helper()
	h, err := NewHistory(f.Session, f.schedule)
	must(t, err)
	return h
}

func explain(t testing.TB, h *History) *Explanation {
	t.Helper()
	x, err := Explain(h)
	must(t, err)
	return x
}
