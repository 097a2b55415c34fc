package report

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/scripts"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eachArch runs a test for both guest architectures.
func eachArch(t *testing.T, test func(t *testing.T, arch loader.Arch)) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) { test(t, arch) })
	}
}

func system(t testing.TB, arch loader.Arch) *emu.System {
	t.Helper()
	sys, err := emu.OpenSystem(testroot.Dir(t, "debian:bookworm", arch.String()), arch)
	must(t, err)
	t.Cleanup(func() { must(t, sys.Close()) })
	return sys
}

// article is the input of the page about the scenario that runs when none is named.
func article(t testing.TB, arch loader.Arch, settings ...string) Input {
	t.Helper()
	sc, found := scripts.Find(scripts.Default)
	if !found {
		t.Fatalf("no scenario %s", scripts.Default)
	}
	values, err := sc.Settle(settings)
	must(t, err)
	recipe := replay.Recipe{Scenario: sc, Values: values, Arch: arch, Source: "debian:bookworm", Seed: 1}
	return input(t, recipe, func(s *scenario.Session) scenario.Schedule {
		for n := uint64(100); n < 3000; n += 10 {
			schedule := scenario.Schedule{{Thread: 0, N: n}, {Thread: 1}, {Thread: 0}}
			must(t, s.Restart())
			must(t, s.Play(schedule))
			if o, _ := s.Outcome(); o.Kind == scenario.Segv {
				return schedule
			}
		}
		t.Fatal("no schedule crashes")
		return nil
	})
}

// input is what a page of a run of the recipe is made of.
func input(t testing.TB, recipe replay.Recipe, find func(*scenario.Session) scenario.Schedule) Input {
	t.Helper()
	sys := system(t, recipe.Arch)
	start := func(prepare func(*emu.Machine) error) (*scenario.Session, error) {
		plan, err := recipe.Scenario.Build(recipe.Values)
		if err != nil {
			return nil, err
		}
		return scenario.StartWith(sys, plan, recipe.Seed, prepare)
	}
	s, err := start(nil)
	must(t, err)
	t.Cleanup(s.Close)
	schedule := find(s)
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
		in.Heap, err = tracer.Run(schedule)
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

// randomness is seeded by EMURACE_TEST_SEED, or by 1, and told on failure.
func randomness(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv("EMURACE_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with: EMURACE_TEST_SEED=%d go test -run '^%s$' ./replay/report", seed, t.Name())
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}
