package manual

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// page is a page that is being written.
type page struct {
	name string
	buf  bytes.Buffer
}

// begin writes a page's head and its section NAME, which programs such as apropos read.
func begin(name, usage string, about About) *page {
	p := &page{name: name}
	p.line(`.TH %s 1 %s "%s %s"`, escape(strings.ToUpper(name)), about.Date.UTC().Format(time.DateOnly), escape(strings.SplitN(name, "-", 2)[0]), escape(about.Version))
	// Lines that people read are ragged, and commands are not broken.
	p.line(".nh")
	p.line(".ad l")
	p.section("NAME")
	p.line(`%s \- %s`, escape(name), escape(usage))
	return p
}

func (p *page) bytes() []byte { return p.buf.Bytes() }

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.buf, format+"\n", args...) }

func (p *page) section(title string) { p.line(".SH %s", title) }

// item is a paragraph with a tag before it, which is escaped already.
func (p *page) item(tag, text string) {
	p.line(".TP")
	p.line("%s", tag)
	p.line("%s", prose(text))
}

// prose writes the paragraphs of a description; of lines that are indented it takes the
// form as it is.
func (p *page) prose(paragraphs []string) {
	for i, text := range paragraphs {
		if i > 0 {
			p.line(".PP")
		}
		var kept []string // lines that are shown as they are
		inside := false
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if strings.HasPrefix(line, "  ") {
				if !inside {
					p.line(".PP")
				}
				kept, inside = append(kept, line), true
				continue
			}
			if inside {
				p.verbatim(kept)
				p.line(".PP")
				kept, inside = nil, false
			}
			p.line("%s", prose(line))
		}
		if inside {
			p.verbatim(kept)
		}
	}
}

// verbatim shows lines as they are, less what they are all indented by.
func (p *page) verbatim(lines []string) {
	p.line(".RS 4")
	p.line(".nf")
	for _, l := range lines {
		p.line("%s", prose(strings.TrimPrefix(l, "  ")))
	}
	p.line(".fi")
	p.line(".RE")
}

// parts are those of a command's description.
type parts struct {
	body     []string // paragraphs
	examples []string // lines
}

// split takes a description apart. The paragraph that begins with a line "Examples:" has a
// section of its own, and so have exit codes.
func split(description string) parts {
	var s parts
	for text := range strings.SplitSeq(strings.Trim(description, "\n"), "\n\n") {
		switch {
		case strings.HasPrefix(text, "Examples:\n"):
			s.examples = strings.Split(text, "\n")[1:]
		case text == "" || strings.HasPrefix(text, "Exit codes:"):
		case strings.HasPrefix(text, "  ") && len(s.body) > 0:
			s.body[len(s.body)-1] += "\n" + text
		default:
			s.body = append(s.body, text)
		}
	}
	return s
}

// escaped are the characters that are others in roff, or may become others: a dash turns
// into a hyphen, which nobody can paste into a shell.
var escaped = strings.NewReplacer(`\`, `\(rs`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

func escape(text string) string { return escaped.Replace(text) }

// prose escapes a line, which is no request even if it begins like one.
func prose(text string) string {
	text = escape(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// macro escapes what is the argument of a macro.
func macro(text string) string { return `"` + strings.ReplaceAll(escape(text), `"`, `\(dq`) + `"` }
