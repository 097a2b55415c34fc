package portable

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"emurace/scenario"
)

// ErrHalf is that of a schedule which stops a thread in the middle of an instruction: between its
// read and its write, or between the two registers of a pair.
var ErrHalf = errors.New("describe: the schedule stops a thread in the middle of an instruction, which on another build may be another one")

// ErrSeeing is that of a schedule which says what instructions see of memory: words have no way to.
var ErrSeeing = errors.New("describe: the schedule has instructions see what memory does not hold, as the memory model allows; no words say that")

// Describe finds runs that make happen what a schedule does, in words that are
// likely to mean the same on another build of the libraries. Sessions are made by
// start; they must be equal. The race goes on behind the schedule, if it is not over,
// as Player.Play says.
//
// Between the last event of a slice and the next event of its thread it makes no
// difference where the thread stops. Of the conditions that come true there, those
// come first that say the least about the build: the end of the thread's calls; a
// call of an exported function, or the return from one; an access to what an exported
// symbol or a pointer at one tells; functions that are not exported; and last an
// instruction at an offset. Each is tried on this build before it is taken.
//
// Where the schedule fails, only that is kept: how the race ends, at which
// instruction and by which access. Slices without which it ends the same are left
// out, and a thread may stop an event earlier or later when that makes no difference
// for the end, since a place in the midst of those that will do is likely to be one
// elsewhere too. A schedule that does not fail keeps the order of its events.
//
// The notes say in sentences what a reader should know of the runs: what was left
// out, and which words mean something on this build only.
func Describe(start func() (*scenario.Session, error), schedule scenario.Schedule) (runs []Run, notes []string, err error) {
	if slices.ContainsFunc(schedule, func(sl scenario.Slice) bool { return sl.Half }) {
		return nil, nil, ErrHalf
	}
	if schedule.Odd() {
		return nil, nil, ErrSeeing
	}
	s, err := start()
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	d := &describer{s: s, p: New(s), slices: len(schedule)}
	if err := d.bound(schedule); err != nil {
		return nil, nil, err
	}
	s.WantEvents(true)
	segments, err := d.learn(schedule)
	if err != nil {
		return nil, nil, err
	}
	// What the words come to is looked at on a session that has seen nothing.
	fresh, err := start()
	if err != nil {
		return nil, nil, err
	}
	defer fresh.Close()
	checker := New(fresh)
	for _, d.free = range []bool{d.want.outcome.Failed() && d.want.outcome.Kind != scenario.Livelock, false} {
		d.notes = nil
		runs, err := d.describe(segments)
		if err != nil && d.free {
			continue // it may do with the order of the events
		}
		if err != nil {
			return nil, nil, err
		}
		if r, err := checker.Play(runs); err == nil && d.want.same(endOf(fresh, r.Outcome)) {
			return runs, d.notes, nil
		}
		if !d.free {
			break
		}
	}
	return nil, nil, errors.New("describe: no words make happen what the schedule does")
}

// segment is what is left of a slice when only events count: a thread runs until it
// has had so many events since the race began, or as long as it can.
type segment struct {
	thread int
	upTo   int
	toEnd  bool
}

// describer puts one schedule into words.
type describer struct {
	s      *scenario.Session
	p      *Player
	slices int // of the schedule
	want   ending
	order  []scenario.Event // to be kept when the describer is not free
	free   bool             // only the ending is to be kept
	notes  []string
	spent  uint64 // instructions run to try things
}

// ending is how a race came out, and at a deadlock what each thread waits for: which
// futex word, or 0 for none.
type ending struct {
	outcome scenario.Outcome
	waits   []uint64
}

func endOf(s *scenario.Session, o scenario.Outcome) ending {
	e := ending{outcome: o}
	if o.Kind == scenario.Deadlock {
		for i := range s.Names() {
			addr, _ := s.Process().WaitsFor(s.MachineThread(i))
			if lock, out := s.LockedOut(i); out {
				addr = lock.Acquire
			}
			e.waits = append(e.waits, addr)
		}
	}
	return e
}

func (e ending) same(o ending) bool { return reflect.DeepEqual(e, o) }

// maxSpent bounds the instructions that are run to find simpler words.
const maxSpent = 400_000_000

// tally follows the events of a run.
type tally struct {
	counts []int
	order  []scenario.Event
}

func (d *describer) begin() (*tally, error) {
	// Which bytes are shared, and so what an event is, shall not depend on what
	// was tried before.
	d.s.ForgetShared()
	return &tally{counts: make([]int, len(d.s.ScheduleNames()))}, d.s.Restart()
}

func (t *tally) add(events ...scenario.Event) {
	for _, e := range events {
		if len(e.Accesses) > 0 || len(e.Objects) > 0 {
			t.counts[e.Thread]++
			t.order = append(t.order, scenario.Event{Thread: e.Thread, Accesses: e.Accesses, Objects: e.Objects})
		}
	}
}

func (t *tally) same(order []scenario.Event) bool {
	return slices.EqualFunc(t.order, order, func(a, b scenario.Event) bool { return reflect.DeepEqual(a, b) })
}

// bound runs the schedule once. A race that goes on for ever need not be followed
// for millions of instructions each time: some behind the beginning of the last slice
// show as much.
func (d *describer) bound(schedule scenario.Schedule) error {
	const enough = 50_000
	begun := uint64(0)
	for k, sl := range schedule {
		begun = d.s.Steps()
		ran, err := d.s.RunSlice(sl)
		if err != nil {
			return err
		}
		if _, over := d.s.Outcome(); sl.N != 0 && ran != sl.N && !(over && k == len(schedule)-1) {
			return fmt.Errorf("describe: %w", &scenario.MismatchError{Slice: k + 1, Text: sl.Text(d.s.ScheduleNames()), Ran: ran})
		}
	}
	for {
		for i := range d.s.ScheduleNames() {
			_, over := d.s.Outcome()
			if over && d.s.CutShort() {
				d.s.Limit = min(d.s.Limit, begun+enough)
			}
			if over {
				return nil
			}
			if _, err := d.s.Run(i, 0); err != nil {
				return err
			}
		}
	}
}

// learn runs the schedule until every byte that threads share in it is known, and
// makes segments of its slices.
func (d *describer) learn(schedule scenario.Schedule) ([]segment, error) {
	const most = 100
	for range most {
		grown := d.s.Grown()
		if err := d.s.Restart(); err != nil {
			return nil, err
		}
		t := &tally{counts: make([]int, len(d.s.ScheduleNames()))}
		var segments []segment
		for _, sl := range schedule {
			events, err := d.s.RunEvents(sl)
			if err != nil {
				return nil, err
			}
			had := t.counts[sl.Thread]
			t.add(events...)
			g := segment{thread: sl.Thread, upTo: t.counts[sl.Thread], toEnd: !d.s.Runnable(sl.Thread) || d.s.CutShort()}
			if g.toEnd || g.upTo > had {
				segments = join(append(segments, g))
			}
		}
		o, err := d.finish(t)
		if err != nil {
			return nil, err
		}
		if d.s.Grown() == grown {
			d.want, d.order = o, t.order
			return segments, d.s.AddShared(d.s.SharedBytes())
		}
	}
	return nil, errors.New("describe: each run of the schedule shows more bytes that threads share")
}

// join makes one of neighbours of the same thread.
func join(list []segment) []segment {
	out := list[:0:0]
	for _, g := range list {
		if k := len(out); k > 0 && out[k-1].thread == g.thread {
			out[k-1] = g
		} else {
			out = append(out, g)
		}
	}
	return out
}

// run runs segments from the present moment on.
func (d *describer) run(t *tally, segments []segment) error {
	for _, g := range segments {
		for d.s.Runnable(g.thread) && d.s.Steps() < d.s.Limit && (g.toEnd || t.counts[g.thread] < g.upTo) {
			e, err := d.s.RunEvent(g.thread)
			if err != nil {
				return err
			}
			t.add(e)
		}
	}
	return nil
}

// finish runs what is left of the race, the threads in order, and is how it ends.
func (d *describer) finish(t *tally) (ending, error) {
	for {
		for i := range d.s.ScheduleNames() {
			o, over := d.s.Outcome()
			if over {
				d.spent += d.s.Steps()
				return endOf(d.s, o), nil
			}
			if err := d.run(t, []segment{{thread: i, toEnd: true}}); err != nil {
				return ending{}, err
			}
		}
	}
}

// after plays runs and then segments, and tells whether the race comes out as it
// is to. An error of the runs is that it does not.
func (d *describer) after(runs []Run, segments []segment) (bool, error) {
	t, err := d.play(runs)
	if err != nil {
		return false, ofRuns(err)
	}
	return d.outcome(t, segments)
}

// outcome goes on with segments after runs.
func (d *describer) outcome(t *tally, segments []segment) (bool, error) {
	if err := d.run(t, segments); err != nil {
		return false, err
	}
	o, err := d.finish(t)
	return err == nil && d.want.same(o) && (d.free || t.same(d.order)), err
}

// play plays runs from the start of the race.
func (d *describer) play(runs []Run) (*tally, error) {
	t, err := d.begin()
	for _, r := range runs {
		if err != nil {
			return t, err
		}
		var st Stopped
		st, err = d.p.Step(r)
		t.add(st.Events...)
	}
	return t, err
}

// ofRuns lets errors go that only tell that runs do not fit.
func ofRuns(err error) error {
	var unmet *UnmetError
	var bad *RunError
	if errors.As(err, &unmet) || errors.As(err, &bad) {
		return nil
	}
	return err
}

// describe finds the runs.
func (d *describer) describe(segments []segment) ([]Run, error) {
	if d.free {
		var err error
		if segments, err = d.simplify(segments); err != nil {
			return nil, err
		}
	}
	var runs []Run
	for j, g := range segments {
		t, err := d.play(runs)
		if err != nil {
			return nil, err
		}
		if !d.s.Runnable(g.thread) || !g.toEnd && t.counts[g.thread] >= g.upTo {
			continue // a run before went as far
		}
		if g.toEnd {
			runs = append(runs, Run{Thread: d.s.ScheduleNames()[g.thread]})
			continue
		}
		if d.s.IsClock(g.thread) {
			runs = append(runs, Run{Thread: scenario.ClockName, N: uint64(g.upTo - t.counts[g.thread])})
			continue
		}
		r, err := d.choose(runs, segments[j:])
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	runs, err := d.last(runs)
	if n := d.slices - len(runs); n > 0 {
		d.note("%d of the schedule's %d slices make no difference to how it ends and are left out.", n, d.slices)
	}
	return runs, err
}

// last adds the thread that goes on after the runs, though that goes without saying.
func (d *describer) last(runs []Run) ([]Run, error) {
	if _, err := d.play(runs); err != nil {
		return nil, err
	}
	_, over := d.s.Outcome()
	for i, name := range d.s.ScheduleNames() {
		if !over && d.s.Runnable(i) {
			return append(runs, Run{Thread: name}), nil
		}
	}
	return runs, nil
}

func (d *describer) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

// simplify leaves out segments, and lets threads run to their end, as long as the
// race ends in the same way.
func (d *describer) simplify(segments []segment) ([]segment, error) {
	for again := true; again; {
		again = false
		for j := len(segments) - 1; j >= 0; j-- {
			j = min(j, len(segments)-1)
			shorter := join(slices.Delete(slices.Clone(segments), j, j+1))
			longer := slices.Clone(segments)
			longer[j].toEnd = true
			for k, try := range [][]segment{shorter, longer} {
				if k == 1 && segments[j].toEnd || d.spent > maxSpent {
					continue
				}
				ok, err := d.after(nil, try)
				if err != nil {
					return nil, err
				}
				if ok {
					segments, again = try, true
					break
				}
			}
		}
	}
	return segments, nil
}
