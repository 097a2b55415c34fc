package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"emurace/internal/testroot"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/suite"
	"emurace/sysroot"
)

// atHome gives the program a home of its own, with the sysroots of the user's cache.
func atHome(t testing.TB) {
	t.Helper()
	t.Setenv("EMURACE_CACHE", testroot.Cache(t).Path())
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, dir)
	}
}

// inTurn is thorough.Turn of an architecture by its name.
func inTurn(i int, arch string) bool {
	a, err := loader.ParseArch(arch)
	return err != nil || thorough.Turn(i, a)
}

// TestVerdicts runs every scenario that ships on every libc of the matrix, from one to the
// next on the other architecture, by the command line, with the search that the scenario names, and
// compares what it shows with what the scenario says. Failing schedules are all
// counted, unless the scenario's search has --keep-going=false.
func TestVerdicts(t *testing.T) {
	atHome(t)
	versions := suiteVersions(t)
	for i, sc := range scripts.All() {
		for k, name := range sysroot.Suites() {
			for _, arch := range sysroot.Arches() {
				if testing.Short() && (i%8 != 0 || name != "bookworm" || arch != "arm64") || !inTurn(i+k, arch) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", sc.Name, name, arch), func(t *testing.T) {
					t.Parallel()
					want, err := suite.Expectation(sc, versions[name], arch)
					if err != nil {
						t.Fatal(err)
					}
					checkSearch(t, sc, sc.Name, name, versions[name], arch, nil, want)
				})
			}
		}
	}
}

// checkSearch runs one search, with settings of the scenario's parameters, and
// compares.
func checkSearch(t *testing.T, sc *scenario.Scenario, name, debian, version, arch string, settings []string, want scenario.Expected) {
	t.Helper()
	args := []string{"emurace", "explore", name, "--sysroot", "debian:" + debian, "--arch", arch,
		"--keep-going", "--json", "--minimize=false", "--jobs", "1", "--color", "never",
		"--output", filepath.Join(t.TempDir(), "trace")}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	args = append(args, strings.Fields(want.Search)...)
	var stdout, stderr bytes.Buffer
	code := doMain(t.Context(), args, &stdout, &stderr)
	var got suite.Shown
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%s\nexit code %d, %v\n%s%s", strings.Join(args, " "), code, err, &stdout, &stderr)
	}
	if got.Scenario != sc.Name || got.Arch != arch || got.Libc.Version != version {
		t.Errorf("the result is of another search: %+v", got)
	}
	for _, problem := range suite.Differences(want, got, code) {
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
		for name := range versions {
			all[name] = kinds
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
		for _, name := range sysroot.Suites() {
			if testing.Short() && (i%4 != 0 || name != "bookworm") {
				continue
			}
			t.Run(strings.ReplaceAll(c.scenario+"/"+c.settings+"/"+name, " ", ","), func(t *testing.T) {
				t.Parallel()
				want := scenario.Expected{Verdict: "clean", Kinds: strings.Fields(c.failing[name])}
				if len(want.Kinds) > 0 {
					want.Verdict = "failing"
				}
				checkSearch(t, scripts.Get(c.scenario), c.scenario, name, versions[name], "arm64", strings.Fields(c.settings), want)
			})
		}
	}
}
