package words

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Hex writes an address or a value: 0x220.
func Hex(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }

// Both writes a size as C's headers and debuggers do, and as people do: 0x220 (544).
func Both(v uint64) string { return fmt.Sprintf("%#x (%d)", v, v) }

// Bytes writes little-endian bytes as one number, with all of its zeros.
func Bytes(b []byte) string {
	var s strings.Builder
	s.WriteString("0x")
	for _, v := range slices.Backward(b) {
		fmt.Fprintf(&s, "%02x", v)
	}
	return s.String()
}

// Grouped writes a number in groups of three digits: 1,234,567.
func Grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count writes a number with its noun, which is given in the singular: 1 entry,
// 1,200 entries.
func Count(n uint64, noun string) string {
	if n != 1 {
		if stem, ok := strings.CutSuffix(noun, "y"); ok {
			noun = stem + "ie"
		}
		noun += "s"
	}
	return Grouped(n) + " " + noun
}

// Capital makes a sentence's beginning of a word, such as a thread's name.
func Capital(text string) string {
	_, n := utf8.DecodeRuneInString(text)
	return strings.ToUpper(text[:n]) + text[n:]
}
