package known

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"emurace/internal/printable"
	"emurace/oracle"
)

// Bounds of the files.
const (
	MaxFile = 1 << 20 // bytes
	maxLine = 1024    // bytes
	maxList = 10000   // lines that say something
)

// AnyKind stands for every kind of problem in a suppression.
const AnyKind = "*"

// Suppression is a line that says which problems do not count.
type Suppression struct {
	Kind    string // or AnyKind
	Pattern string // with * for any characters, also none
	Line    int    // of the file, from 1
}

// String is the suppression as it is written.
func (s Suppression) String() string { return s.Kind + ":" + s.Pattern }

// Suppressions are those of a file, in its order.
type Suppressions []Suppression

// ParseSuppressions reads a file of them: one a line, KIND:PATTERN; what begins with # is a
// comment, and an empty line nothing. Its error names the line.
func ParseSuppressions(data []byte) (Suppressions, error) {
	var list Suppressions
	err := eachLine(data, func(n int, line string) error {
		kind, pattern, found := strings.Cut(line, ":")
		kind, pattern = strings.TrimSpace(kind), strings.TrimSpace(pattern)
		switch {
		case !found || pattern == "":
			return fmt.Errorf("%q: not KIND:PATTERN", line)
		case kind != AnyKind:
			if _, err := oracle.ParseKind(kind); err != nil {
				return fmt.Errorf("kind %q: not * and none of those of --detect", kind)
			}
		}
		list = append(list, Suppression{kind, pattern, n})
		return nil
	})
	return list, err
}

// eachLine calls f with each line that says something.
func eachLine(data []byte, f func(n int, line string) error) error {
	if len(data) > MaxFile {
		return fmt.Errorf("larger than %d bytes", MaxFile)
	}
	n, said := 0, 0
	for line := range strings.Lines(string(data)) {
		n++
		fail := func(err error) error { return fmt.Errorf("line %d: %w", n, err) }
		if len(line) > maxLine {
			return fail(fmt.Errorf("more than %d bytes", maxLine))
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if !utf8.ValidString(line) || printable.Line(line) != line {
			return fail(fmt.Errorf("%q: it holds what is not printed", line))
		}
		if said++; said > maxList {
			return fail(fmt.Errorf("more than %d lines", maxList))
		}
		if err := f(n, line); err != nil {
			return fail(err)
		}
	}
	return nil
}

// Place is the first suppression that a problem's instructions match by themselves: by
// function, library or source file.
func (l Suppressions) Place(p oracle.Problem) (Suppression, bool) {
	return l.first(string(p.Kind), func(match func(string) bool) bool {
		return slices.ContainsFunc(p.Places[:], func(at oracle.Place) bool {
			return match(at.Function) || match(at.Module) || match(at.File)
		})
	})
}

// Report is the first suppression that a problem matches with all that is known of it: also by
// the functions, libraries and source files of the backtraces of its accesses, and by
// the object that they went to.
func (l Suppressions) Report(r *oracle.Report) (Suppression, bool) {
	return l.first(string(r.Kind), func(match func(string) bool) bool {
		for _, a := range r.Accesses {
			if match(a.Function) || match(fileOf(a.Source)) || match(a.Place) || match(objectOf(a.Place)) || match(fileOf(a.Script)) {
				return true
			}
			for _, f := range a.Backtrace {
				if match(f.Function) || match(f.Module) || match(fileOf(f.Source)) {
					return true
				}
			}
		}
		return r.Block != nil && slices.ContainsFunc(r.Block.PointedBy, match)
	})
}

// Asks tells whether a suppression could match a problem of a kind.
func (l Suppressions) Asks(kind string) bool {
	return slices.ContainsFunc(l, func(s Suppression) bool { return s.Kind == AnyKind || s.Kind == kind })
}

func (l Suppressions) first(kind string, some func(match func(string) bool) bool) (Suppression, bool) {
	for _, s := range l {
		if (s.Kind == AnyKind || s.Kind == kind) && some(func(name string) bool { return name != "" && matches(s.Pattern, name) }) {
			return s, true
		}
	}
	return Suppression{}, false
}

// fileOf is a source line without the line.
func fileOf(source string) string {
	if i := strings.LastIndexByte(source, ':'); i >= 0 {
		source = source[:i]
	}
	if source == "" {
		return ""
	}
	return path.Base(source)
}

// objectOf is the variable that a place in data belongs to: main_arena of main_arena.top.
func objectOf(place string) string {
	if i := strings.IndexAny(place, ".[+"); i > 0 {
		return place[:i]
	}
	return place
}

// matches tells whether a whole name is as a pattern says, in which * stands for any
// characters. It takes time of the product of both lengths at most.
func matches(pattern, name string) bool {
	p, n := 0, 0
	star, from := -1, 0 // the last star, and where what it stands for began to be tried
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
