package explore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"emurace/emu"
	"emurace/scenario"
)

// ErrLivelock is the error of a schedule that cannot be cut down.
var ErrLivelock = errors.New("minimize: a livelock is not cut down")

// errUnlike is the error of a schedule that ends in another way than it should.
var errUnlike = errors.New("minimize: the schedule does not fail as it did")

// Minimal is a failing schedule cut to what it needs.
type Minimal struct {
	Schedule scenario.Schedule
	Outcome  scenario.Outcome
	Switches int
	// Preemptions is how often a thread that could go on is made to stop.
	Preemptions int
	// Certified tells that no schedule with fewer preemptions fails in any
	// way, by having run them all.
	Certified bool
	// Essential are the races whose order the failure depends on: with the two
	// accesses the other way round, the run passes. With Together no single one of them does
	// that, but all of them, in the run that was found to pass with the fewest.
	Essential []Edge
	Together  bool
	// Sections are, where no single race decides, pairs of critical sections of the same lock that do:
	// with the second one first, as a whole, the run passes.
	Sections [][2]Section
}

// Edge is two events of the minimal run of which the first had to come first.
type Edge struct{ First, Second Place }

// Place is an event of a run by the number of its last instruction since the
// race began; when the clock is moved on, of the one before that.
type Place struct {
	Thread int
	Step   uint64
	Event  scenario.Event
}

// Minimize takes a failing schedule to one that fails in the same way with
// fewer switches. It drops what the failure does not depend on, puts the rest
// into an equivalent order with few switches, tries to leave out each of the
// remaining stretches (so the result is 1-minimal in them) and to move it beside another one, turns
// round each race of the result and sees whether the run still fails. Then it looks whether
// fewer preemptions would do, for at most the given time; a schedule that shows so is taken instead. When the context
// ends, so does that, with its error. A livelock is refused: each try would run up to
// the limit of instructions, and which events lie before that depends on all of them.
func Minimize(ctx context.Context, start func() (*scenario.Session, error), f Finding, certify time.Duration) (*Minimal, error) {
	if f.Outcome.Kind == scenario.Livelock {
		return nil, ErrLivelock
	}
	s, err := start()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	m := &minimizer{ctx: ctx, s: s, want: f.Outcome, most: s.Limit}
	s.WantEvents(true)
	min, err := m.minimize(f.Schedule)
	if err != nil {
		return nil, err
	}
	return m.certify(start, min, certify)
}

// minimize does it until no run shows another byte to be shared: with every
// such byte there are more events, and a sequence of threads means another run.
func (m *minimizer) minimize(schedule scenario.Schedule) (*Minimal, error) {
	if err := m.measure(schedule); err != nil {
		return nil, err
	}
	if m.s.Timeouts() == scenario.WhenDue && slices.ContainsFunc(schedule, func(sl scenario.Slice) bool { return m.s.IsClock(sl.Thread) }) {
		return m.bySlices(schedule)
	}
	for {
		known := m.s.Process().SharedGrown()
		min, err := m.attempt(schedule)
		if m.s.Process().SharedGrown() == known {
			return min, err
		}
	}
}

func (m *minimizer) attempt(schedule scenario.Schedule) (*Minimal, error) {
	best, err := m.learn(schedule)
	if err != nil {
		return nil, err
	}
	if causal := m.causal(); causal != nil {
		ok, err := m.fails(causal)
		if err != nil {
			return nil, err
		}
		if ok {
			best = m.threads()
		}
	}
	min, err := m.shrink(best)
	if err != nil {
		return nil, err
	}
	return min, m.flip(min)
}

// shrink leaves out stretches, moves them and lets threads run on, until none of these makes the
// schedule a better one any more: with fewer preemptions, or else fewer switches, or else fewer
// events. So the result is 1-minimal after threads have been let run on, too.
func (m *minimizer) shrink(threads []int) (*Minimal, error) {
	var best *Minimal
	var events []int // of best
	for {
		for _, way := range []func([]int) ([]int, error){m.leaveOut, m.move} {
			var err error
			if threads, err = way(threads); err != nil {
				return nil, err
			}
		}
		next, err := m.result(threads)
		if err != nil {
			return nil, err
		}
		longer, err := m.extend(next.Schedule)
		if err != nil {
			return nil, err
		}
		if threads, err = m.learn(longer); err != nil {
			return nil, err
		}
		if next, err = m.result(threads); err != nil {
			return nil, err
		}
		if best != nil && !better(next, threads, best, events) {
			return m.result(events) // the run that the order is of is the result's
		}
		best, events = next, threads
	}
}

// better compares two results with their events.
func better(a *Minimal, events []int, b *Minimal, others []int) bool {
	return cmp.Or(cmp.Compare(a.Preemptions, b.Preemptions), cmp.Compare(a.Switches, b.Switches), cmp.Compare(len(events), len(others))) < 0
}

// extend lets a thread that is preempted run on to its end where the failure
// stays the same: as many switches, but a preemption less.
func (m *minimizer) extend(schedule scenario.Schedule) (scenario.Schedule, error) {
	for i := range max(len(schedule)-1, 0) {
		if err := m.ctx.Err(); err != nil {
			return nil, err
		}
		longer := slices.Clone(schedule)
		longer[i].N, longer[i].Half = 0, false
		if err := m.s.Restart(); err != nil {
			return nil, err
		}
		for k, sl := range longer {
			ran, err := m.s.RunSlice(sl)
			if err != nil {
				return nil, err
			}
			if k < len(longer)-1 {
				longer[k].N = ran
			}
		}
		if m.same() && !slices.ContainsFunc(longer[:len(longer)-1], func(sl scenario.Slice) bool { return sl.N == 0 }) {
			schedule = longer
		}
	}
	return schedule, nil
}

// minimizer works with runs as sequences of threads: each stands for the
// thread's next event.
type minimizer struct {
	ctx   context.Context
	s     *scenario.Session
	want  scenario.Outcome
	order order
	ran   []scenario.Event // the events of order, as they ran
	most  uint64           // of a run that may fail as this one did
	moved uint64           // instructions that moves have run
}

// measure finds out how long a run may be, by the schedule as it is.
func (m *minimizer) measure(schedule scenario.Schedule) error {
	if err := m.s.Restart(); err != nil {
		return err
	}
	for _, sl := range schedule {
		if _, err := m.s.RunSlice(sl); err != nil {
			return err
		}
	}
	const enough = 1_000_000 // what no scenario of calls comes to
	m.most = min(m.s.Limit, 2*m.s.Steps()+enough)
	return nil
}

// learn plays the schedule and returns the threads of its events.
func (m *minimizer) learn(schedule scenario.Schedule) ([]int, error) {
	if err := m.s.Restart(); err != nil {
		return nil, err
	}
	var threads []int
	closed := false
	for _, sl := range schedule {
		events, err := m.s.RunEvents(sl)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if closed {
				break // behind the window nothing is chosen
			}
			closed = e.Closes
			threads = append(threads, sl.Thread)
			if e.Divisible {
				threads = append(threads, sl.Thread) // event by event it is two
			}
		}
	}
	if !m.same() {
		return nil, errUnlike
	}
	ok, err := m.fails(threads)
	if err == nil && !ok {
		err = fmt.Errorf("%w, event by event", errUnlike)
	}
	return threads, err
}

// fails runs the threads' events in this order, and then the thread that is to
// fail, or all that are left where none is, and tells whether the run ends in the same way. The
// events are in m.order afterwards.
func (m *minimizer) fails(threads []int) (bool, error) {
	m.order = newOrder(m.s.Schedulable())
	m.ran = nil
	if err := m.ctx.Err(); err != nil {
		return false, err
	}
	if err := m.s.Restart(); err != nil {
		return false, err
	}
	defer m.bound()()
	for _, t := range threads {
		if over, err := m.step(t); err != nil || over {
			return m.same(), err
		}
	}
	last := m.want.Thread
	if last < 0 && len(threads) > 0 {
		last = threads[len(threads)-1]
	}
	for t := m.next(last); t >= 0; t = m.next(last) {
		if over, err := m.step(t); err != nil || over {
			return m.same(), err
		}
		if m.s.CutShort() {
			return false, nil
		}
		last = t
	}
	return m.same(), nil
}

// next is the thread that goes on where a sequence has come to its end, -1 for none: the one that
// is to fail, or else the one that ran last while it can, so that nothing is preempted, and then
// the others. The clock is the last of them.
func (m *minimizer) next(last int) int {
	if last >= 0 && m.s.Runnable(last) {
		return last
	}
	if m.want.Thread < 0 {
		for t := range m.s.Schedulable() {
			if m.s.Runnable(t) {
				return t
			}
		}
	}
	return -1
}

// threads are those of the events that have just been run.
func (m *minimizer) threads() []int {
	list := make([]int, len(m.ran))
	for i, e := range m.ran {
		list[i] = e.Thread
	}
	return list
}

// step runs a thread's next event, if it can run.
func (m *minimizer) step(t int) (over bool, err error) {
	if !m.s.Runnable(t) {
		return false, nil
	}
	ev, err := m.s.RunEvent(t)
	if err != nil {
		return false, err
	}
	// That the process ends here concerns everyone, but what led to it need
	// not: so its causes are those of an ordinary event. Where the window ends, all that
	// follows may be a cause.
	ev.Ends = ev.Closes
	if ev.Closes {
		if ev.Tail, err = m.s.RunTail(); err != nil {
			return false, err
		}
	}
	o, over := m.s.Outcome()
	if over && o.End != nil && o.End.Kind == emu.EndFault {
		// It has found no memory there, or none that allows it.
		ev.Objects = append(slices.Clone(ev.Objects), emu.Object{Class: emu.ObjectMappings})
	}
	m.order.add(newEvent(ev))
	m.ran = append(m.ran, ev)
	return over, nil
}

// same tells whether the run has ended as the one that is cut down.
func (m *minimizer) same() bool {
	o, over := m.s.Outcome()
	return over && !m.s.Strange() && sameFailure(o, m.want)
}

// sameFailure tells whether a run failed in the same way: at the same instruction, and where a check
// found a fault, with the same words.
func sameFailure(o, want scenario.Outcome) bool {
	return o.Kind == want.Kind && o.Thread == want.Thread && o.Message == want.Message &&
		(o.End == nil || want.End != nil && o.End.PC == want.End.PC)
}

// causal is the run's events that happen before its last one, in an order with
// few switches: each thread goes on as long as it can. For a run without a
// failing thread, such as a deadlock, every event counts.
func (m *minimizer) causal() []int {
	n := len(m.order.events)
	needed := make([]bool, n)
	for i := range needed {
		needed[i] = m.want.Thread < 0 || m.order.before(i, n-1)
	}
	var best []int
	for first := range m.s.Schedulable() {
		if t := m.linear(needed, first); best == nil || switches(t) < switches(best) {
			best = t
		}
	}
	return best
}

// linear orders the needed events so that each comes after those that happen
// before it, beginning with a thread if that can begin.
func (m *minimizer) linear(needed []bool, first int) []int {
	var out []int
	done := make([]bool, len(needed))
	next := func(t int) int {
		for i, e := range m.order.events {
			if e.Thread == t && needed[i] && !done[i] {
				return i
			}
		}
		return -1
	}
	ready := func(i int) bool {
		for j := range i {
			if needed[j] && !done[j] && m.order.before(j, i) {
				return false
			}
		}
		return true
	}
	for t := first; ; {
		ran := false
		for i := next(t); i >= 0 && ready(i); i = next(t) {
			done[i] = true
			out = append(out, t)
			ran = true
		}
		t = (t + 1) % m.order.threads
		if !ran && t == first && !m.anyReady(next, ready) {
			return out
		}
	}
}

func (m *minimizer) anyReady(next func(int) int, ready func(int) bool) bool {
	for t := range m.order.threads {
		if i := next(t); i >= 0 && ready(i) {
			return true
		}
	}
	return false
}

func switches(threads []int) int {
	n := 0
	for i := 1; i < len(threads); i++ {
		if threads[i] != threads[i-1] {
			n++
		}
	}
	return n
}

// leaveOut drops every stretch of one thread's events that the failure can do
// without.
func (m *minimizer) leaveOut(threads []int) ([]int, error) {
	for from := 0; from < len(threads); {
		to := from
		for to < len(threads) && threads[to] == threads[from] {
			to++
		}
		shorter := append(append([]int(nil), threads[:from]...), threads[to:]...)
		ok, err := m.fails(shorter)
		if err != nil {
			return nil, err
		}
		if ok {
			threads = shorter
			from = 0
			continue
		}
		from = to
	}
	return threads, nil
}

// result runs the final order once more and notes its schedule.
func (m *minimizer) result(threads []int) (*Minimal, error) {
	ok, err := m.fails(threads)
	if err == nil && !ok {
		err = errors.New("minimize: the result does not fail")
	}
	if err != nil {
		return nil, err
	}
	o, _ := m.s.Outcome()
	min := &Minimal{Outcome: o}
	for _, e := range m.ran {
		min.Schedule = min.Schedule.AddEvent(e)
	}
	min.Schedule = min.Schedule.ToEnd()
	min.Switches = min.Schedule.Switches()
	min.Preemptions, err = m.preemptions(min.Schedule)
	return min, err
}

// preemptions counts the switches away from a thread that could go on.
func (m *minimizer) preemptions(schedule scenario.Schedule) (int, error) {
	if err := m.s.Restart(); err != nil {
		return 0, err
	}
	n := 0
	for i, sl := range schedule {
		if _, err := m.s.RunSlice(sl); err != nil {
			return 0, err
		}
		if i < len(schedule)-1 && m.s.Runnable(sl.Thread) {
			n++
		}
	}
	return n, nil
}
