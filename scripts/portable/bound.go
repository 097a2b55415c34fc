package portable

import (
	"fmt"
	"strings"

	"emurace/scenario"
)

// bound is a place at which a program's window begins or ends.
type bound struct{ Place }

// String writes the place as on a command line.
func (b bound) String() string { return strings.Trim(b.Place.String(), `"`) }

// Find lists the place's addresses; see [scenario.Place].
func (b bound) Find(s *scenario.Session, similar bool) ([]uint64, error) {
	p := New(s)
	p.names.plain = !similar
	return p.place(b.Place)
}

// ParseBound reads where a program's window begins or ends: a place as [ParsePlace] reads
// it, or "thread:place" for the thread of a name such as main.1 alone.
func ParseBound(text string) (*scenario.Bound, error) {
	if thread, rest, ok := strings.Cut(text, ":"); ok && scenario.IsProgramThread(thread) {
		if place, err := ParsePlace(rest); err == nil {
			return &scenario.Bound{Thread: thread, Place: bound{place}}, nil
		}
	}
	place, err := ParsePlace(text)
	if err != nil {
		return nil, fmt.Errorf("%w; a place is a function as work, with an offset as work+0x1c, or a source line as main.c:12, and main.1:work is of one thread", err)
	}
	return &scenario.Bound{Place: bound{place}}, nil
}
