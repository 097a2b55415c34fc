package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"emurace/scenario"
)

// unit is a part of a level: a thread goes first and is preempted for the first
// time after [from, to) instructions, or, when from is 0, only after it has
// stopped by itself.
type unit struct {
	first    int
	from, to uint64

	number int     // in its level, counted from 0
	result *Result // so far, nil for nothing
	whole  bool    // it is finished
	// Of a unit that is not finished: where it can be resumed, and the
	// result up to there.
	at     []turn
	walked *Result
	found  []string // threads, when it has made one that was not known
}

// unitsOf cuts a level into parts of a few hundred schedules, in the order in
// which a single walk would come to them.
func unitsOf(level int, alone []uint64) []*unit {
	least := uint64(1)
	if level == 1 {
		least = 32
	}
	const most = 1 << 14 // units of a thread, however long it runs
	var units []*unit
	add := func(u unit) {
		u.number = len(units)
		units = append(units, &u)
	}
	for first, n := range alone {
		size := max(least, n/most)
		for from := uint64(1); from < n; from += size {
			add(unit{first: first, from: from, to: min(from+size, n)})
		}
		if n > 0 {
			add(unit{first: first})
		}
	}
	return units
}

// level is the schedules with a number of preemptions, while they are being run.
type level struct {
	b      *bounded
	number int
	alone  []uint64 // how long each thread runs undisturbed
	count  int      // units in all
	units  list[*unit]
	began  uint64  // schedules of the levels before
	before *Result // of those, and of the units before next
	next   int     // the first unit that is not finished
}

func (b *bounded) newLevel(number int, alone []uint64) (*level, error) {
	l := &level{
		b: b, number: number, alone: alone,
		began: b.total.Schedules, before: tallyOf(b.total).result(),
	}
	units := unitsOf(number, alone)
	l.count = len(units)
	l.units = list[*unit]{
		Items: units, Jobs: b.Jobs, Take: b.session, Put: b.sessions.Put, Work: l.work,
		Over: func(u *unit) bool { return u.whole },
		InOrder: func(u *unit) {
			if u.found != nil {
				return
			}
			l.before.merge(u.result)
			l.next++
		},
		Save: l.save,
	}
	if b.resumes() && number == b.Resume.Bounded.Level {
		if err := l.resume(b.Resume.Bounded); err != nil {
			return nil, err
		}
	}
	b.number.Store(int64(number))
	b.units.Store(uint64(l.count))
	done := l.next
	for _, u := range l.units.Items {
		if u.whole {
			done++
		}
	}
	b.done.Store(uint64(done))
	return l, nil
}

// run walks all units on all sessions, and adds what was found to the search's
// total.
func (l *level) run() error {
	err := l.units.Run(l.b.ctx)
	if n := len(l.units.Items); n > 0 && err == nil {
		if l.b.found = l.units.Items[n-1].found; l.b.found != nil {
			return errGrown
		}
	}
	for _, u := range l.units.Items {
		if u.result != nil {
			l.b.total.merge(u.result)
		}
	}
	if err == nil && l.b.Options.found(l.b.total) {
		return errFound
	}
	return err
}

func (l *level) save() error { return l.b.saver.sometimes(l.b.state) }

// work walks a unit. When one fails, or makes a thread that was not known, those after it
// are of no interest.
func (l *level) work(ctx context.Context, s *scenario.Session, u *unit) func() outcome[*unit] {
	if err := l.b.sessions.tell(s); err != nil {
		return func() outcome[*unit] { return outcome[*unit]{Err: err} }
	}
	w := l.b.walker(ctx, s, l.number)
	if u.walked != nil {
		w.resume(u.at, tallyOf(u.walked).result())
	}
	if l.b.saver.save != nil {
		// A unit can take hours, so it is saved while it is being walked.
		every, last := l.b.saver.every/4, time.Now()
		w.onMark = func() {
			if time.Since(last) >= every {
				last = time.Now()
				l.units.Update(func() error { u.keep(w); return l.save() })
			}
		}
	}
	err := l.walk(w, u)
	if errors.Is(err, errGrown) {
		found := s.Found()
		return func() outcome[*unit] {
			u.found = found
			return outcome[*unit]{Last: true}
		}
	}
	return func() outcome[*unit] {
		u.result = &w.result
		if err != nil && !errors.Is(err, errFound) {
			u.keep(w)
			return outcome[*unit]{Err: err}
		}
		u.whole, u.at, u.walked = true, nil, nil
		l.b.done.Add(1)
		return outcome[*unit]{Last: err != nil}
	}
}

// keep notes the walker's last mark.
func (u *unit) keep(w *walker) {
	if len(w.marked) == 0 {
		return // it has come no further than when it was taken
	}
	u.at = slices.Clone(w.marked)
	u.walked = tallyOf(&w.result).result()
	u.walked.Instructions = w.markedRan
}

// walk runs the schedules of a unit.
func (l *level) walk(w *walker, u *unit) error {
	if err := w.s.Restart(); err != nil {
		return err
	}
	alone := l.alone[u.first]
	if u.from == 0 {
		_, rounds, err := w.s.LookAhead(u.first)
		if err != nil {
			return err
		}
		if n, _ := w.enter(alone); n != alone {
			return damaged("a walk begins after %d instructions, not %d", n, alone)
		}
		if err := w.move(u.first, alone); err != nil {
			return err
		}
		if rounds != nil {
			if err := w.s.Wait(u.first, rounds); err != nil {
				return err
			}
		}
		if _, over := w.s.Outcome(); over {
			return nil
		}
		return w.follow(-1, func(next int) error { return w.walk(next, w.level) })
	}
	// The middle of the first instruction goes with what is behind it.
	from := u.from
	if from == 1 {
		from = 0
	}
	step, half := w.enter(from)
	if step < from || step >= u.to {
		return damaged("a walk begins after %d instructions, not %d to %d", step, from, u.to)
	}
	for n := step; n < u.to; n++ {
		if step > 0 {
			if err := w.move(u.first, step); err != nil {
				return err
			}
		}
		step = 1
		if !w.s.Runnable(u.first) {
			return fmt.Errorf("thread %d stopped after %d instructions, before its %d", u.first, n, alone)
		}
		if n > 0 && !half {
			if err := w.preempt(u.first, w.level); err != nil {
				return err
			}
		}
		if err := w.preemptHalf(u.first, w.level); err != nil {
			return err
		}
		half = false
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
