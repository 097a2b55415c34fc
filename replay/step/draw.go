package step

import (
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/replay/timeline"
)

// timelineLines draw which thread runs when, a row for each, with the moment that
// is shown and the lesson's moments marked below.
func (m *Model) timelineLines(w int) []string {
	const most = 4 // rows; of further threads there is no room to speak
	label := 1
	for i, t := range m.now.threads {
		if i < most {
			label = max(label, min(width(t.name), 10)+1)
		}
	}
	columns := max(1, w-label)
	here := column(m.now.at, m.now.len, columns)
	var lines []string
	for i, t := range m.now.threads[:min(most, len(m.now.threads))] {
		cells := m.cells(i, columns)
		if i == most-1 && len(m.now.threads) > most {
			cells = []rune(fmt.Sprintf("and %d more threads", len(m.now.threads)-most+1))
			cells = append(cells, []rune(strings.Repeat(" ", columns))...)[:columns]
			t.name = "..."
		}
		mark := string(cells[here])
		if mark == " " {
			mark = "┊"
		}
		role := faint
		if i == m.now.thread {
			role = name
		}
		lines = append(lines, fit(paint(role, t.name), label)+
			paint(role, string(cells[:here]))+paint(cursor, mark)+paint(role, string(cells[here+1:])))
	}
	return append(lines, strings.Repeat(" ", label)+m.marks(columns, here))
}

// column is where a moment lies on the timeline.
func column(n, length timeline.Moment, columns int) int {
	if length == 0 {
		return 0
	}
	return int(min(uint64(columns-1), n*uint64(columns-1)/length))
}

// cells are a thread's row of the timeline: full where it runs most of the time,
// low where it runs some of it.
func (m *Model) cells(thread, columns int) []rune {
	ran := make([]uint64, columns)
	per := make([]uint64, columns)
	for _, s := range m.slices {
		for n := s.from; n < s.to; {
			c := column(n, m.now.len, columns)
			// The first moment that lies in the next column.
			next := s.to
			if c+1 < columns {
				next = min(next, (uint64(c+1)*m.now.len+uint64(columns-2))/uint64(columns-1))
			}
			next = max(next, n+1)
			per[c] += next - n
			if s.thread == thread {
				ran[c] += next - n
			}
			n = next
		}
	}
	out := make([]rune, columns)
	for c := range out {
		switch {
		case ran[c] == 0:
			out[c] = ' '
		case 2*ran[c] >= per[c]:
			out[c] = '█'
		default:
			out[c] = '▄'
		}
	}
	if m.now.over && m.now.outcome.Thread == thread || m.fails(thread) {
		out[columns-1] = '✗'
	}
	return out
}

// fails tells whether the run ends with a failure of the thread.
func (m *Model) fails(thread int) bool {
	o, over := m.o.Line.Outcome()
	return over && o.Thread == thread && o.Failed()
}

// marks are the lesson's moments by their numbers, and where one stands.
func (m *Model) marks(columns, here int) string {
	cells := []rune(strings.Repeat(" ", columns))
	if l := m.lesson(); l != nil {
		for i, x := range l.Moments {
			c := column(x.At, m.now.len, columns)
			for c < columns && cells[c] != ' ' {
				c++
			}
			if c < columns && i < 9 {
				cells[c] = rune('1' + i)
			}
		}
	}
	mark := "▲"
	if cells[here] != ' ' {
		mark = string(cells[here])
	}
	return paint(number, string(cells[:here])) + paint(cursor, mark) + paint(number, string(cells[here+1:]))
}

// codeLines are the threads side by side. Of more than there is room for, those
// around the picked one are shown.
func (m *Model) codeLines(w, h int) []string {
	const least = 36
	n := len(m.now.threads)
	fits := max(1, min(n, (w+1)/(least+1)))
	first := max(0, min(m.picked-fits/2, n-fits))
	if m.zoomed && fits > 0 && m.pane == codePane {
		fits = min(fits, 2)
		first = max(0, min(m.picked-fits/2, n-fits))
	}
	var out []string
	left := w - (fits - 1)
	for i := range fits {
		columns := left / (fits - i)
		left -= columns
		lines := m.threadLines(first+i, columns, h)
		if out == nil {
			out = lines
			continue
		}
		out = beside(out, lines)
	}
	return out
}

// threadLines are one thread: what it is doing, how it came there, and its code.
func (m *Model) threadLines(i, w, h int) []string {
	t := &m.now.threads[i]
	mark := "  "
	if i == m.now.thread {
		mark = "▶ "
	}
	lines := []string{m.bar(fmt.Sprintf("%s%d %s: %s", mark, i+1, t.title, t.status), w, m.pane == codePane && i == m.picked)}
	call := t.call
	switch {
	case t.status == "done" && t.call == "":
		call = "it made no call"
	case t.status == "done":
		call = "its last call was " + t.call
	}
	lines = append(lines, cut(call, w))
	if t.code == nil {
		return fill(lines, w, h)
	}
	var chain []string
	for k, f := range t.stack {
		text := f.String()
		if k == 0 && f.Source() != "" {
			text += " " + paint(faint, f.Source())
		}
		chain = append(chain, text)
	}
	if h > 4 {
		lines = append(lines, cut(paint(name, strings.Join(chain, paint(faint, " < "))), w))
	}
	if text := m.sourceText(t); text != "" && h > 8 {
		lines = append(lines, cut(paint(faint, text), w))
	}
	selected := t.code.index(t.pc)
	if i == m.picked {
		selected = m.codeSel
	}
	room := h - len(lines)
	first := max(0, min(selected-room/2, len(t.code.lines)-room))
	last := ""
	for k := first; k < len(t.code.lines) && k < first+room; k++ {
		l := t.code.lines[k]
		source := l.source
		if source == last {
			source = ""
		} else {
			last = source
		}
		lines = append(lines, m.codeLine(t, l, source, w, i == m.picked && k == selected && m.pane == codePane && l.addr != t.pc))
	}
	return fill(lines, w, h)
}

// sourceText is the line of source at which a thread stands, "" where its text is not known.
func (m *Model) sourceText(t *threadSnapshot) string {
	if m.o.Source == nil || len(t.stack) == 0 {
		return ""
	}
	f := t.stack[0]
	text := clean(m.o.Source(f.File, f.Line))
	if text == "" {
		return ""
	}
	return f.Source() + "  " + text
}

// codeLine is one instruction: whether there is a breakpoint, whether the thread
// stands there, its place in the function, its text, and in a wide pane its source.
func (m *Model) codeLine(t *threadSnapshot, l codeLine, source string, w int, selected bool) string {
	stop := " "
	if m.breakpoint(l.addr) >= 0 {
		stop = paint(bad, "●")
	}
	arrow, r := "  ", plain
	switch {
	case l.addr == t.pc && t.failed:
		arrow, r = paint(bad, "✗>"), bad
	case l.addr == t.pc:
		arrow, r = paint(head, "=>"), head
	case selected:
		arrow, r = "▸ ", cursor
	}
	text := fmt.Sprintf("%s%s %s %s", stop, arrow, paint(faint, fmt.Sprintf("+%#-5x", l.off)), paint(r, l.in.Text))
	const wide = 52
	if w < wide || source == "" {
		return text
	}
	return fit(text, w-width(source)-1) + " " + paint(faint, source)
}

// regsLines are the registers of the picked thread. Where not all fit, those come
// first that the last instruction has changed and the next one reads.
func (m *Model) regsLines(w, h int) []string {
	t := m.pickedThread()
	chosen := m.pane == regsPane
	if t == nil || len(t.regs) == 0 {
		return fill([]string{m.bar("registers", w, chosen), "none"}, w, h)
	}
	const least = 34 // columns of a register with what it points to
	columns := max(1, w/least)
	regs := t.regs
	title := "registers of " + t.name
	if (len(regs)+columns-1)/columns > h-1 {
		regs = m.regsThatMatter(t)
		if !m.zoomed {
			title += ", those that matter first"
		}
	}
	lines := []string{m.bar(title, w, chosen)}
	regs = regs[min(m.regsTop, max(0, len(regs)-(h-1)*columns)):]
	rows := max(0, min(h-1, (len(regs)+columns-1)/columns))
	for k := range rows {
		line := ""
		for c := range columns {
			if i := c*rows + k; i < len(regs) {
				line += fit(m.regText(t, regs[i]), w/columns-1) + " "
			}
		}
		lines = append(lines, line)
	}
	return fill(lines, w, h)
}

// regsThatMatter puts those first that the instruction before and the one to come
// use, then the stack pointer, and leaves the others in their order.
func (m *Model) regsThatMatter(t *threadSnapshot) []emu.Register {
	rank := map[string]int{}
	note := func(names []string, n int) {
		for _, r := range names {
			if _, ok := rank[r]; !ok {
				rank[r] = n
			}
		}
	}
	in := m.code.inst(t.pc)
	for _, op := range in.Mem {
		note([]string{op.Base, op.Index}, 0)
	}
	if d := m.now.just; d != nil && m.now.threads[d.thread].name == t.name {
		note(d.in.Dst, 1)
	}
	note(in.Src, 2)
	note(in.Dst, 3)
	note([]string{m.s.Process().StackPointerName()}, 4)
	regs := slices.Clone(t.regs)
	slices.SortStableFunc(regs, func(a, b emu.Register) int {
		ra, ok := rank[a.Name]
		if !ok {
			ra = 5
		}
		rb, ok := rank[b.Name]
		if !ok {
			rb = 5
		}
		return ra - rb
	})
	return regs
}

// regText is a register, what it was if it has changed, and what it points to.
func (m *Model) regText(t *threadSnapshot, r emu.Register) string {
	value := words.Bytes(r.Value)
	if len(r.Value) <= 8 {
		value = words.Hex(r.Uint64())
	}
	role, was := plain, ""
	if before := m.registerBefore(t.name, r.Name); before != "" && before != value {
		role, was = number, " (was "+before+")"
	}
	text := fmt.Sprintf("%-4s ", r.Name) + paint(role, value)
	if role != plain {
		text = paint(number, "*") + text
	} else {
		text = " " + text
	}
	if len(r.Value) <= 8 {
		if meaning := m.now.meanings[r.Uint64()]; meaning != "" {
			text += " " + paint(faint, meaning)
		}
	}
	return text + paint(faint, was)
}

// registerBefore is a register's value at the moment that was shown before, "" for
// none.
func (m *Model) registerBefore(thread, reg string) string {
	for i := range m.was.threads {
		if m.was.threads[i].name != thread {
			continue
		}
		for _, r := range m.was.threads[i].regs {
			if r.Name == reg && len(r.Value) <= 8 {
				return words.Hex(r.Uint64())
			} else if r.Name == reg {
				return words.Bytes(r.Value)
			}
		}
	}
	return ""
}

// memoryLines are a view of memory around its selected row.
func (m *Model) memoryLines(kind viewKind, w, h int) []string {
	v := &m.now.views[kind]
	chosen := m.pane == memoryPane && kind == m.view
	title := v.title
	if kind == m.view && !strings.HasPrefix(title, v.name) {
		title = v.name + ": " + title
	}
	lines := []string{m.bar(title, w, chosen)}
	room := h - 1
	first := max(0, min(m.sel[kind]-room/2, len(v.rows)-room))
	for i := first; i < len(v.rows) && i < first+room; i++ {
		lines = append(lines, m.memoryLine(kind, &v.rows[i], i == m.sel[kind], w))
	}
	return fill(lines, w, h)
}

// memoryLine is a word: what watches it, its address and place, its value, the
// registers that point to it, and what it means.
func (m *Model) memoryLine(kind viewKind, r *row, selected bool, w int) string {
	mark := " "
	if i := m.watchpoint(r.addr); i >= 0 {
		mark = paint(bad, "w")
		if m.stops[i].stop.(timeline.Watch).Reads {
			mark = paint(bad, "a")
		}
	}
	point := " "
	if selected {
		point = "▸"
	}
	value := "-"
	if r.mapped {
		value = words.Hex(r.value)
	}
	role := plain
	if before, ok := m.was.word(kind, r.addr); ok && (before.value != r.value || before.mapped != r.mapped) {
		role = number
	} else if r.focus {
		role = head
	}
	const narrow = 56
	place := paint(faint, words.Hex(r.addr))
	if w < narrow {
		place = paint(faint, fmt.Sprintf("..%05x", r.addr&0xfffff))
	}
	at := ""
	if list := m.pointing(r, w >= narrow); list != "" {
		at = " " + paint(name, "◀ "+list)
	}
	star := " "
	if role == number {
		star = paint(number, "*")
	}
	label := fmt.Sprintf("%-9s", r.label)
	if r.focus {
		label = paint(head, label)
	}
	return cut(fmt.Sprintf("%s%s%s %s %s%s%s  %s", point, mark, place, label, star, paint(role, value), at, paint(faint, r.text)), w)
}

// pointing names the registers that point to a word: those of the picked thread,
// and those of others with their threads if there is room.
func (m *Model) pointing(r *row, others bool) string {
	var list []string
	for _, p := range r.at {
		switch t := m.pickedThread(); {
		case p.thread == m.picked:
			list = append(list, p.reg)
		case others && t != nil:
			list = append(list, m.now.threads[p.thread].name+" "+p.reg)
		}
	}
	return strings.Join(list, ", ")
}

// word is a row of a view.
func (s *snapshot) word(kind viewKind, addr uint64) (row, bool) {
	for _, r := range s.views[kind].rows {
		if r.addr == addr {
			return r, true
		}
	}
	return row{}, false
}
