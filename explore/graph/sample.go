package graph

import (
	"errors"
	"slices"
)

// Draws decides what a walk adds.
type Draws interface {
	// Thread is which of these goes on, by its number; there is at least one. Others may follow at the same
	// moment, where a thread that was drawn cannot go on.
	Thread(can []int) int
	// Other tells whether a read, or a write's place, is to be another one than the newest. It is asked where
	// coherence leaves a choice.
	Other() bool
	// Which is one of n others, counted from the newest; n is at least 1.
	Which(n int) int
	// Again tells whether a thread that has read an older write is to read that again.
	Again() bool
}

// Walk draws executions of a program, one in each Run: it adds one event after the other, each of a thread that
// is drawn. A read reads from a write that is there, and a write takes a place among those that are there, such that
// the graph stays consistent. A read that reads from a later write is drawn by adding the write first; so every
// graph in which program order and rf together have no cycle can be come to, as long as the uses of kernel objects fit
// in that order too: of these each is the last.
type Walk struct {
	Program  Program
	Model    Model
	Barriers []Barrier // are taken to be in the program
	Draws    Draws
	Most     int // events of a walk; 0 for no bound

	// Of the last run: events that were added, and points at which Draws.Other was asked.
	Events, Points int
	g              *Graph
	threads        []walker
	added          int // events so far, also those that were dropped again
	redone         int
}

// walker is how a walk stands with a thread.
type walker struct {
	over   bool // it does nothing more
	asked  int  // added was that when the thread could not go on; -1 for never
	newest int  // so many events are to be the newest
}

// The ends of a walk that come to no execution.
var (
	ErrTorn  = errors.New("accesses of several parts, or atomic steps, were drawn apart")
	ErrDead  = errors.New("nothing consistent can be added")
	ErrMany  = errors.New("more events than a walk may have")
	errPlace = errors.New("a write has no place")
)

// mostRedone bounds how often events of a walk are drawn anew for each that is added.
const mostRedone = 64

// Run draws one execution, and gives it to Program.Complete, whose error it returns. Tick is called for each event.
func (w *Walk) Run(tick func() error) error {
	w.g, w.threads, w.added, w.redone, w.Events, w.Points = New(w.Program.Threads()), make([]walker, w.Program.Threads()), 0, 0, 0, 0
	for t := range w.threads {
		w.threads[t].asked = -1
	}
	for {
		if err := tick(); err != nil {
			return err
		}
		can := w.can()
		if len(can) == 0 {
			break
		}
		if w.Most > 0 && w.added >= w.Most {
			return ErrMany
		}
		if err := w.step(w.Draws.Thread(can)); err != nil {
			return err
		}
	}
	w.Events = w.g.Size()
	if w.g.split() || w.g.mixed() && !w.g.Consistent(w.Model, w.Barriers...) {
		return ErrTorn
	}
	return w.Program.Complete(w.g)
}

// can are the threads that may go on.
func (w *Walk) can() (list []int) {
	for t, k := range w.threads {
		if !k.over && k.asked < w.added {
			list = append(list, t)
		}
	}
	return list
}

// step adds the next event of a thread, if it has one.
func (w *Walk) step(t int) error {
	g, k := w.g, &w.threads[t]
	if g.ended(t) {
		k.over = true
		return nil
	}
	a, err := w.Program.Next(g, t, nil)
	if err != nil {
		return err
	}
	switch a.Status {
	case Ended:
		k.over = true
		return nil
	case Rounds:
		if w.news(t, a.Round) {
			return w.anew(t, slices.Min(a.Round))
		}
		fallthrough
	case Waits:
		k.asked = w.added
		return nil
	case Torn:
		return ErrTorn
	case Ready:
	}
	before := len(g.parts)
	err = w.add(t, a.Event)
	if errors.Is(err, errPlace) {
		number := len(g.threads[t]) - 1
		e := g.Event(t, number)
		w.unadd(t, before)
		if e.Link == 0 { // what it has read from is another atomic step's
			return w.anew(t, number)
		}
		return w.anew(t, e.Link-1)
	}
	if err == nil {
		w.added++
		k.newest = max(0, k.newest-1)
	}
	return err
}

// news tells whether there is another write for a round to read from.
func (w *Walk) news(t int, round []int) bool {
	for _, n := range round {
		for i, c := range w.g.Event(t, n).Reads {
			if w.g.Sources(t, n)[i] != w.g.Last(c) {
				return true
			}
		}
	}
	return false
}

// anew has the events of a thread from a number on drawn anew, which read the newest then. They are reads that nothing
// follows from.
func (w *Walk) anew(t, from int) error {
	if w.redone++; w.redone > mostRedone*(w.added+1) {
		return ErrDead
	}
	n := len(w.g.threads[t]) - from
	if !w.g.drop(t, from) {
		return ErrDead
	}
	w.threads[t].newest = max(n, 1)
	w.threads[t].asked = -1
	return nil
}

// drop takes the last events of a thread out of the graph, unless there is something that follows from them.
func (g *Graph) drop(thread, from int) bool {
	for n := from; n < len(g.threads[thread]); n++ {
		if g.threads[thread][n].writes > 0 {
			return false
		}
	}
	gone := func(p part) bool { return p.thread == thread && p.number >= from }
	for t, list := range g.threads {
		for i := range list {
			if t != thread && slices.ContainsFunc(list[i].event.After, func(r Ref) bool { return r.Thread == thread && r.Number >= from }) {
				return false
			}
		}
	}
	g.parts = slices.DeleteFunc(g.parts, gone)
	for c := range g.readers {
		g.readers[c] = slices.DeleteFunc(g.readers[c], gone)
	}
	g.threads[thread], g.line = g.threads[thread][:from], nil
	return true
}

// unadd takes back the parts of the event that is being added.
func (w *Walk) unadd(t, parts int) {
	g := w.g
	n := len(g.threads[t])
	for len(g.parts) > parts {
		g.pop()
	}
	if len(g.threads[t]) == n { // it had none
		g.threads[t] = g.threads[t][:n-1]
	}
}

// add adds an event, part by part.
func (w *Walk) add(t int, e *Event) error {
	g := w.g
	g.push(t, e)
	n := g.open(t)
	for {
		if i := len(n.sources); i < len(n.event.Reads) {
			if !w.read(t) {
				return ErrDead
			}
			a, err := w.Program.Next(g, t, slices.Clone(n.sources))
			if err != nil {
				return err
			}
			if a.Status == Torn {
				return ErrTorn
			}
			if a.Status != Ready {
				return errors.New("a thread has part of an event and cannot run")
			}
			n.event = a.Event
			continue
		}
		if n.writes == len(n.event.Writes) {
			break
		}
		if !w.write(t) {
			return errPlace
		}
	}
	if len(n.sources) == 0 && n.writes == 0 {
		g.parts = append(g.parts, part{thread: t, number: len(g.threads[t]) - 1, index: -1})
	}
	g.finish(t)
	return nil
}

// other tells whether another one than the newest is wanted.
func (w *Walk) other(t int, c Cell) bool {
	if c.Class != 0 {
		return false
	}
	w.Points++
	return w.Draws.Other() && w.threads[t].newest == 0
}

// read adds the next read of the open event.
func (w *Walk) read(t int) bool {
	g := w.g
	n := g.open(t)
	p := part{thread: t, number: len(g.threads[t]) - 1, index: len(n.sources)}
	c := n.event.Reads[p.index]
	list := g.co[c]
	low := max(g.known(p, c), -1)
	sources := func(place int) Ref {
		if place < 0 {
			return Init
		}
		return list[place]
	}
	try := func(place int) bool {
		g.addRead(t, sources(place))
		if g.ordered(w.Model, w.Barriers, g.vertex(p)) {
			return true
		}
		g.unread()
		return false
	}
	if at := g.hasRead(t, c); at >= low && at < len(list)-1 && c.Class == 0 && w.threads[t].newest == 0 && w.Draws.Again() && try(at) {
		return true
	}
	if low < len(list)-1 && w.other(t, c) {
		var others []int
		for place := len(list) - 2; place >= low; place-- {
			if try(place) {
				others = append(others, place)
				g.unread()
			}
		}
		if len(others) > 0 {
			g.addRead(t, sources(others[w.Draws.Which(len(others))]))
			return true
		}
	}
	for place := len(list) - 1; place >= low; place-- { // the newest, as a rule
		if try(place) {
			return true
		}
	}
	return false
}

// hasRead is the place in its order of the write that a thread has read last of a cell, below -1 for none.
func (g *Graph) hasRead(thread int, c Cell) int {
	list := g.readers[c]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].thread == thread {
			return g.place(c, g.source(list[i]))
		}
	}
	return -2
}

// unread takes the last part away, a read, and keeps its event.
func (g *Graph) unread() {
	p := g.parts[len(g.parts)-1]
	g.parts = g.parts[:len(g.parts)-1]
	n := &g.threads[p.thread][p.number]
	c := n.event.Reads[p.index]
	g.readers[c] = g.readers[c][:len(g.readers[c])-1]
	n.sources = n.sources[:len(n.sources)-1]
}

// write adds the next write of the open event.
func (w *Walk) write(t int) bool {
	g := w.g
	n := g.open(t)
	p := part{thread: t, number: len(g.threads[t]) - 1, write: true, index: n.writes}
	c := n.event.Writes[p.index].Cell
	last, low := len(g.co[c]), g.known(p, c)
	try := func(place int) bool {
		if !g.fits(p, place) {
			return false
		}
		g.addWrite(t, place)
		if g.ordered(w.Model, w.Barriers, g.vertex(p)) {
			return true
		}
		g.unwrite()
		return false
	}
	_, step := g.steps(p, c)
	if !step && max(low+1, 0) < last && w.other(t, c) {
		var others []int
		for place := last - 1; place > low && place >= 0; place-- {
			if try(place) {
				others = append(others, place)
				g.unwrite()
			}
		}
		if len(others) > 0 {
			g.addWrite(t, others[w.Draws.Which(len(others))])
			return true
		}
	}
	for place := last; place > low && place >= 0; place-- {
		if try(place) {
			return true
		}
	}
	return false
}

// unwrite takes the last part away, a write, and keeps its event.
func (g *Graph) unwrite() {
	p := g.parts[len(g.parts)-1]
	g.parts = g.parts[:len(g.parts)-1]
	n := &g.threads[p.thread][p.number]
	n.writes--
	c := n.event.Writes[p.index].Cell
	i := slices.Index(g.co[c], p.ref())
	g.co[c] = slices.Delete(g.co[c], i, i+1)
}
