package explore

import (
	"slices"

	"emurace/scenario"
)

// surw makes every order of the interesting events about equally likely. These
// are the accesses to one place of the profile, drawn anew for each schedule with
// a chance that follows how often it is accessed; without any such place, every
// event is interesting. The thread that is to do the next interesting event is
// intended beforehand, with a chance that follows how many it has left; each of
// the others may do what is not interesting, and is held when it comes to what
// is. Who of those that are not held goes next is drawn with equal chances.
//
// With an aim, the place is one of those that events of the aim access, if there are any, or, as
// likely, all of them: then the orders of all that is aimed at are about equally likely.
//
// If threads did not wait for each other and their counts were exact, the orders
// of the interesting events would be uniform: a thread with n of the N events
// left is the next in n/N of all orders. Where the intended thread cannot get on
// because those that it waits for are held, all are let go and the intention is
// dropped; a thread that has more interesting events than the profile says keeps
// one as long as it comes to another.
//
// Source: Zhao, Wolff, Mathur and Roychoudhury, Selectively Uniform Concurrency
// Testing, ASPLOS 2025 (SURW); the choice of the place follows the tool that the
// authors published with it.
func surw(r *run) error {
	w := &uniform{run: r, intended: -1, pending: make([]*spanned, r.s.Schedulable())}
	w.places, w.left = r.interest()
	held := set{}
	for !r.over() {
		can := r.enabled()
		free := can.less(held)
		if free.empty() {
			held, w.intended = set{}, w.draw(can)
			continue
		}
		t := r.pick(free)
		moved, interesting, err := w.move(t, can)
		if err != nil {
			return err
		}
		switch {
		case !moved:
			held = held.with(t)
		case interesting:
			held = set{}
		}
	}
	return nil
}

// uniform is the state of one schedule of surw.
type uniform struct {
	*run
	places   []*location // none for any
	left     []uint64    // interesting events of each thread, as far as is known
	intended int         // the thread to do the next one, -1 when that is not drawn yet
	pending  []*spanned  // what held threads do next, as long as nothing that matters to it has run
}

// interest draws what is interesting in a run, and returns how many such events each thread has.
func (r *run) interest() (places []*location, left []uint64) {
	if r.aim != nil && r.profile.aimedAt > 0 && r.rand.IntN(2) == 0 {
		left = make([]uint64, len(r.profile.events))
		for i := range r.profile.locations {
			l := &r.profile.locations[i]
			if !l.aimed {
				continue
			}
			places = append(places, l)
			for t, n := range l.events {
				left[t] += n // an event that accesses two of them counts twice, which does little harm
			}
		}
		return places, left
	}
	if l := r.choose(); l != nil {
		return []*location{l}, r.profile.count(l)
	}
	return nil, r.profile.count(nil)
}

// touched tells whether an event accesses one of the places; none stands for any.
func touched(places []*location, e *scenario.Event) bool {
	return len(places) == 0 || slices.ContainsFunc(places, func(l *location) bool { return l.touchedBy(e) })
}

// move runs a thread's next event, unless that is interesting and another thread
// is to do the next such event. can is the threads that can run.
func (w *uniform) move(t int, can set) (moved, interesting bool, err error) {
	if w.pending[t] != nil && can != only(t) && t != w.intended && !w.wants(t) {
		return false, true, nil
	}
	var e scenario.Event
	if can == only(t) || t == w.intended {
		// There is nobody to be held for.
		e, err = w.step(t)
		moved = true
	} else {
		e, err = w.try(t, func(e *scenario.Event) bool {
			moved = !touched(w.places, e) || w.wants(t)
			return moved
		})
	}
	if err != nil {
		return false, false, err
	}
	interesting = touched(w.places, &e)
	if !moved {
		next := withBounds(e)
		w.pending[t] = &next
		return false, interesting, nil
	}
	if interesting {
		w.done(t)
	}
	w.ran(e)
	return true, interesting, nil
}

// wants tells whether a thread that has come to an interesting event is the one to do it.
func (w *uniform) wants(t int) bool {
	w.left[t] = max(w.left[t], 1)
	if w.intended < 0 {
		w.intended = w.draw(everyone)
	}
	return w.intended == t
}

// ran forgets what held threads do next where that depends on an event that has run.
func (w *uniform) ran(e scenario.Event) {
	w.pending[e.Thread] = nil
	n := withBounds(e)
	for u, p := range w.pending {
		if p != nil && p.dependent(&n) {
			w.pending[u] = nil
		}
	}
}

// done counts an interesting event of a thread's.
func (w *uniform) done(t int) {
	w.left[t] -= min(w.left[t], 1)
	w.intended = -1
}

// draw is a thread of the set, with a chance that follows what it has left. One
// of them has something left.
func (w *uniform) draw(threads set) int {
	total := uint64(0)
	for t, n := range w.left {
		if threads.has(t) {
			total += n
		}
	}
	n := w.rand.Uint64N(total)
	for t, left := range w.left {
		if !threads.has(t) {
			continue
		}
		if n < left {
			return t
		}
		n -= left
	}
	return threads.first()
}
