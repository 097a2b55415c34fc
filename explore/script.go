package explore

import (
	"context"
	"errors"
	"math/rand/v2"

	"emurace/scenario"
)

// Walk is one schedule while the caller's strategy decides about it; see
// Options.Walk. The race stands at its start.
type Walk struct{ r *run }

// Session is the race. It may be looked at, and run only through the Walk or with
// Ran.
func (w *Walk) Session() *scenario.Session { return w.r.s }

// Rand is a source of chance that follows from the search's seed and the number of
// the schedule.
func (w *Walk) Rand() *rand.Rand { return w.r.rand }

// Over tells whether the race is over.
func (w *Walk) Over() bool { return w.r.over() }

// Enabled lists the threads that can run now. There is one as long as the race is
// not over.
func (w *Walk) Enabled() []int {
	var list []int
	for can := w.r.enabled(); !can.empty(); can = can.less(only(can.first())) {
		list = append(list, can.first())
	}
	return list
}

// Step runs a thread up to and over its next event, or to its end.
func (w *Walk) Step(thread int) (scenario.Event, error) { return w.r.step(thread) }

// Peek is what Step would do, which is then taken back.
func (w *Walk) Peek(thread int) (scenario.Event, error) {
	return w.r.try(thread, func(*scenario.Event) bool { return false })
}

// Ran tells that the caller has run a thread on the session for n instructions,
// with these events among them.
func (w *Walk) Ran(thread int, n uint64, events []scenario.Event) error {
	rest := n
	for i := range events {
		w.r.events++
		w.r.notice(&events[i])
		rest -= min(rest, events[i].Ran)
	}
	if w.r.seen != nil {
		w.r.seen.Ran(thread, rest)
	}
	w.r.instructions += n
	w.r.schedule = w.r.schedule.AddEvent(scenario.Event{Thread: thread, Ran: n, Half: w.r.s.Holds(thread)})
	return w.r.ctx.Err()
}

// Pairs are numbers for which reads of the run so far have seen which writes: one for
// each pair of a write and a read (instructions, and the bytes that they access), in
// the order in which they showed. Hardly any two pairs have the same.
func (w *Walk) Pairs() []uint64 {
	list := make([]uint64, len(w.r.reads.pairs))
	for i, p := range w.r.reads.pairs {
		list[i] = p.hash()
	}
	return list
}

// One runs a single schedule, the one that play runs from the start of the race to
// its end, and judges it like a search of that schedule. It is played again when it has
// made threads that were not known.
func One(ctx context.Context, start func() (*scenario.Session, error), play func(*scenario.Session) (scenario.Schedule, error), o Options) (*Result, error) {
	o.begins(ctx)
	s, err := start()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	schedule, err := play(s)
	for err == nil && s.Strange() {
		if err = s.SetMade(s.Found()); err == nil {
			schedule, err = play(s)
		}
	}
	if err != nil {
		return nil, err
	}
	outcome, over := s.Outcome()
	if !over {
		return nil, errors.New("the schedule has ended before the race")
	}
	logRun(o.Log, s, "schedule", func() scenario.Schedule { return schedule }, outcome)
	r := &Result{Schedules: 1, Instructions: s.Steps(), Preemptions: -1, Made: s.Made()}
	_, err = r.judge(s, outcome, schedule, -1, o.Inspect, o.Ends, r.note(s, outcome))
	r.conclude(Options{Preemptions: -1})
	return r, err
}
