package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"emurace/internal/testroot"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/sysroot"
)

// suiteVersions are the versions of glibc in Debian's suites: the matrix that every
// scenario has expectations for.
func suiteVersions(t *testing.T) map[string]string {
	t.Helper()
	list, err := testroot.Cache(t).List()
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, e := range list {
		if e.Spec.Kind == sysroot.Debian && e.Spec.Libc == "" {
			versions[e.Spec.Suite] = e.Libc
		}
	}
	if len(versions) != len(sysroot.Suites()) {
		t.Fatalf("%q are not all suites", versions)
	}
	return versions
}

// expectation is what a scenario says of a libc and an architecture; an error
// unless it says exactly one thing.
func expectation(sc *scenario.Scenario, version, arch string) (scenario.Expected, error) {
	var found []scenario.Expected
	for _, e := range sc.Expected {
		if (len(e.Libc) == 0 || slices.Contains(e.Libc, version)) && (e.Arch == "" || e.Arch == arch) {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		return scenario.Expected{}, fmt.Errorf("%s: glibc %s on %s: %d expectations", sc.Name, version, arch, len(found))
	}
	return found[0], nil
}

// TestExpectations: every scenario that ships says what it shows, of every system
// of the matrix exactly one thing, by a search that there is.
func TestExpectations(t *testing.T) {
	versions := suiteVersions(t)
	for _, sc := range scripts.All() {
		if n := len(sc.Summary); n == 0 || n > 90 {
			t.Errorf("%s: the summary has %d characters, not from 1 to 90", sc.Name, n)
		}
		if sc.Doc == "" {
			t.Errorf("%s: nothing is said about it but the summary", sc.Name)
		}
		for suite, version := range versions {
			for _, arch := range sysroot.Arches() {
				if _, err := expectation(sc, version, arch); err != nil {
					t.Errorf("%v (%s)", err, suite)
				}
			}
		}
		for _, e := range sc.Expected {
			if err := checkExpected(e, versions); err != nil {
				t.Errorf("%s: %s: %v", sc.Name, expectedText(e), err)
			}
		}
	}
}

func checkExpected(e scenario.Expected, versions map[string]string) error {
	if (e.Verdict == "failing") != (len(e.Kinds) > 0) {
		return errors.New("kinds go with failing, and failing with kinds")
	}
	for _, version := range e.Libc {
		if !slices.Contains(slices.Collect(maps.Values(versions)), version) {
			return fmt.Errorf("glibc %s is not in the matrix", version)
		}
	}
	if e.Arch != "" && !slices.Contains(sysroot.Arches(), e.Arch) {
		return fmt.Errorf("there is no architecture %q", e.Arch)
	}
	// What the command itself says of the flags, without anything being run.
	app := newApp(io.Discard, io.Discard)
	command := app.Command("explore")
	command.Action = func(c *cli.Context) error { return checkStrategy(c) }
	return app.RunContext(context.Background(), append([]string{"emurace", "explore"}, strings.Fields(e.Search)...))
}

// TestCheckExpected: what is wrong with an expectation is found.
func TestCheckExpected(t *testing.T) {
	versions := map[string]string{"bookworm": "2.36"}
	for _, e := range []scenario.Expected{
		{Verdict: "failing"},
		{Verdict: "clean", Kinds: []string{"segv"}},
		{Verdict: "clean", Libc: []string{"2.30"}},
		{Verdict: "clean", Arch: "mips"},
		{Verdict: "clean", Search: "--sharp"},
		{Verdict: "clean", Search: "--strategy dowsing"},
	} {
		if checkExpected(e, versions) == nil {
			t.Errorf("%+v passes", e)
		}
	}
	if err := checkExpected(scenario.Expected{Verdict: "failing", Kinds: []string{"segv"}, Search: "--preemptions 1 --jobs 2"}, versions); err != nil {
		t.Error(err)
	}
}

// TestExpectation: one of several, by libc and architecture.
func TestExpectation(t *testing.T) {
	clean, arm := scenario.Expected{Verdict: "clean", Libc: []string{"2.31", "2.36"}}, scenario.Expected{Verdict: "failing", Arch: "arm64"}
	sc := &scenario.Scenario{Name: "x", Expected: []scenario.Expected{clean, arm}}
	if got, err := expectation(sc, "2.36", "amd64"); err != nil || !cmp.Equal(got, clean) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := expectation(sc, "2.41", "arm64"); err != nil || !cmp.Equal(got, arm) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, system := range [][2]string{{"2.31", "arm64"}, {"2.41", "amd64"}} { // two, none
		if e, err := expectation(sc, system[0], system[1]); err == nil {
			t.Errorf("%v: %+v", system, e)
		}
	}
}
