package step

import (
	"cmp"
	"fmt"
	"slices"

	"emurace/replay/lesson"
	"emurace/replay/timeline"
)

// at goes to a moment and says what command did that.
func (m *Model) at(n timeline.Moment, command, result, gdb string) {
	if err := m.o.Line.Seek(n); err != nil {
		m.look()
		m.fail(command, clean(err.Error()))
		return
	}
	m.look()
	if result == "" {
		result = m.here()
	}
	m.said = status{command: command, result: result, gdb: gdb}
}

// here says where the present moment is.
func (m *Model) here() string {
	now := m.now
	switch {
	case now.at == now.len && now.over:
		return "the end: " + m.ending()
	case now.thread < 0:
		return "a run without instructions"
	case now.at == 0:
		return "the start of the race"
	}
	t := &now.threads[now.thread]
	where := fmt.Sprintf("%s at %s", t.name, m.code.locate(t.pc))
	switch {
	case now.at < now.len:
		return where
	case t.status == "done" || t.status == "waits":
		return fmt.Sprintf("%s %s; another thread's turn", t.name, map[string]string{"done": "has made all its calls", "waits": "waits in the kernel"}[t.status])
	}
	return where + "; whose turn is it?"
}

// ending says how the run ends, in a few words.
func (m *Model) ending() string {
	if x := m.story.Explanation; x != nil {
		return clean(x.Headline())
	}
	return clean(m.now.outcome.String())
}

func (m *Model) step() {
	line := m.o.Line
	if line.At() >= line.Len() {
		m.atEnd("step")
		return
	}
	m.at(line.At()+1, "step", "", "stepi")
}

// atEnd says why there is nothing to step to.
func (m *Model) atEnd(command string) {
	switch {
	case m.now.over:
		m.fail(command, "this is the end of the run; S goes back")
	case m.free:
		m.fail(command, "this is the end of your run so far; the number of a thread runs it on")
	default:
		m.fail(command, "this is the end of the record")
	}
}

func (m *Model) stepBack() {
	line := m.o.Line
	if line.At() == 0 {
		m.fail("reverse-step", "this is the start of the race")
		return
	}
	m.at(line.At()-1, "reverse-step", "", "reverse-stepi")
}

// run goes to the nearest moment where the first of the conditions or one of the
// user's stops holds, or else to a moment that is given.
func (m *Model) runTo(d timeline.Direction, own []timeline.Stop, otherwise timeline.Moment, command, gdb string) {
	stops := append(append([]timeline.Stop{}, own...), m.stopList()...)
	n, which, found := m.o.Line.Find(m.o.Line.At(), d, stops...)
	if !found {
		m.at(otherwise, command, "", gdb)
		return
	}
	result := ""
	if which >= len(own) {
		result = m.stops[which-len(own)].reached(m, n, d)
	}
	m.at(n, command, result, gdb)
}

func (m *Model) cont() {
	if m.o.Line.At() >= m.o.Line.Len() {
		m.atEnd("continue")
		return
	}
	m.runTo(timeline.Forwards, nil, m.o.Line.Len(), "continue", "continue")
}

func (m *Model) contBack() {
	if m.o.Line.At() == 0 {
		m.fail("reverse-continue", "this is the start of the race")
		return
	}
	m.runTo(timeline.Backwards, nil, 0, "reverse-continue", "reverse-continue")
}

func (m *Model) nextSwitch() { m.toSwitch(timeline.Forwards, "to the next switch") }
func (m *Model) lastSwitch() { m.toSwitch(timeline.Backwards, "to the last switch") }

func (m *Model) toSwitch(d timeline.Direction, command string) {
	n, _, found := m.o.Line.Find(m.o.Line.At(), d, timeline.Switch{})
	if !found {
		m.fail(command, "no thread is switched to in this direction")
		return
	}
	m.at(n, command, "", seekCommand(n))
}

func seekCommand(n timeline.Moment) string { return fmt.Sprintf("monitor seek %d", n) }

func (m *Model) toStart() { m.at(0, "to the start", "", "monitor seek start") }
func (m *Model) toEnd()   { m.at(m.o.Line.Len(), "to the end", "", "monitor seek end") }

func (m *Model) nextMoment() {
	l := m.lesson()
	if l == nil {
		m.fail("next card", m.noLesson())
		return
	}
	for _, x := range inOrder(l) {
		if x.At > m.now.at {
			m.at(x.At, "next card", clean(x.Title), seekCommand(x.At))
			return
		}
	}
	m.fail("next card", "that was the last card of the lesson")
}

func (m *Model) lastMoment() {
	l := m.lesson()
	if l == nil {
		m.fail("last card", m.noLesson())
		return
	}
	for _, x := range slices.Backward(inOrder(l)) {
		if x.At < m.now.at {
			m.at(x.At, "last card", clean(x.Title), seekCommand(x.At))
			return
		}
	}
	m.fail("last card", "that was the first card of the lesson")
}

// inOrder are the cards in the order of the run, whatever the one is in which they are told.
func inOrder(l *lesson.Lesson) []lesson.Moment {
	return slices.SortedStableFunc(slices.Values(l.Moments), func(a, b lesson.Moment) int { return cmp.Compare(a.At, b.At) })
}

// noLesson says why there are no moments to go to.
func (m *Model) noLesson() string {
	if m.left && !m.now.over {
		return "your run is not over; r returns to the recorded one"
	}
	return "this run did not fail, so there is no lesson"
}
