package replay

import (
	"fmt"
	"io"
	"strings"

	"emurace/internal/printable"
)

// Printer writes text for people, in colour or not. The first error of the
// writer is kept and ends all output.
type Printer struct {
	w       io.Writer
	color   bool
	columns int    // see Fold; 0 for any number
	line    string // what is written of a line so far that is to be folded
	err     error
}

// NewPrinter writes to w; color turns ANSI colours on.
func NewPrinter(w io.Writer, color bool) *Printer { return &Printer{w: w, color: color} }

// Err is the first error of the writer, to which all is written that was printed.
func (p *Printer) Err() error {
	if p.line != "" {
		text := folded(p.line, p.columns)
		p.line = ""
		p.write(text)
	}
	return p.err
}

func (p *Printer) write(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, text)
	}
}

// Printf writes formatted text. What is in it may be anybody's, the names of symbols and
// files and what the guest has printed: only colours are left of what a terminal obeys.
func (p *Printer) Printf(format string, args ...any) {
	if p.err != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if p.color {
		text = printable.Painted(text)
	} else {
		text = printable.Text(text)
	}
	if p.columns == 0 {
		p.write(text)
		return
	}
	text = p.line + text
	for line := range strings.Lines(text) {
		if p.line = line; strings.HasSuffix(line, "\n") {
			p.line = ""
			p.write(folded(strings.TrimSuffix(line, "\n"), p.columns) + "\n")
		}
	}
}

// The roles that text is coloured by, as SGR parameters (ECMA-48, 8.3.117).
const (
	roleBad    = "1;31"
	roleGood   = "1;32"
	roleHead   = "1"
	roleName   = "36"
	roleNumber = "33"
	roleFaint  = "2"
)

// paint colours a text by its role; what has none is left as it is.
func (p *Printer) paint(role, text string) string {
	if role == "" {
		return text
	}
	text = printable.Line(text)
	if !p.color || text == "" {
		return text
	}
	return "\x1b[" + role + "m" + text + "\x1b[0m"
}

// Bad colours a failure.
func (p *Printer) Bad(s string) string { return p.paint(roleBad, s) }

// Good colours what is well.
func (p *Printer) Good(s string) string { return p.paint(roleGood, s) }

// Head colours a heading.
func (p *Printer) Head(s string) string { return p.paint(roleHead, s) }

// Name colours a thread's or function's name.
func (p *Printer) Name(s string) string { return p.paint(roleName, s) }

// Number colours a value that matters.
func (p *Printer) Number(s string) string { return p.paint(roleNumber, s) }

// Faint colours what matters less.
func (p *Printer) Faint(s string) string { return p.paint(roleFaint, s) }

// pad fills a text with blanks on the right, not counting colour.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-len(s))) }
