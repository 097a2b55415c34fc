package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"emurace/internal/printable"
	"emurace/sysroot"
)

// failure is an error with its exit code and what to do about it. Without a
// cause it is a result that has been shown already, such as a finding.
type failure struct {
	code  int
	cause error
	hint  string
	// detail is lines that come between the two, such as the calls in progress in a
	// script; each ends with a line end.
	detail string
}

// Error is the cause's text.
func (f *failure) Error() string {
	if f.cause == nil {
		return ""
	}
	return f.cause.Error()
}

// Unwrap is the cause.
func (f *failure) Unwrap() error { return f.cause }

func usage(err error, hint string) error { return &failure{code: exitUsage, cause: err, hint: hint} }

func environmentError(err error, hint string) error {
	return &failure{code: exitEnvironment, cause: err, hint: hint}
}

// exit ends the program with a code and no message.
func exit(code int) error {
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}

// finish shows an error as `emurace: what: why` and its hint, and returns the
// exit code. An error that nobody has classified comes from the environment.
func finish(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	f := &failure{code: exitEnvironment, cause: err}
	var known *failure
	var pull *sysroot.Error
	switch {
	case errors.As(err, &known):
		f = known
	case errors.Is(err, sysroot.ErrInvalid):
		f.code = exitUsage
	case errors.Is(err, context.Canceled):
		f = &failure{code: exitInterrupted, cause: errors.New("interrupted"), hint: "nothing was left half-done; run it again when there is time"}
	}
	if errors.As(err, &pull) && f.hint == "" {
		f.hint = pull.Hint()
	}
	if f.cause != nil {
		hint := f.hint
		if hint == "" {
			hint = lastHint(f.cause)
		}
		// There is nothing left to do when even this cannot be written.
		_, _ = fmt.Fprintf(stderr, "emurace: %s\n%shint: %s\n", oneLine(f.cause.Error()), lines(f.detail), oneLine(hint))
	}
	return f.code
}

// lastHint is the hint of an error that nobody has given one.
func lastHint(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == os.Stdout.Name() {
		return "direct standard output to a place that can be written"
	}
	return "if the files and limits of this machine are in order, it is a fault of emurace: please report it"
}

// lines is oneLine for a text of several.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		b.WriteString(line[:indent] + oneLine(line) + "\n")
	}
	return b.String()
}

// oneLine makes one line, which does a terminal no harm, of a text that may come from a
// file.
func oneLine(text string) string {
	return printable.Line(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, strings.TrimSpace(text)))
}
