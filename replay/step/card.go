package step

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/execution"
	"emurace/replay/lesson"
	"emurace/scenario"
)

// cards is how many a lesson has: what it is about, its moments, and what else
// there is to know and to try.
func cards(l *lesson.Lesson) int { return len(l.Moments) + 2 }

// writer lays out a lesson's text in lines.
type writer struct {
	painter
	names []string // of the threads
	width int
	brief bool // a picture in which nothing has changed is left out
	// labels is the width of the column of labels in the picture that is drawn.
	labels int
	lines  []string
}

func (w *writer) line(text string) { w.lines = append(w.lines, text) }

// paragraph wraps a text behind an indentation.
func (w *writer) paragraph(indent, text string) {
	for _, part := range wrap(clean(text), w.width-len(indent)) {
		w.line(indent + strings.TrimRight(part, " "))
	}
}

// intro is the first card: what happened, in short.
func (w *writer) intro(l *lesson.Lesson) {
	w.line(w.paint(head, clean(l.Title)))
	w.line("")
	for _, text := range l.Summary {
		w.paragraph("", text)
	}
	if len(l.Summary) == 0 {
		w.paragraph("", "Each card asks what the one before has left open, and names the commands of gdb that show the same: emurace core writes the core file, and emurace gdb --launch opens gdb on the run.")
	}
}

// moment is the card of moment i: what happens, and the memory before and after.
func (w *writer) moment(l *lesson.Lesson, i int) {
	m := l.Moments[i]
	w.line(w.paint(number, fmt.Sprintf("%d/%d", i+1, len(l.Moments))) + "  " + w.paint(head, clean(m.Title)))
	where := m.When(l.Length)
	if m.Thread >= 0 && m.Thread < len(w.names) {
		where += ", " + clean(w.names[m.Thread])
	}
	w.line(w.paint(faint, where))
	w.line("")
	for _, text := range m.Long {
		w.paragraph("", text)
	}
	w.code(m.Code)
	w.ask(m.Ask)
	if m.Was != nil && m.Is != nil && len(m.Was.Rows) == len(m.Is.Rows) {
		w.line("")
		if w.brief && i > 0 && like(l.Moments[i-1].Is, m.Is) && same(m.Was, m.Is) {
			w.line(w.paint(faint, "The memory is as it was on the card before."))
		} else {
			w.picture(m.Was, m.Is)
		}
	}
	w.asides(m.Notes)
}

// code shows lines of the scenario's script.
func (w *writer) code(lines []string) {
	if len(lines) > 0 {
		w.line("")
	}
	for _, text := range lines {
		w.line(w.paint(faint, cut("    "+clean(text), w.width)))
	}
}

// ask lists what to ask gdb, each command as it is typed.
func (w *writer) ask(commands []string) {
	if len(commands) == 0 {
		return
	}
	w.line("")
	for _, c := range commands {
		w.line(w.paint(faint, cut("    (gdb) "+clean(c), w.width)))
	}
}

// same tells whether nothing has changed in a picture, from the moment before to
// after this one.
func same(was, is *lesson.Picture) bool {
	for i := range is.Rows {
		if a, b := was.Rows[i], is.Rows[i]; a.Changed || a.Value != b.Value || a.Mapped != b.Mapped {
			return false
		}
	}
	return true
}

// like tells whether two pictures are of the same words.
func like(a, b *lesson.Picture) bool {
	return a != nil && a.Title == b.Title && slices.EqualFunc(a.Rows, b.Rows, func(r, s lesson.Row) bool { return r.Addr == s.Addr && r.Text == s.Text })
}

// picture draws memory before and after a moment in one table, with a mark where
// the two differ, and another where it has changed since the card before.
func (w *writer) picture(was, is *lesson.Picture) {
	values := make([]string, len(is.Rows))
	column, marks := 0, map[string]bool{}
	w.labels = 10
	for _, r := range is.Rows {
		w.labels = min(max(w.labels, width(clean(r.Label))+1), w.width/2)
	}
	for i, r := range is.Rows {
		values[i] = valueOf(r)
		if before := valueOf(was.Rows[i]); before != values[i] {
			values[i] = before + " → " + values[i] // may reach beyond its column
		} else if r.Gap == 0 {
			column = max(column, width(values[i]))
		}
	}
	w.line(w.paint(head, clean(is.Title)))
	for i, r := range is.Rows {
		if r.Gap > 0 {
			w.line(w.paint(faint, fmt.Sprintf("      ... %s more", words.Count(uint64(r.Gap), "word"))))
			continue
		}
		w.line(cut(w.row(was.Rows[i], r, values[i], column, marks), w.width))
	}
	legend := ""
	if marks["*"] {
		legend += "  * changes here"
	}
	if marks["~"] {
		legend += "  ~ has changed since the card before"
	}
	if legend != "" {
		w.line(w.paint(faint, " "+legend))
	}
}

func (w *writer) row(was, is lesson.Row, value string, column int, marks map[string]bool) string {
	mark, r := " ", plain
	switch {
	case was.Value != is.Value || was.Mapped != is.Mapped:
		mark, r = "*", number
	case was.Changed:
		mark, r = "~", number
	}
	marks[mark] = true
	point, label := " ", fmt.Sprintf("%-*s", w.labels, cut(clean(is.Label), w.labels-1))
	if is.Focus {
		point, label = ">", w.paint(head, label)
	}
	address := ""
	const narrow = 64
	if w.width >= narrow {
		address = w.paint(faint, words.Hex(is.Addr)) + "  "
	}
	pad := strings.Repeat(" ", max(0, column-width(value)))
	return strings.TrimRight(fmt.Sprintf("%s%s %s%s%s%s  %s", point, w.paint(r, mark), address, label, w.paint(r, value), pad, w.paint(faint, clean(is.Text))), " ")
}

func valueOf(r lesson.Row) string {
	if !r.Mapped {
		return "-"
	}
	return words.Hex(r.Value)
}

func (w *writer) asides(list []scenario.Note) {
	for _, a := range list {
		w.line("")
		w.line(w.paint(name, "| "+clean(a.Title)))
		for _, text := range a.Text {
			w.paragraph("| ", text)
		}
	}
}

// more is the last card: what else there is to know, and what to try.
func (w *writer) more(l *lesson.Lesson) {
	if g := l.Execution; g != nil && g.Odd() {
		w.execution(g)
	}
	w.line(w.paint(head, "What else there is to know"))
	w.asides(l.Asides)
	w.line("")
	w.line(w.paint(head, "What to try next"))
	for _, text := range w.tries(l) {
		w.line("")
		for i, part := range wrap(text, w.width-4) {
			indent := "    "
			if i == 0 {
				indent = "  - "
			}
			w.line(indent + strings.TrimRight(part, " "))
		}
	}
}

// execution draws which thread has seen what of shared memory.
func (w *writer) execution(g *execution.Graph) {
	w.line(w.paint(head, "Who has seen what"))
	w.line("")
	for _, text := range g.Says {
		w.paragraph("", text)
	}
	w.line("")
	for _, text := range g.Lines(w.width) {
		w.line(cut(clean(text), w.width))
	}
	w.line("")
}

// tries are experiments with the run of the lesson.
func (w *writer) tries(l *lesson.Lesson) []string {
	list := []string{
		"emurace step: go through this run by yourself. m goes to where each of these cards stands, s steps on and S back.",
	}
	written, loaded, drawn := -1, -1, false
	for i, m := range l.Moments {
		drawn = drawn || m.Is != nil
		switch m.Kind {
		case replay.FactWritten:
			written = i
		case replay.FactLoaded:
			loaded = i
		default: // what has no other order to be tried in
		}
	}
	if written >= 0 && loaded > written {
		reader := clean(w.names[l.Moments[loaded].Thread])
		list = append(list,
			fmt.Sprintf("Turn the two around: go to where card %d of %d stands (m), press x, and let %s (key %d) run before the value is written; then o lets all run to the end. Does it still fail?",
				written+1, len(l.Moments), reader, l.Moments[loaded].Thread+1),
			fmt.Sprintf("Look for the window: how early, and how late, may %s be taken off for it to fail? r returns to the recorded run for another try, and W keeps a schedule that you like as a trace of your own.",
				reader))
	}
	if !drawn {
		return list
	}
	return append(list, "Set a watchpoint (w) on the word with the > and go backwards with C: every change of it, the last one first.")
}

// WriteLesson writes a lesson as plain text, in lines of at most 80 columns. The
// names are those of the racing threads.
func WriteLesson(out io.Writer, l *lesson.Lesson, names []string, color bool) error {
	const columns = 80
	w := writer{painter: painter{color}, names: names, width: columns, brief: true}
	for i := range cards(l) {
		if i > 0 {
			w.line("")
			w.line("")
		}
		w.card(l, i)
	}
	text := strings.Join(w.lines, "\n") + "\n"
	if color {
		text = printable.Painted(text)
	} else {
		text = printable.Text(text)
	}
	_, err := io.WriteString(out, text)
	return err
}

// card lays out one card.
func (w *writer) card(l *lesson.Lesson, i int) {
	switch {
	case i == 0:
		w.intro(l)
	case i <= len(l.Moments):
		w.moment(l, i-1)
	default:
		w.more(l)
	}
}

// cardText is the card that is shown.
func (m *Model) cardText(columns int) []string {
	l := m.lesson()
	if l == nil {
		return []string{m.noLesson()}
	}
	const most = 100 // longer lines are hard to read
	w := writer{painter: painter{true}, names: m.s.Names(), width: max(1, min(columns, most))}
	w.card(l, min(m.card, cards(l)-1))
	return w.lines
}

// cardScreen is a card of the lesson on the whole screen.
func (m *Model) cardScreen(w int) []string {
	const margin = 2
	text, body := m.pageText()
	first := max(0, min(m.scroll, len(text)-body))
	lines := []string{m.progress(w)}
	for _, t := range fill(text[first:min(len(text), first+body)], w-margin, body) {
		lines = append(lines, strings.Repeat(" ", margin)+t)
	}
	hint := "space, enter next  backspace back  d debugger there  q quit"
	if left := len(text) - first - body; left > 0 {
		hint = fmt.Sprintf("space %s more  enter next  backspace back  d debugger  q quit", words.Count(uint64(left), "line"))
	}
	return append(lines, "", paint(faint, cut(hint, w)))
}

// progress is a line with the place in the lesson.
func (m *Model) progress(w int) string {
	l := m.lesson()
	if l == nil {
		return m.bar("lesson", w, true)
	}
	dots := ""
	for i := range cards(l) {
		switch {
		case i == m.card:
			dots += "●"
		case i < m.card:
			dots += "•"
		default:
			dots += "·"
		}
	}
	place := fmt.Sprintf("%d/%d", m.card, len(l.Moments))
	switch {
	case m.card == 0:
		place = "the beginning"
	case m.card > len(l.Moments):
		place = "the end"
	}
	return m.bar(fmt.Sprintf("lesson  %s  %s", place, dots), w, true)
}

// lessonKey takes a key on a card.
func (m *Model) lessonKey(key string) {
	l := m.lesson()
	if l == nil {
		m.page = debugger
		return
	}
	turn := func(to int) { m.card, m.scroll = max(0, min(to, cards(l)-1)), 0 }
	switch key {
	case "space":
		// As a pager does: what is below comes first.
		if text, room := m.pageText(); m.scroll < len(text)-room {
			m.scroll += room
			return
		}
		turn(m.card + 1)
	case "enter", "right", "n", "m":
		turn(m.card + 1)
	case "backspace", "left", "p", "N", "M":
		turn(m.card - 1)
	case "home":
		turn(0)
	case "end":
		turn(cards(l))
	case "d", "esc", "L":
		m.fromLesson(l)
	case "?":
		m.showHelp()
	case "q":
		m.quit()
	default:
		m.scrollKey(key)
	}
}

// fromLesson opens the debugger where the card stands.
func (m *Model) fromLesson(l *lesson.Lesson) {
	m.page = debugger
	i := max(0, min(m.card-1, len(l.Moments)-1))
	if m.card == 0 {
		m.at(0, "debugger", "the start of the race; m goes from card to card, L is back to the lesson", "")
		return
	}
	x := l.Moments[i]
	m.at(x.At, "debugger", fmt.Sprintf("lesson %d/%d: %s; L is back to the lesson", i+1, len(l.Moments), clean(x.Title)), seekCommand(x.At))
}
