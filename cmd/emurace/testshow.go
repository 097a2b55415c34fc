package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/suite"
)

// testShow prints tests, and on a terminal how far they are.
type testShow struct {
	p     *replay.Printer
	c     *cli.Context
	tests int
	known *knownProblems
	began time.Time

	mu       sync.Mutex
	running  []string
	done     int
	progress bool // a line of it is on the screen
}

// begins notes that a test is being run.
func (s *testShow) begins(w *testWork) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, w.Name+" on "+w.Sysroot+" "+w.Arch)
	s.tell()
}

// tell draws the line of progress anew. What it prints is a courtesy.
func (s *testShow) tell() {
	if !isTerminal(s.c.App.ErrWriter) || len(s.running) == 0 {
		return
	}
	s.progress = true
	last := printable.Line(s.running[len(s.running)-1])
	_, _ = fmt.Fprintf(s.c.App.ErrWriter, "\r\x1b[K%d of %d tests; %.60s", s.done, s.tests, last)
}

// clear takes the line of progress away.
func (s *testShow) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
}

func (s *testShow) wipe() {
	if s.progress {
		_, _ = fmt.Fprint(s.c.App.ErrWriter, "\r\x1b[K")
		s.progress = false
	}
}

// testObject is a test in the output of --json.
type testObject struct {
	Event     string          `json:"event"`
	Schema    int             `json:"schema"`
	Name      string          `json:"name"`
	File      string          `json:"file,omitempty"`
	Line      int             `json:"line,omitempty"`
	Sysroot   string          `json:"sysroot"`
	Arch      string          `json:"arch"`
	Libc      string          `json:"libc,omitempty"` // its version
	Status    suite.Status    `json:"status,omitempty"`
	Expected  *expectedObject `json:"expected,omitempty"`
	Verdict   string          `json:"verdict,omitempty"`
	Complete  *bool           `json:"complete,omitempty"`
	Kinds     []string        `json:"kinds,omitempty"`
	Schedules *uint64         `json:"schedules,omitempty"`
	Failing   *uint64         `json:"failing,omitempty"`
	Elapsed   float64         `json:"elapsed_s,omitempty"`
	Took      float64         `json:"took_s,omitempty"`
	Reasons   []string        `json:"reasons,omitempty"`
	Hint      string          `json:"hint,omitempty"`
	Command   string          `json:"command,omitempty"`
	Trace     string          `json:"trace,omitempty"`
	Known     []suite.Known   `json:"known,omitempty"`
	Findings  []suite.Found   `json:"findings,omitempty"`
}

// list prints tests without their results.
func (s *testShow) list(tests []testCase) error {
	for i := range tests {
		t := &tests[i]
		r := suite.Result{Test: t.Test}
		if s.c.Bool("json") {
			if err := printable.JSON(s.c.App.Writer, objectOfTest(&r)); err != nil {
				return err
			}
			continue
		}
		what := "nothing is expected"
		switch {
		case t.source.err != nil:
			what = "the script is wrong: " + oneLine(t.source.err.Error())
		case t.Want != nil:
			what = suite.Text(t.Want.Verdict, t.Want.Kinds)
			if t.Want.Search != "" {
				what += ", with " + t.Want.Search
			}
		case t.Declared > 0:
			what = plural(uint64(t.About), "expectation", "expectations") + " for this system"
		}
		s.p.Printf("%s  %s %s  %s\n", s.p.Head(printable.Line(t.Name)), printable.Line(t.Sysroot), t.Arch, printable.Line(what))
	}
	return s.p.Err()
}

func objectOfTest(r *suite.Result) testObject {
	o := testObject{
		Event: "test", Schema: 1, Name: r.Name, File: r.File, Sysroot: r.Sysroot, Arch: r.Arch, Libc: r.Version, Status: r.Status,
		Took: r.Took.Seconds(), Reasons: r.Reasons, Hint: r.Hint, Command: r.Command, Trace: r.Trace, Known: r.Known,
	}
	if r.File != "" {
		o.Line = r.Line
	}
	if r.Want != nil {
		o.Expected = &expectedObject{Verdict: r.Want.Verdict, Kinds: r.Want.Kinds, Search: r.Want.Search, Why: r.Want.Why}
	}
	if g := r.Got; g != nil {
		o.Verdict, o.Complete, o.Kinds, o.Schedules, o.Failing, o.Elapsed, o.Findings = g.Verdict, &g.Complete, g.Kinds(), &g.Schedules, &g.Failing, g.Elapsed, g.Findings
	}
	return o
}

// result prints a test that has run.
func (s *testShow) result(r *suite.Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	s.done++
	name := r.Name + " on " + r.Sysroot + " " + r.Arch
	if i := slices.Index(s.running, name); i >= 0 {
		s.running = slices.Delete(s.running, i, i+1)
	}
	defer s.tell()
	if s.c.Bool("json") {
		return printable.JSON(s.c.App.Writer, objectOfTest(r))
	}
	status := fmt.Sprintf("%-9s", r.Status.Line())
	if r.Status == suite.OK {
		status = s.p.Good(status)
	} else {
		status = s.p.Bad(status)
	}
	line := ""
	if g := r.Got; g != nil {
		line = fmt.Sprintf("  %s, %s, %.1f s", suite.Text(g.Verdict, g.Kinds()), words.Count(g.Schedules, "schedule"), r.Took.Seconds())
	}
	s.p.Printf("%s  %s  %s %s%s\n", status, s.p.Head(printable.Line(r.Name)), printable.Line(r.Sysroot), r.Arch, printable.Line(line))
	if n := len(r.Known); n > 0 {
		s.p.Printf("           %s\n", printable.Line(knownText(r.Known)))
	}
	if r.Status != suite.OK {
		s.details(r)
	}
	if s.c.Bool("github") {
		if err := s.p.Err(); err != nil {
			return err
		}
		return suite.GitHub(s.c.App.Writer, r)
	}
	return s.p.Err()
}

// details prints why a test has failed, and the command that shows it. No line begins with
// what others have written.
func (s *testShow) details(r *suite.Result) {
	for _, text := range r.Reasons {
		s.p.Printf("    because %s\n", printable.Line(text))
	}
	if r.Hint != "" {
		s.p.Printf("    hint    %s\n", printable.Line(r.Hint))
	}
	if r.Got != nil {
		const most = 4
		for i, f := range r.Got.Findings {
			if i == most {
				s.p.Printf("    found   %d more\n", len(r.Got.Findings)-most)
				break
			}
			s.p.Printf("    found   %s\n", f.Where())
		}
	}
	if r.Trace != "" {
		s.p.Printf("    trace   %s\n", printable.Line(r.Trace))
	}
	if r.Command != "" {
		s.p.Printf("    show    %s\n", printable.Line(r.Command))
	}
}

// summary prints the last line.
func (s *testShow) summary(results []suite.Result, code int) error {
	sum := suite.Summarize(results, s.tests)
	var met []suite.Known
	for i := range results {
		met = append(met, results[i].Known...)
	}
	unused := s.known.unused(met)
	took := time.Since(s.began).Seconds()
	if s.c.Bool("json") {
		all := map[string]any{
			"event": "tests", "schema": 1, "tests": s.tests, "ok": sum.OK, "differ": sum.Differ, "undecided": sum.Undecided, "errors": sum.Errors,
			"not_run": sum.NotRun, "elapsed_s": took, "exit_code": code,
		}
		if len(unused) > 0 {
			all["unused_suppressions"] = suppressionTexts(unused)
		}
		return printable.JSON(s.c.App.Writer, all)
	}
	for _, u := range unused {
		s.p.Printf("note: line %d of the suppressions, %s, has matched nothing in these tests\n", u.Line, printable.Line(u.String()))
	}
	s.p.Printf("%s, %.1f s\n", strings.ReplaceAll(sum.String(), "; ", " of "), took)
	return s.p.Err()
}

// updated tells of a file that was written.
func (s *testShow) updated(file string) error {
	if s.c.Bool("json") {
		return printable.JSON(s.c.App.Writer, map[string]any{"event": "updated", "schema": 1, "file": file})
	}
	s.p.Printf("updated  %s\n", printable.Line(file))
	return s.p.Err()
}
