package known

import (
	"fmt"
	"slices"
	"strings"

	"emurace/internal/printable"
	"emurace/oracle"
)

// Baseline is the list of the problems that there were at some time, by their keys. The zero
// value is an empty one.
type Baseline struct{ keys map[string]bool }

// Key names a problem in words that hold for other builds of the same sources too: its kind,
// and the functions with the libraries that they are in. So problems of one kind between the
// same functions are one.
func Key(p oracle.Problem) string {
	var places []string
	for _, at := range p.Places {
		if at == (oracle.Place{}) {
			continue
		}
		name, in := at.Function, at.Module
		if name == "" {
			name = "?"
		}
		if in == "" {
			in = "?"
		}
		places = append(places, fmt.Sprintf("%s (%s)", name, in))
	}
	if len(places) == 0 {
		places = []string{"? (?)"}
	}
	return cleaned(fmt.Sprintf("%s: %s", p.Kind, strings.Join(places, " and ")))
}

// cleaned is a key as a line of the file can hold it: names are what an ELF file says.
func cleaned(key string) string {
	key = strings.Join(strings.Fields(printable.Line(key)), " ")
	if len(key) >= maxLine {
		key = strings.ToValidUTF8(key[:maxLine-4], "") + "..."
	}
	return key
}

// ParseBaseline reads a file of one: a key a line; what begins with # is a comment. Its error
// names the line.
func ParseBaseline(data []byte) (*Baseline, error) {
	b := &Baseline{keys: map[string]bool{}}
	err := eachLine(data, func(_ int, line string) error {
		kind, rest, found := strings.Cut(line, ": ")
		if _, err := oracle.ParseKind(kind); err != nil || !found || strings.TrimSpace(rest) == "" {
			return fmt.Errorf("%q: not KIND: FUNCTION (LIBRARY), or two of these with \"and\" in between", line)
		}
		b.keys[line] = true
		return nil
	})
	return b, err
}

// Has tells whether a key is in it.
func (b *Baseline) Has(key string) bool { return b.keys[key] }

// Add takes in a key. It tells whether that is new.
func (b *Baseline) Add(key string) bool {
	if b.keys == nil {
		b.keys = map[string]bool{}
	}
	isNew := !b.keys[key]
	b.keys[key] = true
	return isNew
}

// Len is how many keys it has.
func (b *Baseline) Len() int { return len(b.keys) }

// Text is the file of it, in alphabetical order. One that has more than a file can have is an
// error.
func (b *Baseline) Text() ([]byte, error) {
	var text strings.Builder
	text.WriteString("# Problems that are known, for emurace --baseline; --update-baseline adds those that are new.\n")
	keys := make([]string, 0, len(b.keys))
	for key := range b.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		text.WriteString(key + "\n")
	}
	if len(keys) > maxList || text.Len() > MaxFile {
		return nil, fmt.Errorf("%d problems are more than a file of them takes", len(keys))
	}
	return []byte(text.String()), nil
}
