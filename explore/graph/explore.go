package graph

import (
	"errors"
	"slices"
)

// Stats counts what an exploration has come to.
type Stats struct {
	Graphs  uint64 // complete consistent ones
	Blocked uint64 // in which a thread waits for a write that is there
	Torn    uint64 // whose parts were in order, but not the accesses or system calls that they are of
	Visits  uint64 // graphs that were extended
}

// Explorer goes through the graphs of a program.
type Explorer struct {
	Program Program
	Model   Model
	// Barriers are taken to be in the program.
	Barriers []Barrier
	Stats    Stats
	stack    []*frame
	failed   *Graph // which could not be extended
}

// choice is what a frame's part is.
type choice uint8

const (
	plain choice = iota // an event without parts
	read
	write
)

// frame is a graph whose next part is being chosen.
type frame struct {
	g      *Graph
	what   choice
	thread int
	event  *Event
	added  bool // the part that was chosen last is in the graph
	// What is still to be chosen, the last first: writes to read from, places in co, and then graphs
	// in which another read reads from the write.
	sources  []Ref
	places   []int
	revisits []revisit
	revised  bool // revisits are known
}

// Begin has Run go through the graphs that g is the beginning of, which it may change.
func (x *Explorer) Begin(g *Graph) error {
	err := x.expand(g)
	if err != nil {
		x.failed = g
	}
	return err
}

// ErrStop ends Run in the middle, when Tick or Program.Complete returns it.
var ErrStop = errors.New("the exploration is to stop")

// Run goes on until there is nothing left, or tick, which is called for each graph that is extended, or the
// program has an error.
func (x *Explorer) Run(tick func() error) error {
	for len(x.stack) > 0 {
		if err := tick(); err != nil {
			return err
		}
		f := x.stack[len(x.stack)-1]
		g, ok := x.next(f)
		if !ok {
			x.stack = x.stack[:len(x.stack)-1]
			continue
		}
		if err := x.expand(g); err != nil {
			x.failed = g
			return err
		}
	}
	return nil
}

// Rest takes what is still to be explored out, in the order in which Run would come to it: graphs for
// Begin, here or in another explorer of the same program. The first is the one at which the program has had an
// error, if it had.
func (x *Explorer) Rest() (list []*Graph) {
	if x.failed != nil {
		list = append(list, x.failed.Clone())
		x.failed = nil
	}
	for len(x.stack) > 0 {
		f := x.stack[len(x.stack)-1]
		for {
			g, ok := x.next(f)
			if !ok {
				break
			}
			list = append(list, g.Clone())
		}
		x.stack = x.stack[:len(x.stack)-1]
	}
	return list
}

// next makes the next consistent graph of a frame.
func (x *Explorer) next(f *frame) (*Graph, bool) {
	if f.added {
		f.g.pop()
		f.added = false
	}
	for len(f.sources) > 0 {
		w := f.sources[len(f.sources)-1]
		f.sources = f.sources[:len(f.sources)-1]
		f.begin()
		p := f.g.addRead(f.thread, w)
		if f.g.place(f.g.cell(p), w) >= f.g.known(p, f.g.cell(p)) && f.g.ordered(x.Model, x.Barriers, f.g.vertex(p)) {
			f.added = true
			return f.g, true
		}
		f.g.pop()
	}
	for len(f.places) > 0 {
		place := f.places[len(f.places)-1]
		f.places = f.places[:len(f.places)-1]
		f.begin()
		if f.what == plain {
			p := part{thread: f.thread, number: len(f.g.threads[f.thread]) - 1, index: -1}
			f.g.parts = append(f.g.parts, p)
			f.g.finish(f.thread)
			f.added = true
			return f.g, true
		}
		n := f.g.open(f.thread)
		p := part{thread: f.thread, number: len(f.g.threads[f.thread]) - 1, write: true, index: n.writes}
		if f.g.fits(p, place) {
			f.g.addWrite(f.thread, place)
			if f.g.ordered(x.Model, x.Barriers, f.g.vertex(p)) {
				f.added = true
				return f.g, true
			}
			f.g.pop()
		}
	}
	if f.what != write {
		return nil, false
	}
	if !f.revised {
		f.begin()
		f.revisits, f.revised = f.g.revisits(f.thread), true
	}
	for len(f.revisits) > 0 {
		r := f.revisits[len(f.revisits)-1]
		f.revisits = f.revisits[:len(f.revisits)-1]
		if g := r.graph(f.g, f.thread, x); g != nil {
			return g, true
		}
	}
	if n := f.g.open(f.thread); n != nil && len(n.sources) == 0 && n.writes == 0 {
		f.g.threads[f.thread] = f.g.threads[f.thread][:len(f.g.threads[f.thread])-1]
	}
	return nil, false
}

// begin puts the event that the part is of into the graph, unless parts of it are there.
func (f *frame) begin() {
	if n := f.g.open(f.thread); n != nil {
		n.event = f.event
		return
	}
	f.g.push(f.thread, f.event)
}

// expand finds out what comes next in a consistent graph.
func (x *Explorer) expand(g *Graph) error {
	x.Stats.Visits++
	f, torn, err := x.complete(g)
	if f != nil {
		x.stack = append(x.stack, f)
	}
	if f != nil || err != nil {
		return err
	}
	var rounds []int // threads
	var round [][]int
	for t := range g.threads {
		if g.ended(t) || g.open(t) != nil {
			continue
		}
		a, err := x.Program.Next(g, t, nil)
		if err != nil {
			return err
		}
		switch a.Status {
		case Ready:
			x.stack = append(x.stack, g.frame(t, a.Event, 0, 0))
			return nil
		case Rounds:
			rounds, round = append(rounds, t), append(round, a.Round)
		case Torn:
			torn = true
		case Ended, Waits:
		}
	}
	if torn {
		x.Stats.Torn++
		return nil
	}
	for i, t := range rounds {
		for _, n := range round[i] {
			for k, c := range g.Event(t, n).Reads {
				if g.Sources(t, n)[k] != g.Last(c) {
					x.Stats.Blocked++
					return nil
				}
			}
		}
	}
	if g.split() || g.mixed() && !g.Consistent(x.Model, x.Barriers...) {
		x.Stats.Torn++
		return nil
	}
	x.Stats.Graphs++
	return x.Program.Complete(g)
}

// ended tells whether a thread has stopped for good.
func (g *Graph) ended(t int) bool {
	n := len(g.threads[t])
	return n > 0 && g.threads[t][n-1].done && g.threads[t][n-1].event.Ends
}

// complete goes on with an event of which not all parts are there: first with one that has written already, since
// others may read from that, and a system call can only be made behind the whole of another one. An event that follows from what
// cannot have been is left as it is: others may still take away what it follows from.
func (x *Explorer) complete(g *Graph) (f *frame, torn bool, err error) {
	for _, written := range []bool{true, false} {
		for t := range g.threads {
			n := g.open(t)
			if n == nil || (n.writes > 0) != written {
				continue
			}
			if !written {
				a, err := x.Program.Next(g, t, slices.Clone(n.sources))
				switch {
				case err != nil:
					return nil, false, err
				case a.Status == Torn:
					torn = true
					continue
				case a.Status != Ready:
					return nil, false, errors.New("a thread has part of an event and cannot run")
				}
				if len(a.Event.Reads) < len(n.sources) || !slices.Equal(a.Event.Reads[:len(n.sources)], n.event.Reads[:len(n.sources)]) {
					return nil, false, errors.New("a thread's event is another one than when its first reads were chosen")
				}
				n.event = a.Event
			}
			if len(n.sources) < len(n.event.Reads) || n.writes < len(n.event.Writes) {
				return g.frame(t, n.event, len(n.sources), n.writes), false, nil
			}
			g.finish(t)
		}
	}
	return nil, torn, nil
}

// frame chooses the part that comes next of a thread's event, of which so many are there.
func (g *Graph) frame(t int, e *Event, sources, writes int) *frame {
	f := &frame{g: g, thread: t, event: e}
	switch {
	case sources < len(e.Reads):
		f.what = read
		f.sources = append([]Ref{Init}, g.co[e.Reads[sources]]...)
	case writes < len(e.Writes):
		f.what = write
		for i := range len(g.co[e.Writes[writes].Cell]) + 1 {
			f.places = append(f.places, i)
		}
	default:
		f.places = []int{0}
	}
	return f
}
