package explore

import (
	"bytes"

	"emurace/explore/graph"
)

// visit is a place at which a thread was behind an event.
type visit struct {
	state   []byte // registers; nil when it was there for the first time
	log     int    // length of the log
	results int    // of the thread's calls
}

// comesRound looks whether a thread has come round with the step on top: it is at an instruction with
// the registers and the memory of before, and has written nothing in between that others can see. Then
// its next rounds are the same unless it reads from other writes, and a graph in which it goes
// round once more and reads the same has nothing that the graph without that round does not have. The place is looked at
// from the third time on, as scenario.Session does.
//
// What it finds follows from the thread's events alone, and not from the order in which the machine has
// run those of others, nor from which of them it has run again.
func (m *graphMachine) comesRound(st *graphStep) error {
	st.round = nil
	if !looks(st.event) || st.deed.pc == 0 {
		return nil
	}
	var last *graphStep
	var round []int
	for i := len(m.steps) - 2; i >= 0; i-- {
		before := m.steps[i]
		if before.Thread != st.Thread {
			continue
		}
		if !looks(before.event) || len(round) >= maxRound {
			break
		}
		if before.deed.pc == st.deed.pc && sameCells(before.event.Reads, st.event.Reads) {
			last = before
			break
		}
		round = append(round, before.Number)
	}
	if last == nil {
		st.visit = &visit{}
		return nil
	}
	state, err := m.s.Registers(st.Thread)
	if err != nil {
		return err
	}
	st.visit = &visit{state: state, log: m.s.Process().LogLen(), results: len(m.s.Results(st.Thread))}
	if v := last.visit; v != nil && bytes.Equal(v.state, state) && m.s.LoopsFrom(st.Thread, v.results) && m.s.Restored(st.Thread, v.log) {
		st.round = append(round, st.Number)
	}
	return nil
}

// maxRound bounds the events of a round.
const maxRound = 256

// looks tells whether an event changes nothing that others can see.
func looks(e *graph.Event) bool {
	return !e.Ends && len(e.Reads) > 0 && len(e.Writes) == 0 && !object(e)
}

func sameCells(a, b []graph.Cell) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	return a[0] == b[0]
}
