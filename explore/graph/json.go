package graph

import (
	"errors"
	"fmt"
	"slices"
)

// Outline is a graph as plain data, for a file: what reads read from, the order of each cell's writes, and the
// order in which the parts were added. What the events are is none of it: the program tells it anew, so that
// nothing has to be believed of who has written the outline but which graph it is.
type Outline struct {
	// Sources are, by thread and event, the writes that its reads read from.
	Sources [][][]Named `json:"sources"`
	// Open are the threads whose last event is not complete, in order.
	Open []int `json:"open,omitempty"`
	// Run has the threads in an order in which their next events can be run, event by event.
	Run []int `json:"run"`
	// Added has the threads in the order in which their next parts were added.
	Added []int `json:"added"`
	// Co are the orders of the writes of cells with more than one.
	Co [][]Named `json:"co,omitempty"`
}

// Named is a Ref in an outline: thread, number, part.
type Named [3]int

var namedInit = Named{-1, 0, 0}

func named(w Ref) Named {
	if w == Init {
		return namedInit
	}
	return Named{w.Thread, w.Number, w.Part}
}

func (n Named) ref() Ref { return Ref{n[0], n[1], n[2]} }

// ErrOutline is wrapped by the errors about an outline that is not one of a graph of the program.
var ErrOutline = errors.New("no graph of the program")

func noGraph(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrOutline}, args...)...)
}

// mostParts bounds the numbers of parts of an event that an outline may name.
const mostParts = 1 << 20

// Outline is the graph as plain data.
func (g *Graph) Outline() *Outline {
	o := &Outline{Sources: make([][][]Named, len(g.threads)), Run: []int{}, Added: make([]int, len(g.parts))}
	for t, list := range g.threads {
		o.Sources[t] = make([][]Named, len(list))
		for n := range list {
			o.Sources[t][n] = make([]Named, len(list[n].sources))
			for i, w := range list[n].sources {
				o.Sources[t][n][i] = named(w)
			}
		}
		if g.open(t) != nil {
			o.Open = append(o.Open, t)
		}
	}
	for _, id := range g.runs() {
		o.Run = append(o.Run, id.Thread)
	}
	for i, p := range g.parts {
		o.Added[i] = p.thread
	}
	for _, list := range g.co {
		if len(list) < 2 {
			continue
		}
		var co []Named
		for _, w := range list {
			co = append(co, named(w))
		}
		o.Co = append(o.Co, co)
	}
	slices.SortFunc(o.Co, func(a, b []Named) int { return slices.Compare(a[0][:], b[0][:]) })
	return o
}

// runs is an order in which all events can be run, those that are not complete too, as Order is one of
// those that are.
func (g *Graph) runs() []ID {
	e := g.everything()
	if l := e.line(nil); l != nil {
		return l.order
	}
	list, _ := e.list()
	return list // which no machine can run
}

// Check refuses what is no outline of so many threads. Whether there is such a graph, Restore finds out.
func (o *Outline) Check(threads int) error {
	if len(o.Sources) != threads {
		return noGraph("it has %d threads, not %d", len(o.Sources), threads)
	}
	for _, list := range [][]int{o.Open, o.Run, o.Added} {
		for _, t := range list {
			if t < 0 || t >= threads {
				return noGraph("it names thread %d of %d", t, threads)
			}
		}
	}
	events, added := make([]int, threads), make([]int, threads)
	for _, t := range o.Run {
		events[t]++
	}
	for _, t := range o.Added {
		added[t]++
	}
	for t, list := range o.Sources {
		if events[t] != len(list) || added[t] < len(list) {
			return noGraph("thread %d has %d events, of which %d run, with %d parts", t, len(list), events[t], added[t])
		}
		for _, sources := range list {
			for _, w := range sources {
				if w != namedInit && !o.names(w) {
					return noGraph("it names event %d of thread %d", w[1], w[0])
				}
			}
		}
	}
	for i, t := range o.Open {
		if i > 0 && t <= o.Open[i-1] || len(o.Sources[t]) == 0 {
			return noGraph("thread %d has no event that is not complete", t)
		}
	}
	there := map[Named]bool{}
	for _, list := range o.Co {
		if len(list) < 2 {
			return noGraph("an order of %d writes", len(list))
		}
		for _, w := range list {
			if !o.names(w) || there[w] {
				return noGraph("an order of writes with event %d of thread %d", w[1], w[0])
			}
			there[w] = true
		}
	}
	return nil
}

// names tells whether there is an event that a write is named to be of.
func (o *Outline) names(w Named) bool {
	return w[0] >= 0 && w[0] < len(o.Sources) && w[1] >= 0 && w[1] < len(o.Sources[w[0]]) && w[2] >= 0 && w[2] < mostParts
}

// Restore is the graph of an outline. The error wraps ErrOutline where the program has no such graph, or the
// model, with barriers added, does not allow it; other errors are the program's.
func (o *Outline) Restore(p Program, m Model, bars ...Barrier) (*Graph, error) {
	threads := p.Threads()
	if err := o.Check(threads); err != nil {
		return nil, err
	}
	r := restoring{Outline: o, program: p, g: New(threads), left: make([]int, threads), rank: map[Ref]int{}}
	for _, t := range o.Added {
		r.left[t]++
	}
	for _, list := range o.Co {
		for i, w := range list {
			r.rank[w.ref()] = i
		}
	}
	for _, t := range o.Run {
		if err := r.event(t); err != nil {
			return nil, err
		}
	}
	if err := r.ordered(); err != nil {
		return nil, err
	}
	r.added()
	var from []vertex
	for _, part := range r.g.parts {
		from = append(from, r.g.vertex(part))
	}
	if !r.g.ordered(m, bars, from...) {
		return nil, noGraph("%s does not allow it", m)
	}
	return r.g, nil
}

// restoring is a graph that is being made of an outline.
type restoring struct {
	*Outline
	program Program
	g       *Graph
	left    []int       // parts of each thread that are still to be added
	rank    map[Ref]int // of the writes in Co, where they stand
}

// event adds the next event of a thread, as the explorer has done it: one read after the other.
func (r *restoring) event(t int) error {
	g, number := r.g, len(r.g.threads[t])
	if g.ended(t) || g.open(t) != nil {
		return noGraph("thread %d has nothing behind event %d", t, number-1)
	}
	sources := r.Sources[t][number]
	e, err := r.ask(t, nil)
	if err != nil {
		return err
	}
	open := number == len(r.Sources[t])-1 && slices.Contains(r.Open, t)
	written := !open || r.left[t] > len(sources)
	g.push(t, e)
	n := g.open(t)
	var read []Ref
	for i, source := range sources {
		w := source.ref()
		if i >= len(n.event.Reads) || w != Init && !slices.Contains(g.co[n.event.Reads[i]], w) {
			return noGraph("thread %d, event %d has no such read %d", t, number, i)
		}
		p := g.addRead(t, w)
		if c := g.cell(p); g.place(c, w) < g.known(p, c) {
			return noGraph("thread %d, event %d reads what it knows to be older", t, number)
		}
		read = append(read, w)
		if i == len(sources)-1 && !written {
			break // what it reads from may not have happened as a whole, so it is not asked for yet
		}
		if e, err = r.ask(t, slices.Clone(read)); err != nil {
			return err
		}
		if len(e.Reads) < len(read) || !slices.Equal(e.Reads[:len(read)], n.event.Reads[:len(read)]) {
			return noGraph("thread %d, event %d has other reads", t, number)
		}
		n.event = e
	}
	return r.writes(t, open, written)
}

// ask asks what a thread does next.
func (r *restoring) ask(t int, sources []Ref) (*Event, error) {
	a, err := r.program.Next(r.g, t, sources)
	if err != nil {
		return nil, err
	}
	if a.Status != Ready {
		return nil, noGraph("thread %d cannot run", t)
	}
	return a.Event, nil
}

// writes adds the writes of a thread's last event, whose reads are there.
func (r *restoring) writes(t int, open, written bool) error {
	g, number := r.g, len(r.g.threads[t])-1
	n := g.open(t)
	parts, writes := len(n.sources), 0
	if written {
		writes = len(n.event.Writes)
	}
	if open {
		writes = r.left[t] - parts
	}
	switch {
	case writes < 0, writes > 0 && parts < len(n.event.Reads), writes > len(n.event.Writes), !open && parts < len(n.event.Reads), open && parts+writes == 0:
		return noGraph("thread %d, event %d has other parts", t, number)
	case parts+writes == 0:
		g.parts = append(g.parts, part{thread: t, number: number, index: -1})
		writes = 1
	default:
		for i := range writes {
			p := part{thread: t, number: number, write: true, index: i}
			list := g.co[n.event.Writes[i].Cell]
			place := len(list)
			if rank, ok := r.rank[p.ref()]; ok {
				place = slices.IndexFunc(list, func(w Ref) bool { return r.rank[w] > rank })
				if place < 0 {
					place = len(list)
				}
			}
			if !g.fits(p, place) {
				return noGraph("thread %d, event %d writes too early", t, number)
			}
			g.addWrite(t, place)
		}
	}
	if r.left[t] -= parts + writes; r.left[t] < 0 {
		return noGraph("thread %d has more than its parts", t)
	}
	if !open {
		g.finish(t)
	}
	return nil
}

// ordered tells whether the writes are all there, and in the outline's order.
func (r *restoring) ordered() error {
	for t, n := range r.left {
		if n != 0 {
			return noGraph("thread %d has fewer than its parts", t)
		}
	}
	several := 0
	for _, list := range r.g.co {
		if len(list) > 1 {
			several++
		}
	}
	for _, list := range r.Co {
		first := list[0].ref()
		if e := r.g.Event(first.Thread, first.Number); first.Part >= len(e.Writes) {
			return noGraph("event %d of thread %d has no write %d", first.Number, first.Thread, first.Part)
		}
		if !slices.EqualFunc(r.g.co[r.g.cellOf(first)], list, func(w Ref, n Named) bool { return w == n.ref() }) {
			return noGraph("its writes are others")
		}
	}
	if several != len(r.Co) {
		return noGraph("%d cells have several writes, not %d", several, len(r.Co))
	}
	return nil
}

// added puts the parts in the order in which they were added.
func (r *restoring) added() {
	g := r.g
	by := make([][]part, len(g.threads))
	for _, p := range g.parts {
		by[p.thread] = append(by[p.thread], p)
	}
	g.parts, g.line = g.parts[:0], nil
	clear(g.readers)
	for _, t := range r.Added {
		p := by[t][0]
		by[t] = by[t][1:]
		g.parts = append(g.parts, p)
		if !p.write && p.index >= 0 {
			g.readers[g.cell(p)] = append(g.readers[g.cell(p)], p)
		}
	}
}
