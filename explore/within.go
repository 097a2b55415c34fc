package explore

import (
	"context"
	"errors"
	"slices"

	"emurace/scenario"
)

// budget is a bound of preemptions.
type budget struct {
	most int
}

// DPORWithin is DPOR that leaves out what takes more than o.Preemptions preemptions, if that is not
// negative: of each class that has a schedule with no more it runs one. So it says what Bounded
// says, of fewer schedules. It has no abstract locks.
//
// To cut the search of DPOR off at the bound would not do (Coons, Musuvathi and McKinley, Bounded
// partial-order reduction, OOPSLA 2013): of equivalent schedules it runs the one that it comes to
// first, which may be one that takes too many. What is left out here is what another schedule
// covers that takes no more:
//
// Where the thread that ran last can go on, it goes on first, which is free. Any schedule from there in
// which its next event could come first takes no fewer than one in which it does. If another event
// should come before that one, then a run that begins with it shows a race between the two, within
// the bound. With that all the other threads are tried, and not only one that could come
// first, since who goes first decides what it takes.
//
// Where it cannot go on, all threads are tried at once: to run one for a moment and then leave it
// costs one more than not to have.
//
// For the same reason a thread sleeps, when what begins with its event has been searched, only if that event
// in front of others costs nothing: the thread was running, or is not in the way behind it, as it then waits.
// Any other one dozes: it may run later, but only for a turn that has something in it which depends on
// what ran since. A turn without could have been before all that, with one switch more there and
// one less here.
func DPORWithin(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
	if o.Preemptions < 0 {
		return searchParts(ctx, start, o, nil)
	}
	if o.AbstractLocks {
		return nil, errors.New("a bound of preemptions does not go with abstract locks")
	}
	return searchParts(ctx, start, o, &budget{o.Preemptions})
}

// newEvent is an event of the session, which it has just come to. With a bound, a thread that goes round has
// looked at all that it waits for: that it can be left there for nothing depends on it.
func (d *subtree) newEvent(ev scenario.Event) *event {
	if d.within == nil {
		return newEvent(ev)
	}
	if list := d.s.WaitsToSee(ev.Thread); len(list) > 0 {
		ev.Accesses = append(slices.Clip(ev.Accesses), list...)
	}
	e := newEvent(ev)
	// When the clock had to move for anybody to go on, nobody is preempted by who does.
	e.stays = d.s.Runnable(ev.Thread) && !ev.Expired
	return e
}

// last is the newest event of the run, nil at its beginning.
func (d *subtree) last() *event {
	if n := len(d.order.events); n > 0 {
		return d.order.events[n-1]
	}
	return nil
}

// preemptions is how many the present run has; -1 where nobody counts them.
func (d *subtree) preemptions() int {
	switch last := d.last(); {
	case d.within == nil:
		return -1
	case last == nil:
		return 0
	default:
		return last.preemptions
	}
}

// count notes how many preemptions the run has up to an event that comes next.
func (d *subtree) count(e *event) {
	if d.within == nil {
		return
	}
	e.preemptions = d.preemptions()
	if last := d.last(); last != nil && last.stays && last.Thread != e.Thread {
		e.preemptions++
	}
}

// going is the thread that ran last, if it is a preemption to run another one of those that
// can; otherwise -1.
func (d *subtree) going(can set) int {
	if d.within != nil {
		if last := d.last(); last != nil && last.stays && can.has(last.Thread) {
			return last.Thread
		}
	}
	return -1
}

// affordable is those of the threads that can run next within the bound.
func (d *subtree) affordable(can set, going int) set {
	if going >= 0 && d.preemptions() >= d.within.most {
		return only(going)
	}
	return can
}

// budgeted says what is to be tried at a moment at which somebody can go on who does not sleep.
func (d *subtree) budgeted(f *frame) {
	f.going = d.going(f.enabled)
	f.may = d.affordable(f.enabled, f.going)
	f.backtrack = f.enabled
	if f.going >= 0 {
		f.backtrack = only(f.going) // who has just run does not sleep
	}
}

// next is the threads that are still to be tried at a moment.
func (d *subtree) next(f *frame) set {
	next := f.backtrack.less(f.done).less(f.asleep)
	if d.within == nil {
		return next
	}
	if f.turn != nil {
		return next.and(only(f.going)) // who would end the turn here is covered by an earlier one
	}
	if !next.less(f.may).empty() {
		d.total.Cut = true
	}
	return next.and(f.may)
}

// tryAll has all threads tried in front of event j, which is in a race with the newest one.
func (d *subtree) tryAll(f *frame, j int) {
	if more := f.enabled.less(f.backtrack); !more.empty() {
		f.backtrack = f.enabled
		d.logRace(j, more.first())
	}
}

// reverseStopping makes sure that whoever could have gone on in front of the newest event, and cannot
// behind it, is tried there, also if nothing that it does later is in a race with the event.
func (d *subtree) reverseStopping(f *frame, thread int) {
	if d.within == nil {
		return
	}
	for t := range d.s.Schedulable() {
		if t != thread && f.enabled.has(t) && !d.s.Runnable(t) {
			f.backtrack = f.enabled
			return
		}
	}
}

// sleeps tells whether a thread is to sleep when all that begins with its event has been searched. With a
// bound that is only so if the event costs nothing where others follow it: who was going on anyway, and
// who has to stop behind it.
func (d *subtree) sleeps(going int, e *event) bool {
	return d.within == nil || going == e.Thread || !e.stays
}

// dozer is a thread that was tried at a moment and need not be later, unless for a turn that depends
// on what has run since.
type dozer struct {
	event *event // with which it would begin
	since int    // the number of the first event behind the moment
}

// turnOf is a thread's turn that has dozed: so far nothing in it depends on what ran from event since on.
type turnOf struct{ since int }

// doze has the thread that was tried last at a moment doze from there on.
func (d *subtree) doze(f *frame) {
	if f.dozes == nil {
		f.dozes = map[int]dozer{}
	}
	f.dozes[f.event.Thread] = dozer{f.event, d.prefix + len(d.stack) - 1}
}

// turnOf is the turn that the newest event belongs to, which was run from a moment; nil where its thread has
// not dozed, or the turn has something in it that depends on what ran since.
func (d *subtree) turnOf(f *frame, e *event) *turnOf {
	turn := f.turn
	if turn == nil {
		z, ok := f.dozes[e.Thread]
		if !ok {
			return nil
		}
		turn = &turnOf{z.since}
	}
	for t, n := range e.clock {
		if t != e.Thread && n >= turn.since {
			return nil
		}
	}
	return turn
}

// pushBehind is push for the moment behind an event that was run from a moment.
func (d *subtree) pushBehind(f *frame, e *event, turn *turnOf, sleep map[int]*event) error {
	if err := d.push(sleep); err != nil || d.within == nil {
		return err
	}
	next := d.stack[len(d.stack)-1]
	next.turn = turn
	for t, z := range f.dozes {
		if t != e.Thread && !z.event.dependent(&e.spanned) {
			if next.dozes == nil {
				next.dozes = map[int]dozer{}
			}
			next.dozes[t] = z
		}
	}
	return nil
}

// passes looks at a moment of a part's first events, behind which a thread is to run.
func (d *subtree) passes(thread int) error {
	if d.within == nil {
		return nil
	}
	can := enabled(d.s)
	may := d.affordable(can, d.going(can))
	if !may.has(thread) {
		return damaged("a part begins with more than %d preemptions", d.within.most)
	}
	if !can.less(may).empty() {
		d.total.Cut = true
	}
	return nil
}
