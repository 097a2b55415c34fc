package step

import (
	"fmt"
	"slices"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/replay/timeline"
)

// stop is a breakpoint or watchpoint of the user's.
type stop struct {
	stop timeline.Stop
	addr uint64 // of the instruction or the word
	text string // "break getenv+0x94"
	gdb  string
}

func (m *Model) stopList() []timeline.Stop {
	var list []timeline.Stop
	for _, s := range m.stops {
		list = append(list, s.stop)
	}
	return list
}

// reached says what has happened at a moment where the stop holds.
func (s *stop) reached(m *Model, n timeline.Moment, d timeline.Direction) string {
	w, ok := s.stop.(timeline.Watch)
	if !ok {
		return fmt.Sprintf("%s, %s", s.text, m.threadName(m.o.Line.Thread(n)))
	}
	i := n
	if d == timeline.Forwards {
		i--
	}
	a, _ := w.Hit(m.o.Line, i)
	verb, was := "writes", fmt.Sprintf(" (was %#x)", a.Old)
	if a.Kind == emu.LogRead {
		verb, was = "reads", ""
	}
	return fmt.Sprintf("%s: %s %s %#x%s at %s", s.text, m.threadName(m.o.Line.Thread(i)), verb, a.Value, was, m.code.locate(a.PC))
}

func (m *Model) threadName(i int) string {
	if i < 0 || i >= len(m.now.threads) {
		return "nobody"
	}
	return m.now.threads[i].name
}

// breakpoint is the index of the breakpoint at an instruction, -1 for none.
func (m *Model) breakpoint(addr uint64) int {
	return slices.IndexFunc(m.stops, func(s stop) bool {
		_, ok := s.stop.(timeline.Break)
		return ok && s.addr == addr
	})
}

// watchpoint is the index of the watchpoint on a word, -1 for none.
func (m *Model) watchpoint(addr uint64) int {
	return slices.IndexFunc(m.stops, func(s stop) bool {
		_, ok := s.stop.(timeline.Watch)
		return ok && s.addr == addr
	})
}

// toggleBreak sets or clears a breakpoint at the selected instruction.
func (m *Model) toggleBreak() {
	t := m.pickedThread()
	if t == nil || t.code == nil {
		m.fail("break", "there is no code to stop at")
		return
	}
	m.setBreak(t.code.lines[min(m.codeSel, len(t.code.lines)-1)].addr)
}

func (m *Model) setBreak(addr uint64) {
	where := m.code.locate(addr).String()
	if i := m.breakpoint(addr); i >= 0 {
		m.stops = slices.Delete(m.stops, i, i+1)
		m.said = status{command: "break", result: "no longer at " + where, gdb: fmt.Sprintf("clear *%#x", addr)}
		return
	}
	s := stop{stop: timeline.Break{PC: addr, Thread: timeline.Any}, addr: addr, text: "break " + where, gdb: fmt.Sprintf("break *%#x", addr)}
	m.stops = append(m.stops, s)
	m.said = status{command: "break", result: "at " + where + "; c and C go there", gdb: s.gdb}
}

// cycleWatch sets a watchpoint on the selected word: first for writes, then for any
// access, then none.
func (m *Model) cycleWatch() {
	r := m.selected()
	if r == nil {
		m.fail("watch", "no word of memory is selected; tab goes to the memory")
		return
	}
	i := m.watchpoint(r.addr)
	switch {
	case i < 0:
		m.setWatch(r.addr, false)
	case !m.stops[i].stop.(timeline.Watch).Reads:
		m.stops = slices.Delete(m.stops, i, i+1)
		m.setWatch(r.addr, true)
	default:
		m.stops = slices.Delete(m.stops, i, i+1)
		m.said = status{command: "watch", result: "no longer " + words.Hex(r.addr), gdb: "delete"}
	}
}

// setWatch watches a word for writes, or for any access.
func (m *Model) setWatch(addr uint64, reads bool) {
	verb, what := "watch", "writes"
	if reads {
		verb, what = "awatch", "any access"
	}
	s := stop{
		stop: timeline.Watch{Addr: addr, Size: 8, Reads: reads, Writes: true}, addr: addr,
		text: fmt.Sprintf("%s %#x", verb, addr), gdb: fmt.Sprintf("%s *(long *) %#x", verb, addr),
	}
	m.stops = append(m.stops, s)
	m.said = status{command: verb, result: fmt.Sprintf("%#x for %s; c and C go there", addr, what), gdb: s.gdb}
}

func (m *Model) deleteStops() {
	n := len(m.stops)
	m.stops = nil
	m.said = status{command: "delete", result: words.Count(uint64(n), "stop") + " taken away", gdb: "delete"}
}
