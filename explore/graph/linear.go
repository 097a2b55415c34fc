package graph

import "slices"

// ID names an event: the number of a thread's event.
type ID struct{ Thread, Number int }

// edges are, of each complete event, those that have to come before it, and those that should.
type edges struct{ hard, soft map[ID][]ID }

// edges finds what an order of the first so many events of each thread in which they can be run has to keep: program order,
// rf, and the order of uses of the kernel's objects. What memory would hold if they ran like this is as co and fr say
// if it keeps those, which is not always possible.
func (g *Graph) edges(events func(thread int) int) edges {
	e := edges{map[ID][]ID{}, map[ID][]ID{}}
	for t := range g.threads {
		for n := range events(t) {
			to := ID{t, n}
			if n > 0 {
				e.hard[to] = append(e.hard[to], ID{t, n - 1})
			}
			for _, w := range g.Event(t, n).After {
				e.hard[to] = append(e.hard[to], ID{w.Thread, w.Number})
			}
			for _, w := range g.Sources(t, n) {
				if w != Init && w.Thread != t {
					e.hard[to] = append(e.hard[to], ID{w.Thread, w.Number})
				}
			}
		}
	}
	for c, list := range g.co {
		add := func(from, to ID) {
			switch {
			case from == to || to.Number >= events(to.Thread) || from.Number >= events(from.Thread):
			case c.Class != 0:
				e.hard[to] = append(e.hard[to], from)
			default:
				e.soft[to] = append(e.soft[to], from)
			}
		}
		for i, w := range list {
			was := Init
			if i > 0 {
				was = list[i-1]
				add(ID{was.Thread, was.Number}, ID{w.Thread, w.Number})
			}
			for _, r := range g.readers[c] {
				if g.source(r) == was {
					add(ID{r.thread, r.number}, ID{w.Thread, w.Number})
				}
			}
		}
	}
	return e
}

// stamps numbers the first so many events of each thread in the order in which they were added.
func (g *Graph) stamps(events func(thread int) int) map[ID]int {
	m := make(map[ID]int, len(g.parts))
	for i, p := range g.parts {
		id := ID{p.thread, p.number}
		if _, ok := m[id]; !ok && p.number < events(p.thread) {
			m[id] = i
		}
	}
	return m
}

// Order is an order in which the complete events can be run: behind those that they read from, and
// otherwise as they were added. So a graph that has grown keeps the order as far as it goes. With strict, it keeps co
// and fr too, which under SC is possible. With only, it has those events alone for which that is true; they must
// have all that they need. It is not all where some would each have to come before another.
func (g *Graph) Order(strict bool, only func(ID) bool) (order []ID, all bool) {
	e, stamps := g.edges(g.Events), g.stamps(g.Events)
	if strict {
		for to, list := range e.soft {
			e.hard[to] = append(e.hard[to], list...)
		}
	}
	list := make([]ID, 0, len(stamps))
	for id := range stamps {
		if only == nil || only(id) {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, func(a, b ID) int { return stamps[a] - stamps[b] })
	order = topological(list, e.hard, func(ready []ID) ID { return ready[0] })
	return order, len(order) == len(list)
}

// Linear is an order of the complete events in which a reader finds what it reads in memory, where there is one:
// where program order, rf, co and fr together have no cycle. Otherwise it keeps as much of that as it comes to.
// A thread goes on for as long as it can.
func (g *Graph) Linear() []ID {
	e, stamps := g.edges(g.Events), g.stamps(g.Events)
	list := make([]ID, 0, len(stamps))
	for id := range stamps {
		list = append(list, id)
	}
	slices.SortFunc(list, func(a, b ID) int { return stamps[a] - stamps[b] })
	all := map[ID][]ID{}
	for _, id := range list {
		all[id] = slices.Concat(e.hard[id], e.soft[id])
	}
	last := -1
	stay := func(ready []ID) ID {
		next := ready[0]
		for _, id := range ready {
			if id.Thread == last {
				next = id
				break
			}
		}
		last = next.Thread
		return next
	}
	if order := topological(list, all, stay); len(order) == len(list) {
		return order
	}
	last = -1
	done := map[ID]bool{}
	return topological(list, e.hard, func(ready []ID) ID {
		best := ready[0]
		left := func(id ID) (n int) {
			for _, from := range e.soft[id] {
				if !done[from] {
					n++
				}
			}
			return n
		}
		for _, id := range ready {
			if a, b := left(id), left(best); a < b || a == b && id.Thread == last && best.Thread != last {
				best = id
			}
		}
		done[best], last = true, best.Thread
		return best
	})
}

// topological orders a list such that each comes behind those of before that are in the list; the choice among
// those that may come next is made of them in the order of the list. What is in a cycle is left out.
func topological(list []ID, before map[ID][]ID, choose func([]ID) ID) []ID {
	in := make(map[ID]int, len(list)) // how many have to come first
	for _, id := range list {
		in[id] = 0
	}
	behind := map[ID][]ID{}
	for _, id := range list {
		for _, from := range before[id] {
			if _, ok := in[from]; ok {
				in[id]++
				behind[from] = append(behind[from], id)
			}
		}
	}
	place := make(map[ID]int, len(list))
	for i, id := range list {
		place[id] = i
	}
	var ready, order []ID
	for _, id := range list {
		if in[id] == 0 {
			ready = append(ready, id)
		}
	}
	for len(ready) > 0 {
		next := choose(ready)
		i := slices.Index(ready, next)
		ready = slices.Delete(ready, i, i+1)
		order = append(order, next)
		for _, id := range behind[next] {
			if in[id]--; in[id] == 0 {
				k, _ := slices.BinarySearchFunc(ready, id, func(a, b ID) int { return place[a] - place[b] })
				ready = slices.Insert(ready, k, id)
			}
		}
	}
	return order
}

// Needs tells of the complete events whether a thread's next event, whose first reads have these sources,
// needs them to have happened.
func (g *Graph) Needs(thread int, sources []Ref) func(ID) bool {
	p := &prefix{upto: make([]int, len(g.threads)), partly: map[part]bool{}}
	p.events(g, thread, g.Events(thread))
	if n := g.open(thread); n != nil {
		p.after(g, n.event)
	}
	for _, w := range sources {
		if w != Init {
			p.events(g, w.Thread, min(w.Number+1, g.Events(w.Thread)))
		}
	}
	return func(id ID) bool { return id.Number < p.upto[id.Thread] }
}
