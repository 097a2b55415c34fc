package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/internal/suggest"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/scenariolang"
	"emurace/scripts/strategylang"
	"emurace/suite"
	"emurace/sysroot"
)

// mostScripts bounds how many scripts a folder may have below it: a wrong one, as /, is told soon.
const mostScripts = 10000

// testSource is a scenario, or a program, that is tested.
type testSource struct {
	name     string // as it was named, or of the scenario that ships
	file     string // "" of one that ships
	text     string // of the file
	program  bool
	fixed    bool // it has a schedule in words, which is no search
	end      bool // it declares an end that searches look for
	expected []scenario.Expected
	err      error // that the script is wrong
}

// foundTests are the tests that a command line names.
type foundTests struct {
	sources []*testSource
	tests   []testCase
	looked  []string // where scenarios were looked for
}

// testCase is a test with what it takes to run it.
type testCase struct {
	suite.Test
	source *testSource
	system testSystem
	given  bool // the system was asked for
}

// findTests lists the tests: each scenario on each system.
func findTests(c *cli.Context, systems []testSystem) (*foundTests, error) {
	f := &foundTests{looked: c.Args().Slice()}
	if len(f.looked) == 0 {
		f.looked = []string{"."}
	}
	for _, name := range f.looked {
		if err := f.add(c, name); err != nil {
			return nil, err
		}
	}
	libcs, err := newLibcs(c)
	if err != nil {
		return nil, err
	}
	for _, s := range f.sources {
		on, given := systems, true
		if s.program && len(c.StringSlice("sysroot"))+len(c.StringSlice("arch")) == 0 {
			arch, err := loader.ParseArch(runtime.GOARCH)
			if err != nil {
				return nil, err
			}
			on, given = []testSystem{{spec: sysroot.Spec{Kind: sysroot.Host}, arch: arch}}, false
		}
		if s.err != nil {
			on = on[:1] // it is wrong on each
		}
		lines := suite.Lines(s.text, len(s.expected))
		for _, system := range on {
			t := testCase{source: s, system: system, given: given}
			t.Name, t.File, t.Declared, t.Line = s.name, s.file, len(s.expected), 1
			t.System = suite.System{Sysroot: system.spec.String(), Arch: system.arch.String()}
			if s.err == nil {
				t.Version = libcs.version(c, s, system)
			}
			about := suite.About(s.expected, t.Version, t.Arch)
			if t.About = len(about); t.About == 1 {
				t.Want = &about[0]
				if i := slices.IndexFunc(s.expected, func(e scenario.Expected) bool { return sameExpected(e, about[0]) }); i < len(lines) {
					t.Line = lines[i]
				}
			}
			f.tests = append(f.tests, t)
		}
	}
	return f, nil
}

// sameExpected tells whether two expectations say the same of the same systems.
func sameExpected(a, b scenario.Expected) bool {
	return a.Verdict == b.Verdict && a.Arch == b.Arch && a.Search == b.Search && a.Why == b.Why && slices.Equal(a.Libc, b.Libc) && slices.Equal(a.Kinds, b.Kinds)
}

// add finds what a name stands for: a file, a folder, or a scenario that ships.
func (f *foundTests) add(c *cli.Context, name string) error {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return f.addFolder(name)
	case scripts.IsFile(name):
		s := readTest(name)
		switch {
		case errors.Is(s.err, scenariolang.ErrNone):
			return scriptError(fmt.Errorf("test: %s: %w", name, s.err))
		case errors.As(s.err, new(*fs.PathError)): // which names the file
			return scriptError(fmt.Errorf("test: %w", s.err))
		}
		f.append(s)
		return nil
	}
	sc, ok := scripts.Find(name)
	if !ok {
		hint := "name a file that ends in " + scripts.Suffix + ", a folder, or a scenario of emurace explore --list"
		near := suggest.Names(name, func(yield func(string) bool) {
			for _, sc := range scripts.All() {
				if !yield(sc.Name) {
					return
				}
			}
		}, strings.ToLower)
		if len(near) > 0 {
			hint = "there is " + strings.Join(near, ", ")
		}
		return usage(fmt.Errorf("test: no such file, folder or scenario: %q", name), hint)
	}
	if c.Bool("update") {
		return usage(fmt.Errorf("--update: %s ships with emurace, and has no file here", name), "name the scenario's file")
	}
	f.append(&testSource{name: sc.Name, expected: sc.Expected})
	return nil
}

// append takes in what is tested, once.
func (f *foundTests) append(s *testSource) {
	same := func(o *testSource) bool {
		return o.name == s.name && o.file == s.file || s.file != "" && o.file != "" && filepath.Clean(o.file) == filepath.Clean(s.file)
	}
	if !slices.ContainsFunc(f.sources, same) {
		f.sources = append(f.sources, s)
	}
}

// addFolder finds the scenarios below a folder. Files that others load are no scenarios, and
// are passed over; those that are wrong are not.
func (f *foundTests) addFolder(dir string) error {
	n := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != dir && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir() || !scripts.IsFile(name):
			return nil
		}
		if n++; n > mostScripts {
			return fmt.Errorf("more than %d scripts are below it", mostScripts)
		}
		if s := readTest(name); !errors.Is(s.err, scenariolang.ErrNone) {
			f.append(s)
		}
		return nil
	})
	if err != nil {
		return environmentError(fmt.Errorf("test: %s: %w", dir, err), "name files, or a folder that can be read and holds few others")
	}
	return nil
}

// readTest reads a script: its error is scenariolang.ErrNone when it is nothing to be tested.
func readTest(name string) *testSource {
	s := &testSource{name: name, file: name}
	script, err := scripts.Read(name)
	if err == nil {
		s.text = script.Source()[0].Text
		err = s.take(script)
	}
	s.err = err
	return s
}

// take reads what a script expects.
func (s *testSource) take(script *scripts.Script) error {
	sc, err := script.Scenario()
	if err == nil {
		s.expected, s.end = sc.Expected, sc.End != nil
		schedule, none := script.Schedule()
		s.fixed = none == nil && schedule.Fixed()
		if errors.Is(none, strategylang.ErrNone) {
			none = nil
		}
		return none
	}
	if !errors.Is(err, scenariolang.ErrNone) {
		return err
	}
	named, wrong := script.Named()
	if wrong != nil || named == nil {
		return cmp.Or(wrong, err)
	}
	s.program, s.expected, s.end = true, named.Expected, named.End != nil
	return nil
}

// checkUpdated sees to it that a file which --update writes still is the scenario that it was.
func (s *testSource) checkUpdated(text string) error {
	script, err := scripts.Compile(filepath.Base(s.file), text)
	if err != nil {
		return err
	}
	again := &testSource{}
	return again.take(script)
}

// libcs knows the versions of the libcs of systems.
type libcs struct {
	entries []sysroot.Entry
	probed  map[testSystem]string
}

func newLibcs(c *cli.Context) (*libcs, error) {
	cache, err := sysroot.Open(c.String("cache"))
	if err != nil {
		return nil, err
	}
	entries, err := cache.List()
	return &libcs{entries, map[testSystem]string{}}, err
}

// version is that of a system's libc; "" where it is not known, as no test of it can run, and
// where no expectation asks for it.
func (l *libcs) version(c *cli.Context, s *testSource, on testSystem) string {
	for _, e := range l.entries {
		if e.Spec == on.spec && e.Arch == on.arch.String() {
			return e.Libc
		}
	}
	asks := slices.ContainsFunc(s.expected, func(e scenario.Expected) bool { return len(e.Libc) > 0 })
	if !asks && !c.Bool("update") || c.Bool("list") && !asks {
		return ""
	}
	version, known := l.probed[on]
	if !known {
		version = probeLibc(c, on)
		l.probed[on] = version
	}
	return version
}
