package step

import "slices"

func (m *Model) quit() { m.quitting = true }

func (m *Model) nextPane() { m.pane = (m.pane + 1) % paneCount }
func (m *Model) lastPane() { m.pane = (m.pane + paneCount - 1) % paneCount }

func (m *Model) zoom() { m.zoomed = !m.zoomed }

func (m *Model) nextView() { m.turnView(1) }
func (m *Model) lastView() { m.turnView(-1) }

func (m *Model) turnView(by int) {
	m.view = viewKind((int(m.view) + by + int(viewCount)) % int(viewCount))
	m.pane = memoryPane
}

// turn picks another thread, or, in the memory, another view.
func (m *Model) turn(by int) {
	if m.pane == memoryPane {
		m.turnView(by)
		return
	}
	n := len(m.now.threads)
	m.picked = (m.picked + by + n) % n
	m.codeSel = m.current()
}

// move selects another line of the pane.
func (m *Model) move(by int) {
	within := func(i *int, n int) { *i = max(0, min(*i+by, n-1)) }
	switch m.pane {
	case codePane:
		if t := m.pickedThread(); t != nil && t.code != nil {
			within(&m.codeSel, len(t.code.lines))
		}
	case regsPane:
		if t := m.pickedThread(); t != nil {
			within(&m.regsTop, len(t.regs))
		}
	case memoryPane:
		within(&m.sel[m.view], len(m.now.views[m.view].rows))
	}
}

// selected is the selected row of memory, nil for none.
func (m *Model) selected() *row {
	v := &m.now.views[m.view]
	if i := m.sel[m.view]; i >= 0 && i < len(v.rows) {
		return &v.rows[i]
	}
	return nil
}

// follow selects, in each view, the word that the present instruction is about;
// where it is about none of them, what was selected stays.
func (m *Model) follow() {
	for i := range m.now.views {
		v := &m.now.views[i]
		m.sel[i] = max(0, min(m.sel[i], len(v.rows)-1))
		for _, d := range []*effect{m.now.next, m.now.just} {
			if d == nil {
				continue
			}
			k := slices.IndexFunc(d.memory, func(a touch) bool { return v.index(a.addr) >= 0 })
			if k >= 0 {
				m.sel[i] = v.index(d.memory[k].addr)
				break
			}
		}
	}
}

func (m *Model) escape() {
	switch {
	case m.zoomed:
		m.zoomed = false
	default:
		m.pane = codePane
		m.codeSel = m.current()
	}
}

func (m *Model) showHelp() { m.page, m.scroll = helpPage, 0 }
func (m *Model) showInfo() { m.page, m.scroll = infoPage, 0 }

// showLesson opens the lesson at the last of its moments that has come.
func (m *Model) showLesson() {
	l := m.lesson()
	if l == nil {
		m.fail("lesson", m.noLesson())
		return
	}
	m.page, m.scroll, m.card = lessonPage, 0, 0
	for i, x := range l.Moments {
		if x.At <= m.now.at {
			m.card = i + 1
		}
	}
}

// pageKey takes a key on a page of text. Any that does not scroll closes it.
func (m *Model) pageKey(key string) {
	if !m.scrollKey(key) {
		m.page = debugger
	}
}

// scrollKey moves a page of text.
func (m *Model) scrollKey(key string) bool {
	by := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -10, "pgdown": 10}[key]
	m.scroll = max(0, m.scroll+by)
	return by != 0
}
