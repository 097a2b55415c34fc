package explore

import (
	"errors"
	"fmt"

	"emurace/internal/logging"
	"emurace/scenario"
)

// errGrown ends a search in which bytes were found to be shared that it has
// taken for private, or threads to be made that it did not know.
var errGrown = errors.New("more is shared, or made, than was known")

// maxDepth bounds the events of one run. A thread that spins on memory that others
// write makes an event each time round, and without a bound one such run would
// take all memory.
const maxDepth = 1 << 18

// A mark keeps the registers of a thread, some 13 KiB. So below a depth that few
// runs reach only some moments are marked; the others are come to by running on
// from the one before. Tests change this.
var (
	markedDepth = 4096
	markedEvery = 64
)

// ErrDeep is wrapped by the error about a run of more events than a systematic
// search can hold, but that is no livelock.
var ErrDeep = errors.New("too many events for a systematic search")

// errSplit ends the search of a part that turns out to be large.
var errSplit = errors.New("the part is large")

// frame is a moment of the run and what is to be tried from there.
type frame struct {
	mark      *scenario.Mark // nil at most depths beyond markedDepth
	enabled   set
	backtrack set // threads to go on with
	done      set // threads tried
	asleep    set // threads whose next event need not be tried first
	sleep     map[int]*event
	event     *event // what was run from here last
	// With a bound of preemptions:
	going int           // the thread that ran last and could go on, -1 for none
	may   set           // who can run within the bound
	dozes map[int]dozer // threads that were tried at an earlier moment, or here
	turn  *turnOf       // of the thread that has dozed and ran last; nil for none
}

// subtree searches the runs that begin with given events: source sets with
// sleep sets.
type subtree struct {
	s         *scenario.Session
	keepGoing bool
	inspect   inspection
	ends      *Ends
	known     uint64 // the session's Grown when the search began
	// tick is called after each run with the depth that it had; its error ends
	// the search.
	tick func(depth int) error
	// late is asked before each event, since one run may take long; its error ends the
	// search too.
	late  func() error
	log   *logging.Log
	total Result
	// within is the bound of preemptions, nil for none.
	within *budget

	prefix int      // events that every run begins with
	stack  []*frame // a frame before each later event of the present run, and one for the present moment
	order  order    // the events of the present run
	woken  []woken  // by events of the present run
}

// woken is a thread that slept at a frame until the event there.
type woken struct {
	frame int
	event *event // what the thread would have done
}

// search runs one schedule of each class below the part.
func (d *subtree) search(p *part) error {
	defer d.unwind(0)
	d.order = newOrder(d.s.Schedulable())
	d.prefix = len(p.Threads)
	sleep, err := d.enter(p)
	if err != nil {
		return err
	}
	if o, over := d.s.Outcome(); over {
		return d.over(o)
	}
	if err := d.push(sleep); err != nil {
		return err
	}
	for len(d.stack) > 0 {
		if err := d.late(); err != nil {
			return err
		}
		f := d.stack[len(d.stack)-1]
		next := d.next(f)
		if next.empty() {
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
		if err := d.retire(f); err != nil {
			return err
		}
	}
	return nil
}

// enter runs the part's first events and finds out what the threads that sleep
// there would do next.
func (d *subtree) enter(p *part) (sleep map[int]*event, err error) {
	if err := d.s.Restart(); err != nil {
		return nil, err
	}
	for _, t := range p.Threads {
		if !d.s.Runnable(t) {
			return nil, damaged("a part begins with thread %d, which cannot run", t)
		}
		if err := d.passes(t); err != nil {
			return nil, err
		}
		ev, err := markedEvent(d.s, t)
		if err != nil {
			return nil, err
		}
		d.total.Instructions += d.s.Length(&ev)
		e := d.newEvent(ev)
		d.count(e)
		d.order.add(e)
	}
	for t := range d.s.Schedulable() {
		if !p.Asleep.has(t) {
			continue
		}
		if d.s.IsClock(t) && !d.s.Runnable(t) {
			return nil, damaged("nobody waits with a deadline where the clock sleeps")
		}
		e, err := d.peek(t)
		if err != nil {
			return nil, err
		}
		if sleep == nil {
			sleep = map[int]*event{}
		}
		sleep[t] = e
	}
	return sleep, nil
}

// peek is the thread's next event, without running it for good.
func (d *subtree) peek(t int) (*event, error) {
	mark, err := d.s.Mark()
	if err != nil {
		return nil, err
	}
	defer mark.Drop()
	ev, err := nextEvent(d.s, t, mark.Rewind)
	if err != nil {
		return nil, err
	}
	return d.newEvent(ev), mark.Rewind()
}

// push makes the present moment the top of the stack.
func (d *subtree) push(sleep map[int]*event) error {
	f := &frame{sleep: sleep, enabled: enabled(d.s)}
	if d.s.Timeouts() == scenario.WhenDue && d.s.Process().Timed() {
		d.total.Due = true
	}
	if n := len(d.stack); n < markedDepth || n%markedEvery == 0 {
		var err error
		if f.mark, err = d.s.Mark(); err != nil {
			return err
		}
	}
	for t := range sleep {
		f.asleep = f.asleep.with(t)
	}
	d.stack = append(d.stack, f)
	// One thread that is not asleep has to go on; the others only when a race
	// asks for it.
	free := f.enabled.less(f.asleep)
	switch {
	case free.empty():
		d.total.Blocked++
	case d.within != nil:
		d.budgeted(f)
	default:
		f.backtrack = only(d.prefer(free))
	}
	return nil
}

func enabled(s *scenario.Session) set {
	var can words
	for i := range s.Schedulable() {
		if s.Runnable(i) {
			can.add(i)
		}
	}
	return can.set()
}

// prefer goes on with the thread that ran last, which keeps switches few.
func (d *subtree) prefer(free set) int {
	if n := len(d.order.events); n > 0 {
		if t := d.order.events[n-1].Thread; free.has(t) {
			return t
		}
	}
	return free.first()
}

func (d *subtree) pick(f *frame, next set) int {
	if f.event != nil && next.has(f.event.Thread) {
		return f.event.Thread
	}
	return next.first()
}

// unwind drops all frames from n on.
func (d *subtree) unwind(n int) {
	for _, f := range d.stack[n:] {
		if f.mark != nil {
			f.mark.Drop()
		}
	}
	d.stack = d.stack[:n]
	d.order.cut(min(len(d.order.events), d.prefix+max(n-1, 0)))
}

// retire goes back to a frame whose last event has been explored: from here on
// that thread sleeps, until something happens that its event depends on.
func (d *subtree) retire(f *frame) error {
	if !d.sleeps(f.going, f.event) {
		d.doze(f)
		return d.rewind()
	}
	if f.sleep == nil {
		f.sleep = map[int]*event{}
	}
	f.sleep[f.event.Thread] = f.event
	f.asleep = f.asleep.with(f.event.Thread)
	return d.rewind()
}

// rewind goes back to the moment of the top frame.
func (d *subtree) rewind() error {
	top := len(d.stack) - 1
	from := top
	for d.stack[from].mark == nil {
		from--
	}
	if err := d.stack[from].mark.Rewind(); err != nil {
		return err
	}
	for _, e := range d.order.events[d.prefix+from : d.prefix+top] {
		again := func(t int) (scenario.Event, error) { return d.s.RunUpTo(t, e.Ran) }
		if e.Closes {
			again = d.s.RunEvent // up to there it has closed nothing yet
		}
		if _, err := again(e.Thread); err != nil {
			return err
		}
	}
	return nil
}

// run goes on from the top frame with a thread. It tells whether the run is
// over; if not, there is a new frame on top.
func (d *subtree) run(f *frame, thread int) (over bool, err error) {
	f.done = f.done.with(thread)
	ev, err := nextEvent(d.s, thread, d.rewind)
	if err != nil {
		return false, err
	}
	d.total.Instructions += d.s.Length(&ev)
	if d.prefix+len(d.stack) >= maxDepth {
		if err := d.spin(thread); err != nil {
			return false, err
		}
	}
	o, over := d.s.Outcome()
	if over && d.s.CutShort() {
		ev.Ends = true // nobody gets further after this
	}
	e := d.newEvent(ev)
	f.event = e
	d.order.cut(d.prefix + len(d.stack) - 1)
	d.count(e)
	for _, j := range d.order.add(e) {
		d.reverse(j, set{})
	}
	d.reverseBeforeWoken(e)
	if ev.Ends {
		// What the others would have done next must be tried before it.
		f.backtrack = f.backtrack.or(f.enabled)
	}
	d.reverseWaked(f, thread)
	d.reverseStopping(f, thread)
	turn := d.turnOf(f, e)
	if turn != nil && (over || !e.stays) {
		d.total.Blocked++
		return true, nil
	}
	if over {
		return true, d.over(o)
	}
	var sleep map[int]*event
	for t, s := range f.sleep {
		if t == thread {
			continue
		}
		if s.dependent(&e.spanned) {
			d.woken = append(d.woken, woken{len(d.stack) - 1, s})
			continue
		}
		if sleep == nil {
			sleep = map[int]*event{}
		}
		sleep[t] = s
	}
	return false, d.pushBehind(f, e, turn, sleep)
}

// spin runs on with a thread that has had a great many events, to see whether it
// ever comes to an end by itself.
func (d *subtree) spin(thread int) error {
	ran, err := d.s.Run(thread, 0)
	d.total.Instructions += ran
	if err != nil {
		return err
	}
	if _, over := d.s.Outcome(); !over || !d.s.CutShort() {
		return fmt.Errorf("%w: a run has more than %d", ErrDeep, maxDepth)
	}
	return nil
}

// reverse makes sure that the newest event is also tried before event j, with
// which it races, beginning with none of some threads. Where j is one of the part's
// first events, other parts do it.
func (d *subtree) reverse(j int, less set) {
	if j < d.prefix {
		return
	}
	f := d.stack[j-d.prefix]
	if d.within != nil {
		d.tryAll(f, j)
		return
	}
	_, initials := d.order.reversal(j)
	initials = initials.and(f.enabled).less(less) // a thread that waits for a lock comes no earlier
	if !initials.and(f.backtrack.or(f.done)).empty() || initials.empty() {
		return
	}
	last := d.order.events[len(d.order.events)-1].Thread
	if !initials.has(last) {
		last = initials.first()
	}
	f.backtrack = f.backtrack.with(last)
	d.logRace(j, last)
}

// reverseBeforeWoken looks at threads that slept at a frame and were woken there. What
// such a thread does now may be something else than it would have done then, as a call
// that reads from a descriptor touches no memory once that is closed. An event that
// depends on what it would have done, and that need not come after what woke it, has to
// be tried from that frame: nothing that happens here is in a race with it.
func (d *subtree) reverseBeforeWoken(e *event) {
	for len(d.woken) > 0 && d.woken[len(d.woken)-1].frame >= len(d.stack)-1 {
		d.woken = d.woken[:len(d.woken)-1] // of a run before
	}
	for _, w := range d.woken {
		j, n := d.prefix+w.frame, len(d.order.events)-1
		if w.event.Thread != e.Thread && w.event.dependent(&e.spanned) && !d.order.before(j, n) {
			d.reverse(j, only(w.event.Thread))
		}
	}
}

// reverseWaked makes sure that the clock is also moved on before the newest event, where
// that has ended the last wait with a deadline: nothing is left then that could be
// seen to be in a race with it.
func (d *subtree) reverseWaked(f *frame, thread int) {
	clock := d.s.Clock()
	if clock != thread && f.enabled.has(clock) && !d.s.Runnable(clock) {
		f.backtrack = f.backtrack.with(clock)
	}
}

// reverseLockedOut makes sure that threads which wait for an abstract lock at
// the end of a run are also tried before who has it took it.
func (d *subtree) reverseLockedOut() {
	n := len(d.order.events)
	for t := range d.s.Threads() {
		ev, out := d.s.LockedOut(t)
		if !out {
			continue
		}
		for _, j := range d.order.add(newEvent(ev)) {
			d.reverse(j, set{})
		}
		d.order.cut(n)
	}
}

// reverseStopped makes sure that the clock is also moved on before the race is over, where
// a thread waits with a deadline that the plan does not wait for. That it waits, and that
// the plan's threads have made their calls, may come in either order: only in one of them
// is there a moment at which the clock can be moved on.
func (d *subtree) reverseStopped() error {
	ev, stopped, err := d.s.Stopped()
	if err != nil || !stopped {
		return err
	}
	n := len(d.order.events)
	for _, j := range d.order.add(newEvent(ev)) {
		d.reverse(j, set{})
	}
	d.order.cut(n)
	return nil
}

// schedule is that of the present run.
func (d *subtree) schedule() (s scenario.Schedule) {
	for _, e := range d.order.events {
		s = s.AddEvent(e.Event)
	}
	return s
}

// over counts a finished run.
func (d *subtree) over(o scenario.Outcome) error {
	if d.s.Grown() != d.known {
		return errGrown
	}
	d.reverseLockedOut()
	if err := d.reverseStopped(); err != nil {
		return err
	}
	d.total.Schedules++
	logRun(d.log, d.s, "trace", d.schedule, o)
	rests := d.total.note(d.s, o)
	found := error(nil)
	if o.Failed() || d.inspect != nil {
		// Threads that wait for an abstract lock have not tried it yet.
		schedule := ending(d.s, d.schedule(), o.Kind == scenario.Deadlock)
		failed, err := d.total.judge(d.s, o, schedule, d.preemptions(), d.inspect, d.ends, rests)
		if err != nil {
			return err
		}
		if failed && !d.keepGoing {
			found = errFound
		}
	}
	if err := d.tick(len(d.order.events)); err != nil && found == nil {
		return err
	}
	return found
}
