package portable

import (
	"strings"
	"testing"
)

// What ParseBound reads it writes again, and of a thread it is only where the name is one.
func TestParseBound(t *testing.T) {
	for _, c := range []struct{ text, thread, place string }{
		{"work", "", "work"},
		{"work+0x1c", "", "work+0x1c"},
		{"libc.so.6!setenv", "", "libc.so.6!setenv"},
		{"main.c:12", "", "main.c:12"},
		{"0x401000", "", "0x401000"},
		{"main:work", "main", "work"},
		{"main.1.2:main.c:12", "main.1.2", "main.c:12"},
		{"main:0x401000", "main", "0x401000"},
		{"main:12", "", "main:12"}, // a file
		{"main.1:12", "", "main.1:12"},
		{"worker.c:main.c:12", "", "worker.c:main.c:12"},
	} {
		b, err := ParseBound(c.text)
		if err != nil || b.Thread != c.thread || b.Place.String() != c.place || b.String() != c.text {
			t.Errorf("%s: %+v, %v", c.text, b, err)
		}
	}
	for _, wrong := range []string{"", ":", "main:", "work:", "main.01:work", "worker:work", "a b", "work-8", "main.c:0", "0xg", "main.1:main.2:work", "x\x00y"} {
		if b, err := ParseBound(wrong); err == nil || !strings.Contains(err.Error(), "place") {
			t.Errorf("%q is %v: %v", wrong, b, err)
		}
	}
}
