package explore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"emurace/explore/graph"
	"emurace/scenario"
)

// errMemory is wrapped by the errors about what a search by graphs does not cover.
var errMemory = errors.New("not covered under a memory model")

// graphProgram is a scenario as graphs see it: what a thread does next follows from what its events have read.
type graphProgram struct {
	graphMachine
	search *graphSearch
	total  Result
	over   error // why the part ends
}

// Threads is how many threads race.
func (p *graphProgram) Threads() int { return p.s.Threads() }

// Next runs a thread behind its events in a graph up to and over its next event. What was run last
// stays on the machine: as a rule the graph will have it.
func (p *graphProgram) Next(g *graph.Graph, t int, sources []graph.Ref) (graph.Answer, error) {
	number := g.Events(t)
	order := p.orderFor(g, t, sources)
	if order == nil {
		return graph.Answer{Status: graph.Torn}, nil
	}
	if st := p.ahead(g, order, t, number, sources); st != nil {
		return p.answer(st, sources)
	}
	if err := p.stand(g, order); errors.Is(err, errChanged) {
		// What ran torn need not run so again: whether a store exclusive succeeds hangs on the order. What the
		// thread's next event follows from can have been only if there is an order of it as memory has it.
		if order = g.Order(true, g.Needs(t, sources)); order == nil {
			return graph.Answer{Status: graph.Torn}, nil
		}
		if err := p.back(0); err != nil {
			return graph.Answer{}, err
		}
		if err := p.stand(g, order); err != nil {
			return graph.Answer{}, err
		}
	} else if err != nil {
		return graph.Answer{}, err
	}
	if p.s.Runnable(p.s.Clock()) {
		return graph.Answer{}, fmt.Errorf("%w: a thread waits with a deadline", errMemory)
	}
	if status, round := p.status(t); status != graph.Ready {
		return graph.Answer{Status: status, Round: round}, nil
	}
	st, err := p.next(g, t, number, sources)
	if err != nil {
		return graph.Answer{}, err
	}
	if was := g.Next(t); was != nil && !samePrefix(was.Reads, st.event.Reads, len(sources)) && g.Order(true, g.Needs(t, sources)) == nil {
		return graph.Answer{Status: graph.Torn}, nil
	}
	return p.answer(st, sources)
}

// samePrefix tells whether two events have the same first n reads.
func samePrefix(a, b []graph.Cell, n int) bool {
	return len(a) >= n && len(b) >= n && slices.Equal(a[:n], b[:n])
}

// ahead is the event in question where the machine has run it last, with these sources, behind the
// events of the graph.
func (p *graphProgram) ahead(g *graph.Graph, order []graph.ID, t, number int, sources []graph.Ref) *graphStep {
	n := len(p.steps) - 1
	if n != len(order) {
		return nil
	}
	st := p.steps[n]
	if st.ID != (graph.ID{Thread: t, Number: number}) || len(st.sources) < len(sources) || !slices.Equal(st.sources[:len(sources)], sources) || len(st.leaves) > 0 {
		return nil
	}
	for i, e := range order {
		event := g.Event(e.Thread, e.Number)
		if was := p.steps[i]; was.ID != e || !slices.Equal(was.sources, g.Sources(e.Thread, e.Number)) || !p.keepsAs(g, i, event) {
			return nil
		}
	}
	return st
}

// answer is what is told of an event that has run with at least these sources.
func (p *graphProgram) answer(st *graphStep, sources []graph.Ref) (graph.Answer, error) {
	e := *st.event
	if len(sources) < len(e.Reads) {
		e.Writes = nil // they may depend on what is read
	}
	return graph.Answer{Event: &e}, nil
}

// status is how a thread stands that cannot run, and of one that goes round its last round.
func (p *graphProgram) status(t int) (graph.Status, []int) {
	for i := len(p.steps) - 1; i >= 0; i-- {
		if st := p.steps[i]; st.Thread == t {
			if st.round != nil {
				return graph.Rounds, st.round
			}
			break
		}
	}
	switch {
	case p.s.Runnable(t):
		return graph.Ready, nil
	case p.s.Done(t):
		return graph.Ended, nil
	}
	return graph.Waits, nil
}

// next runs the next event of a thread, with sources of its first reads; what else it reads is what
// memory holds.
func (p *graphProgram) next(g *graph.Graph, t, number int, sources []graph.Ref) (*graphStep, error) {
	st := &graphStep{ID: graph.ID{Thread: t, Number: number}, after: p.wakers(t)}
	ev, err := p.run(st, nil)
	if err != nil {
		return nil, err
	}
	if p.model != graph.SC && p.s.Process().StoreExclusive(ev.PC) {
		if ev, err = p.storeExclusive(g, st, ev); err != nil {
			return nil, err
		}
	}
	// What it has read is known now, and so whether it is what it is to read. Another value may have it read
	// more.
	for range maxReads {
		if err := p.describe(st, &ev); err != nil {
			return nil, err
		}
		sees := p.wants(g, st, sources)
		if slices.EqualFunc(sees, st.sees, sameSeen) {
			p.finish(st, sources)
			return st, p.proves(g, st)
		}
		if err := p.back(len(p.steps) - 1); err != nil {
			return nil, err
		}
		st.sees = sees
		if ev, err = p.run(st, st.deed); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: an instruction that reads more than %d times", errMemory, maxReads)
}

// maxReads bounds how often an event is run anew since it has read more.
const maxReads = 64

func sameSeen(a, b scenario.Seen) bool { return a.Addr == b.Addr && bytes.Equal(a.Data, b.Data) }

// wants is what the step is to be given to read, with the machine behind it.
func (p *graphProgram) wants(g *graph.Graph, st *graphStep, sources []graph.Ref) (list []scenario.Seen) {
	n := min(len(sources), len(st.event.Reads))
	for i, w := range sources[:n] {
		// What memory held before is not known any more.
		if c := st.event.Reads[i]; c.Class == 0 && w != p.holder(c, len(p.steps)-1) {
			list = append(list, scenario.Seen{Bytes: scenario.Bytes{Addr: c.At, Data: bytesOf(c, p.value(g, c, w))}, Step: p.wrote(w)})
		}
	}
	return list
}

// finish notes which writes a step has read from, and which ones memory holds behind it if its writes
// are the last.
func (p *graphProgram) finish(st *graphStep, sources []graph.Ref) {
	st.sources = slices.Clone(sources)
	for _, c := range st.event.Reads[min(len(sources), len(st.event.Reads)):] {
		st.sources = append(st.sources, p.holder(c, len(p.steps)-1))
	}
	var held map[graph.Cell]graph.Ref
	for i, w := range st.event.Writes {
		if held == nil {
			held = map[graph.Cell]graph.Ref{}
		}
		held[w.Cell] = graph.Ref{Thread: st.Thread, Number: st.Number, Part: i}
	}
	p.holds(held)
}

// storeExclusive runs a store exclusive again such that it succeeds, as long as its load exclusive
// was the event before.
func (p *graphProgram) storeExclusive(g *graph.Graph, st *graphStep, ev scenario.Event) (scenario.Event, error) {
	linked := p.loadExclusive(g, st)
	if linked == nil {
		return ev, nil // it fails
	}
	if err := p.back(len(p.steps) - 1); err != nil {
		return ev, err
	}
	st.deed = &deed{ran: ev.Ran, half: ev.Half, pc: ev.PC, opens: true, linked: linked}
	return p.run(st, st.deed)
}

// loadExclusive is what the thread's last load exclusive has read.
func (p *graphProgram) loadExclusive(g *graph.Graph, st *graphStep) (list []scenario.Bytes) {
	for i := len(p.steps) - 2; i >= 0; i-- {
		before := p.steps[i]
		if before.Thread != st.Thread {
			continue
		}
		if !p.s.Process().LoadExclusive(before.deed.pc) {
			if p.s.Process().StoreExclusive(before.deed.pc) {
				return nil
			}
			continue
		}
		for k, c := range before.event.Reads {
			list = append(list, scenario.Bytes{Addr: c.At, Data: bytesOf(c, p.value(g, c, before.sources[k]))})
		}
		return list
	}
	return nil
}

// wakers are the events that have let a thread go on, or made it, since its last one.
func (p *graphProgram) wakers(t int) (list []graph.Ref) {
	for _, st := range p.steps {
		switch {
		case st.Thread == t:
			list = nil
		case slices.Contains(st.deed.woke, t):
			list = append(list, graph.Ref{Thread: st.Thread, Number: st.Number, Part: -1})
		}
	}
	return list
}

// describe makes an event of a graph of what the machine has run last, the step on top.
func (p *graphProgram) describe(st *graphStep, ev *scenario.Event) error {
	if p.s.Grown() != p.known {
		return errGrown
	}
	d := &deed{ran: ev.Ran, half: ev.Half, woke: ev.Woke, pc: ev.PC, ends: ev.Ends || ev.Closes, goes: ev.PC == 0 && p.s.Spinning(st.Thread)}
	if st.deed != nil {
		d.opens, d.linked = st.deed.opens, st.deed.linked
	}
	e := &graph.Event{After: st.after, Ends: d.ends, Note: d}
	st.event, st.deed = e, d
	if ev.Closes || ev.Expired {
		return fmt.Errorf("%w: a window of a program, or time that passes", errMemory)
	}
	if d.ends {
		return nil // nothing comes behind it
	}
	written := map[graph.Cell]bool{}
	for _, a := range ev.Accesses {
		for _, c := range p.cells.of(a.Addr, a.Size) {
			switch {
			case (a.Write || d.opens) && !written[c]: // a store exclusive writes, also what is there
				written[c] = true
				e.Writes = append(e.Writes, graph.Write{Cell: c, Value: content(p.s, c)})
			case !a.Write && !d.opens && !written[c] && !slices.Contains(e.Reads, c):
				e.Reads = append(e.Reads, c)
			}
		}
	}
	if p.cells.grown {
		return errGrown
	}
	if p.order != nil {
		e.Order = orderOf(st.order)
	}
	e.Place = ev.PC
	e.Atomic = len(e.Reads) > 0 && len(e.Writes) > 0 // one step: what is divisible has been divided
	e.Full = e.Full || len(ev.Objects) > 0
	for _, o := range ev.Objects {
		c := graph.Cell{Class: uint64(o.Class) + 1, At: o.ID}
		if !slices.Contains(e.Reads, c) {
			e.Reads = append(e.Reads, c)
		}
		if o.Write && !written[c] {
			written[c] = true
			e.Writes = append(e.Writes, graph.Write{Cell: c})
		}
	}
	return p.comesRound(st)
}

// orderFor is in which order the machine is to run the events of a graph, so that the next one of a thread
// can be looked at. Where that uses an object of the kernel's as it was before other uses, only
// what it follows from is run; under SC also where it reads what memory held before. So it is where the uses of objects
// have no order, as of a graph in which a system call uses one as it was before another call and one as it was
// behind it. It is nil where what the thread's next event follows from has none.
func (p *graphProgram) orderFor(g *graph.Graph, t int, sources []graph.Ref) []graph.ID {
	if !p.looksBack(g, t, sources) {
		if order := g.Order(false, p.lives(g)); order != nil {
			return order
		}
	}
	needs := g.Needs(t, sources)
	if p.between(g, t, sources, needs) {
		return nil
	}
	return g.Order(false, needs)
}

// between tells whether a thread's next event is a system call that would use an object as it was before
// a call and needs that call to have happened.
func (p *graphProgram) between(g *graph.Graph, t int, sources []graph.Ref, needs func(graph.ID) bool) bool {
	for i, w := range sources {
		c := g.Next(t).Reads[i]
		if c.Class == 0 {
			continue
		}
		list := g.Writes(c)
		for k := len(list) - 1; k >= 0 && list[k] != w; k-- {
			if needs(graph.ID{Thread: list[k].Thread, Number: list[k].Number}) {
				return true
			}
		}
	}
	return false
}

// lives leaves out the events with which the process ends: nothing could run behind them.
func (p *graphProgram) lives(g *graph.Graph) func(graph.ID) bool {
	return func(e graph.ID) bool { return !g.Event(e.Thread, e.Number).Ends }
}

// looksBack tells whether one of the sources is a use of an object that others have used since.
func (p *graphProgram) looksBack(g *graph.Graph, t int, sources []graph.Ref) bool {
	if len(sources) == 0 {
		return false
	}
	e := g.Next(t)
	for i, w := range sources {
		if c := e.Reads[i]; (c.Class != 0 || p.model == graph.SC) && w != g.Last(c) {
			return true
		}
	}
	return false
}

// object tells whether an event uses objects of the kernel's.
func object(e *graph.Event) bool {
	return slices.ContainsFunc(e.Reads, func(c graph.Cell) bool { return c.Class != 0 })
}

// outcome is how the graph ends on which the machine stands.
func (p *graphProgram) ends(g *graph.Graph) (list []graph.ID) {
	for t := range g.Threads() {
		if n := g.Events(t); n > 0 && g.Event(t, n-1).Ends {
			list = append(list, graph.ID{Thread: t, Number: n - 1})
		}
	}
	return list
}
