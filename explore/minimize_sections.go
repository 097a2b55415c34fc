package explore

import (
	"emurace/emu"
)

// Section is what a thread of the minimal run did between taking a lock and letting it go.
type Section struct {
	Thread int
	Word   uint64 // address of the lock's word
	First  Place  // the event that took it
	Last   Place  // the one that let it go; the zero Place for never
	Held   bool   // it was never let go
}

// section is a Section by the numbers of its events.
type section struct {
	thread, first, last int // last -1 for none
	word                uint64
	nth                 int // of the thread's sections of that word, from 0
}

// mostSections bounds the pairs of sections that are tried.
const mostSections = 256

// sections looks for pairs of critical sections of the same lock that, with the second one first, make
// the run pass: the thread of the first one is held in front of it until the second one is over. Single
// accesses inside of sections cannot change places.
func (m *minimizer) sections(events []*event) (pairs [][2]section, err error) {
	list, err := m.findSections(events)
	if err != nil {
		return nil, err
	}
	tried := 0
	for k, second := range list {
		for j := k - 1; j >= 0; j-- {
			first := list[j]
			if first.word != second.word || first.thread == second.thread || second.last < 0 {
				continue
			}
			if tried++; tried > mostSections {
				return pairs, nil
			}
			passes, err := m.runs(events, heldBack(events, first, second), true)
			if err != nil {
				return nil, err
			}
			if passes && m.changedPlaces(first, second) {
				pairs = append(pairs, [2]section{first, second})
			}
		}
	}
	return pairs, nil
}

// heldBack is the order of events in which the thread of the first section stands in front of it until the
// second one is over.
func heldBack(events []*event, first, second section) (way []int) {
	var held []int
	for i, e := range events {
		if e.Thread == first.thread && i >= first.first && i <= second.last {
			held = append(held, i)
			continue
		}
		way = append(way, i)
		if i == second.last {
			way = append(way, held...)
		}
	}
	return way
}

// findSections runs the events in their order, and finds words that are used as locks and nothing else: an
// atomic instruction makes one of them not zero, who has done that makes it zero again, and in between others
// at most mark that they wait.
func (m *minimizer) findSections(events []*event) (list []section, err error) {
	if err := m.s.Restart(); err != nil {
		return nil, err
	}
	w := lockWatch{m: m, held: map[uint64]int{}, bad: map[uint64]bool{}}
	for i, e := range events {
		at := m.s.Process().LogLen()
		if !m.s.Runnable(e.Thread) {
			break
		}
		if _, err := m.s.RunEvent(e.Thread); err != nil {
			return nil, err
		}
		w.look(i, e.Thread, at)
	}
	for _, s := range w.list {
		if !w.bad[s.word] {
			list = append(list, s)
		}
	}
	return list, nil
}

// lockWatch watches words that are used as locks.
type lockWatch struct {
	m    *minimizer
	list []section
	held map[uint64]int // which of the list holds it now
	bad  map[uint64]bool
}

// look takes in what the log has from an entry on, of event number i.
func (w *lockWatch) look(i, thread, at int) {
	var read emu.LogEntry
	for a := range w.m.s.Process().Log().From(at).All() {
		if a.Kind == emu.LogRead {
			read = a
			continue
		}
		k, held := w.held[a.Addr]
		was, is := a.Old, a.Value
		atomic := read.Step == a.Step && read.Addr == a.Addr || w.m.s.Process().StoreExclusive(a.PC)
		switch {
		case was == is:
		case was == 0 && !held && atomic && a.Kind == emu.LogWrite:
			w.held[a.Addr] = len(w.list)
			w.list = append(w.list, section{thread: thread, first: i, last: -1, word: a.Addr, nth: w.count(thread, a.Addr)})
		case held && is == 0 && w.list[k].thread == thread:
			w.list[k].last = i
			delete(w.held, a.Addr)
		case held && w.list[k].thread != thread && (is == 2 || is == was|1<<31): // glibc's mark and musl's
		default:
			w.bad[a.Addr] = true
		}
	}
}

func (w *lockWatch) count(thread int, word uint64) (n int) {
	for _, s := range w.list {
		if s.thread == thread && s.word == word {
			n++
		}
	}
	return n
}

// changedPlaces tells whether in the run that has just ended the second section came first.
func (m *minimizer) changedPlaces(first, second section) bool {
	seen := map[int]int{} // how often a thread has taken the lock
	for a := range m.s.Process().Log().From(m.s.StartLog()).All() {
		if a.Kind != emu.LogWrite || a.Addr != first.word || a.Old != 0 || a.Value == 0 {
			continue
		}
		t := m.s.RacingThread(int(a.Thread))
		switch n := seen[t]; {
		case t == second.thread && n == second.nth:
			return true
		case t == first.thread && n == first.nth:
			return false
		}
		seen[t]++
	}
	return false
}
