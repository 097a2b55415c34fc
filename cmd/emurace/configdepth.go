package main

import (
	"fmt"
	"strings"
)

// maxNesting bounds of a config file how deep arrays and inline tables are in each other, and
// how many dots a key has. Nothing of use has more than two; to a parser each level can
// cost as much as all before.
const maxNesting = 16

// checkDepth refuses a text that is nested deeper. It knows strings and comments, which can
// hold anything, and nothing else of TOML: what is wrong otherwise is for the parser to say.
func checkDepth(text string) error {
	depth, dots := 0, 0
	for len(text) > 0 {
		n := 1
		switch text[0] {
		case '#':
			n = lineEnd(text)
		case '"', '\'':
			n = stringEnd(text)
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case '.':
			dots++
		case '\n', ',', '=':
			dots = 0
		}
		if depth > maxNesting || dots > maxNesting {
			return fmt.Errorf("nested deeper than %d levels", maxNesting)
		}
		text = text[n:]
	}
	return nil
}

func lineEnd(text string) int {
	if n := strings.IndexByte(text, '\n'); n >= 0 {
		return n
	}
	return len(text)
}

// stringEnd is the length of the string that a text begins with. One that does not end where
// it must goes as far as that.
func stringEnd(text string) int {
	quote, end := text[:1], ""
	if end = strings.Repeat(quote, 3); !strings.HasPrefix(text, end) {
		end = quote
	}
	for n := len(end); n < len(text); n++ {
		switch {
		case strings.HasPrefix(text[n:], end):
			return n + len(end)
		case text[n] == '\\' && quote == `"`:
			n++
		case text[n] == '\n' && len(end) == 1:
			return n
		}
	}
	return len(text)
}
