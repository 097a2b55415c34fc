package explore

import (
	"math/bits"

	"emurace/scenario"
)

// walk runs a schedule of the present batch: from the start of the race or from a moment on, and
// then as pos does, but that a thread may keep its priority for long.
//
// How long is drawn for each schedule: a priority is drawn anew behind one event in 1, 4, 16, and so
// on, up to as many as a run has. Where each event has a new one, as with pos, a thread that has to be
// held while others make a hundred events is, in one of a hundred schedules; and that the others
// then come each to the end of what it does, in which they would have to go on undisturbed, is less likely
// still. Most failures take few preemptions, and some take many: so all are drawn alike.
func (f *deepener) walk(r *run) error {
	if way := r.rand.IntN(3); way > 0 {
		u := &f.steps
		if way == 2 {
			u = &f.passes
		}
		if n, m, ok := u.draw(r); ok {
			r.traits.from = f.traits[n].trait
			if err := r.play(m); err != nil {
				return err
			}
		}
	}
	levels := bits.Len64(r.profile.longest)/2 + 1
	rarely := uint64(1) << (2 * r.rand.IntN(levels+1))
	p := newPriorities(r)
	return byPriority(r, p, func(t int) {
		if rarely == 1 || r.rand.Uint64N(rarely) == 0 {
			p.draw(t)
		}
	}, func(times int, next, ran *spanned) {
		if !ran.Ends && !ran.Closes {
			r.traits.show(r, trait{siteOfEvent(&ran.Event), siteOfEvent(&next.Event), uint8(min(times, maxTimes))})
		}
	})
}

// play runs the beginning of an earlier schedule again.
func (r *run) play(s scenario.Schedule) error {
	r.traits.quiet = true
	defer func() { r.traits.quiet = false }()
	for _, sl := range s {
		if sl.N == 0 {
			continue // an event without an instruction
		}
		if r.over() || !r.s.Runnable(sl.Thread) {
			return nil // a state that was read from a file says so
		}
		before := r.s.Steps()
		events, err := r.s.RunEvents(sl)
		if err != nil {
			return err
		}
		rest := r.s.Steps() - before
		for i := range events {
			rest -= min(rest, events[i].Ran)
			r.keep(events[i])
		}
		r.keepRest(sl.Thread, rest)
		if err := r.ask(); err != nil {
			return err
		}
	}
	return nil
}

// traits are those of a run.
type traits struct {
	from  trait // that it was begun from, zero for the start of the race
	quiet bool  // an earlier schedule is run again, which has shown it all
	list  []shown
	known map[trait]bool
	last  map[int]uint64 // of each thread, where its last event was
}

func newTraits() *traits { return &traits{known: map[trait]bool{}, last: map[int]uint64{}} }

// notice takes in the run's next event, which is the last of its schedule.
func (x *traits) notice(r *run, e *scenario.Event) {
	if e.Ends || e.Closes {
		return // nothing can be done from there
	}
	at := siteOfEvent(e)
	x.show(r, trait{By: x.last[e.Thread], Of: at})
	x.last[e.Thread] = at
}

// show notes a trait, at the present moment of the run.
func (x *traits) show(r *run, t trait) {
	n := len(r.schedule)
	if x.quiet || t.Of == 0 || x.known[t] || len(x.list) == maxRunTraits {
		return
	}
	x.known[t] = true
	x.list = append(x.list, shown{t, n, r.schedule[n-1]})
}

// siteOfEvent is the event's instruction or, where that has accessed no memory, the class of the first
// kernel object that it has used; 0 for neither.
func siteOfEvent(e *scenario.Event) uint64 {
	switch {
	case e.PC != 0:
		return e.PC
	case len(e.Objects) > 0:
		return uint64(e.Objects[0].Class)
	}
	return 0
}
