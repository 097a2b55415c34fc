package explore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"emurace/internal/logging"
	"emurace/scenario"
)

// errFound ends a walk at its first failure.
var errFound = errors.New("a failing schedule was found")

// walker runs every schedule with exactly a given number of preemptions below
// some prefix, depth first. A preemption is a switch away from a thread that
// could go on; after one that cannot, any runnable thread may follow for free.
type walker struct {
	ctx       context.Context
	s         *scenario.Session
	keepGoing bool
	wanted    func(scenario.Outcome) bool // see Options
	inspect   inspection
	ends      *Ends
	count     *atomic.Uint64 // schedules run by all walkers
	limit     uint64         // of count; 0 for none
	log       *logging.Log

	level    int // preemptions of the schedules being run
	schedule scenario.Schedule
	result   Result

	at       []turn // where the walk is
	skip     []turn // the way to where it is to begin: all before was walked already
	skipping bool   // it is on that way
	// The last mark, from where the walk can be resumed: result has all
	// that is before marked, and markedRan of its instructions.
	marked    []turn
	markedRan uint64
	onMark    func() // may be nil
}

// turn is one thread's walk: how far it has come, and which of the threads that
// can follow it there is next.
type turn struct {
	N    uint64 `json:"n"` // instructions
	Next int    `json:"next"`
	// Half tells that the thread is in the middle of the instruction behind these.
	Half bool `json:"half,omitempty"`
}

// resume makes the walk begin where another one was at a mark, with what that
// had found.
func (w *walker) resume(at []turn, so *Result) {
	w.skip, w.skipping = at, len(at) > 0
	w.result = *so
}

// enter begins a turn. It returns how many instructions to run before anybody
// else is to follow: n, or more when that was walked already; with half, up to the middle
// of the next one.
func (w *walker) enter(n uint64) (run uint64, half bool) {
	t := turn{}
	if len(w.skip) > 0 {
		t.Next, n, half = w.skip[0].Next, w.skip[0].N, w.skip[0].Half
		w.skip = w.skip[1:]
	}
	w.at = append(w.at, t)
	return n, half
}

// leave ends the last turn.
func (w *walker) leave() { w.at = w.at[:len(w.at)-1] }

// move lets the thread of the last turn run.
func (w *walker) move(thread int, n uint64) error {
	before := w.result.Instructions
	if err := w.run(thread, n); err != nil {
		return err
	}
	ran := w.result.Instructions - before
	w.at[len(w.at)-1].N += ran
	if w.skipping {
		w.result.Instructions = before // they were counted the first time
		if ran != n {
			return damaged("thread %d runs %d instructions, not %d", thread, ran, n)
		}
	}
	return nil
}

// follow runs f for each thread that can follow the last turn's here, less those
// that have.
func (w *walker) follow(except int, f func(int) error) error {
	top := len(w.at) - 1
	can := w.runnable(except)
	from := w.at[top].Next
	if from > len(can) || len(w.skip) > 0 && from == len(can) {
		return damaged("%d threads can follow, not %d", len(can), from)
	}
	w.skipping = len(w.skip) > 0
	err := w.choose(can[from:], except >= 0, func(next int) error {
		if err := f(next); err != nil {
			return err
		}
		w.at[top].Next++
		w.mark()
		return nil
	})
	w.at[top].Next = 0
	return err
}

// mark notes that all in front of the present moment was walked.
func (w *walker) mark() {
	w.marked = append(w.marked[:0], w.at...)
	w.markedRan = w.result.Instructions
	if w.onMark != nil {
		w.onMark()
	}
}

// run lets a thread run n instructions and notes the slice.
func (w *walker) run(thread int, n uint64) error {
	ran, err := w.s.Run(thread, n)
	w.schedule = w.schedule.Add(thread, ran)
	w.result.Instructions += ran
	return err
}

// within runs f and comes back to the present moment.
func (w *walker) within(f func() error) error {
	mark, err := w.s.Mark()
	if err != nil {
		return err
	}
	defer mark.Drop()
	saved := append(scenario.Schedule(nil), w.schedule...)
	if err := f(); err != nil {
		return err
	}
	w.schedule = saved
	return mark.Rewind()
}

// leaf counts a finished run.
func (w *walker) leaf(o scenario.Outcome) error {
	if w.s.Strange() {
		return errGrown
	}
	w.result.Schedules++
	logRun(w.log, w.s, fmt.Sprintf("%d preemptions", w.level), func() scenario.Schedule { return w.schedule }, o)
	rests := w.result.note(w.s, o)
	w.count.Add(1)
	if !o.Failed() && w.inspect == nil {
		return nil
	}
	if w.wanted != nil && !w.wanted(o) {
		w.result.others = lowest(w.result.others, w.level+1)
		return nil
	}
	failed, err := w.result.judge(w.s, o, ending(w.s, w.schedule, false), w.level, w.inspect, w.ends, rests)
	if err != nil || !failed || w.keepGoing {
		return err
	}
	return errFound
}

// finish runs the thread and then all others without any preemption.
func (w *walker) finish(thread int) error {
	// There are as many ways to go on from here as orders of the threads: with two, and no
	// clock to be moved on, it is one, which is run to its end.
	if w.s.Threads() > 2 || w.s.Process().Timed() {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if w.limit > 0 && w.count.Load() >= w.limit {
			return errBudget
		}
	}
	if err := w.run(thread, 0); err != nil {
		return err
	}
	if o, over := w.s.Outcome(); over {
		return w.leaf(o)
	}
	return w.choose(w.runnable(-1), false, w.finish)
}

// finishWhole is finish, of which nothing counts when it is broken off: a walk is gone
// on with from where its preemptions were, and then runs all of it.
func (w *walker) finishWhole(thread int) error {
	if w.s.Schedulable() <= 2 {
		return w.finish(thread) // one schedule
	}
	before := tallyOf(&w.result)
	err := w.finish(thread)
	if err != nil && !errors.Is(err, errFound) {
		w.result = *before.result()
	}
	return err
}

// walk runs the thread and preempts it at every instruction, left times in all.
func (w *walker) walk(thread, left int) error {
	if left == 0 {
		if w.skipping {
			return damaged("a walk has more turns than preemptions")
		}
		if w.limit > 0 && w.count.Load() >= w.limit {
			return errBudget
		}
		return w.finishWhole(thread)
	}
	// Step by step a thread would go round for ever.
	far, rounds, err := w.s.LookAhead(thread)
	if err != nil {
		return err
	}
	n, half := w.enter(0)
	if w.skipping && n == 0 && !half {
		return damaged("a walk begins nowhere")
	}
	for ; ; n = 1 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if n > 0 {
			if err := w.move(thread, n); err != nil {
				return err
			}
		}
		if rounds != nil && w.at[len(w.at)-1].N >= far {
			if err := w.s.Wait(thread, rounds); err != nil {
				return err
			}
		}
		if _, over := w.s.Outcome(); over || w.s.Closed() {
			break // a schedule with fewer preemptions; counted before
		}
		if !w.s.Runnable(thread) {
			if err := w.follow(-1, func(next int) error { return w.walk(next, left) }); err != nil {
				return err
			}
			break
		}
		if n > 0 && !half {
			if err := w.preempt(thread, left); err != nil {
				return err
			}
		}
		if err := w.preemptHalf(thread, left); err != nil {
			return err
		}
		half = false
	}
	w.leave()
	return nil
}

// preemptHalf runs what follows when the thread is preempted in the middle of its next
// instruction, if that has one.
func (w *walker) preemptHalf(thread, left int) error {
	top := len(w.at) - 1
	if !w.s.MayHalve(thread) {
		return w.noHalf(thread)
	}
	w.at[top].Half = true
	ran := w.result.Instructions
	err := w.within(func() error {
		n, err := w.s.RunSlice(scenario.Slice{Thread: thread, N: 1, Half: true})
		if err != nil {
			return err
		}
		if !w.s.Holds(thread) {
			return w.noHalf(thread)
		}
		w.schedule = w.schedule.AddEvent(scenario.Event{Thread: thread, Ran: n, Half: true})
		if !w.skipping {
			w.result.Instructions = ran + n
		}
		return w.preempt(thread, left)
	})
	w.at[top].Half = false
	return err
}

// noHalf is for a thread whose next instruction does not end in its middle: nobody can have
// been walking from there.
func (w *walker) noHalf(thread int) error {
	if w.at[len(w.at)-1].Next > 0 || len(w.skip) > 0 {
		return damaged("thread %d is not in the middle of an instruction", thread)
	}
	return nil
}

// preempt runs what follows when the thread is preempted here.
func (w *walker) preempt(thread, left int) error {
	return w.follow(thread, func(next int) error { return w.walk(next, left-1) })
}

// runnable is the threads that can run, except one.
func (w *walker) runnable(except int) []int {
	var can []int
	for i := range w.s.Schedulable() {
		if i != except && w.s.Runnable(i) {
			can = append(can, i)
		}
	}
	return can
}

// choose runs f for each of the threads, from the present moment each time.
// Unless it is to come back, the last of them needs no way back.
func (w *walker) choose(threads []int, back bool, f func(int) error) error {
	for k, i := range threads {
		var err error
		if !back && k == len(threads)-1 {
			err = f(i)
		} else {
			err = w.within(func() error { return f(i) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}
