package explore

import (
	"slices"

	"emurace/scenario"
)

// goal is a constraint that a run tries to meet: that its pair shows, or with not
// that it never does.
type goal struct {
	pair
	not    bool
	write  bool   // the write waits for the read, and not only the other way round
	waited uint64 // events that ran while the goal held somebody
}

// maxWait bounds for how many events a goal may hold somebody, where no run of the
// profile is short.
const maxWait = 4096

// steering is one run that tries to meet goals.
type steering struct {
	*run
	goals      []goal
	priorities *priorities
	pending    []*spanned // what each thread does next, nil when that is not known
}

// steer runs one schedule as pos does, and in doing so tries to meet the goals: a
// thread whose next event would spoil one is held until the event spoils nothing
// any more, or the goal is given up. That happens when the goal cannot be met;
// when it holds somebody and nobody is left to run; and when it has held somebody
// for as many events as the shorter run of the profile has, in which nobody spins if
// that can be. So nothing waits for ever, not even where the others spin until the
// thread that is held goes on.
//
// Source: Wolff, Shi, Duck, Mathur and Roychoudhury, Greybox Fuzzing for
// Concurrency Testing, ASPLOS 2024 (RFF). There the program is instrumented to
// tell what a thread is about to do; here that is found out as in pos.
func steer(r *run, goals []goal) error {
	n := r.s.Schedulable()
	w := &steering{run: r, goals: goals, priorities: newPriorities(r), pending: make([]*spanned, n)}
	for !r.over() {
		can := r.enabled()
		held, holding := w.held(can)
		free := can.less(held)
		if free.empty() {
			w.giveUp(holding)
			continue
		}
		t := w.priorities.highest(free)
		if err := w.look(can.less(only(t))); err != nil {
			return err
		}
		e, err := w.move(t, can)
		if err != nil {
			return err
		}
		if e != nil { // otherwise t is among the held from now on
			w.renew(e, can)
			w.settle(e, holding)
		}
	}
	return nil
}

// look finds out what threads do next, where that is not known.
func (w *steering) look(threads set) error {
	for u := range w.pending {
		if !threads.has(u) || w.pending[u] != nil {
			continue
		}
		e, err := w.try(u, func(*scenario.Event) bool { return false })
		if err != nil {
			return err
		}
		next := withBounds(e)
		next.aimed = w.aimed
		w.pending[u] = &next
	}
	return nil
}

// move runs a thread's next event, which it returns, unless a goal holds it.
func (w *steering) move(t int, can set) (ran *spanned, err error) {
	if e := w.pending[t]; e != nil && w.holders(e, can) != 0 {
		return nil, nil
	}
	if w.pending[t] != nil || len(w.goals) == 0 || can == only(t) {
		// What is known holds nobody, or there is nobody to be held for.
		e, err := w.step(t)
		ran := withBounds(e)
		ran.aimed = w.aimed
		return &ran, err
	}
	_, err = w.try(t, func(e *scenario.Event) bool {
		next := withBounds(*e)
		next.aimed = w.aimed
		w.pending[t] = &next
		if w.holders(&next, can) == 0 {
			ran = &next
		}
		return ran != nil
	})
	return ran, err
}

// renew gives new priorities to the event that comes after e, and to those that
// race with e or were passed over for long; with an aim, to those of it.
func (w *steering) renew(e *spanned, can set) {
	for u := range w.pending {
		if u == e.Thread || can.has(u) && w.pending[u].dependent(e) {
			if e.aimed || u != e.Thread && w.pending[u].aimed {
				w.priorities.draw(u)
			}
			w.pending[u] = nil
		}
	}
	w.priorities.pass(can.less(only(e.Thread)))
}

// settle takes away the goals that are decided by the last event. holding are
// those that held somebody in front of it.
func (w *steering) settle(e *spanned, holding uint64) {
	left := w.goals[:0]
	for i, g := range w.goals {
		if holding&(1<<i) != 0 {
			g.waited++
		}
		shown := slices.Contains(w.reads.now, g.pair) || g.not && g.write && e.reads(g.Read)
		gone := !g.not && g.Write == (spot{}) && !w.reads.sees(g.pair) // what was there does not come back
		if !shown && !gone && g.waited <= min(w.profile.shortest, maxWait) {
			left = append(left, g)
		}
	}
	w.goals = left
}

// giveUp drops one of the goals that hold somebody.
func (w *steering) giveUp(holding uint64) {
	i := w.pick(set{low: [lowWords]uint64{holding}})
	w.goals = slices.Delete(w.goals, i, i+1)
}

// held is the threads among those that can run that goals hold, as far as it is
// known what they do next, and the goals that do so, a bit each.
func (w *steering) held(can set) (threads set, goals uint64) {
	if len(w.goals) == 0 {
		return set{}, 0
	}
	for u, e := range w.pending {
		if !can.has(u) || e == nil {
			continue
		}
		if by := w.holders(e, can); by != 0 {
			threads = threads.with(u)
			goals |= by
		}
	}
	return threads, goals
}

// holders is the goals that hold a thread back from an event.
func (w *steering) holders(e *spanned, can set) uint64 {
	by := uint64(0)
	for i := range w.goals {
		if w.spoils(e, &w.goals[i], can) {
			by |= 1 << i
		}
	}
	return by
}

// spoils tells whether an event, done now, makes it less likely that a goal is
// met.
func (w *steering) spoils(e *spanned, g *goal, can set) bool {
	if e.hi <= g.Read.Addr || g.Read.Addr+g.Read.Size <= e.lo {
		return false
	}
	sees := w.reads.sees(g.pair)
	switch {
	case e.reads(g.Read):
		return sees == g.not
	case e.writes(g.Write):
		return g.write && !sees && (g.not || !w.reader(g, can))
	case sees:
		return !g.not && e.overwrites(g.Read)
	}
	return false
}

// reader tells whether a thread that can run does the goal's read next.
func (w *steering) reader(g *goal, can set) bool {
	for u, e := range w.pending {
		if can.has(u) && e != nil && e.reads(g.Read) {
			return true
		}
	}
	return false
}

func (e *spanned) reads(s spot) bool  { return e.does(s, false) }
func (e *spanned) writes(s spot) bool { return e.does(s, true) }

func (e *spanned) does(s spot, write bool) bool {
	return e.PC == s.PC && slices.Contains(e.Accesses, scenario.Access{Addr: s.Addr, Size: s.Size, Write: write})
}

// overwrites tells whether an event writes some of the bytes.
func (e *spanned) overwrites(bytes spot) bool {
	return slices.ContainsFunc(e.Accesses, func(a scenario.Access) bool {
		return a.Write && bytes.overlaps(spot{Addr: a.Addr, Size: a.Size})
	})
}
