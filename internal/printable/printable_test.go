package printable

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscaping(t *testing.T) {
	for _, c := range []struct{ text, line, all, painted string }{
		{"", "", "", ""},
		{"plain, ü and 漢", "plain, ü and 漢", "plain, ü and 漢", "plain, ü and 漢"},
		{"two\nlines", `two\nlines`, "two\nlines", "two\nlines"},
		{"\x1b[31m\x00\t\r", `\x1b[31m\x00\t\r`, `\x1b[31m\x00\t\r`, "\x1b[31m" + `\x00\t\r`},
		{"\x1b]0;title\a", `\x1b]0;title\a`, `\x1b]0;title\a`, `\x1b]0;title\a`},
		{"\x1b[2J\x1b[1;31mred\x1b[0m\x1b[", `\x1b[2J\x1b[1;31mred\x1b[0m\x1b[`, `\x1b[2J\x1b[1;31mred\x1b[0m\x1b[`, `\x1b[2J` + "\x1b[1;31mred\x1b[0m" + `\x1b[`},
		{"\xff\xc3", `\xff\xc3`, `\xff\xc3`, `\xff\xc3`},
		{"\u009b2J\x7f", `\u009b2J\x7f`, `\u009b2J\x7f`, `\u009b2J\x7f`},
		{"\u202e\ufffd", "\\u202e\ufffd", "\\u202e\ufffd", "\\u202e\ufffd"},
		{"quotes ' \" and \\", "quotes ' \" and \\", "quotes ' \" and \\", "quotes ' \" and \\"},
	} {
		if line, all, painted := Line(c.text), Text(c.text), Painted(c.text); line != c.line || all != c.all || painted != c.painted {
			t.Errorf("%q: %q, %q, %q", c.text, line, all, painted)
		}
	}
}

// FuzzPrintable: nothing is left that a terminal takes for an order, twice is the same as once, and
// JSON means what it meant.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "a\x1b[0mb\n", "\u009b", "\xff", "\U000e0001", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, keep := range []string{"", "\n"} {
			got := Line(text)
			if keep != "" {
				got = Text(text)
			}
			if again := escape(got, keep, nil); again != got || !utf8.ValidString(got) {
				t.Errorf("%q: %q, then %q", text, got, again)
			}
			if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune(keep, r) }); i >= 0 {
				t.Errorf("%q: %q", text, got)
			}
		}
		if rest := colours(Painted(text)); rest != Text(rest) {
			t.Errorf("%q: %q", text, rest)
		}
		var b bytes.Buffer
		if err := JSON(&b, map[string]string{"a": text}); err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["a"] != strings.ToValidUTF8(text, "") && !strings.ContainsRune(back["a"], utf8.RuneError) {
			t.Errorf("%q: %s, %q, %v", text, &b, back["a"], err)
		}
		if s := strings.TrimSuffix(b.String(), "\n"); s != Line(s) {
			t.Errorf("%q: %s", text, s)
		}
	})
}

// colours takes the sequences that set colours out.
func colours(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		if n := sgr(text); n > 0 {
			text = text[n:]
			continue
		}
		b.WriteByte(text[0])
		text = text[1:]
	}
	return b.String()
}
