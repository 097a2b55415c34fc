package programs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Language is what a program is written in, as people call it.
type Language string

// The languages, by the ends of their files' names.
const (
	C    Language = "C"
	Cxx  Language = "C++"
	Rust Language = "Rust"
)

var languages = map[string]Language{".c": C, ".cc": Cxx, ".rs": Rust}

// Failure is a way for a program to fail.
type Failure string

// The ways to fail.
const (
	Abort    Failure = "abort"     // it ends itself: an assertion, or malloc that finds its heap spoilt
	Crash    Failure = "crash"     // the processor stops it at a bad access
	Deadlock Failure = "deadlock"  // its threads wait for ever
	ExitCode Failure = "exit code" // it ends with another exit code than 0
)

// Failures are all of them, in the order of the list above.
var Failures = []Failure{Abort, Crash, Deadlock, ExitCode}

// Program is one of them.
type Program struct {
	Name     string // abba
	File     string // abba.c, inside the folder
	Language Language
	Title    string    // what kind of bug it is, as a heading has it
	Summary  string    // what goes wrong, in a sentence or two
	Fails    []Failure // how the bug shows, where it does
	Source   string
}

// FixedFlag is the compiler's flag that makes the repaired twin.
func (p *Program) FixedFlag() string {
	if p.Language == Rust {
		return "--cfg=fixed"
	}
	return "-DFIXED"
}

// List reads the programs of a folder, in the order of their names. A file in no known
// language, or whose head comment does not say what it should, is an error.
func List(dir string) ([]Program, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []Program
	for _, e := range entries {
		source, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		p, err := parse(e.Name(), string(source))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no programs", dir)
	}
	return list, nil
}

// parse takes the head comment apart: a title, a summary, and how it fails, with an empty
// line of the comment between them.
func parse(file, source string) (Program, error) {
	suffix := filepath.Ext(file)
	p := Program{Name: strings.TrimSuffix(file, suffix), File: file, Language: languages[suffix], Source: source}
	if p.Language == "" {
		return p, errors.New("not C, C++ or Rust (.c, .cc, .rs)")
	}
	parts := [][]string{nil}
	for line := range strings.Lines(source) {
		text, comment := strings.CutPrefix(line, "//")
		if !comment {
			break
		}
		if text = strings.TrimSpace(text); text == "" {
			parts = append(parts, nil)
			continue
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], text)
	}
	if len(parts) != 3 || len(parts[0]) != 1 || len(parts[1]) == 0 || len(parts[2]) != 1 {
		return p, errors.New("head comment: not a title, a summary and a line of how it fails, with empty lines between")
	}
	p.Title, p.Summary = parts[0][0], strings.Join(parts[1], " ")
	fails, found := strings.CutPrefix(parts[2][0], "Fails: ")
	if !found {
		return p, fmt.Errorf("head comment: %q does not begin with %q", parts[2][0], "Fails: ")
	}
	for name := range strings.SplitSeq(fails, ", ") {
		if !slices.Contains(Failures, Failure(name)) {
			return p, fmt.Errorf("head comment: %q is no way to fail: they are %q", name, Failures)
		}
		p.Fails = append(p.Fails, Failure(name))
	}
	return p, nil
}
