package symbolize

import "testing"

// TestLocation writes places as they are known.
func TestLocation(t *testing.T) {
	for _, c := range []struct {
		l            Location
		text, source string
	}{
		{Location{PC: 0x10, Function: "getenv", Offset: 0x94, Module: "libc.so.6", File: "stdlib/./getenv.c", Line: 84}, "getenv+0x94", "getenv.c:84"},
		{Location{PC: 0x10, Module: "libc.so.6", Offset: 0x10}, "libc.so.6+0x10", ""},
		{Location{PC: 0x10, Offset: 0x10}, "0x10", ""},
	} {
		if c.l.String() != c.text || c.l.Source() != c.source {
			t.Errorf("%+v is %q and %q, want %q and %q", c.l, c.l, c.l.Source(), c.text, c.source)
		}
	}
	if got := Chain([]Location{{Function: "a", Offset: 1}, {PC: 2}, {Module: "m", Offset: 3}}); got != "a+0x1 < 0x2 < m+0x3" {
		t.Error(got)
	}
}
