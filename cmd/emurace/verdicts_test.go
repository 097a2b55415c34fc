package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testroot"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/sysroot"
)

// shown is what a search's result object says that an expectation is about.
type shown struct {
	Scenario, Arch, Verdict string
	Complete                bool
	Libc                    struct{ Version string }
	Findings                []struct{ Kind string }
}

// atHome gives the program a home of its own, with the sysroots of the user's cache.
func atHome(t testing.TB) {
	t.Helper()
	t.Setenv("EMURACE_CACHE", testroot.Cache(t).Path())
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, dir)
	}
}

// TestVerdicts runs every scenario that ships on every libc of the matrix and both
// architectures, by the command line, with the search that the scenario names, and
// compares what it shows with what the scenario says. Failing schedules are all
// counted, unless the scenario's search has --keep-going=false.
func TestVerdicts(t *testing.T) {
	atHome(t)
	versions := suiteVersions(t)
	for i, sc := range scripts.All() {
		for _, suite := range sysroot.Suites() {
			for _, arch := range sysroot.Arches() {
				if testing.Short() && (i%8 != 0 || suite != "bookworm" || arch != "arm64") {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", sc.Name, suite, arch), func(t *testing.T) {
					t.Parallel()
					want, err := expectation(sc, versions[suite], arch)
					if err != nil {
						t.Fatal(err)
					}
					checkSearch(t, sc, sc.Name, suite, versions[suite], arch, nil, want)
				})
			}
		}
	}
}

// checkSearch runs one search, with settings of the scenario's parameters, and
// compares.
func checkSearch(t *testing.T, sc *scenario.Scenario, name, suite, version, arch string, settings []string, want scenario.Expected) {
	t.Helper()
	args := []string{"emurace", "explore", name, "--sysroot", "debian:" + suite, "--arch", arch,
		"--keep-going", "--json", "--minimize=false", "--jobs", "1", "--color", "never",
		"--output", filepath.Join(t.TempDir(), "trace")}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	args = append(args, strings.Fields(want.Search)...)
	var stdout, stderr bytes.Buffer
	code := doMain(t.Context(), args, &stdout, &stderr)
	var got shown
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%s\nexit code %d, %v\n%s%s", strings.Join(args, " "), code, err, &stdout, &stderr)
	}
	if got.Scenario != sc.Name || got.Arch != arch || got.Libc.Version != version {
		t.Errorf("the result is of another search: %+v", got)
	}
	for _, problem := range differences(want, got, code) {
		t.Errorf("%s\n%s", strings.Join(args, " "), problem)
	}
}

// TestOtherSettings: what the texts of scenarios say of other settings than the
// defaults, by suite; in the suites that are not named nothing fails.
func TestOtherSettings(t *testing.T) {
	atHome(t)
	versions := suiteVersions(t)
	every := func(kinds string) map[string]string {
		all := map[string]string{}
		for suite := range versions {
			all[suite] = kinds
		}
		return all
	}
	for i, c := range []struct {
		scenario, settings string
		failing            map[string]string // kinds by suite
	}{
		{"getenv-putenv", "what=change", every("check")},
		{"getenv-putenv", "name=LANGUAGE", map[string]string{"bullseye": "segv", "bookworm": "segv"}},
		{"getenv-putenv", "tcache=on", map[string]string{"bullseye": "check", "bookworm": "segv"}},
		{"getenv-clearenv", "tcache=on", map[string]string{"bookworm": "segv"}},
		{"getenv-setenv-mutex", "locked=off", map[string]string{"bullseye": "check segv", "bookworm": "check segv"}},
		{"setenv-setenv", "same=on", nil},
		{"strerror-setenv", "locale=C", nil},
		{"strerror-setenv", "locale=C.UTF-8", map[string]string{"bullseye": "segv", "bookworm": "segv"}},
		{"localtime-tzset-setenv", "tcache=on", map[string]string{"bullseye": "check", "bookworm": "segv"}},
		{"localtime-tzset-setenv", "sets=TZ", nil},
		{"localtime-tzset-setenv", "function=tzset", map[string]string{"bullseye": "check segv", "bookworm": "check segv"}},
		{"localtime-tzset-setenv", "function=tzset sets=TZ", nil},
		{"setlocale-printf", "reads=localeconv", nil},
		{"setlocale-printf", "reads=name", every("check")},
	} {
		for _, suite := range sysroot.Suites() {
			if testing.Short() && (i%4 != 0 || suite != "bookworm") {
				continue
			}
			t.Run(strings.ReplaceAll(c.scenario+"/"+c.settings+"/"+suite, " ", ","), func(t *testing.T) {
				t.Parallel()
				want := scenario.Expected{Verdict: "clean", Kinds: strings.Fields(c.failing[suite])}
				if len(want.Kinds) > 0 {
					want.Verdict = "failing"
				}
				checkSearch(t, scripts.Get(c.scenario), c.scenario, suite, versions[suite], "arm64", strings.Fields(c.settings), want)
			})
		}
	}
}

// differences is what of a result, and of the exit code, is not as expected.
func differences(want scenario.Expected, got shown, code int) []string {
	var list []string
	differ := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			list = append(list, fmt.Sprintf("%s: %v, expected %v", what, got, want))
		}
	}
	differ("verdict", got.Verdict, want.Verdict)
	differ("complete", got.Complete, want.Verdict != "undecided" && !partial(want.Search))
	kinds := map[string]bool{}
	for _, f := range got.Findings {
		kinds[f.Kind] = true
	}
	differ("kinds", slices.Sorted(maps.Keys(kinds)), slices.Sorted(slices.Values(want.Kinds)))
	exit := exitOK
	if want.Verdict == "failing" {
		exit = exitFound
	}
	differ("exit code", code, exit)
	return list
}

// partial tells whether a search, by its flags, ends before it has covered all.
func partial(search string) bool {
	return slices.ContainsFunc(strings.Fields(search), func(flag string) bool {
		name, _, _ := strings.Cut(flag, "=")
		return name == "--schedules" || name == "--time" || flag == "--keep-going=false"
	})
}

// TestDifferences: each part of a result that is not as expected is told.
func TestDifferences(t *testing.T) {
	segv, check := struct{ Kind string }{"segv"}, struct{ Kind string }{"check"}
	failing := scenario.Expected{Verdict: "failing", Kinds: []string{"segv"}}
	right := shown{Verdict: "failing", Complete: true, Findings: []struct{ Kind string }{segv, segv}}
	with := func(change func(*shown)) shown { s := right; change(&s); return s }
	drawn := failing
	drawn.Search = "--schedules=100 --seed 1"
	for _, c := range []struct {
		want scenario.Expected
		got  shown
		code int
		told string // how the differences begin
	}{
		{failing, right, exitFound, ""},
		{failing, right, exitOK, "exit code: 0"},
		{failing, with(func(s *shown) { s.Verdict = "clean" }), exitFound, "verdict: clean"},
		{failing, with(func(s *shown) { s.Complete = false }), exitFound, "complete: false"},
		{failing, with(func(s *shown) { s.Findings = nil }), exitFound, "kinds: []"},
		{failing, with(func(s *shown) { s.Findings = append(s.Findings, check) }), exitFound, "kinds: [check segv]"},
		{drawn, right, exitFound, "complete: true"},
		{drawn, with(func(s *shown) { s.Complete = false }), exitFound, ""},
		{scenario.Expected{Verdict: "clean"}, shown{Verdict: "clean", Complete: true}, exitOK, ""},
		{scenario.Expected{Verdict: "undecided", Search: "--time 1s"}, shown{Verdict: "undecided"}, exitOK, ""},
	} {
		list := differences(c.want, c.got, c.code)
		if told := strings.Join(list, "; "); c.told == "" && told != "" || !strings.HasPrefix(told, c.told) || len(list) > 1 {
			t.Errorf("%+v, %+v, %d: %q", c.want, c.got, c.code, told)
		}
	}
}
