package graph

import (
	"cmp"
	"slices"
)

// BarrierKind is a way to order more.
type BarrierKind uint8

// The kinds, the weakest first.
const (
	MakeAcquire BarrierKind = iota + 1 // the reads of an instruction become acquire reads
	MakeRelease                        // the writes of an instruction become releases
	AddStore                           // a dmb st in front of an instruction
	AddLoad                            // a dmb ld
	AddFull                            // a full barrier
)

// Barrier is an order that a program does not have: at an instruction, by its Event.Place.
type Barrier struct {
	Kind  BarrierKind
	Place uint64
}

// barred tells whether a barrier of a kind was added to an event.
func (o *ordering) barred(e *Event, k BarrierKind) bool {
	return len(o.bars) > 0 && slices.Contains(o.bars, Barrier{k, e.Place})
}

// candidates are barriers that may forbid a graph.
func (g *Graph) candidates(m Model) (list []Barrier) {
	add := func(b Barrier) {
		if !slices.Contains(list, b) {
			list = append(list, b)
		}
	}
	for _, events := range g.threads {
		for n := range events {
			e := events[n].event
			if m == ARM && len(e.Reads) > 0 && !e.Acquire && !e.Full {
				add(Barrier{MakeAcquire, e.Place})
			}
			if m == ARM && len(e.Writes) > 0 && !e.Release && !e.Full {
				add(Barrier{MakeRelease, e.Place})
			}
			if n == 0 {
				continue
			}
			if m == ARM {
				add(Barrier{AddStore, e.Place})
				add(Barrier{AddLoad, e.Place})
			}
			add(Barrier{AddFull, e.Place})
		}
	}
	slices.SortFunc(list, func(a, b Barrier) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Place, b.Place)) })
	return list
}

// mostBarriers bounds how many barriers are tried together.
const mostBarriers = 4

// Missing is the fewest barriers, and of as few the weakest, with which the model allows none of some complete
// graphs; nil where there are none. Whether other graphs that are not among them fail with those
// is not said: that a search with them has to show.
func Missing(graphs []*Graph, m Model) []Barrier {
	var list []Barrier
	for _, g := range graphs {
		for _, b := range g.candidates(m) {
			if !slices.Contains(list, b) {
				list = append(list, b)
			}
		}
	}
	slices.SortFunc(list, func(a, b Barrier) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Place, b.Place)) })
	for n := 1; n <= mostBarriers; n++ {
		budget := mostTried
		if set := missing(graphs, m, list, nil, n, &budget); set != nil {
			return set
		}
	}
	return nil
}

// mostTried bounds the sets of barriers that are tried, of each size.
const mostTried = 50_000

func missing(graphs []*Graph, m Model, list, set []Barrier, n int, budget *int) []Barrier {
	if n == 0 {
		for _, g := range graphs {
			if *budget--; *budget < 0 || g.Consistent(m, set...) {
				return nil
			}
		}
		return set
	}
	for i, b := range list {
		if found := missing(graphs, m, list[i+1:], append(slices.Clone(set), b), n-1, budget); found != nil {
			return found
		}
	}
	return nil
}
