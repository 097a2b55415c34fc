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

// Bounds of the search for barriers.
const (
	mostCandidates = 4_000  // places and kinds
	mostTried      = 20_000 // tests of a graph with fewer barriers than are known to do
)

// Missing is a set of barriers with which the model allows none of some complete graphs, and none of which can be left out; nil
// where no barriers do that, or there are too many places for them. Fewest tells that no set has fewer: otherwise there are too
// many to try all. Whether other graphs that are not among them fail with those is not said: that a search with them has to show.
func Missing(graphs []*Graph, m Model) (set []Barrier, fewest bool) {
	var list []Barrier
	for _, g := range graphs {
		for _, b := range g.candidates(m) {
			if !slices.Contains(list, b) {
				list = append(list, b)
			}
		}
	}
	slices.SortFunc(list, func(a, b Barrier) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Place, b.Place)) })
	s := &missing{graphs: graphs, model: m, list: list, left: mostTried}
	if len(list) > mostCandidates || !s.forbids(list) {
		return nil, true
	}
	set = s.shrink(list) // the strongest are left out first
	slices.Reverse(list)
	if other := s.shrink(list); len(other) < len(set) {
		set = other
	}
	slices.Reverse(list)
	s.left = mostTried
	for n := 1; n < len(set); n++ {
		if fewer := s.of(n, 0, nil); fewer != nil {
			return fewer, true
		}
		if s.left <= 0 {
			return set, false
		}
	}
	return set, true
}

// shrink leaves out of a list of barriers what can be, many at a time and the last first.
func (s *missing) shrink(list []Barrier) []Barrier {
	set := slices.Clone(list)
	for size := max(len(set)/2, 1); ; size = max(size/2, 1) {
		for end := len(set); end > 0; {
			from := max(end-size, 0)
			if without := slices.Concat(set[:from], set[end:]); s.forbids(without) {
				set = without
			}
			end = from
		}
		if size == 1 {
			return set
		}
	}
}

// missing tries sets of barriers.
type missing struct {
	graphs []*Graph
	model  Model
	list   []Barrier
	left   int // tests
}

// forbids tells whether the model allows none of the graphs with a set of barriers.
func (s *missing) forbids(set []Barrier) bool {
	for _, g := range s.graphs {
		if s.left--; g.Consistent(s.model, set...) {
			return false
		}
	}
	return true
}

// of is a set of n more barriers of the list, from a place on, that forbids all graphs. Where all that are left
// together with the set do not, no set of them does.
func (s *missing) of(n, from int, set []Barrier) []Barrier {
	if s.left <= 0 {
		return nil
	}
	if n == 0 {
		if s.forbids(set) {
			return set
		}
		return nil
	}
	for i := from; i < len(s.list) && s.left > 0; i++ {
		if (i-from)%8 == 0 && !s.forbids(slices.Concat(set, s.list[i:])) {
			return nil
		}
		if found := s.of(n-1, i+1, append(slices.Clone(set), s.list[i])); found != nil {
			return found
		}
	}
	return nil
}
