package graph

import "slices"

// revisit is that a read which is in the graph reads from the write that comes next, in a graph without
// what was added since and is not needed for the write.
type revisit struct {
	read  part
	stamp int
	place int
}

// prefix is which parts a thread's next part needs: those in front of it in program order, what they read
// from, and what let them happen, and so on.
type prefix struct {
	upto   []int         // of each thread, events that are needed as a whole
	partly map[part]bool // parts of the events behind those
}

// needs is the prefix of the next part of a thread's last event.
func (g *Graph) needs(thread int) *prefix {
	p := &prefix{upto: make([]int, len(g.threads)), partly: map[part]bool{}}
	n := len(g.threads[thread]) - 1
	p.events(g, thread, n)
	nd := &g.threads[thread][n]
	for i := range nd.sources {
		p.add(g, part{thread: thread, number: n, index: i})
	}
	for i := range nd.writes {
		p.add(g, part{thread: thread, number: n, write: true, index: i})
	}
	p.after(g, nd.event)
	return p
}

// events adds the first n events of a thread.
func (p *prefix) events(g *Graph, thread, n int) {
	for p.upto[thread] < n {
		nd := &g.threads[thread][p.upto[thread]]
		p.upto[thread]++
		p.after(g, nd.event)
		for _, w := range nd.sources {
			p.source(g, w)
		}
	}
}

func (p *prefix) after(g *Graph, e *Event) {
	for _, w := range e.After {
		p.events(g, w.Thread, min(w.Number+1, len(g.threads[w.Thread])))
	}
}

func (p *prefix) source(g *Graph, w Ref) {
	if w != Init {
		p.add(g, part{thread: w.Thread, number: w.Number, write: true, index: w.Part})
	}
}

// add adds a part, and the parts of its event that come before it.
func (p *prefix) add(g *Graph, x part) {
	if p.has(x) {
		return
	}
	p.partly[x] = true
	p.events(g, x.thread, x.number)
	nd := &g.threads[x.thread][x.number]
	p.after(g, nd.event)
	reads, writes := len(nd.sources), 0
	if x.write {
		writes = x.index
	} else {
		reads = x.index
		p.source(g, nd.sources[x.index])
	}
	for i := range reads {
		p.add(g, part{thread: x.thread, number: x.number, index: i})
	}
	for i := range writes {
		p.add(g, part{thread: x.thread, number: x.number, write: true, index: i})
	}
}

func (p *prefix) has(x part) bool { return x.number < p.upto[x.thread] || p.partly[x] }

// revisits are the reads that may read from the next write of a thread's last event instead, the ones that
// were added last first.
func (g *Graph) revisits(thread int) (list []revisit) {
	nd := &g.threads[thread][len(g.threads[thread])-1]
	c := nd.event.Writes[nd.writes].Cell
	if len(g.readers[c]) == 0 {
		return nil
	}
	pre := g.needs(thread)
	stamps := make(map[part]int, len(g.parts))
	for i, p := range g.parts {
		stamps[p] = i
	}
	for _, r := range g.readers[c] {
		if pre.has(r) {
			continue
		}
		s := stamps[r]
		maximal := g.maximal(r, s, s, pre, stamps)
		for i := s + 1; i < len(g.parts) && maximal; i++ {
			if !pre.has(g.parts[i]) {
				maximal = g.maximal(g.parts[i], i, s, pre, stamps)
			}
		}
		if !maximal {
			continue
		}
		for place := range len(g.co[c]) + 1 {
			list = append(list, revisit{read: r, stamp: s, place: place})
		}
	}
	return list
}

// maximal tells whether a part that is to be left out, or whose source is to change, is as it would have been
// added last of what was there before it and what the write needs: then only this graph leads to the one
// without it.
func (g *Graph) maximal(e part, stamp, revised int, pre *prefix, stamps map[part]int) bool {
	there := func(x part) bool { return stamps[x] <= stamp || pre.has(x) }
	wrote := func(w Ref) part { return part{thread: w.Thread, number: w.Number, write: true, index: w.Part} }
	for _, x := range g.parts {
		if !there(x) {
			continue
		}
		if slices.ContainsFunc(g.Event(x.thread, x.number).After, func(w Ref) bool { return w.Thread == e.thread && w.Number == e.number }) {
			return false
		}
	}
	if e.index < 0 {
		return true
	}
	c := g.cell(e)
	x := e.ref()
	if e.write {
		for _, r := range g.readers[c] {
			if g.source(r) == x && there(r) {
				return false
			}
		}
		// Of an atomic step whose read stays, there is one place only to add the write at, which need not be the last.
		if read, ok := g.steps(e, c); ok && (stamps[read] < revised || pre.has(read)) {
			return true
		}
	} else {
		x = g.source(e)
		if x != Init && !there(wrote(x)) {
			return false
		}
	}
	for _, w := range g.co[c][g.place(c, x)+1:] {
		if there(wrote(w)) {
			return false
		}
	}
	return true
}

// steps is the read that a write makes one atomic step with.
func (g *Graph) steps(e part, c Cell) (read part, ok bool) {
	ev := g.Event(e.thread, e.number)
	if !ev.early(e.number, c) {
		return part{}, false
	}
	if i, ok := atomic(ev, c); ok {
		return part{thread: e.thread, number: e.number, index: i}, true
	}
	if ev.Link != 0 {
		for i, r := range g.Event(e.thread, ev.Link-1).Reads {
			if r == c {
				return part{thread: e.thread, number: ev.Link - 1, index: i}, true
			}
		}
	}
	return part{}, false
}

// graph is the graph of a revisit, nil where it is not consistent. G has the writing thread's event without
// the write.
func (r *revisit) graph(g *Graph, thread int, x *Explorer) *Graph {
	pre := g.needs(thread)
	kept := func(p part, stamp int) bool { return stamp <= r.stamp || pre.has(p) }
	nd := &g.threads[thread][len(g.threads[thread])-1]
	target := Ref{thread, len(g.threads[thread]) - 1, nd.writes}
	c := nd.event.Writes[nd.writes].Cell
	k := New(len(g.threads))
	in := map[part]bool{}
	for i, p := range g.parts {
		if kept(p, i) {
			in[p] = true
		}
	}
	there := func(w Ref) bool { return in[part{thread: w.Thread, number: w.Number, write: true, index: w.Part}] }
	if r.place > 0 && !there(g.co[c][r.place-1]) {
		return nil // the same as a place in front of it
	}
	before := 0 // writes of the cell that stay and stand in front
	for _, w := range g.co[c][:r.place] {
		if there(w) {
			before++
		}
	}
	for i, p := range g.parts {
		if !kept(p, i) {
			continue
		}
		was := &g.threads[p.thread][p.number]
		if len(k.threads[p.thread]) == p.number {
			k.push(p.thread, was.event)
		}
		now := &k.threads[p.thread][p.number]
		k.parts = append(k.parts, p)
		switch {
		case p.index < 0:
		case p.write:
			now.writes++
		default:
			source := was.sources[p.index]
			if p == r.read {
				source = target
			}
			now.sources = append(now.sources, source)
			k.readers[was.event.Reads[p.index]] = append(k.readers[was.event.Reads[p.index]], p)
		}
		now.done = was.done && len(now.sources) == len(was.sources) && now.writes == was.writes
	}
	k.threads[r.read.thread][r.read.number].done = false
	for cell, list := range g.co {
		for _, w := range list {
			if there(w) {
				k.co[cell] = append(k.co[cell], w)
			}
		}
	}
	if k.open(thread) == nil {
		k.push(thread, nd.event)
	}
	p := part{thread: thread, number: target.Number, write: true, index: target.Part}
	if !k.fits(p, before) {
		return nil
	}
	k.addWrite(thread, before)
	if k.place(c, target) < k.known(r.read, c) || !k.ordered(x.Model, x.Barriers, k.vertex(p), k.vertex(r.read)) {
		return nil
	}
	return k
}
