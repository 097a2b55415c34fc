package step

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"emurace/emu"
	"emurace/replay"
	"emurace/replay/timeline"
)

// query is what is searched for in a run.
type query struct {
	text   string
	value  uint64
	number bool
	byPC   map[uint64]bool // whether the instruction at an address is one that is searched for
	only   func(m *Model, pc uint64) bool
}

// newQuery reads a search: 0x... is a value or an address, a mnemonic of the run's
// is that, and everything else a part of a function's name.
func (m *Model) newQuery(text string) query {
	q := query{text: text, byPC: map[uint64]bool{}}
	if digits, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		if v, err := strconv.ParseUint(digits, 16, 64); err == nil {
			q.value, q.number = v, true
			return q
		}
	}
	q.only = func(m *Model, pc uint64) bool { return m.code.inst(pc).Op == text }
	for n := range m.o.Line.Len() {
		if pc, _ := m.o.Line.PC(n); q.at(m, pc) {
			return q
		}
	}
	q.byPC = map[uint64]bool{}
	q.only = func(m *Model, pc uint64) bool {
		name, off, ok := m.s.Process().Symbol(pc)
		return ok && off == 0 && strings.Contains(name, text)
	}
	return q
}

// at asks the condition on code once for each address.
func (q query) at(m *Model, pc uint64) bool {
	is, known := q.byPC[pc]
	if !known {
		is = q.only(m, pc)
		q.byPC[pc] = is
	}
	return is
}

// holds tells whether instruction n is one that is searched for.
func (q query) holds(m *Model, n timeline.Moment) bool {
	pc, ok := m.o.Line.PC(n)
	switch {
	case !ok:
		return false
	case !q.number:
		return q.at(m, pc)
	case pc == q.value:
		return true
	}
	return slices.ContainsFunc(m.o.Line.Accesses(n), q.touches)
}

// touches tells whether an access has to do with the number that is searched for.
func (q query) touches(a emu.LogEntry) bool {
	return a.Value == q.value || a.Kind != emu.LogRead && a.Old == q.value || q.value-a.Addr < uint64(a.Size)
}

// found says what an instruction that is searched for has to do with that.
func (q query) found(m *Model, n timeline.Moment) string {
	pc, _ := m.o.Line.PC(n)
	text := fmt.Sprintf("%s at %s", m.threadName(m.o.Line.Thread(n)), m.code.locate(pc))
	if !q.number || pc == q.value {
		return text
	}
	for _, a := range m.o.Line.Accesses(n) {
		if q.touches(a) {
			return text + ": " + replay.AccessText(a, "")
		}
	}
	return text
}

// search begins a search forwards.
func (m *Model) search(text string) {
	if text == "" && m.find.text == "" {
		m.fail("search", "for what? a function, a mnemonic, or 0x and an address or value")
		return
	}
	if text != "" {
		m.find = m.newQuery(text)
	}
	m.searchNext()
}

func (m *Model) searchNext() { m.searchOn(timeline.Forwards) }
func (m *Model) searchLast() { m.searchOn(timeline.Backwards) }

// searchOn goes to the moment before the nearest instruction that is searched for. Behind the
// end of the run it goes on at the beginning, and the other way round, and says so.
func (m *Model) searchOn(d timeline.Direction) {
	command := "search " + clean(m.find.text)
	if m.find.text == "" {
		m.fail("search", "nothing was searched for yet; / does")
		return
	}
	line := m.o.Line
	wrapped := ""
	for n := line.At(); ; {
		switch {
		case d == timeline.Forwards && n < line.Len():
			n++
		case d == timeline.Backwards && n > 0:
			n--
		case d == timeline.Forwards:
			n, wrapped = 0, "; from the run's beginning on"
		default:
			n, wrapped = line.Len(), "; from the run's end back"
		}
		if m.find.holds(m, n) && (n != line.At() || wrapped != "") {
			m.at(n, command, m.find.found(m, n)+wrapped, seekCommand(n))
			return
		}
		if n == line.At() {
			m.fail(command, "nothing in the whole run")
			return
		}
	}
}
