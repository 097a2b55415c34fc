package explore

import (
	"context"
	"math/rand/v2"

	"emurace/explore/coverage"
	"emurace/scenario"
)

// run is one schedule while it is being drawn and run.
type run struct {
	ctx     context.Context
	s       *scenario.Session
	rand    *rand.Rand
	profile *profile
	number  uint64  // of the schedule, counted from 1; 0 for one that only shows what there is
	turn    int     // place in its batch, counted from 0
	reads   *reads  // watches the run, nil when nobody wants to know
	traits  *traits // likewise
	seen    *coverage.Run
	aim     *aim // what the schedule is to try most, nil for nothing in particular
	// aimed tells whether the event that step or try has run last is of the aim, or there is none.
	aimed bool

	events       uint64
	schedule     scenario.Schedule
	instructions uint64   // those that were taken back not counted
	abstract     abstract // what fuzz has tried to bring about
}

// splitEvery is one in how many schedules keeps the end of the process apart from what
// leads there also where nothing is tried out. That takes a mark for each event, and is
// there to learn which bytes are shared on the way: for that some schedules are enough.
const splitEvery = 8

// begin goes to the start of the race.
func (r *run) begin() error { return r.s.Restart() }

// over tells whether the race is over.
func (r *run) over() bool {
	_, over := r.s.Outcome()
	return over
}

// enabled is the threads that can run now. As long as the race is not over there
// is one.
func (r *run) enabled() set { return enabled(r.s) }

// step runs a thread's next event.
func (r *run) step(t int) (scenario.Event, error) {
	if err := r.ask(); err != nil {
		return scenario.Event{}, err
	}
	next := (*scenario.Session).RunEvent
	if r.number%splitEvery == 0 && r.enabled() != only(t) {
		next = markedEvent // there are others to get as far
	}
	e, err := next(r.s, t)
	if err == nil {
		r.aimed = r.aim.has(&e)
		r.keep(e)
	}
	return e, err
}

// ask is the context's error, now and then.
func (r *run) ask() error {
	const often = 256 // events; asking takes a lock
	if r.events%often != 0 {
		return nil
	}
	return r.ctx.Err()
}

// keep makes an event part of the schedule.
func (r *run) keep(e scenario.Event) {
	r.events++
	r.instructions += r.s.Length(&e)
	r.schedule = r.schedule.AddEvent(e)
	r.notice(&e)
}

// keepRest makes instructions behind a thread's last event, or none, part of the schedule.
func (r *run) keepRest(thread int, n uint64) {
	if n == 0 {
		return
	}
	if r.seen != nil {
		r.seen.Ran(thread, n)
	}
	r.instructions += n
	r.schedule = r.schedule.AddEvent(scenario.Event{Thread: thread, Ran: n, Half: r.s.Holds(thread)})
}

// notice shows an event to those who watch the run.
func (r *run) notice(e *scenario.Event) {
	if r.reads != nil {
		r.reads.add(e)
	}
	if r.seen != nil {
		r.seen.Add(e)
	}
	if r.traits != nil {
		r.traits.notice(r, e)
	}
}

// try runs a thread's next event, keeps it when it is wanted, and takes it back
// otherwise.
func (r *run) try(t int, wanted func(*scenario.Event) bool) (scenario.Event, error) {
	if err := r.ask(); err != nil {
		return scenario.Event{}, err
	}
	mark, err := r.s.Mark()
	if err != nil {
		return scenario.Event{}, err
	}
	defer mark.Drop()
	e, err := nextEvent(r.s, t, mark.Rewind)
	if err != nil {
		return e, err
	}
	r.aimed = r.aim.has(&e)
	if wanted(&e) {
		r.keep(e)
		return e, nil
	}
	return e, mark.Rewind()
}

// pick is a thread of a set that is not empty, each with equal chance.
func (r *run) pick(threads set) int {
	return threads.nth(r.rand.IntN(threads.len()))
}
