package sandbox

import "testing"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"plain, ü and 漢":     "plain, ü and 漢",
		"two\nlines":         "two\nlines",
		"\x1b[31m\x00\t":     `\x1b[31m\x00\t`,
		"\xff\xc3":           `\xff\xc3`,
		"\u202e\ufffd":       "\\u202e\ufffd",
		"quotes ' \" and \\": "quotes ' \" and \\",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
