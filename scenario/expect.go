package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Expecting is what a program is expected to do when nothing else is said.
const Expecting = "exit=0"

// lines makes ^ and $ those of any line.
const lines = "(?m)"

// maxPattern bounds a pattern of ParseExpect, in bytes.
const maxPattern = 4096

// ParseExpect reads what a program has to do to be right: exit=STATUS, abort or signal=NUMBER
// for how it may end, of which there may be several, and stdout=REGEX and stderr=REGEX for what
// it has to have printed then (RE2's syntax, package regexp; ^ and $
// are the ends of any line). With nothing of the first kind it
// is Expecting.
func ParseExpect(list []string) (endings []Ending, prints []Print, err error) {
	for _, text := range list {
		kind, value, _ := strings.Cut(text, "=")
		switch kind {
		case "exit", "signal":
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, nil, fmt.Errorf("%q: %q is no number", text, value)
			}
			make := ExitWith
			if kind == "signal" {
				make = KilledBy
			}
			e, err := make(n)
			if err != nil {
				return nil, nil, fmt.Errorf("%q: %w", text, err)
			}
			endings = append(endings, e)
		case "abort":
			endings = append(endings, Ending{Kind: Abort})
		case "stdout", "stderr":
			if len(value) > maxPattern {
				return nil, nil, fmt.Errorf("%s=: a pattern of %d bytes, at most %d", kind, len(value), maxPattern)
			}
			re, err := regexp.Compile(lines + value)
			if err != nil {
				return nil, nil, fmt.Errorf("%q: %w", text, err)
			}
			fd := 1
			if kind == "stderr" {
				fd = 2
			}
			prints = append(prints, Print{FD: fd, Pattern: re})
		default:
			return nil, nil, fmt.Errorf("%q: not exit=STATUS, abort, signal=NUMBER, stdout=REGEX or stderr=REGEX", text)
		}
	}
	if len(endings) == 0 {
		endings = []Ending{{Kind: Exit}}
	}
	return endings, prints, nil
}
