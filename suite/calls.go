package suite

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/syntax"
)

// call is an expect(...) of a file, from its first byte to behind its last one.
type call struct {
	from, to int
	line     int
}

// errElsewhere is the error about expectations that are not plain calls of the file's own.
var errElsewhere = errors.New("its expectations are not all calls of expect(...) on lines of their own: they are in a function, a loop or a file that it loads")

// calls finds the expect(...) statements of a file's outermost level. The text is that of a
// script that has been compiled, so it can be parsed.
func calls(text string) ([]call, error) {
	options := &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}
	file, err := options.Parse("", text, 0)
	if err != nil {
		return nil, fmt.Errorf("parse it again: %w", err)
	}
	starts := lineStarts(text)
	var list []call
	for _, stmt := range file.Stmts {
		e, ok := stmt.(*syntax.ExprStmt)
		if !ok {
			continue
		}
		c, ok := e.X.(*syntax.CallExpr)
		if !ok {
			continue
		}
		if fn, ok := c.Fn.(*syntax.Ident); !ok || fn.Name != "expect" {
			continue
		}
		first, last := c.Span()
		list = append(list, call{offset(text, starts, first), offset(text, starts, last), int(first.Line)})
	}
	return list, nil
}

// lineStarts are the offsets at which the lines begin.
func lineStarts(text string) []int {
	starts := []int{0}
	for i := range len(text) {
		if text[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// offset is where a position is, whose column counts characters.
func offset(text string, starts []int, p syntax.Position) int {
	at := starts[min(int(p.Line), len(starts))-1]
	for range p.Col - 1 {
		if at >= len(text) || text[at] == '\n' {
			break
		}
		at++
		for at < len(text) && text[at]&0xc0 == 0x80 {
			at++
		}
	}
	return at
}

// Lines are the lines of a script's expect(...) calls, in the order of its expectations; nil
// where they cannot be told apart, as when a loop makes them. There are n expectations.
func Lines(text string, n int) []int {
	list, err := calls(text)
	if err != nil || len(list) != n {
		return nil
	}
	lines := make([]int, n)
	for i, c := range list {
		lines[i] = c.line
	}
	return lines
}

// cut is what to take out of a text to be rid of a call, and what to put in its place: with its
// line where nothing else is on it, and else so that the statements beside it can stay.
func cut(text string, c call) (from, to int, instead string) {
	from = strings.LastIndexByte(text[:c.from], '\n') + 1
	to = c.to
	if i := strings.IndexByte(text[to:], '\n'); i >= 0 {
		to += i + 1
	} else {
		to = len(text)
	}
	before, after := strings.TrimSpace(text[from:c.from]), strings.TrimSpace(text[c.to:to])
	switch {
	case before == "" && after == "":
		return from, to, ""
	case before == "" && after[0] == '#':
		return c.from, c.to, ""
	}
	return c.from, c.to, "pass"
}
