package report

import (
	"bytes"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
)

var must = testrace.Must

// article is the input of the page about the scenario that runs when none is named.
func article(t testing.TB, arch loader.Arch, settings ...string) Input {
	t.Helper()
	sc, values := testrace.Default(t, settings...)
	recipe := replay.Recipe{Scenario: sc, Values: values, Arch: arch, Source: "debian:bookworm", Seed: 1}
	return input(t, recipe, testrace.Crash)
}

// input is what a page of a run of the recipe is made of.
func input(t testing.TB, recipe replay.Recipe, find func(testing.TB, *scenario.Session) scenario.Schedule) Input {
	t.Helper()
	start := testrace.Starter(testsystem.Of(t, "bookworm", recipe.Arch), recipe.Scenario, recipe.Values, recipe.Seed)
	s, err := start(nil)
	must(t, err)
	t.Cleanup(s.Close)
	schedule := find(t, s)
	in := Input{File: "a.trace", Scenario: recipe.Scenario, Version: "1.2.3", Engine: "4.5.6"}
	in.Trace, err = replay.Record(s, recipe, schedule)
	must(t, err)
	h, err := replay.NewHistory(s, schedule)
	must(t, err)
	in.Explanation, err = replay.Explain(h)
	must(t, err)
	if in.Explanation.Load != nil {
		tracer, err := replay.NewHeapTracer(start)
		must(t, err)
		t.Cleanup(tracer.Close)
		in.Heap, err = tracer.Run(nil, schedule)
		must(t, err)
		must(t, in.Explanation.AddHeap(h, in.Heap))
	}
	in.Line, err = timeline.New(s, schedule)
	must(t, err)
	t.Cleanup(in.Line.Close)
	if in.Explanation.Outcome.Failed() {
		in.Lesson, err = lesson.New(in.Line, in.Explanation, recipe.Scenario.Notes)
		must(t, err)
	}
	if in.Explanation.Backwards() != nil {
		in.Backwards, err = lesson.Backwards(in.Line, in.Explanation, nil)
		must(t, err)
	}
	return in
}

// write makes the page and returns it as text.
func write(t testing.TB, in Input) string {
	t.Helper()
	page, err := New(in)
	must(t, err)
	return text(t, page)
}

func text(t testing.TB, page *Page) string {
	t.Helper()
	var out bytes.Buffer
	must(t, page.Write(&out))
	return out.String()
}
