package explore

import "emurace/scenario"

// pos gives the next event of every thread a priority of its own, drawn at
// random, and runs the highest. When it has run, the events that race with it
// get new priorities: without that, an event that lost against one would be
// likely to lose against all that follow, and some orders would come almost
// never.
//
// Source: Yuan, Yang and Gu, Partial Order Aware Concurrency Sampling, CAV 2018
// (the algorithm POS there).
//
// With an aim, a priority holds up to and over the next event that is of the aim: what is not
// of it runs along.
//
// What a thread's next event is, is found by running it and taking it back. That
// is remembered until an event runs that it depends on: the instructions before
// it touch nothing that others change, so it stays what it was.
func pos(r *run) error {
	p := newPriorities(r)
	return byPriority(r, p, p.draw, func(int, *spanned, *spanned) {})
}

// byPriority runs a schedule to its end, always the event with the highest priority. It calls renew for the
// thread of each event that has run, and for each thread whose next event depends on it: there
// passed before, with how many such events have run since the thread did, its next event, and the one that
// has run.
func byPriority(r *run, p *priorities, renew func(t int), passed func(times int, next, ran *spanned)) error {
	pending := make([]*spanned, len(p.of))
	times := make([]int, len(p.of))
	for !r.over() {
		can := r.enabled()
		t := p.highest(can)
		others := can.less(only(t))
		for u := range pending {
			if !others.has(u) || pending[u] != nil {
				continue
			}
			e, err := r.try(u, func(*scenario.Event) bool { return false })
			if err != nil {
				return err
			}
			next := withBounds(e)
			next.aimed = r.aimed
			pending[u] = &next
		}
		ran, err := r.step(t)
		if err != nil {
			return err
		}
		pending[t], times[t] = nil, 0
		e := withBounds(ran)
		e.aimed = r.aimed
		if e.aimed {
			renew(t)
		}
		for u, next := range pending {
			if !others.has(u) || !next.dependent(&e) {
				continue
			}
			if e.aimed || next.aimed {
				times[u]++
				passed(times[u], next, &e)
				renew(u)
			}
			pending[u] = nil
		}
		p.pass(others)
	}
	return nil
}
