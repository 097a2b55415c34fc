package explore

import (
	"context"
	"errors"
	"sync/atomic"

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
	inspect   func(scenario.Schedule) ([]Problem, error)
	count     *atomic.Uint64 // schedules run by all walkers
	limit     uint64         // of count; 0 for none

	level    int // preemptions of the schedules being run
	schedule scenario.Schedule
	result   Result
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
	w.result.Schedules++
	w.count.Add(1)
	if !o.Failed() && w.inspect == nil {
		return nil
	}
	schedule := append(scenario.Schedule(nil), w.schedule...)
	// The last slice runs into the failure, or to the end, however long that takes.
	schedule[len(schedule)-1].N = 0
	failed, err := w.result.judge(o, schedule, w.level, w.inspect)
	if err != nil || !failed || w.keepGoing {
		return err
	}
	return errFound
}

// finish runs the thread and then all others without any preemption.
func (w *walker) finish(thread int) error {
	if err := w.run(thread, 0); err != nil {
		return err
	}
	if o, over := w.s.Outcome(); over {
		return w.leaf(o)
	}
	return w.choose(-1, w.finish)
}

// walk runs the thread and preempts it at every instruction, left times in all.
func (w *walker) walk(thread, left int) error {
	if left == 0 {
		if w.limit > 0 && w.count.Load() >= w.limit {
			return errBudget
		}
		return w.finish(thread)
	}
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.run(thread, 1); err != nil {
			return err
		}
		if _, over := w.s.Outcome(); over {
			return nil // a schedule with fewer preemptions; counted before
		}
		if !w.s.Runnable(thread) {
			return w.choose(-1, func(next int) error { return w.walk(next, left) })
		}
		if err := w.preempt(thread, left); err != nil {
			return err
		}
	}
}

// preempt runs what follows when the thread is preempted here.
func (w *walker) preempt(thread, left int) error {
	return w.choose(thread, func(next int) error { return w.walk(next, left-1) })
}

// choose runs f for each thread that can run, except one, from the present
// moment each time. After a preemption it comes back; otherwise the last choice
// needs no way back.
func (w *walker) choose(except int, f func(int) error) error {
	var can []int
	for i := range w.s.Plan.Threads {
		if i != except && w.s.Runnable(i) {
			can = append(can, i)
		}
	}
	for k, i := range can {
		var err error
		if except < 0 && k == len(can)-1 {
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
