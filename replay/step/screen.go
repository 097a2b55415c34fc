package step

import (
	"emurace/internal/words"
	"fmt"
	"strings"
)

// Sizes of the terminal, in columns and lines.
const (
	leastWidth, leastHeight = 30, 8  // below there is only a message
	smallWidth, smallHeight = 64, 18 // below there is one pane at a time
	wideWidth               = 150    // from here on the memory has a side of its own
)

// screen is all lines that the terminal shows.
func (m *Model) screen() string {
	w, h := m.width, m.height
	var lines []string
	switch {
	case w < leastWidth || h < leastHeight:
		lines = m.tooSmall(w)
	case m.page == lessonPage:
		lines = m.cardScreen(w)
	case m.page == helpPage:
		lines = m.pageScreen("keys", w)
	case m.page == infoPage:
		lines = m.pageScreen("this run", w)
	case w < smallWidth || h < smallHeight:
		lines = m.smallScreen(w, h)
	default:
		lines = m.fullScreen(w, h)
	}
	return strings.Join(fill(lines, w, h), "\n")
}

// tooSmall says what there is room for.
func (m *Model) tooSmall(w int) []string {
	text := fmt.Sprintf("The terminal is too small: %dx%d. From %dx%d on there is something to see, from 80x24 on all of it. q quits.",
		m.width, m.height, leastWidth, leastHeight)
	lines := wrap(text, w)
	return append([]string{cut(fmt.Sprintf("moment %d of %d", m.now.at, m.now.len), w)}, lines...)
}

// smallScreen has one pane, and says so.
func (m *Model) smallScreen(w, h int) []string {
	lines := []string{m.titleLine(w)}
	why := m.whyLines(w, 2)
	body := h - len(lines) - len(why) - 2
	lines = append(lines, m.one(w, body)...)
	lines = append(lines, why...)
	lines = append(lines, m.statusLine(w))
	return append(lines, paint(faint, cut(fmt.Sprintf("small terminal: tab shows another pane, %dx%d all", smallWidth, smallHeight), w)))
}

// one is the pane that keys are meant for, alone.
func (m *Model) one(w, h int) []string {
	switch m.pane {
	case regsPane:
		return m.regsLines(w, h)
	case memoryPane:
		return m.memoryLines(m.view, w, h)
	default: // codePane
		return m.codeLines(w, h)
	}
}

// fullScreen has all panes, unless one is zoomed.
func (m *Model) fullScreen(w, h int) []string {
	lines := append([]string{m.titleLine(w)}, m.timelineLines(w)...)
	whyHeight := 2
	switch {
	case h >= 40:
		whyHeight = 5
	case h >= 30:
		whyHeight = 4
	case h >= 24:
		whyHeight = 3
	}
	why := m.whyLines(w, whyHeight)
	tail := append(why, m.statusLine(w), m.hintLine(w))
	body := h - len(lines) - len(tail)
	switch {
	case m.zoomed:
		lines = append(lines, m.one(w, body)...)
	case w >= wideWidth:
		lines = append(lines, m.wideBody(w, body)...)
	default:
		lines = append(lines, m.body(w, body)...)
	}
	return append(lines, tail...)
}

// body has the threads above and registers and memory below.
func (m *Model) body(w, h int) []string {
	top := h / 2
	if h < 20 {
		top = (h + 1) / 2
	}
	regs := w * 2 / 5
	return append(m.codeLines(w, top),
		beside(m.regsLines(regs, h-top), m.memoryLines(m.view, w-regs-1, h-top))...)
}

// wideBody has threads and registers on the left and the memory on the right, in
// a high terminal two views of it.
func (m *Model) wideBody(w, h int) []string {
	memory := min(w*2/5, 96)
	left := w - memory - 1
	regs := h * 2 / 5
	side := append(m.codeLines(left, h-regs), m.regsLines(left, regs)...)
	const twoViews = 30
	if h < twoViews {
		return beside(side, m.memoryLines(m.view, memory, h))
	}
	second := heapView
	if m.view == heapView {
		second = blockView
	}
	rows := h * 3 / 5
	return beside(side, append(m.memoryLines(m.view, memory, rows), m.memoryLines(second, memory, h-rows)...))
}

// bar is a pane's heading; the pane that keys are meant for stands out.
func (m *Model) bar(title string, w int, chosen bool) string {
	title = cut(" "+title+" ", w-1)
	r := faint
	if chosen {
		r = cursor
	}
	line := paint(faint, "─") + paint(r, title)
	return line + paint(faint, strings.Repeat("─", max(0, w-1-width(title))))
}

// titleLine says which run this is and where in it one stands.
func (m *Model) titleLine(w int) string {
	left := paint(head, "emurace step") + "  " + clean(m.o.Title)
	mode := ""
	switch {
	case m.left:
		mode = paint(free, " YOUR OWN RUN ") + " "
	case m.free:
		mode = paint(free, " FREE ") + " "
	}
	right := fmt.Sprintf("%smoment %s of %s", mode, words.Grouped(m.now.at), words.Grouped(m.now.len))
	if w < smallWidth {
		left = paint(head, "step")
	}
	return fit(left, w-width(right)-1) + " " + right
}

// statusLine says what the last key did, with gdb's command for it, or is what is
// being typed.
func (m *Model) statusLine(w int) string {
	if p := m.prompt; p != nil {
		return paint(head, p.label) + tail(string(p.text), w-width(p.label)-1) + paint(cursor, " ")
	}
	gdb := ""
	if m.said.gdb != "" {
		gdb = "gdb: " + m.said.gdb
	}
	r, arrow := good, " → "
	if m.said.bad {
		r, arrow = bad, ": "
	}
	text := paint(r, m.said.command) + arrow + m.said.result
	if m.said.result == "" {
		text = paint(r, m.said.command)
	}
	if room := w - width(text) - 2; gdb == "" || room < width(gdb) {
		return cut(text, w)
	}
	return fit(text, w-width(gdb)) + paint(faint, gdb)
}

// tail is the end of a text that may be too long.
func tail(text string, columns int) string {
	r := []rune(text)
	for len(r) > 0 && width(string(r)) > max(columns, 0) {
		r = r[1:]
	}
	return string(r)
}

// hintLine reminds of the most useful keys.
func (m *Model) hintLine(w int) string {
	text := "? keys  s S step  n N over  f F out  c C continue  t T switch  m M lesson  x free  / search  w b stops  tab z panes  L lesson  q quit"
	if m.free {
		text = fmt.Sprintf("? keys  1-%d run a thread x%d  + - how long  S back  o run out  W save  r return to the record", min(9, len(m.now.threads)), m.per)
	}
	return paint(faint, cut(text, w))
}

// pageText is the text of a page that can be scrolled, and how many lines of it
// the screen has room for.
func (m *Model) pageText() (text []string, room int) {
	const margin = 2
	switch m.page {
	case helpPage:
		return m.helpText(m.width - margin), max(1, m.height-2)
	case infoPage:
		return m.infoText(m.width - margin), max(1, m.height-2)
	case lessonPage:
		return m.cardText(m.width - 2*margin), max(1, m.height-3)
	case debugger: // panes, and no text
	}
	return nil, 1
}

// clampScroll keeps the page of text on the screen.
func (m *Model) clampScroll() {
	text, room := m.pageText()
	m.scroll = max(0, min(m.scroll, len(text)-room))
}

// pageScreen is a text over the whole screen.
func (m *Model) pageScreen(title string, w int) []string {
	text, body := m.pageText()
	first := max(0, min(m.scroll, len(text)-body))
	lines := []string{m.bar(title, w, true)}
	shown := text[first:min(len(text), first+body)]
	lines = append(lines, fill(shown, w, body)...)
	more := "any key goes back"
	if len(text) > body {
		more = fmt.Sprintf("lines %d to %d of %d; up and down scroll, any other key goes back", first+1, first+len(shown), len(text))
	}
	return append(lines, paint(faint, more))
}
