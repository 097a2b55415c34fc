package timeline

import (
	"sort"

	"emurace/emu"
	"emurace/scenario"
)

// Session is the session that stands at the present moment.
func (t *Timeline) Session() *scenario.Session { return t.s }

// At is the present moment.
func (t *Timeline) At() Moment { return t.at }

// Len is the last moment: how many instructions the run has.
func (t *Timeline) Len() Moment { return Moment(len(t.pcs)) }

// Outcome is how the run ends; false when it stops before the race is over.
func (t *Timeline) Outcome() (scenario.Outcome, bool) { return t.end, t.over }

// sliceAt is the index of the slice that instruction n lies in.
func (t *Timeline) sliceAt(n Moment) int {
	return sort.Search(len(t.slices), func(i int) bool { return t.slices[i].from > n }) - 1
}

// sliceEnd is the moment at which the thread that runs at n is switched from.
func (t *Timeline) sliceEnd(n Moment) Moment {
	if i := t.sliceAt(n) + 1; i < len(t.slices) {
		return t.slices[i].from
	}
	return t.Len()
}

// whole is a slice as a schedule has it.
func (t *Timeline) whole(k int) scenario.Slice {
	sl := t.slices[k]
	return scenario.Slice{Thread: sl.thread, N: t.sliceEnd(sl.from) - sl.from, Half: sl.half, Seeing: sl.seeing}
}

// part is the recorded run from one moment to another one of the same slice.
func (t *Timeline) part(from, to Moment) scenario.Slice {
	k := t.sliceAt(from)
	return t.whole(k).Part(from-t.slices[k].from, to-from)
}

// Thread is the racing thread that runs instruction n. At the end it is the
// thread that failed, or the one that ran last; -1 in a run without instructions.
func (t *Timeline) Thread(n Moment) int {
	if n >= t.Len() && t.over && t.end.Thread >= 0 {
		return t.end.Thread
	}
	if i := t.sliceAt(n); i >= 0 {
		return t.slices[i].thread
	}
	return -1
}

// Half tells whether instruction n ends in its middle: it reads, and what it writes is a step
// of its own, the next one of its thread.
func (t *Timeline) Half(n Moment) bool { return n < t.Len() && t.part(n, n+1).Half }

// Seeing is how instruction n meets memory, nil for as the instructions before have left it.
func (t *Timeline) Seeing(n Moment) *scenario.Seeing {
	if n < t.Len() {
		return t.part(n, n+1).Seeing
	}
	return t.falls
}

// PC is the address of instruction n. At the end it is that of the instruction
// that failed; false when none did.
func (t *Timeline) PC(n Moment) (uint64, bool) {
	if n < t.Len() {
		return t.pcs[n], true
	}
	if t.over && t.end.End != nil {
		return t.end.End.PC, true
	}
	return 0, false
}

// SP is the stack pointer of the thread that runs instruction n, before it.
func (t *Timeline) SP(n Moment) (uint64, bool) {
	if n < t.Len() {
		return t.sps[n], true
	}
	return 0, false
}

// logAt is the index of the first log entry of instruction n or a later one.
func (t *Timeline) logAt(n Moment) int {
	return sort.Search(len(t.log), func(i int) bool { return t.instruction(t.log[i]) >= n })
}

// instruction is the number of the instruction that made an access. What the
// kernel wrote before the race's first instruction counts as that one's.
func (t *Timeline) instruction(a emu.LogEntry) Moment {
	return max(a.Step, t.s.Base()+1) - t.s.Base() - 1
}

// Accesses are what instruction n read and wrote, in order.
func (t *Timeline) Accesses(n Moment) []emu.LogEntry { return t.log[t.logAt(n):t.logAt(n+1)] }

// Of tells which instruction made an access of the log, as Accesses gives it.
func (t *Timeline) Of(a emu.LogEntry) Moment { return t.instruction(a) }
