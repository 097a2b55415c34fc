package target

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// String writes a frame as getenv+0x94 in libc.so.6+0x3dbe4 (build 2ab4...), without what is not
// known. ParseFrame reads it.
func (f Frame) String() string {
	var parts []string
	if f.Function == "" && f.Module == "" {
		return unknown
	}
	if f.Function != "" {
		parts = append(parts, f.Function+plus(f.Offset))
	}
	if f.Module != "" {
		parts = append(parts, "in "+f.Module+plus(f.ModuleOffset))
	}
	if f.BuildID != "" {
		parts = append(parts, "(build "+f.BuildID+")")
	}
	return strings.Join(parts, " ")
}

// Short is a frame's function and offset, or the module's.
func (f Frame) Short() string {
	switch {
	case f.Function != "":
		return f.Function + plus(f.Offset)
	case f.Module != "":
		return f.Module + plus(f.ModuleOffset)
	}
	return unknown
}

// unknown is a frame of which nothing is known, as of a jump to where no code is.
const unknown = "?"

func plus(offset *uint64) string {
	if offset == nil {
		return ""
	}
	return fmt.Sprintf("+%#x", *offset)
}

// ParseFrame reads a frame as String writes it; a function's name alone is one too.
func ParseFrame(text string) (Frame, error) {
	var f Frame
	rest := strings.TrimSpace(text)
	if rest == unknown {
		return f, nil
	}
	if front, build, ok := strings.Cut(rest, "(build "); ok {
		id, end, closed := strings.Cut(build, ")")
		if !closed || end != "" || id == "" {
			return f, fmt.Errorf("%.80q: what is behind (build is not ID)", text)
		}
		f.BuildID, rest = id, strings.TrimSpace(front)
	}
	function, module := " "+rest, ""
	in := strings.LastIndex(function, " in ") // the last, as a function may be called in, too
	if in >= 0 {
		function, module = function[:in], function[in+len(" in "):]
	}
	var err error
	if f.Function, f.Offset, err = cutOffset(strings.TrimSpace(function)); err == nil && in >= 0 {
		f.Module, f.ModuleOffset, err = cutOffset(strings.TrimSpace(module))
	}
	switch {
	case err != nil:
		return f, fmt.Errorf("%.80q: %w", text, err)
	case f.Function == "" && f.Module == "":
		return f, fmt.Errorf("%.80q: not FUNCTION, FUNCTION+0xOFFSET, or one of these in MODULE+0xOFFSET (build ID)", text)
	}
	return f, checkFrames([]Frame{f})
}

// cutOffset takes apart a name and the offset behind it, which has 0x in front since names may have
// a + in them too, as libstdc++.so.6 has.
func cutOffset(text string) (name string, offset *uint64, err error) {
	i := strings.LastIndex(text, "+0x")
	if i < 0 {
		return text, nil, nil
	}
	n, err := strconv.ParseUint(text[i+3:], 16, 64)
	if err != nil {
		return "", nil, errors.New("the offset is no hexadecimal number")
	}
	if i == 0 {
		return "", nil, errors.New("an offset without a name")
	}
	return text[:i], &n, nil
}

// String says what the end is in a line.
func (e End) String() string {
	s := e.Kind
	switch {
	case e.Kind == signal && e.Signal != 0:
		s += fmt.Sprintf(" %d", e.Signal)
	case e.Kind == exit && e.Code != nil:
		s += fmt.Sprintf(" with status %d", *e.Code)
	}
	if place := placed(e.Backtrace, e.failing()); len(place) > 0 {
		s += " at " + place[0].Short()
	}
	if len(e.Waits) > 0 {
		var waits []string
		for _, w := range e.Waits {
			text := "a thread"
			if w.What != "" {
				text += " for a " + w.What
			}
			if place := placed(w.Backtrace, w.failing()); len(place) > 0 {
				text += " in " + place[0].Short()
			}
			waits = append(waits, text)
		}
		s += ": " + strings.Join(waits, ", ")
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(e.Message), "\n"); line != "" {
		s += ": " + line
	}
	if e.Value != "" {
		s += ", value " + string(e.Value)
	}
	return s
}
