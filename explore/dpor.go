package explore

import (
	"context"
	"errors"
	"math/bits"

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
	d := &dpor{Options: o, ctx: ctx, s: s, report: r}
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
	if errors.Is(context.Cause(ctx), errBudget) || errors.Is(err, errBudget) || errors.Is(err, errFound) {
		err = nil
	}
	return d.total, err
}

// errGrown ends a search in which bytes were found to be shared that it has
// taken for private.
var errGrown = errors.New("more bytes are shared than was known")

// maxThreads is how many threads a set holds.
const maxThreads = 64

// set is a set of threads, a bit each.
type set uint64

func (s set) has(t int) bool { return s&(1<<t) != 0 }
func (s set) first() int     { return bits.TrailingZeros64(uint64(s)) }

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

// event is an event of the present run, with its place in its order.
type event struct {
	scenario.Event
	lo, hi uint64 // bounds of the bytes accessed
	// clock says of each thread which of the run's events, by number, is the
	// last of its that happens before this one, or is this one; -1 for none.
	clock []int
}

type dpor struct {
	Options
	ctx    context.Context
	s      *scenario.Session
	report *reporter
	total  *Result

	stack        []*frame // events run so far, and the present moment on top
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
	e := &event{Event: ev, lo: ^uint64(0)}
	for _, a := range ev.Accesses {
		e.lo, e.hi = min(e.lo, a.Addr), max(e.hi, a.Addr+uint64(a.Size))
	}
	f.event = e
	for _, j := range d.order(e) {
		d.reverse(j, e)
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

func (e *event) dependent(o *event) bool {
	if len(e.Objects) == 0 && !e.Ends && !o.Ends && e.Thread != o.Thread && (e.hi <= o.lo || o.hi <= e.lo) {
		return false
	}
	return e.Event.Dependent(&o.Event)
}

// order gives the newest event, which is on the top frame, its clock, and
// returns the events that it is in an immediate race with: dependent ones of
// other threads with nothing in between that orders them.
func (d *dpor) order(e *event) []int {
	n := len(d.stack) - 1
	e.clock = make([]int, len(d.s.Plan.Threads))
	for i := range e.clock {
		e.clock[i] = -1
	}
	var races []int
	for j := n - 1; j >= 0; j-- {
		o := d.stack[j].event
		if e.clock[o.Thread] >= j {
			continue
		}
		woke := false
		for _, t := range o.Woke {
			woke = woke || t == e.Thread
		}
		if !woke && !o.dependent(e) {
			continue
		}
		if o.Thread != e.Thread && !woke {
			races = append(races, j)
		}
		for i, c := range o.clock {
			e.clock[i] = max(e.clock[i], c)
		}
	}
	e.clock[e.Thread] = n
	return races
}

// reverse makes sure that event e is also tried before the event number j that
// it races with: the events after j that do not need it, and then e, must have
// a first thread among those tried at j.
func (d *dpor) reverse(j int, e *event) {
	first := d.stack[j].event
	var v []int // numbers of the events of that sequence
	n := len(d.stack) - 1
	var seen, initials set
	for k := j + 1; k <= n; k++ {
		o := d.stack[k].event
		if k < n && o.clock[first.Thread] >= j {
			continue
		}
		if !seen.has(o.Thread) {
			free := true
			for _, i := range v {
				free = free && o.clock[d.stack[i].event.Thread] < i
			}
			if free {
				initials |= 1 << o.Thread
			}
		}
		seen |= 1 << o.Thread
		v = append(v, k)
	}
	f := d.stack[j]
	if initials&(f.backtrack|f.done) != 0 || initials == 0 {
		return
	}
	if initials.has(e.Thread) {
		f.backtrack |= 1 << e.Thread
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
