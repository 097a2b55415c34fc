package loader

import "testing"

// Names of symbols and of files are anybody's, and end up on terminals.
func TestNamesAreEscaped(t *testing.T) {
	const names = "\x00plain\x00\x1b]0;title\a\x00two\nlines\x00"
	for off, want := range map[uint64]string{1: "plain", 7: `\x1b]0;title\a`, 18: `two\nlines`} {
		if got, ok := nameAt(names, off); !ok || got != want {
			t.Errorf("%d: %q, %v", off, got, ok)
		}
	}
	for want, c := range map[string][2]string{`a/\x1b[2Jb.c`: {"a", "\x1b[2Jb.c"}, `/\u202ec`: {"a", "/\u202ec"}} {
		if got := joinFile(c[0], c[1]); got != want {
			t.Errorf("%q: %q", c, got)
		}
	}
}
