package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/internal/files"
	"emurace/loader"
	"emurace/suite"
	"emurace/sysroot"
)

// usualTestTime is the budget of a test where --time gives none: what is meant to be run each
// day has to come to an end.
const usualTestTime = 10 * time.Minute

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "hold scenarios to what they expect, for CI",
		ArgsUsage: "[FILE|FOLDER|NAME...]",
		Description: `Searches each scenario on each system and compares what is shown with its
expect(...): FILE is a script that declares a scenario or names a program, FOLDER stands
for all such below it, NAME for a scenario that ships; without any it is the present
folder. A system is a --sysroot with an --arch; both may be given several times, and with
commas.

  ok         it is as expected. expect("clean") takes a proof
  DIFFERS    it is not; or a scenario that expects nothing has a schedule that fails; or
             one that has expectations has none, or two, for this system
  UNDECIDED  the search came to no verdict, and one is expected
  ERROR      the script is wrong, or it cannot be searched here

Each test is a process of its own, emurace explore with --keep-going and with what
expect(search = ...) says. Under a test that fails stands the command that shows it.

The exit code is 0 when all is as expected. Of several reasons for another one the first
of these counts: 130, interrupted; 1, some differ; 3, the surroundings of a test, or its
engine has died; 2, wrong usage, or a script is wrong; 5, one is undecided.

Examples:
  emurace test
  emurace test scripts/ --sysroot debian:bookworm,debian:trixie --arch arm64,amd64
  emurace test getenv-setenv abba my.star --time 1m
  emurace test tests/ --junit junit.xml --sarif emurace.sarif --traces traces --github
  emurace test tests/ --detect data-race --suppressions known.txt --baseline baseline.txt
  emurace test my.star --update`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "arch", Usage: "arm64 or amd64; may be given several times, and with commas (default: arm64)", EnvVars: []string{"EMURACE_ARCH"}},
			&cli.StringSliceFlag{Name: "sysroot", Usage: "the libc: debian:`SUITE`, host or a folder; may be given several times, and with commas (default: debian:bookworm; of a program host)", EnvVars: []string{"EMURACE_SYSROOT"}},
			&cli.DurationFlag{Name: "time", Value: usualTestTime, Usage: "the budget of each test; one that is over it has what was found until then, and is mostly undecided"},
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Value: runtime.NumCPU(), DefaultText: "number of processors", Usage: "run `N` tests side by side", EnvVars: []string{"EMURACE_JOBS"}},
			&cli.StringFlag{Name: "junit", Usage: "write the results to `FILE` as a JUnit report"},
			&cli.StringFlag{Name: "sarif", Usage: "write what is not as expected to `FILE` as a SARIF 2.1.0 log"},
			&cli.BoolFlag{Name: "github", Usage: "print what is not as expected as GitHub Actions' annotations too"},
			&cli.StringFlag{Name: "traces", Usage: "keep a trace of each failure that is not expected in the folder `DIR`"},
			&cli.BoolFlag{Name: "update", Usage: "write what is shown into the scenarios' files, as expect(...)"},
			&cli.BoolFlag{Name: "require-proof", Usage: "have a test undecided in which nothing fails and that is no proof, also where nothing is expected, or no verdict", EnvVars: []string{"EMURACE_REQUIRE_PROOF"}},
			detectFlag(), suppressionsFlag(), baselineFlag(), updateBaselineFlag(),
			&cli.BoolFlag{Name: "list", Usage: "list the tests, and run none"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object for each test, and one for all"},
			memoryFlag(usualMemory), cacheFlag(), colorFlag(),
		},
		Action: testAction,
	}
}

func testAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	if err := checkTest(c); err != nil {
		return err
	}
	known, err := knownOf(c)
	if err != nil {
		return err
	}
	systems, err := testSystems(c)
	if err != nil {
		return err
	}
	found, err := findTests(c, systems)
	if err != nil {
		return err
	}
	if len(found.tests) == 0 {
		return usage(errors.New("test: there is no scenario: "+strings.Join(found.looked, ", ")), "a scenario is a file that ends in .star and declares threads; emurace explore --list shows those that ship")
	}
	show := &testShow{p: p, c: c, tests: len(found.tests), known: known, began: time.Now()}
	if c.Bool("list") {
		return show.list(found.tests)
	}
	results, interrupted, err := runTests(c, found.tests, show)
	show.clear()
	if err != nil {
		return err
	}
	code := suite.Code(results)
	if interrupted {
		code = exitInterrupted
	}
	if err := errors.Join(show.summary(results, code), writeReports(c, results, code)); err != nil {
		return err
	}
	if !interrupted {
		if err := errors.Join(updateBaseline(c, results), updateTests(c, found, results, show)); err != nil {
			return err
		}
	}
	return exit(code)
}

// checkTest checks what can be checked of the command line by itself.
func checkTest(c *cli.Context) error {
	if n := c.Int("jobs"); n < 1 || n > 256 {
		return usage(fmt.Errorf("--jobs %d: not a number from 1 to 256", n), "")
	}
	if d := c.Duration("time"); d <= 0 {
		return usage(fmt.Errorf("--time %v: not a time above 0", d), "leave the flag out for "+usualTestTime.String())
	}
	if c.Bool("json") && c.Bool("github") {
		return usage(errors.New("--github does not go with --json: annotations are lines that are no JSON"), "leave one of the two out")
	}
	if c.Bool("list") && (c.Bool("update") || c.Bool("update-baseline")) {
		return usage(errors.New("--list runs nothing, so that there is nothing to update"), "leave one of the two out")
	}
	if _, err := detected(c); err != nil {
		return err
	}
	if _, err := guestMemory(c); err != nil {
		return err
	}
	for _, flag := range []string{"junit", "sarif"} {
		if name := c.String(flag); name != "" {
			// Better now than when all tests have run.
			if err := files.CheckWritable(name); err != nil {
				return reportFileError(flag, name, err)
			}
		}
	}
	if dir := c.String("traces"); dir != "" {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return environmentError(fmt.Errorf("--traces: %w", err), "name a folder that can be made, or is there")
		}
	}
	return nil
}

func reportFileError(flag, name string, err error) error {
	return environmentError(fmt.Errorf("--%s %s: %w", flag, name, err), "name a file that can be written")
}

// splitFlag is a flag's values, each of which may be several with commas. The name of a folder
// that is there may hold commas itself.
func splitFlag(c *cli.Context, name string) []string {
	var list []string
	for _, v := range c.StringSlice(name) {
		if _, err := os.Stat(v); err == nil {
			list = append(list, v)
			continue
		}
		list = append(list, strings.Split(v, ",")...)
	}
	return list
}

// testSystem is a sysroot for an architecture.
type testSystem struct {
	spec sysroot.Spec
	arch loader.Arch
}

// testSystems crosses the sysroots with the architectures; those of the default where the
// command line says nothing of them.
func testSystems(c *cli.Context) (list []testSystem, err error) {
	specs := splitFlag(c, "sysroot")
	arches, err := archesOf(c)
	if err != nil {
		return nil, err
	}
	if len(specs) == 0 {
		specs = []string{"debian:bookworm"}
	}
	for _, text := range specs {
		spec, err := sysroot.Parse(text)
		if err != nil {
			return nil, err
		}
		names := arches
		if len(names) == 0 {
			names = []string{"arm64"}
			if spec.Kind == sysroot.Host {
				names = []string{runtime.GOARCH}
			}
		}
		for _, name := range names {
			arch, err := loader.ParseArch(name)
			if err != nil {
				return nil, err
			}
			if s := (testSystem{spec, arch}); !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list, nil
}

// writeReports writes the files that CI systems read.
func writeReports(c *cli.Context, results []suite.Result, code int) error {
	var errs []error
	for flag, write := range map[string]func(io.Writer) error{
		"junit": func(w io.Writer) error { return suite.JUnit(w, results) },
		"sarif": func(w io.Writer) error { return suite.SARIF(w, results, version, code) },
	} {
		name := c.String(flag)
		if name == "" {
			continue
		}
		if err := files.Save(name, func(f *os.File) error { return write(f) }); err != nil {
			errs = append(errs, reportFileError(flag, c.String(flag), err))
		}
	}
	return errors.Join(errs...)
}

// updateTests writes what searches have shown into the files of scenarios, for --update.
func updateTests(c *cli.Context, found *foundTests, results []suite.Result, show *testShow) error {
	if !c.Bool("update") {
		return nil
	}
	byFile := map[string][]suite.Result{}
	for _, r := range results {
		byFile[r.File] = append(byFile[r.File], r)
	}
	for _, s := range found.sources {
		if len(byFile[s.file]) == 0 {
			continue
		}
		text, err := suite.Update(s.text, s.expected, byFile[s.file], c.Duration("time").Seconds())
		if err == nil && text != s.text {
			err = s.checkUpdated(text)
		}
		if err != nil {
			return environmentError(fmt.Errorf("--update: %s: %w", s.file, err), "write the expectations by hand: the lines above say what is shown")
		}
		if text == s.text {
			continue
		}
		name := s.file
		if real, err := filepath.EvalSymlinks(name); err == nil {
			name = real // a link is not to be replaced by a file
		}
		if err := files.Replace(name, []byte(text)); err != nil {
			return environmentError(fmt.Errorf("--update: %s: %w", s.file, err), "the file is as it was")
		}
		if err := show.updated(s.file); err != nil {
			return err
		}
	}
	return nil
}
