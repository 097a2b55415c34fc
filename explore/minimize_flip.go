package explore

import (
	"slices"

	"emurace/emu"
)

// flip turns round each race of the minimal run and notes those that matter. Where none does
// alone, critical sections change places as wholes, or else stretches are moved.
func (m *minimizer) flip(min *Minimal) error {
	whole, ran := m.order, m.ran
	defer func() { m.order, m.ran = whole, ran }()
	steps := m.steps()
	place := func(i int) Place { return Place{whole.events[i].Thread, steps[i], whole.events[i].Event} }
	edge := func(first, second int) Edge {
		return Edge{place(first), place(second)}
	}
	part := newOrder(whole.threads)
	for k := range whole.events {
		for _, j := range part.add(newEvent(whole.events[k].Event)) {
			v, _ := part.reversal(j)
			way := turnedRound(len(whole.events), j, v)
			passes, err := m.runs(whole.events, way, false)
			if err == nil && !passes && m.fatal(k) {
				passes, err = m.runs(whole.events, way, true)
			}
			if err != nil {
				return err
			}
			if passes {
				min.Essential = append(min.Essential, edge(j, k))
			}
		}
	}
	if min.Essential != nil {
		return nil
	}
	sections, err := m.sections(whole.events)
	for _, p := range sections {
		var told [2]Section
		for i, s := range p {
			told[i] = Section{Thread: s.thread, Word: s.word, First: place(s.first), Held: s.last < 0}
			if s.last >= 0 {
				told[i].Last = place(s.last)
			}
		}
		min.Sections = append(min.Sections, told)
	}
	if sections != nil || err != nil {
		return err
	}
	pairs, err := m.together(whole.events)
	for _, p := range pairs {
		min.Essential = append(min.Essential, edge(p[0], p[1]))
	}
	min.Together = len(pairs) > 0
	return err
}

// steps are how many instructions had run behind each event.
func (m *minimizer) steps() []uint64 {
	steps := make([]uint64, len(m.ran))
	at := uint64(0)
	for i, e := range m.ran {
		if !m.s.IsClock(e.Thread) {
			at += e.Ran
			if i > 0 && m.ran[i-1].Half && m.ran[i-1].Thread == e.Thread {
				at-- // the schedule has both as one instruction
			}
		}
		steps[i] = at
	}
	if n := len(steps); n > 0 && m.fatal(n-1) && m.want.End != nil && m.want.End.Kind == emu.EndFault {
		steps[n-1]++ // the instruction that faults, which no count has
	}
	return steps
}

// mostTurned bounds the pairs that are turned round together: more than that are no explanation.
const mostTurned = 64

// together looks for the fewest pairs of dependent events that, all turned round, make the run pass.
// It puts each stretch of one thread's events to where that thread ran before, or goes on later, or
// in front of the stretch before it, and runs the events in that order.
func (m *minimizer) together(events []*event) (fewest [][2]int, err error) {
	threads := make([]int, len(events))
	for i, e := range events {
		threads[i] = e.Thread
	}
	list := stretches(threads)
	number := make([][]int, len(list)) // of each stretch's events
	at := 0
	for i, st := range list {
		for range st.events {
			number[i] = append(number[i], at)
			at++
		}
	}
	for i := range list {
		var ways []int
		for _, to := range neighbours(list, i) {
			if to < i {
				to++ // behind what the thread did before
			}
			ways = append(ways, to)
		}
		if i > 0 && list[i-1].thread != list[i].thread {
			ways = append(ways, i-1)
		}
		for _, to := range ways {
			way := moved(number, i, to)
			pairs := turned(events, way)
			if len(pairs) == 0 || len(pairs) > mostTurned || fewest != nil && len(pairs) >= len(fewest) {
				continue
			}
			passes, err := m.runs(events, way, true)
			if err != nil {
				return nil, err
			}
			if passes {
				fewest = pairs
			}
		}
	}
	return fewest, nil
}

// moved is the numbers of all events with those of stretch i put in front of an earlier stretch,
// or of the next one of its thread.
func moved(number [][]int, i, to int) (way []int) {
	for k, list := range number {
		if k == to {
			way = append(way, number[i]...)
		}
		if k != i {
			way = append(way, list...)
		}
	}
	return way
}

// turned are the pairs of dependent events of different threads that are the other way round in an
// order of their numbers.
func turned(events []*event, way []int) (pairs [][2]int) {
	place := make([]int, len(way))
	for at, n := range way {
		place[n] = at
	}
	for k, second := range events {
		for j, first := range events[:k] {
			if first.Thread != second.Thread && place[j] > place[k] && first.Event.Dependent(&second.Event) {
				if pairs = append(pairs, [2]int{j, k}); len(pairs) > mostTurned {
					return pairs
				}
			}
		}
	}
	return pairs
}

// turnedRound is the order of n events with those numbered v put in front of event j.
func turnedRound(n, j int, v []int) []int {
	var first, rest []int
	for i := range n {
		switch {
		case i < j:
			first = append(first, i)
		case !slices.Contains(v, i):
			rest = append(rest, i)
		}
	}
	return slices.Concat(first, v, rest)
}

// fatal tells whether an event is the last one of the thread that fails.
func (m *minimizer) fatal(k int) bool { return k == len(m.ran)-1 && m.ran[k].Thread == m.want.Thread }

// runs runs the threads of events in an order of their numbers, and then every thread to its end,
// and tells whether nothing fails. With on, the thread that fails goes on at once to its end where
// it does not fail: what it would have done next is no event of a run that has ended there.
func (m *minimizer) runs(events []*event, way []int, on bool) (passes bool, err error) {
	if err := m.ctx.Err(); err != nil {
		return false, err
	}
	if err := m.s.Restart(); err != nil {
		return false, err
	}
	for _, i := range way {
		t := events[i].Thread
		if !m.s.Runnable(t) {
			continue
		}
		if on && m.fatal(i) {
			_, err = m.s.Run(t, 0)
		} else {
			_, err = m.s.RunEvent(t)
		}
		if err != nil {
			return false, err
		}
	}
	for {
		if o, over := m.s.Outcome(); over {
			return !o.Failed(), nil
		}
		for t := range m.s.Schedulable() {
			if m.s.Runnable(t) {
				if _, err := m.s.Run(t, 0); err != nil {
					return false, err
				}
			}
		}
	}
}
