package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"emurace/scenario"
)

// unit is a part of a level: a thread goes first and is preempted for the first
// time after [from, to) instructions, or, when from is 0, only after it has
// stopped by itself.
type unit struct {
	first    int
	from, to uint64
}

// unitsOf cuts a level into parts of a few hundred schedules, in the order in
// which a single walk would come to them.
func unitsOf(level int, alone []uint64) []unit {
	least := uint64(1)
	if level == 1 {
		least = 32
	}
	const most = 1 << 14 // units of a thread, however long it runs
	var units []unit
	for first, n := range alone {
		size := max(least, n/most)
		for from := uint64(1); from < n; from += size {
			units = append(units, unit{first, from, min(from+size, n)})
		}
		if n > 0 {
			units = append(units, unit{first: first})
		}
	}
	return units
}

// level is the schedules with a number of preemptions, while they are being run.
type level struct {
	b      *bounded
	number int
	alone  []uint64 // how long each thread runs undisturbed
	units  []unit
	began  uint64  // schedules of the levels before
	before *Result // of those, and of the units before from
	from   int
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	results []unitResult
	next    int                        // to be taken
	limit   int                        // units from here on are of no interest
	running map[int]context.CancelFunc // units being walked
	err     error                      // why the level was broken off
}

// unitResult is what has become of a unit.
type unitResult struct {
	result *Result // so far, nil for nothing
	whole  bool    // it is finished
	// Of a unit that is not finished: where it can be resumed, and the
	// result up to there.
	at     []turn
	walked *Result
}

func (b *bounded) newLevel(number int, alone []uint64) (*level, error) {
	l := &level{
		b: b, number: number, alone: alone, units: unitsOf(number, alone),
		began: b.total.Schedules, before: tallyOf(b.total).result(), running: map[int]context.CancelFunc{},
	}
	l.limit = len(l.units)
	l.results = make([]unitResult, len(l.units))
	if b.resumes() && number == b.Resume.Bounded.Level {
		if err := l.resume(b.Resume.Bounded); err != nil {
			return nil, err
		}
	}
	b.number.Store(int64(number))
	b.units.Store(uint64(len(l.units)))
	done := l.from
	for _, r := range l.results {
		if r.whole {
			done++
		}
	}
	b.done.Store(uint64(done))
	return l, nil
}

// run walks all units on all sessions, and adds what was found to the search's
// total.
func (l *level) run() error {
	l.ctx, l.cancel = context.WithCancel(l.b.ctx)
	defer l.cancel()
	var wg sync.WaitGroup
	for range max(l.b.Jobs, 1) {
		wg.Go(l.work)
	}
	wg.Wait()
	for _, r := range l.results[l.from:l.limit] {
		if r.result != nil {
			l.b.total.merge(r.result)
		}
	}
	if l.err == nil && !l.b.KeepGoing && l.b.total.Failing > 0 {
		return errFound
	}
	return l.err
}

// work takes units until none is left.
func (l *level) work() {
	s, err := l.b.session()
	if err != nil {
		l.mu.Lock()
		l.end(err)
		l.mu.Unlock()
		return
	}
	defer l.b.sessions.Put(s)
	for {
		i, w := l.take(s)
		if w == nil {
			return
		}
		l.finish(i, w, l.walk(w, l.units[i]))
	}
}

// take hands out the next unit, with a walker for it; nil when there is none.
func (l *level) take(s *scenario.Session) (int, *walker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.next < l.limit && l.results[l.next].whole {
		l.next++
	}
	if l.err != nil || l.next >= l.limit {
		return 0, nil
	}
	i := l.next
	l.next++
	ctx, cancel := context.WithCancel(l.ctx)
	l.running[i] = cancel
	w := l.b.walker(ctx, s, l.number)
	if r := l.results[i]; r.walked != nil {
		w.resume(r.at, tallyOf(r.walked).result())
	}
	if l.b.saver.save != nil {
		// A unit can take hours, so it is saved while it is being walked.
		every, last := l.b.saver.every/4, time.Now()
		w.onMark = func() {
			if time.Since(last) >= every {
				last = time.Now()
				l.save(i, w)
			}
		}
	}
	return i, w
}

// save keeps how far a unit has been walked.
func (l *level) save(i int, w *walker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results[i].keep(w)
	l.saveSometimes()
}

func (l *level) saveSometimes() {
	if l.err == nil {
		if err := l.b.saver.sometimes(l.b.state); err != nil {
			l.end(err)
		}
	}
}

// keep notes the walker's last mark.
func (r *unitResult) keep(w *walker) {
	if len(w.marked) == 0 {
		return // it has come no further than when it was taken
	}
	r.at = slices.Clone(w.marked)
	r.walked = tallyOf(&w.result).result()
	r.walked.Instructions = w.markedRan
}

// finish takes in what became of a unit. When one fails, those after it are of
// no interest, but those before it are finished: the first failure must be the
// same whoever is faster.
func (l *level) finish(i int, w *walker, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[i]()
	delete(l.running, i)
	r := &l.results[i]
	switch {
	case i >= l.limit:
		return
	case err == nil || errors.Is(err, errFound):
		*r = unitResult{result: &w.result, whole: true}
		l.b.done.Add(1)
		if err != nil {
			l.limit = i + 1
			for j, cancel := range l.running {
				if j >= l.limit {
					cancel()
				}
			}
		}
	default:
		r.result = &w.result
		r.keep(w)
		if ended := l.b.ctx.Err(); ended != nil && errors.Is(err, w.ctx.Err()) {
			err = ended // in the words of who has ended it
		}
		l.end(err)
	}
	l.saveSometimes()
}

// end makes all workers stop, for the first reason given. The caller holds the
// lock.
func (l *level) end(err error) {
	if l.err == nil {
		l.err = err
	}
	l.cancel()
}

// walk runs the schedules of a unit.
func (l *level) walk(w *walker, u unit) error {
	if err := w.s.Restart(); err != nil {
		return err
	}
	alone := l.alone[u.first]
	if u.from == 0 {
		_, rounds, err := w.s.LookAhead(u.first)
		if err != nil {
			return err
		}
		if n := w.enter(alone); n != alone {
			return damaged("a walk begins after %d instructions, not %d", n, alone)
		}
		if err := w.move(u.first, alone); err != nil {
			return err
		}
		if rounds != nil {
			w.s.Wait(u.first, rounds)
		}
		if _, over := w.s.Outcome(); over {
			return nil
		}
		return w.follow(-1, func(next int) error { return w.walk(next, w.level) })
	}
	step := w.enter(u.from)
	if step < u.from || step >= u.to {
		return damaged("a walk begins after %d instructions, not %d to %d", step, u.from, u.to)
	}
	for n := step; n < u.to; n++ {
		if err := w.move(u.first, step); err != nil {
			return err
		}
		step = 1
		if !w.s.Runnable(u.first) {
			return fmt.Errorf("thread %d stopped after %d instructions, before its %d", u.first, n, alone)
		}
		if err := w.preempt(u.first, w.level); err != nil {
			return err
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
