package sandbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Error is what is wrong with a script, or went wrong in it.
type Error struct {
	Msg string
	// Pos is where, FILE:LINE:COLUMN; "" when no line of the script is to blame.
	Pos string
	// Trace is the calls in progress, outermost first, the place of the error last;
	// empty for what is found before the script runs.
	Trace []Frame
	// Line is the text of the line, without what is around it; "" when there is none.
	Line string
	// Cause is the error of the host that the script ran into, or nil.
	Cause error
}

// Frame is a call in progress.
type Frame struct {
	Func string // "<toplevel>" outside of functions
	Pos  string // FILE:LINE:COLUMN
}

// Error is the place and the message, in one line.
func (e *Error) Error() string {
	if e.Pos == "" {
		return e.Msg
	}
	return e.Pos + ": " + e.Msg
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Detail is the calls in progress and the line of the error, a line of text each;
// "" when neither is known.
func (e *Error) Detail() string {
	var b strings.Builder
	if len(e.Trace) > 1 {
		for _, f := range e.Trace {
			fmt.Fprintf(&b, "  %s: in %s\n", f.Pos, f.Func)
		}
	}
	if e.Line != "" {
		fmt.Fprintf(&b, "    %s\n", e.Line)
	}
	return b.String()
}

// maxMessage bounds a message, in bytes: a script may put anything into one.
const maxMessage = 4096

// explain makes an Error of what the interpreter returns.
func (p *Program) explain(err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Msg: err.Error()}
	var known *Error
	var parsed syntax.Error
	var names resolve.ErrorList
	var run *starlark.EvalError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &parsed):
		e.Msg = parsed.Msg
		e.at(p, parsed.Pos)
	case errors.As(err, &names) && len(names) > 0:
		e.Msg = names[0].Msg
		e.at(p, names[0].Pos)
		if n := len(names) - 1; n > 0 {
			e.Msg += fmt.Sprintf(" (and %d more)", n)
		}
	case errors.As(err, &run):
		p.trace(e, run.CallStack)
		// What goes wrong in a module has calls of its own in progress.
		for inner := (*starlark.EvalError)(nil); errors.As(run.Unwrap(), &inner); run = inner {
			p.trace(e, inner.CallStack)
		}
		e.Msg, e.Cause = run.Msg, run.Unwrap()
	}
	if len(e.Msg) > maxMessage {
		e.Msg = e.Msg[:maxMessage] + "..."
	}
	return e
}

// trace notes the calls in progress. Those of the host's own functions have no
// place; the error is said to be where the script called them.
func (p *Program) trace(e *Error, stack starlark.CallStack) {
	for _, f := range stack {
		if f.Pos.Filename() == "<builtin>" {
			continue
		}
		e.Trace = append(e.Trace, Frame{f.Name, f.Pos.String()})
		e.at(p, f.Pos)
	}
}

func (e *Error) at(p *Program, pos syntax.Position) {
	e.Pos, e.Line = pos.String(), ""
	if text, ok := p.sources[pos.Filename()]; ok {
		lines := strings.Split(text, "\n")
		if n := int(pos.Line); n >= 1 && n <= len(lines) {
			e.Line = strings.TrimSpace(lines[n-1])
		}
		if len(e.Line) > 200 {
			e.Line = e.Line[:200] + "..."
		}
	}
}

// ErrorAt is an error of the host's about a place in the script that Where has told.
func (p *Program) ErrorAt(place string, err error) *Error {
	e := &Error{Msg: err.Error(), Pos: place, Cause: err}
	parts := strings.Split(place, ":")
	if n := len(parts); n > 2 {
		line, _ := strconv.ParseInt(parts[n-2], 10, 32) // no line has number 0
		column, _ := strconv.ParseInt(parts[n-1], 10, 32)
		file := strings.Join(parts[:n-2], ":")
		e.at(p, syntax.MakePosition(&file, int32(line), int32(column)))
	}
	return e
}
