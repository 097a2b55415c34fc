package execution

import (
	"emurace/emu"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// run is all events of a run, and what they have to do with each other.
type run struct {
	line   *timeline.Timeline
	shared map[uint64]bool // bytes
	events []Event
	number map[uint64]int // of an event, by its instruction's number
	next   []int          // the next event of the same thread, -1 for none
	arrows []Arrow        // all but those of the programs, each once
	known  map[Arrow]bool
	odd    []oddity
}

// oddity is an event that the order of the run does not explain: a read that has seen an older value, and the writes
// that come next in the order of those bytes; or a write of what had been overwritten already, and by whom.
type oddity struct {
	event int
	kind  Kind // FromRead or Coherence
	later []int
}

// use is which threads have accessed something, and whether any has written.
type use struct {
	thread        int
	many, written bool
}

func (u use) with(thread int, write, first bool) use {
	if first {
		u.thread = thread
	}
	u.many, u.written = u.many || u.thread != thread, u.written || write
	return u
}

func (u use) shared() bool { return u.many && u.written }

// collect finds the events of a run, nil where there are none, or too many.
func collect(line *timeline.Timeline) *run {
	if line.Len() > mostInstructions {
		return nil
	}
	// First by words, of which there are fewer, and of those that threads share by bytes.
	words, bytes := map[uint64]use{}, map[uint64]use{}
	each(line, func(n timeline.Moment, a emu.LogEntry) {
		for w := a.Addr >> 3; w <= (a.Addr+uint64(a.Size)-1)>>3; w++ {
			u, old := words[w]
			words[w] = u.with(line.Thread(n), a.Kind != emu.LogRead, !old)
		}
	})
	each(line, func(n timeline.Moment, a emu.LogEntry) {
		for at := a.Addr; at < a.Addr+uint64(a.Size); at++ {
			if words[at>>3].shared() {
				u, old := bytes[at]
				bytes[at] = u.with(line.Thread(n), a.Kind != emu.LogRead, !old)
			}
		}
	})
	r := &run{line: line, shared: map[uint64]bool{}, number: map[uint64]int{}, known: map[Arrow]bool{}}
	for at, u := range bytes {
		if u.shared() {
			r.shared[at] = true
		}
	}
	var same []emu.LogEntry // of the instruction
	each(line, func(n timeline.Moment, a emu.LogEntry) {
		if !r.touches(a) || len(r.events) > mostEvents {
			return
		}
		k := len(r.events) - 1
		if k < 0 || r.events[k].At != n {
			r.number[n+1] = len(r.events)
			r.events = append(r.events, Event{At: n, Thread: line.Thread(n), PC: a.PC})
			same = same[:0]
			k++
		}
		e, back := &r.events[k], line.Session().PutsBack(same, a)
		if same = append(same, a); back {
			return // an atomic instruction has left what it has read
		}
		e.Parts = append(e.Parts, Part{Write: a.Kind != emu.LogRead, Addr: a.Addr, Size: int(a.Size), Value: a.Value})
	})
	if len(r.events) == 0 || len(r.events) > mostEvents {
		return nil
	}
	last := map[int]int{}
	r.next = make([]int, len(r.events))
	for i := range r.events {
		r.next[i] = -1
		if k, ok := last[r.events[i].Thread]; ok {
			r.next[k] = i
		}
		last[r.events[i].Thread] = i
	}
	return r
}

// each goes through the accesses of a run. Pages that the kernel empties are none of a thread's.
func each(line *timeline.Timeline, do func(n timeline.Moment, a emu.LogEntry)) {
	for n := range line.Len() {
		for _, a := range line.Accesses(n) {
			if a.Kind != emu.LogZero && a.Size > 0 {
				do(n, a)
			}
		}
	}
}

func (r *run) touches(a emu.LogEntry) bool {
	for at := a.Addr; at < a.Addr+uint64(a.Size); at++ {
		if r.shared[at] {
			return true
		}
	}
	return false
}

// given is the byte that a Seeing gives an instruction; false for none.
func given(y *scenario.Seeing, at uint64) (b scenario.Seen, ok bool) {
	if y == nil {
		return b, false
	}
	for _, b := range y.Sees {
		if at-b.Addr < uint64(len(b.Data)) {
			return b, true
		}
	}
	return b, false
}

// covered tells whether a byte that an instruction writes has been overwritten already.
func covered(y *scenario.Seeing, at uint64) bool {
	if y != nil {
		for _, b := range y.Leaves {
			if at-b.Addr < uint64(len(b.Data)) {
				return true
			}
		}
	}
	return false
}
