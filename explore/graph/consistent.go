package graph

// Model is a memory model.
type Model string

// The models.
const (
	SC  Model = "sc"  // sequential consistency
	TSO Model = "tso" // x86-TSO
	ARM Model = "arm" // ARMv8
)

// Models lists them, the strongest first.
func Models() []Model { return []Model{SC, TSO, ARM} }

// search looks for cycles, with what it has been to.
type search struct {
	o     ordering
	state [][]uint8 // of each thread's vertices: 0 not been to, 1 on the way, 2 done
	stack []vertex
}

const (
	onWay = 1
	over  = 2
)

func newSearch(o ordering) *search {
	s := &search{o: o, state: make([][]uint8, len(o.g.threads))}
	for t, list := range o.g.threads {
		if n := len(list); n > 0 {
			s.state[t] = make([]uint8, list[n-1].base+vertices(list[n-1].event))
		}
	}
	return s
}

func (s *search) mark(v vertex) *uint8 {
	return &s.state[v.thread][s.o.g.threads[v.thread][v.number].base+v.index]
}

// cyclic tells whether a cycle can be come to backwards from a vertex.
func (s *search) cyclic(from vertex) bool {
	// A vertex is on the stack twice: to be gone into, and below what it leads to, to be left.
	s.stack = append(s.stack[:0], from)
	for len(s.stack) > 0 {
		v := s.stack[len(s.stack)-1]
		m := s.mark(v)
		if *m != 0 {
			s.stack = s.stack[:len(s.stack)-1]
			*m = over
			continue
		}
		*m = onWay
		found := false
		s.o.before(v, func(u vertex) {
			switch *s.mark(u) {
			case 0:
				s.stack = append(s.stack, u)
			case onWay:
				found = true
			}
		})
		if found {
			return true
		}
	}
	return false
}

// ordered tells whether what lies in front of some vertices has no cycle.
func (g *Graph) ordered(m Model, bars []Barrier, from ...vertex) bool {
	s := newSearch(ordering{g: g, model: m, bars: bars})
	for _, v := range from {
		if *s.mark(v) == 0 && s.cyclic(v) {
			return false
		}
	}
	return true
}

// vertex is that of a part.
func (g *Graph) vertex(p part) vertex {
	o := ordering{g: g}
	switch {
	case p.index < 0:
		return at(p.thread, p.number, all)
	case p.write:
		return o.writing(p.thread, p.number, p.index)
	}
	return o.reading(p.thread, p.number, p.index)
}

// Consistent tells whether a complete graph is one that the model allows, with barriers added.
func (g *Graph) Consistent(m Model, bars ...Barrier) bool {
	return newSearch(ordering{g: g, model: m, whole: true, bars: bars}).acyclic()
}

// Certain tells whether the model allows a complete graph also if all orders are there that may be: those of
// MayAddr, MayData and May, and of what is unsure, all that there can be.
func (g *Graph) Certain(m Model) bool {
	return newSearch(ordering{g: g, model: m, whole: true, most: true}).acyclic()
}

// acyclic tells whether the order of all has no cycle.
func (s *search) acyclic() bool {
	for t, list := range s.o.g.threads {
		for n := range list {
			if v := at(t, n, all); *s.mark(v) == 0 && s.cyclic(v) {
				return false
			}
		}
	}
	return true
}

// mixed tells whether an access has several parts.
func (g *Graph) mixed() bool {
	for _, list := range g.threads {
		for i := range list {
			if e := list[i].event; len(e.Reads) > 1 || len(e.Writes) > 1 {
				return true
			}
		}
	}
	return false
}

// known is the place in a cell's order of the latest write that a thread has written or read before a
// part, -2 for none and -1 for what there was at first.
func (g *Graph) known(p part, c Cell) int {
	low := -2
	for n := p.number; n >= 0; n-- {
		nd := &g.threads[p.thread][n]
		for i, w := range nd.sources {
			if nd.event.Reads[i] == c && (n < p.number || p.write || i < p.index) {
				low = max(low, g.place(c, w))
			}
		}
		for i := range nd.writes {
			if nd.event.Writes[i].Cell == c && (n < p.number || p.write && i < p.index) {
				low = max(low, g.place(c, Ref{p.thread, n, i}))
			}
		}
	}
	return low
}

// atomic tells whether an event reads and writes a cell in one step, and which of its reads that is.
func atomic(e *Event, c Cell) (read int, ok bool) {
	if !e.Atomic && c.Class == 0 {
		return 0, false
	}
	for i, r := range e.Reads {
		if r == c {
			return i, true
		}
	}
	return 0, false
}

// fits tells whether a write of a thread's event may stand at a place of its cell's order: not in front of what
// the thread knows, and nowhere where an atomic step would be split.
func (g *Graph) fits(p part, place int) bool {
	e := g.Event(p.thread, p.number)
	c := e.Writes[p.index].Cell
	if place <= g.known(p, c) {
		return false
	}
	list := g.co[c]
	if r, ok := atomic(e, c); ok && e.early(p.number, c) && place != g.place(c, g.threads[p.thread][p.number].sources[r])+1 {
		return false
	}
	if e.Link != 0 && e.early(p.number, c) {
		if from, ok := g.linked(p.thread, e, c); ok {
			for _, w := range list[from+1 : max(place, from+1)] {
				if w.Thread != p.thread {
					return false
				}
			}
		}
	}
	for i := place; i < len(list); i++ {
		w := list[i]
		later := g.Event(w.Thread, w.Number)
		if r, ok := atomic(later, c); ok && later.early(w.Number, c) && i == place && g.place(c, g.threads[w.Thread][w.Number].sources[r]) == place-1 {
			return false
		}
		if later.Link != 0 && later.early(w.Number, c) && w.Thread != p.thread {
			if from, ok := g.linked(w.Thread, later, c); ok && from < place {
				return false
			}
		}
	}
	return true
}

// linked is the place in a cell's order of what the load exclusive of a store exclusive has read.
func (g *Graph) linked(thread int, e *Event, c Cell) (place int, ok bool) {
	n := &g.threads[thread][e.Link-1]
	for i, r := range n.event.Reads {
		if r == c && i < len(n.sources) {
			return g.place(c, n.sources[i]), true
		}
	}
	return 0, false
}

// early tells whether a graph that grows is tested for what splits the atomic step of an event on a cell. If other reads come
// between a step's read and its write, they may read from writes that are added after a write which has no
// place yet, and testing early loses executions: that is for the complete graph.
func (e *Event) early(number int, c Cell) bool {
	if c.Class != 0 {
		return len(e.Reads) > 0 && e.Reads[len(e.Reads)-1] == c
	}
	if e.Link != 0 {
		return e.Link == number && len(e.Reads) == 0 && len(e.Writes) == 1
	}
	return len(e.Reads) <= 1
}

// split tells whether a complete graph has a write between the read and the write of an atomic step.
func (g *Graph) split() bool {
	for t, list := range g.threads {
		for n := range list {
			e := list[n].event
			for i, w := range e.Writes {
				if e.early(n, w.Cell) {
					continue
				}
				place := g.place(w.Cell, Ref{t, n, i})
				if r, ok := atomic(e, w.Cell); ok && place != g.place(w.Cell, list[n].sources[r])+1 {
					return true
				}
				if e.Link == 0 {
					continue
				}
				if from, ok := g.linked(t, e, w.Cell); ok {
					for _, other := range g.co[w.Cell][from+1 : place] {
						if other.Thread != t {
							return true
						}
					}
				}
			}
		}
	}
	return false
}
