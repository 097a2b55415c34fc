package lesson

import (
	"testing"

	"emurace/replay"
	"emurace/scenario"

	"github.com/google/go-cmp/cmp"
)

// TestAddCode: the lines of a script and of what it loads, and nothing of lines that there are not.
func TestAddCode(t *testing.T) {
	files := []scenario.File{{Name: "a.star", Text: "one\n    two\nthree"}, {Name: "lib/b.star", Text: "other\n"}}
	l := &Lesson{Moments: []Moment{
		{Fact: replay.Fact{Written: []string{"a.star:2", "b.star:1", "a.star:3"}}},
		{Fact: replay.Fact{Written: []string{"a.star:4", "a.star:0", "a.star:-1", "a.star", "a.star:x", "c.star:1", ""}}},
		{},
	}}
	l.AddCode(files)
	if want := []string{"a.star:2  two", "b.star:1  other", "a.star:3  three"}; !cmp.Equal(l.Moments[0].Code, want) {
		t.Errorf("%q, want %q", l.Moments[0].Code, want)
	}
	if len(l.Moments[1].Code)+len(l.Moments[2].Code) > 0 {
		t.Errorf("%q, %q", l.Moments[1].Code, l.Moments[2].Code)
	}
	(*Lesson)(nil).AddCode(files)
}
