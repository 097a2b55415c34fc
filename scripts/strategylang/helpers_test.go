package strategylang_test

import (
	"errors"
	"strings"
	"testing"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/strategylang"
)

// file is the name of every script here.
const file = "s.star"

// read reads a schedule that has to be right.
func read(t testing.TB, text string) *strategylang.Schedule {
	t.Helper()
	s, err := tryRead(text)
	testrace.Must(t, err)
	return s
}

func tryRead(text string) (*strategylang.Schedule, error) {
	script, err := scripts.Compile(file, text)
	if err != nil {
		return nil, err
	}
	return script.Schedule()
}

// starter makes sessions of the article's scenario. They tell of blocks, as those of
// a search do that a script's function steers.
func starter(t testing.TB, arch loader.Arch) func() (*scenario.Session, error) {
	t.Helper()
	sys := testsystem.Of(t, "bookworm", arch)
	sc, values := testrace.Default(t)
	return func() (*scenario.Session, error) {
		plan, err := sc.Build(values)
		if err != nil {
			return nil, err
		}
		return scenario.StartBlocks(sys, plan, 1, nil)
	}
}

// sample searches as a script says.
func sample(t testing.TB, arch loader.Arch, s *strategylang.Schedule, o explore.Options) (*explore.Result, error) {
	t.Helper()
	return sampleOn(t, starter(t, arch), s, o)
}

// sampleOn is sample on sessions of one's own.
func sampleOn(t testing.TB, start func() (*scenario.Session, error), s *strategylang.Schedule, o explore.Options) (*explore.Result, error) {
	t.Helper()
	walk, end := s.Walk(strategylang.SearchOptions{Seed: o.Seed})
	o.Walk = func(w *explore.Walk) error {
		err := walk(w)
		if errors.Is(err, strategylang.ErrEnd) {
			return explore.ErrStop
		}
		return err
	}
	o.Jobs = max(o.Jobs, 1)
	r, err := explore.Sample(t.Context(), start, explore.Script, o)
	return r, errors.Join(err, end())
}

// inOrder are the schedules that every search begins with, by itself: the threads one
// after the other, in their order and in the reverse.
const inOrder = 2

// once runs a script for a few schedules, and returns its error.
func once(t testing.TB, arch loader.Arch, text string) error {
	t.Helper()
	_, err := sample(t, arch, read(t, text), explore.Options{Schedules: inOrder + 5, Seed: 1, KeepGoing: true})
	return err
}

// says runs a script whose function calls fail with what it has seen, a line for each
// thing, and returns the lines.
func says(t testing.TB, arch loader.Arch, text string) []string {
	t.Helper()
	err := once(t, arch, text)
	if err == nil {
		t.Fatalf("it says nothing:\n%s", text)
	}
	_, said, found := strings.Cut(err.Error(), "SAID ")
	if !found {
		t.Fatalf("%v:\n%s", err, text)
	}
	return strings.Split(strings.TrimSpace(said), "|")
}

// compare compares what was said with what was to be, where an end of "..." stands
// for anything.
func compare(t testing.TB, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d things, want %d: %q", len(got), len(want), got)
	}
	for i, w := range want {
		if begins, open := strings.CutSuffix(w, "..."); got[i] != w && !(open && strings.HasPrefix(got[i], begins)) {
			t.Errorf("%d: %s, want %s", i, got[i], w)
		}
	}
}
