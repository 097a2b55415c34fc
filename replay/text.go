package replay

import (
	"fmt"
	"strings"
)

// Text is wording in pieces. What a piece is, such as a name or a value, is said here;
// how that looks is the view's.
type Text []span

type span struct{ role, text string }

// String is the wording without style.
func (t Text) String() string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.text)
	}
	return b.String()
}

func head(text string) span   { return span{roleHead, text} }
func name(text string) span   { return span{roleName, text} }
func number(text string) span { return span{roleNumber, text} }
func faint(text string) span  { return span{roleFaint, text} }

// say makes wording of a format. An argument that is a Text, or a piece of one, stays
// what it is; any other is written as fmt does it, by one of the verbs d, q, s, v and x.
func say(format string, args ...any) Text {
	var t Text
	for {
		before, rest, more := strings.Cut(format, "%")
		if before != "" {
			t = append(t, span{text: before})
		}
		if !more {
			return t
		}
		verb := rest[:strings.IndexAny(rest, "dqsvx")+1]
		switch a := args[0].(type) {
		case Text:
			t = append(t, a...)
		case span:
			t = append(t, a)
		default:
			t = append(t, span{text: fmt.Sprintf("%"+verb, a)})
		}
		format, args = rest[len(verb):], args[1:]
	}
}

// Text writes wording in the printer's colours.
func (p *Printer) Text(t Text) string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(p.paint(s.role, s.text))
	}
	return b.String()
}
