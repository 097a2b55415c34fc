package draft

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"emurace/diagnose"
	"emurace/diagnose/process"
	"emurace/internal/words"
)

// ErrNoCall is the error about a process of which no thread was in a call of the C library that a
// scenario could make.
var ErrNoCall = errors.New("no thread was in a call of the C library whose arguments are known")

// Options say how a scenario is written.
type Options struct {
	Core    string // the core's name, for the comment
	Private bool   // leave out values of the environment and strings that may be the user's
}

// draft is a scenario while it is written.
type draft struct {
	*diagnose.Diagnosis
	Options
	strings.Builder

	threads []*thread
	notes   []string          // of what was not known
	needs   bool              // setup has something to do
	depth   int               // how many frames the call of the dead thread's has, 0 for none
	mutexes map[uint64]string // of a deadlock, by their addresses
}

// thread is a thread of the scenario.
type thread struct {
	name  string
	of    *process.Thread
	calls []call
}

// call is a call that a thread makes: code, and why it is there.
type call struct {
	text, why string
	before    []string // lines that make what it is given
	frame     int      // of the stack, that the call is
}

// Scenario writes a scenario for a core. It is ErrNoCall when there is nothing to race.
func Scenario(d *diagnose.Diagnosis, o Options) (string, error) {
	w := &draft{Diagnosis: d, Options: o}
	if ring := d.Cycle(); len(ring) > 0 {
		w.deadlock(ring)
	} else {
		w.racing()
	}
	if len(w.threads) == 0 {
		return "", ErrNoCall
	}
	w.head()
	w.environment()
	for _, addr := range slices.Sorted(maps.Keys(w.mutexes)) {
		w.line("%s = data(40) # a mutex, at %s", w.mutexes[addr], hex(addr))
	}
	w.setup()
	w.bodies()
	w.end()
	return w.String(), nil
}

// line writes a line.
func (w *draft) line(format string, args ...any) {
	fmt.Fprintf(&w.Builder, format, args...)
	w.WriteByte('\n')
}

// head is what the scenario is about: its first words are its description.
func (w *draft) head() {
	w.line(`"""A way to the crash of %s, to be looked for.`, comment(w.Core))
	w.line("")
	for _, f := range w.Facts {
		if f.Kind == diagnose.Where || f.Kind == diagnose.OtherBlock {
			continue
		}
		sure := "Likely: "
		if f.Certain {
			sure = ""
		}
		for _, l := range wrapped(sure+f.Text, 96) {
			w.line("%s", comment(l))
		}
	}
	for _, n := range w.notes {
		for _, l := range wrapped("Not known: "+n, 96) {
			w.line("%s", comment(l))
		}
	}
	w.line("")
	w.line("Drafted from the core file: change what is wrong, and fill in what was not known.")
	w.line(`"""`)
	w.line("")
}

// comment is text that may be anybody's within a string of three quotes, or behind a #.
func comment(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.ReplaceAll(strings.ReplaceAll(text, `\`, `/`), `"""`, `'''`)
}

// wrapped breaks text into lines of at most so many bytes, between words.
func wrapped(text string, most int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > most {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// quoted is text as Starlark has it: bytes that are no characters are escaped.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// name is what a thread is called in the scenario.
func (w *draft) name(t *process.Thread) string {
	return strings.ReplaceAll(w.Title(t), " ", "_")
}

// thread is the scenario's thread for one of the process, made when it is first asked for.
func (w *draft) thread(t *process.Thread) *thread {
	for _, o := range w.threads {
		if o.of == t {
			return o
		}
	}
	n := &thread{name: w.name(t), of: t}
	w.threads = append(w.threads, n)
	return n
}

// bodies are the threads' functions.
func (w *draft) bodies() {
	for _, t := range w.threads {
		w.line("def %s(t):", t.name)
		for _, c := range t.calls {
			for _, l := range c.before {
				w.line("    %s", l)
			}
			if c.why != "" {
				w.line("    %s # %s", c.text, comment(c.why))
			} else {
				w.line("    %s", c.text)
			}
		}
		if len(t.calls) == 0 {
			w.line("    pass")
		}
		w.line("")
	}
	if w.needs {
		w.line("setup(prepare)")
	}
	for _, t := range w.threads {
		w.line("thread(%s, %s)", quoted(t.name), t.name)
	}
}

// hex is a number as the language reads it.
func hex(v uint64) string { return words.Hex(v) }
