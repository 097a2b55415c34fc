package explore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"emurace/scenario"
)

// Options say how far a search goes.
type Options struct {
	// Preemptions is the highest number of preemptions to try; negative tries
	// one more after the other without end.
	Preemptions int
	KeepGoing   bool          // count every failure instead of stopping at the first
	Jobs        int           // sessions that search side by side; at least 1
	Schedules   uint64        // stop after about so many schedules; 0 for no limit
	Time        time.Duration // stop after so long; 0 for no limit
	Seed        uint64        // of the random strategies; see Sample
	Depth       int           // of PCT, the d of its paper; 0 for 3
	// AbstractLocks makes DPOR take a lock as one thing; see
	// scenario.Session.AbstractLocks.
	AbstractLocks bool
	// Resume is a search of DPOR's to go on with, nil for a new one.
	Resume *State
	// Save, if set, is given the state of a DPOR search now and then, and when
	// the search is broken off. Its error ends the search.
	Save func(*State) error
	// Inspect, if set, is given the schedule of every run that has come to an
	// end, whether it failed or not, and says what else was wrong with it. It
	// is called from several goroutines at once, and must say the same of equal
	// schedules.
	Inspect func(scenario.Schedule) ([]Problem, error)
	// Progress, if set, is told now and then from another goroutine.
	Progress func(Progress)
}

// Progress is where a search is.
type Progress struct {
	Preemptions int    // schedules with so many are being run; -1 for any number
	Schedules   uint64 // run so far, all bounds together
	Failing     uint64 // of schedules drawn at random
	Done, Units uint64 // parts of the present bound that are finished, and in all; or schedules
	Depth       int    // events of the present run, where those are counted
	Restarts    int    // how often the search began anew with more shared bytes
	// Share guesses how much of the search is done, from 0 to 1, as if its
	// parts were of equal size, which they are not.
	Share float64
}

// progressEvery is the pause between two calls of Options.Progress.
const progressEvery = 200 * time.Millisecond

// Bounded runs every schedule with 0 preemptions, then with 1, 2, ... at the
// granularity of single instructions (iterative context bounding, Musuvathi and
// Qadeer, PLDI 2007). Sessions are made by start, one for each job; they must
// be equal. What is found, and its order, does not depend on the number of
// jobs. When the context ends, the result so far is returned with its error.
func Bounded(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
	if o.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Time, errBudget)
		defer cancel()
	}
	b := &bounded{Options: o, ctx: ctx, start: start, total: &Result{Preemptions: -1}}
	defer b.close()
	stop := b.report()
	err := b.search()
	stop()
	b.total.conclude(o)
	return b.total, failure(ctx, err)
}

// failure is err unless it only says that the search ended where it was told
// to: at the first failing schedule, or when its schedules or time were used
// up.
func failure(ctx context.Context, err error) error {
	timeUp := errors.Is(context.Cause(ctx), errBudget) && errors.Is(err, context.DeadlineExceeded)
	if timeUp || errors.Is(err, errBudget) || errors.Is(err, errFound) {
		return nil
	}
	return err
}

// errBudget ends a search whose schedules or time are used up.
var errBudget = errors.New("the budget is used up")

func (r *Result) conclude(o Options) {
	r.Complete = r.Unbounded || o.Preemptions >= 0 && r.Preemptions >= o.Preemptions
	switch {
	case r.Failing > 0:
		r.Verdict = Failing
	case r.Complete:
		r.Verdict = Clean
	default:
		r.Verdict = Undecided
	}
}

type bounded struct {
	Options
	ctx   context.Context
	start func() (*scenario.Session, error)

	mu       sync.Mutex
	sessions []*scenario.Session // idle ones
	total    *Result

	count       atomic.Uint64
	level       atomic.Int64
	done, units atomic.Uint64
}

func (b *bounded) close() {
	for _, s := range b.sessions {
		s.Close()
	}
}

// session hands out an idle session at the start of its race.
func (b *bounded) session() (*scenario.Session, error) {
	b.mu.Lock()
	if n := len(b.sessions); n > 0 {
		s := b.sessions[n-1]
		b.sessions = b.sessions[:n-1]
		b.mu.Unlock()
		return s, s.Restart()
	}
	b.mu.Unlock()
	return b.start()
}

func (b *bounded) release(s *scenario.Session) {
	b.mu.Lock()
	b.sessions = append(b.sessions, s)
	b.mu.Unlock()
}

func (b *bounded) search() error {
	alone, err := b.levelZero()
	if err != nil {
		return err
	}
	for level := 1; b.Preemptions < 0 || level <= b.Preemptions; level++ {
		before := b.total.Schedules
		b.level.Store(int64(level))
		if err := b.runLevel(level, alone); err != nil {
			return err
		}
		b.total.Preemptions = level
		if b.total.Schedules == before {
			b.total.Unbounded = true // nobody is left to preempt
			return nil
		}
		if b.Schedules > 0 && b.total.Schedules >= b.Schedules {
			return errBudget
		}
	}
	return nil
}

// levelZero runs the schedules without preemption and measures how long each
// thread runs when it goes first and undisturbed: those are the places where a
// first preemption can be.
func (b *bounded) levelZero() ([]uint64, error) {
	s, err := b.session()
	if err != nil {
		return nil, err
	}
	defer b.release(s)
	w := b.walker(s, 0)
	var alone []uint64
	found := error(nil)
	for i := range s.Plan.Threads {
		if err := s.Restart(); err != nil {
			return nil, err
		}
		n := uint64(0)
		if s.Runnable(i) {
			if n, err = s.Run(i, 0); err != nil {
				return nil, err
			}
		}
		alone = append(alone, n)
		if err := s.Restart(); err != nil {
			return nil, err
		}
		w.schedule = nil
		if n > 0 && found == nil {
			if found = w.finish(i); found != nil && !errors.Is(found, errFound) {
				return nil, found
			}
		}
	}
	b.total.merge(&w.result)
	if found == nil {
		b.total.Preemptions = 0
	}
	return alone, found
}

func (b *bounded) walker(s *scenario.Session, level int) *walker {
	return &walker{ctx: b.ctx, s: s, keepGoing: b.KeepGoing, inspect: b.Inspect, count: &b.count, limit: b.Schedules, level: level}
}

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

func (b *bounded) runLevel(level int, alone []uint64) error {
	units := unitsOf(level, alone)
	b.units.Store(uint64(len(units)))
	b.done.Store(0)
	results := make([]*Result, len(units))
	var next, limit atomic.Int64 // limit: the first unit that need not be run
	limit.Store(int64(len(units)))
	var wg sync.WaitGroup
	errs := make([]error, max(b.Jobs, 1))
	for j := range errs {
		wg.Go(func() {
			errs[j] = b.work(level, alone, units, results, &next, &limit)
		})
	}
	wg.Wait()
	for _, r := range results[:limit.Load()] {
		if r == nil {
			break
		}
		b.total.merge(r)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if limit.Load() < int64(len(units)) {
		return errFound
	}
	return nil
}

// work takes units until none is left. When one fails, those after it are of no
// interest, but those before it are finished: the first failure must be the
// same whoever is faster.
func (b *bounded) work(level int, alone []uint64, units []unit, results []*Result, next, limit *atomic.Int64) error {
	s, err := b.session()
	if err != nil {
		return err
	}
	defer b.release(s)
	for {
		i := next.Add(1) - 1
		if i >= limit.Load() {
			return nil
		}
		w := b.walker(s, level)
		err := b.runUnit(w, units[i], alone)
		results[i] = &w.result
		b.done.Add(1)
		switch {
		case errors.Is(err, errFound):
			for {
				old := limit.Load()
				if old <= i+1 || limit.CompareAndSwap(old, i+1) {
					break
				}
			}
		case err != nil:
			return err
		}
	}
}

func (b *bounded) runUnit(w *walker, u unit, alone []uint64) error {
	if err := w.s.Restart(); err != nil {
		return err
	}
	if u.from == 0 {
		if err := w.run(u.first, alone[u.first]); err != nil {
			return err
		}
		if _, over := w.s.Outcome(); over {
			return nil
		}
		return w.choose(-1, func(next int) error { return w.walk(next, w.level) })
	}
	for n := u.from; n < u.to; n++ {
		step := uint64(1)
		if n == u.from {
			step = n
		}
		if err := w.run(u.first, step); err != nil {
			return err
		}
		if !w.s.Runnable(u.first) {
			return fmt.Errorf("thread %d stopped after %d instructions, before its %d", u.first, n, alone[u.first])
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

// report calls Progress until the returned function is called.
func (b *bounded) report() (stop func()) {
	if b.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				b.Progress(Progress{
					Preemptions: int(b.level.Load()), Schedules: b.count.Load(),
					Done: b.done.Load(), Units: b.units.Load(),
				})
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
