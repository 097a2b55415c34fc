package graph

import "slices"

// ID names an event: the number of a thread's event.
type ID struct{ Thread, Number int }

// events numbers the events of a graph from 0, thread by thread: the first so many of each.
type events struct {
	g     *Graph
	of    []int // how many of a thread's
	first []int // number of a thread's first event
	count int
}

// complete are the complete events, everything all.
func (g *Graph) complete() events   { return g.events(g.Events) }
func (g *Graph) everything() events { return g.events(func(t int) int { return len(g.threads[t]) }) }

func (g *Graph) events(of func(thread int) int) events {
	e := events{g: g, of: make([]int, len(g.threads)), first: make([]int, len(g.threads))}
	for t := range g.threads {
		e.of[t], e.first[t] = of(t), e.count
		e.count += e.of[t]
	}
	return e
}

// number is that of an event, -1 of one that has none.
func (e *events) number(t, n int) int {
	if n >= e.of[t] {
		return -1
	}
	return e.first[t] + n
}

// id is the event of a number.
func (e *events) id(k int) ID {
	t := len(e.first) - 1
	for e.first[t] > k {
		t--
	}
	return ID{t, k - e.first[t]}
}

// list has the events in the order in which they were added, by number.
func (e *events) list() (ids []ID, numbers []int) {
	seen := make([]bool, e.count)
	for _, p := range e.g.parts {
		if i := e.number(p.thread, p.number); i >= 0 && !seen[i] {
			seen[i] = true
			ids, numbers = append(ids, ID{p.thread, p.number}), append(numbers, i)
		}
	}
	return ids, numbers
}

// edges finds what an order of the events in which they can be run has to keep: program order, rf, and the order of
// uses of the kernel's objects. What memory would hold if they ran like this is as co and fr say
// if it keeps those, which are soft, and that is not always possible. By number of an event, those before it.
func (e *events) edges() (hard, soft [][]int) {
	g := e.g
	hard, soft = make([][]int, e.count), make([][]int, e.count)
	for t := range g.threads {
		for n := range e.of[t] {
			to := e.first[t] + n
			if n > 0 {
				hard[to] = append(hard[to], to-1)
			}
			for _, w := range g.Event(t, n).After {
				if from := e.number(w.Thread, w.Number); from >= 0 {
					hard[to] = append(hard[to], from)
				}
			}
			for _, w := range g.Sources(t, n) {
				if w != Init && w.Thread != t {
					if from := e.number(w.Thread, w.Number); from >= 0 {
						hard[to] = append(hard[to], from)
					}
				}
			}
		}
	}
	for c, list := range g.co {
		add := func(from, to int) {
			switch {
			case from == to || from < 0 || to < 0:
			case c.Class != 0:
				hard[to] = append(hard[to], from)
			default:
				soft[to] = append(soft[to], from)
			}
		}
		for i, w := range list {
			was, to := Init, e.number(w.Thread, w.Number)
			if i > 0 {
				was = list[i-1]
				add(e.number(was.Thread, was.Number), to)
			}
			for _, r := range g.readers[c] {
				if g.source(r) == was {
					add(e.number(r.thread, r.number), to)
				}
			}
		}
	}
	return hard, soft
}

// line is an order of a graph's events that is kept while the graph grows and shrinks at its end.
type line struct {
	order  []ID
	strict bool
	least  int // how many events it had when it was found: with fewer, there may be a better one
}

// grows takes an event into the line that has become complete. It comes last if nothing has to come behind it.
func (g *Graph) grows(t, n int) {
	if g.line == nil {
		return
	}
	e := g.Event(t, n)
	unknown := func(w Ref) bool { return w != Init && w.Thread != t && w.Number >= g.Events(w.Thread) }
	if slices.ContainsFunc(e.After, unknown) || slices.ContainsFunc(g.threads[t][n].sources, unknown) {
		g.line = nil
		return
	}
	for i, c := range e.Reads {
		if (g.line.strict || c.Class != 0) && g.threads[t][n].sources[i] != g.lastBut(c, t, n) {
			g.line = nil
			return
		}
	}
	for i, w := range e.Writes {
		if (g.line.strict || w.Cell.Class != 0) && g.Last(w.Cell) != (Ref{t, n, i}) {
			g.line = nil
			return
		}
	}
	g.line.order = append(g.line.order, ID{t, n})
}

// lastBut is the last write of a cell in co that is not of this event.
func (g *Graph) lastBut(c Cell, t, n int) Ref {
	list := g.co[c]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Thread != t || list[i].Number != n {
			return list[i]
		}
	}
	return Init
}

// shrinks takes an event out of the line that is not complete any more.
func (g *Graph) shrinks(t, n int) {
	if g.line == nil {
		return
	}
	last := len(g.line.order) - 1
	if last < g.line.least || g.line.order[last] != (ID{t, n}) {
		g.line = nil
		return
	}
	g.line.order = g.line.order[:last]
}

// Order is an order in which the complete events can be run: behind those that they read from, and
// otherwise as they were added. So a graph that has grown keeps the order as far as it goes. With strict, it keeps co
// and fr too, which under SC is possible; without, it does so where that is possible. With only, it has those events
// alone for which that is true; they must have all that they need. It is nil where there is none.
func (g *Graph) Order(strict bool, only func(ID) bool) []ID {
	if g.line == nil {
		g.line = g.complete().line(nil)
	}
	l := g.line
	switch {
	case only == nil && l != nil:
		l = &line{order: slices.Clone(l.order), strict: l.strict}
	case only != nil && l != nil && l.strict:
		l = &line{order: slices.DeleteFunc(slices.Clone(l.order), func(id ID) bool { return !only(id) }), strict: true}
	case only != nil:
		l = g.complete().line(only) // these may have a better one than all
	}
	if l == nil || strict && !l.strict {
		return nil
	}
	return l.order
}

// line finds an order of the events, or of some; nil where there is none.
func (e events) line(only func(ID) bool) *line {
	hard, soft := e.edges()
	ids, numbers := e.list()
	if only != nil {
		numbers = slices.DeleteFunc(numbers, func(k int) bool { return !only(e.id(k)) })
		ids = slices.DeleteFunc(ids, func(id ID) bool { return !only(id) })
	}
	first := func([]int) int { return 0 }
	for _, strict := range []bool{true, false} {
		before := hard
		if strict {
			before = both(hard, soft)
		}
		if order := topological(numbers, before, first); len(order) == len(ids) {
			l := &line{strict: strict, least: len(ids), order: make([]ID, len(order), 2*len(order)+8)}
			for i, k := range order {
				l.order[i] = ids[k]
			}
			return l
		}
	}
	return nil
}

func both(hard, soft [][]int) [][]int {
	all := make([][]int, len(hard))
	for i := range hard {
		all[i] = slices.Concat(hard[i], soft[i])
	}
	return all
}

// Linear is an order of the complete events in which a reader finds what it reads in memory, where there is one:
// where program order, rf, co and fr together have no cycle. Otherwise it keeps as much of that as it comes to.
// A thread goes on for as long as it can.
func (g *Graph) Linear() []ID {
	e := g.complete()
	hard, soft := e.edges()
	ids, numbers := e.list()
	last := -1
	stay := func(ready []int) int {
		next := max(0, slices.IndexFunc(ready, func(k int) bool { return ids[k].Thread == last }))
		last = ids[ready[next]].Thread
		return next
	}
	order := topological(numbers, both(hard, soft), stay)
	if len(order) < len(ids) {
		last = -1
		done := make([]bool, e.count) // by number
		left := func(k int) (n int) {
			for _, from := range soft[numbers[k]] {
				if !done[from] {
					n++
				}
			}
			return n
		}
		order = topological(numbers, hard, func(ready []int) int {
			best := 0
			for i := range ready {
				k, other := ready[i], ready[best]
				if a, b := left(k), left(other); a < b || a == b && ids[k].Thread == last && ids[other].Thread != last {
					best = i
				}
			}
			done[numbers[ready[best]]], last = true, ids[ready[best]].Thread
			return best
		})
	}
	list := make([]ID, len(order))
	for i, k := range order {
		list[i] = ids[k]
	}
	return list
}

// topological orders the places of a list of numbers such that each comes behind those of before; which
// of those that may come next does is chosen from them, in the order of the list. What is in a cycle is left out.
func topological(list []int, before [][]int, choose func(ready []int) int) []int {
	place := make([]int, len(before)) // and one, 0 for those that are not in the list
	for i, k := range list {
		place[k] = i + 1
	}
	in, behind := make([]int, len(list)), make([][]int, len(list))
	for i, k := range list {
		for _, from := range before[k] {
			if at := place[from] - 1; at >= 0 {
				in[i]++
				behind[at] = append(behind[at], i)
			}
		}
	}
	order := make([]int, 0, len(list))
	var ready []int
	for i := range list {
		if in[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := choose(ready)
		next := ready[i]
		ready = slices.Delete(ready, i, i+1)
		order = append(order, next)
		for _, k := range behind[next] {
			if in[k]--; in[k] == 0 {
				at, _ := slices.BinarySearch(ready, k)
				ready = slices.Insert(ready, at, k)
			}
		}
	}
	return order
}

// Needs tells of the complete events whether a thread's next event, whose first reads have these sources,
// needs them to have happened: those in front of it in program order, what they read from, and what
// let them happen, and so on. Those are needed as a whole.
func (g *Graph) Needs(thread int, sources []Ref) func(ID) bool {
	upto := make([]int, len(g.threads)) // of each thread, how many
	var todo []ID
	add := func(t, n int) {
		for n = min(n, g.Events(t)); upto[t] < n; upto[t]++ {
			todo = append(todo, ID{t, upto[t]})
		}
	}
	follow := func(e *Event, sources []Ref) {
		for _, w := range slices.Concat(e.After, sources) {
			if w != Init {
				add(w.Thread, w.Number+1)
			}
		}
	}
	add(thread, g.Events(thread))
	if e := g.Next(thread); e != nil {
		follow(e, nil)
	}
	follow(&Event{}, sources)
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		follow(g.Event(id.Thread, id.Number), g.Sources(id.Thread, id.Number))
	}
	return func(id ID) bool { return id.Number < upto[id.Thread] }
}
