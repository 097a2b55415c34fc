package printable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text escapes all but what is printed, and line ends.
func Text(text string) string { return escape(text, "\n", nil) }

// Line escapes line ends too: a name cannot make lines of its own.
func Line(text string) string { return escape(text, "", nil) }

// Painted is Text for what was coloured already: it leaves alone the sequences that set
// colours and such (SGR of ECMA-48, 8.3.117), which are all that can be in it of others too.
func Painted(text string) string { return escape(text, "\n", sgr) }

// sgr is how long the sequence at the beginning of a text is, 0 when there is none.
func sgr(text string) int {
	rest, ok := strings.CutPrefix(text, "\x1b[")
	if !ok {
		return 0
	}
	n := len(rest) - len(strings.TrimLeft(rest, "0123456789;"))
	if n >= len(rest) || rest[n] != 'm' {
		return 0
	}
	return len("\x1b[") + n + 1
}

func escape(text, keep string, sequence func(string) int) string {
	if isPlain(text, keep) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == '\x1b' && sequence != nil {
			if n := sequence(text); n > 0 {
				b.WriteString(text[:n])
				text = text[n:]
				continue
			}
		}
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unicode.IsPrint(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// isPlain tells of most texts that there is nothing to escape.
func isPlain(text, keep string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && strings.IndexByte(keep, c) < 0 {
			return false
		}
	}
	return true
}

// JSON writes an object in a line. In the strings of it what a terminal might take for an
// order is escaped as JSON has it: what encoding/json leaves are DEL, the control characters
// from U+0080 on, and such as turn the direction of writing.
func JSON(w io.Writer, v any) error {
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	text := buffer.String()
	if isPlain(text, "\n") {
		_, err := io.WriteString(w, text)
		return err
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// utf16 is a character beyond the first 65,536 as JSON escapes it.
func utf16(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}
