package step

import (
	"fmt"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
)

// whyLines say in at most so many lines what the instruction just did and what the
// next one is about to do; at the end, why the run ended; and what the lesson says
// of the moment.
func (m *Model) whyLines(w, h int) []string {
	var lines []string
	add := func(label string, r role, text string) {
		parts := wrap(text, w-8) // there is room for a sign that it was cut short
		for i, part := range parts {
			prefix := "      "
			if i == 0 {
				prefix = paint(r, fmt.Sprintf("%-5s ", label))
			}
			lines = append(lines, prefix+part)
		}
	}
	now := m.now
	if now.over && now.at == now.len {
		r, label := bad, "end"
		if !now.outcome.Failed() {
			r = good
		}
		add(label, r, m.endText())
		for _, text := range m.summary() {
			add("", plain, text)
		}
		return fill(lines, w, h)
	}
	if text := m.lessonText(); text != "" {
		add("why", number, text)
	}
	// What runs next is never left out, and what the lesson says may be cut short:
	// L shows all of it.
	effects := 0
	if now.next != nil {
		effects++
	}
	if now.just != nil && len(lines)+effects < h {
		effects++
	}
	if room := h - effects; len(lines) > room {
		lines = lines[:max(0, room)]
		if room > 0 {
			lines[room-1] += " …"
		}
	}
	if now.just != nil && (effects == 2 || now.next == nil) {
		lines = append(lines, paint(faint, "just  ")+clean(now.just.said(now.threads)))
	}
	if now.next != nil {
		lines = append(lines, paint(faint, "next  ")+clean(now.next.said(now.threads)))
	}
	return fill(lines, w, h)
}

// endText says how the run ended.
func (m *Model) endText() string {
	o := m.now.outcome
	x := m.story.Explanation
	if x == nil || x.At == nil || o.End == nil || o.End.Kind != emu.EndFault {
		return words.Capital(m.ending()) + "."
	}
	return clean(words.Capital(fmt.Sprintf("%s at %s: %s with %s.", m.ending(), x.At.Location, x.At.Instruction, x.Fault())))
}

// summary are the lesson's sentences about the whole run, without the first, which
// says what the line above has said.
func (m *Model) summary() []string {
	l := m.lesson()
	if l == nil || len(l.Summary) < 2 {
		return nil
	}
	var list []string
	for _, text := range l.Summary[1:] {
		list = append(list, clean(text))
	}
	return list
}

// lessonText is what the lesson says of this moment, "" for nothing.
func (m *Model) lessonText() string {
	l := m.lesson()
	if l == nil {
		return ""
	}
	for i, x := range l.Moments {
		if x.At == m.now.at {
			return clean(fmt.Sprintf("%d/%d %s. %s", i+1, len(l.Moments), x.Title, strings.Join(x.Long, " ")))
		}
	}
	for i, x := range l.Moments {
		if x.After == m.now.at && x.After != x.At {
			return clean(fmt.Sprintf("%d/%d just now: %s", i+1, len(l.Moments), x.Title))
		}
	}
	return ""
}

// infoText is what is known of the run: why it failed, the stops, the schedule.
func (m *Model) infoText(w int) []string {
	var lines []string
	section := func(title string) {
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, paint(head, title))
	}
	add := func(text string) {
		indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
		for _, part := range wrap(clean(text[len(indent):]), w-len(indent)) {
			lines = append(lines, indent+part)
		}
	}
	section("why")
	if x := m.story.Explanation; x != nil {
		add(words.Capital(x.Headline()) + ".")
		for line := range strings.Lines(x.String()) {
			add(strings.TrimRight(line, "\n"))
		}
	} else {
		add("the run is not over, so there is nothing to explain")
	}
	section("breakpoints and watchpoints")
	for _, s := range m.stops {
		add(s.text + "   gdb: " + s.gdb)
	}
	if len(m.stops) == 0 {
		add("none; b and w set them")
	}
	section("schedule")
	const most = 200
	for i, s := range m.slices {
		if i == most {
			add(fmt.Sprintf("and %d more slices", len(m.slices)-most))
			break
		}
		if s.to == s.from {
			add(fmt.Sprintf("%s, whose next instruction fails", m.threadName(s.thread)))
			continue
		}
		add(fmt.Sprintf("instructions %s to %s: %s", words.Grouped(s.from+1), words.Grouped(s.to), m.threadName(s.thread)))
	}
	return lines
}

// helpText lists the keys in their groups.
func (m *Model) helpText(w int) []string {
	var lines []string
	group := ""
	for _, b := range bindings {
		if b.group == "" {
			continue
		}
		if b.group != group {
			if group != "" {
				lines = append(lines, "")
			}
			group = b.group
			lines = append(lines, paint(head, group))
		}
		h := b.keys.Help()
		text := fmt.Sprintf("  %s %s", fit(paint(name, h.Key), 11), h.Desc)
		if b.gdb != "" {
			text += paint(faint, "   gdb: "+b.gdb)
		}
		lines = append(lines, cut(text, w))
	}
	return append(lines, "", cut("Addresses after : may be registers: :w $sp, :x $x20.", w))
}
