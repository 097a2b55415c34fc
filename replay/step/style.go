package step

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// role is what a piece of text is, which its colour follows from.
type role uint8

const (
	plain  role = iota
	bad         // a failure
	good        // what is well
	head        // a heading
	name        // of a thread or function
	number      // a value that matters, or has changed
	faint       // what matters less
	cursor      // where one is
	free        // what belongs to a run of one's own
)

// styles use the terminal's own sixteen colours, so that they fit its background.
var styles = [...]lipgloss.Style{
	plain:  lipgloss.NewStyle(),
	bad:    lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red),
	good:   lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Green),
	head:   lipgloss.NewStyle().Bold(true),
	name:   lipgloss.NewStyle().Foreground(lipgloss.Cyan),
	number: lipgloss.NewStyle().Foreground(lipgloss.Yellow),
	faint:  lipgloss.NewStyle().Faint(true),
	cursor: lipgloss.NewStyle().Reverse(true),
	free:   lipgloss.NewStyle().Bold(true).Reverse(true).Foreground(lipgloss.Yellow),
}

// painter colours text by its role, or leaves it as it is.
type painter struct{ color bool }

func (p painter) paint(r role, text string) string {
	if !p.color || r == plain || text == "" {
		return text
	}
	return styles[r].Render(text)
}

// paint is for the terminal, where bubbletea takes out the colours that it does
// not have or that are not wanted.
func paint(r role, text string) string { return painter{true}.paint(r, text) }

// clean makes a text that may come from the guest one that takes the place it
// seems to: nothing that moves the cursor, joins other characters or is not UTF-8.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || unicode.Is(unicode.M, r) {
			return '?'
		}
		return r
	}, text)
}

// width is how many columns a text takes.
func width(text string) int { return ansi.StringWidth(text) }

// cut shortens a text to a number of columns.
func cut(text string, columns int) string {
	if columns <= 0 {
		return ""
	}
	return ansi.Truncate(text, columns, "…")
}

// fit makes a text exactly so many columns wide.
func fit(text string, columns int) string {
	text = cut(text, columns)
	return text + strings.Repeat(" ", max(0, columns-width(text)))
}

// fill makes a list exactly so many lines long, each so many columns wide.
func fill(lines []string, columns, rows int) []string {
	out := make([]string, max(0, rows))
	for i := range out {
		text := ""
		if i < len(lines) {
			text = lines[i]
		}
		out[i] = fit(text, columns)
	}
	return out
}

// wrap breaks a text into lines at its blanks.
func wrap(text string, columns int) []string {
	return strings.Split(ansi.Wrap(text, max(1, columns), ""), "\n")
}

// beside puts two blocks of lines next to each other.
func beside(left, right []string) []string {
	out := make([]string, min(len(left), len(right)))
	for i := range out {
		out[i] = left[i] + paint(faint, "│") + right[i]
	}
	return out
}
