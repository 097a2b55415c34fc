package suggest

import (
	"slices"
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"ab", "abc", 1}, {"abc", "bc", 1}, {"abc", "acb", 2}, {"", "abc", 3}, {"", "abcd", 1 << 10}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	all := []string{"rand", "srand", "rand_r", "random", "bind", "read", "find", "kind", "wind", "rind2", "RIND", "rand"}
	same := func(s string) string { return s }
	for _, c := range []struct {
		name string
		form func(string) string
		want []string
	}{
		{"rind", same, []string{"bind", "find", "kind", "rand", "wind"}},
		{"rind", strings.ToLower, []string{"RIND", "bind", "find", "kind", "rand"}},
		{"rando", same, []string{"rand", "random", "rind2", "srand", "rand_r"}},
		{"xyzzy", same, []string{}},
	} {
		if got := Names(c.name, slices.Values(all), c.form); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
