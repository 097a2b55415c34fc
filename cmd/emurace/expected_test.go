package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"emurace/internal/testroot"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/suite"
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
		for name, version := range versions {
			for _, arch := range sysroot.Arches() {
				if _, err := suite.Expectation(sc, version, arch); err != nil {
					t.Errorf("%v (%s)", err, name)
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
	_, err := checkSearchFlags(e.Search)
	return err
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
		{Verdict: "clean", Search: "--output x.trace"},
		{Verdict: "clean", Search: "--seed 3 other.star"},
	} {
		if checkExpected(e, versions) == nil {
			t.Errorf("%+v passes", e)
		}
	}
	if err := checkExpected(scenario.Expected{Verdict: "failing", Kinds: []string{"segv"}, Search: "--preemptions 1 --seed 2"}, versions); err != nil {
		t.Error(err)
	}
}
