package replay

import (
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Columns of folded lines.
const (
	leastFolded = 40 // terminals that are narrower are left to fold lines themselves
	deeper      = 4  // how far further in a line goes on than it has begun
)

// Fold has lines that are longer than so many columns go on in the next one, between words. Before it,
// and with a number of columns that is no terminal's, they are as long as they are.
func (p *Printer) Fold(columns int) {
	if p.columns = columns; columns < leastFolded {
		p.columns = 0
	}
}

// label is what a line begins with whose text stands in a column behind it.
var label = regexp.MustCompile(`^(\x1b\[[0-9;]*m)?[a-z]+[ 0-9]*(\x1b\[0m)? {2,}`)

// folded is a line in as many as it takes.
func folded(line string, columns int) string {
	if ansi.StringWidth(line) <= columns {
		return line
	}
	begin := len(line) - len(strings.TrimLeft(line, " "))
	in := begin + deeper
	if l := label.FindString(line); l != "" {
		begin = len(l)
		in = ansi.StringWidth(l)
	}
	if in > columns/2 {
		return line // there is no room for anything
	}
	// Only between words: a command, the name of a file and a path stay whole, to be copied.
	var b strings.Builder
	b.WriteString(line[:begin])
	at, blanks := ansi.StringWidth(line[:begin]), 0
	for i, word := range strings.Split(line[begin:], " ") {
		width := ansi.StringWidth(word)
		switch {
		case i == 0:
		case width == 0 || at+blanks+1+width <= columns || at+blanks <= in:
			blanks++
		default:
			b.WriteString("\n" + strings.Repeat(" ", in))
			at, blanks = in, 0
		}
		if word == "" {
			continue
		}
		b.WriteString(strings.Repeat(" ", blanks) + word)
		at, blanks = at+blanks+width, 0
	}
	return b.String()
}
