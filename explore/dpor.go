package explore

import (
	"context"
	"errors"

	"emurace/scenario"
)

// DPOR runs one schedule of every class of equivalent ones: source sets with
// sleep sets (Abdulla, Aronis, Jonsson and Sagonas, POPL 2014). Two schedules
// are equivalent when one becomes the other by swapping neighbouring events
// that do not depend on each other (Mazurkiewicz traces). When the search ends
// by itself, every schedule there is has been covered.
//
// Which instructions are events is learned by running: those that touch bytes
// which two threads touch, at least one of them writing. When a run shows that
// more bytes are shared than was known, the search begins anew with them.
func DPOR(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
	if o.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Time, errBudget)
		defer cancel()
	}
	s, err := start()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if len(s.Plan.Threads) > maxThreads {
		return nil, errors.New("more than 64 racing threads")
	}
	r := newReporter(o.Progress)
	defer r.close()
	s.M.WantEvents(true)
	defer s.M.WantEvents(false)
	d := &dpor{Options: o, ctx: ctx, s: s, report: r, order: order{threads: len(s.Plan.Threads)}}
	for {
		known := s.M.SharedGrown()
		d.total = &Result{Preemptions: -1}
		err = d.search(known)
		if !errors.Is(err, errGrown) {
			break
		}
		d.restarts++
	}
	d.total.Unbounded = err == nil
	d.total.Restarts = d.restarts
	d.total.Instructions = d.instructions
	d.total.conclude(o)
	return d.total, failure(ctx, err)
}

// errGrown ends a search in which bytes were found to be shared that it has
// taken for private.
var errGrown = errors.New("more bytes are shared than was known")

// frame is a moment of the run and what is to be tried from there.
type frame struct {
	mark      *scenario.Mark
	enabled   set
	backtrack set // threads to go on with
	done      set // threads tried
	asleep    set // threads whose next event need not be tried first
	sleep     map[int]*event
	event     *event // what was run from here last
}

type dpor struct {
	Options
	ctx    context.Context
	s      *scenario.Session
	report *reporter
	total  *Result

	stack        []*frame // a frame before each event of the present run, and one for the present moment
	order        order    // the events of the present run
	restarts     int
	instructions uint64
}

func (d *dpor) search(known uint64) error {
	defer d.unwind(0)
	if err := d.s.Restart(); err != nil {
		return err
	}
	if err := d.push(nil); err != nil {
		return err
	}
	for len(d.stack) > 0 {
		f := d.stack[len(d.stack)-1]
		next := f.backtrack &^ f.done &^ f.asleep
		if next == 0 {
			d.unwind(len(d.stack) - 1)
			if n := len(d.stack); n > 0 {
				if err := d.retire(d.stack[n-1]); err != nil {
					return err
				}
			}
			continue
		}
		over, err := d.run(f, d.pick(f, next))
		if err != nil {
			return err
		}
		if !over {
			continue
		}
		if d.s.M.SharedGrown() != known {
			return errGrown
		}
		if err := d.budget(); err != nil {
			return err
		}
		if err := d.retire(f); err != nil {
			return err
		}
	}
	return nil
}

func (d *dpor) budget() error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	d.report.set(Progress{Preemptions: -1, Schedules: d.total.Schedules, Depth: len(d.stack), Restarts: d.restarts})
	if d.Schedules > 0 && d.total.Schedules >= d.Schedules {
		return errBudget
	}
	return nil
}

// push makes the present moment the top of the stack.
func (d *dpor) push(sleep map[int]*event) error {
	mark, err := d.s.Mark()
	if err != nil {
		return err
	}
	f := &frame{mark: mark, sleep: sleep}
	for i := range d.s.Plan.Threads {
		if d.s.Runnable(i) {
			f.enabled |= 1 << i
		}
	}
	for t := range sleep {
		f.asleep |= 1 << t
	}
	d.stack = append(d.stack, f)
	// One thread that is not asleep has to go on; the others only when a race
	// asks for it.
	if free := f.enabled &^ f.asleep; free != 0 {
		f.backtrack = 1 << d.prefer(free)
	} else {
		d.total.Blocked++
	}
	return nil
}

// prefer goes on with the thread that ran last, which keeps switches few.
func (d *dpor) prefer(free set) int {
	if n := len(d.stack); n > 1 {
		if e := d.stack[n-2].event; e != nil && free.has(e.Thread) {
			return e.Thread
		}
	}
	return free.first()
}

func (d *dpor) pick(f *frame, next set) int {
	if f.event != nil && next.has(f.event.Thread) {
		return f.event.Thread
	}
	return next.first()
}

// unwind drops all frames from n on.
func (d *dpor) unwind(n int) {
	for _, f := range d.stack[n:] {
		f.mark.Drop()
	}
	d.stack = d.stack[:n]
}

// retire goes back to a frame whose last event has been explored: from here on
// that thread sleeps, until something happens that its event depends on.
func (d *dpor) retire(f *frame) error {
	if f.sleep == nil {
		f.sleep = map[int]*event{}
	}
	f.sleep[f.event.Thread] = f.event
	f.asleep |= 1 << f.event.Thread
	return f.mark.Rewind()
}

// run goes on from the top frame with a thread. It tells whether the run is
// over; if not, there is a new frame on top.
func (d *dpor) run(f *frame, thread int) (over bool, err error) {
	f.done |= 1 << thread
	ev, err := d.s.RunEvent(thread)
	if err != nil {
		return false, err
	}
	d.instructions += ev.Ran
	e := newEvent(ev)
	f.event = e
	d.order.cut(len(d.stack) - 1)
	for _, j := range d.order.add(e) {
		d.reverse(j)
	}
	if ev.Ends {
		// Nobody gets further after this: what the others would have done
		// next must be tried before it.
		f.backtrack |= f.enabled
	}
	if o, over := d.s.Outcome(); over {
		return true, d.leaf(o)
	}
	var sleep map[int]*event
	for t, s := range f.sleep {
		if t == thread || s.dependent(e) {
			continue
		}
		if sleep == nil {
			sleep = map[int]*event{}
		}
		sleep[t] = s
	}
	return false, d.push(sleep)
}

// reverse makes sure that the newest event is also tried before event j, with
// which it races.
func (d *dpor) reverse(j int) {
	_, initials := d.order.reversal(j)
	f := d.stack[j]
	if initials&(f.backtrack|f.done) != 0 || initials == 0 {
		return
	}
	last := d.order.events[len(d.order.events)-1].Thread
	if initials.has(last) {
		f.backtrack |= 1 << last
	} else {
		f.backtrack |= 1 << initials.first()
	}
}

// leaf counts a finished run.
func (d *dpor) leaf(o scenario.Outcome) error {
	d.total.Schedules++
	if !o.Failed() {
		return nil
	}
	var schedule scenario.Schedule
	for _, f := range d.stack {
		schedule = schedule.Add(f.event.Thread, f.event.Ran)
	}
	schedule[len(schedule)-1].N = 0
	d.total.add(Finding{Outcome: o, Schedule: schedule, Preemptions: -1, Number: d.total.Schedules, Count: 1})
	if d.KeepGoing {
		return nil
	}
	return errFound
}
