package explore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"emurace/internal/logging"
	"emurace/scenario"
)

// Options say how far a search goes.
type Options struct {
	// Preemptions is the highest number of preemptions to try; negative has Bounded try
	// one more after the other without end, and DPORWithin know no bound. DPOR does not look at it.
	Preemptions int
	KeepGoing   bool          // count every failure instead of stopping at the first
	Jobs        int           // sessions that search side by side; at least 1
	Schedules   uint64        // stop after about so many schedules; 0 for no limit
	Time        time.Duration // stop after so long; 0 for no limit
	Seed        uint64        // of the random strategies; see Sample
	Depth       int           // of PCT, the d of its paper; 0 for 3
	// Draw is how many schedules DPOR and Bounded draw by POS before they search, 0 for none. One
	// that fails is found where the search would come to it last. A search that is resumed, or goes on behind a
	// failure, draws none.
	Draw uint64
	// AbstractLocks makes DPOR take a lock as one thing; see
	// scenario.Session.AbstractLocks.
	AbstractLocks bool
	// Resume is a search of the same strategy to go on with, nil for a new one.
	Resume *State
	// Save, if set, is given the state of the search every SaveEvery (0 for 20 s)
	// and when the search ends, however it does. Its error ends the search, as a
	// SaveError beside the result so far: to go on would risk more work the
	// longer it lasts.
	Save      func(*State) error
	SaveEvery time.Duration
	// Inspect, if set, is given the schedule of every run that has come to an
	// end, whether it failed or not, and says what else was wrong with it. It
	// is called from several goroutines at once, and must say the same of equal
	// schedules. Made are the threads that the process makes itself: the schedule has
	// indices of them too; see scenario.Session.SetMade.
	Inspect func(made []string, schedule scenario.Schedule) ([]Problem, error)
	// Ends, if set, has the search go on until a run ends in a certain way; see Ends.
	Ends *Ends
	// Walk runs one schedule of strategy Script, to the end of the race. It may be
	// called from several goroutines at once, and what it does must follow from what
	// the Walk tells. ErrStop ends the search, without a schedule.
	Walk func(*Walk) error
	// Aim, if set, says what schedules that are drawn are to try most, also those that are
	// drawn before a systematic search. It is asked once, with a session at the start of the
	// race; an error of its ends the search before any schedule has run.
	Aim func(*scenario.Session) (*Aim, error)
	// Watch, if set, is given the search's context before any session is made: what
	// sessions do for long, as booting, can ask it whether to go on.
	Watch func(context.Context)
	// wanted, if set, tells which failures count; others are only noted, see Result.others.
	wanted func(scenario.Outcome) bool
	// inAll, unless 0, has DPOR stop after so many schedules, those of searches begun anew too.
	inAll uint64
	// once has a search in parts do the first part that is not finished, and no other; see SearchPiece.
	once bool
	// cutAfter, unless 0, is how many runs DPOR cuts a part after.
	cutAfter int
	// trusted makes it no matter of a self-check that nothing fails.
	trusted bool
	// Progress, if set, is told now and then from another goroutine.
	Progress func(Progress)
	// Log is told of each run, and of what the search makes of it; nil for nobody.
	Log *logging.Log
}

// Progress is where a search is.
type Progress struct {
	Preemptions int    // schedules with so many are being run; -1 for any number
	Schedules   uint64 // run so far, all bounds together
	Failing     uint64 // of schedules drawn at random
	Done, Units uint64 // parts of the present bound that are finished, and in all; or schedules
	Depth       int    // events of the present run, where those are counted
	Restarts    int    // how often the search began anew with more shared bytes
	Learned            // by the strategy so far
	// Both and One are how many pairs of conflicting accesses schedules drawn at random have
	// shown in both orders, and in one only; see package coverage.
	Both, One int
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
	o.begins(ctx)
	first, over, err := o.drawFirst(ctx, start)
	if over {
		return first, err
	}
	b := &bounded{Options: o, ctx: ctx, start: start, total: &Result{Preemptions: -1}, saver: newSaver(o)}
	b.sessions = newSessions(start, func(*scenario.Session) {})
	defer b.sessions.Close()
	if err := b.prepare(); err != nil {
		return b.total.unbegun(ctx, err, o)
	}
	stop := b.report()
	err = b.search()
	stop()
	b.total.Made = b.sessions.threads()
	b.total.conclude(o)
	b.total.withDrawn(first, o)
	if err == nil {
		err = b.total.tryProof(ctx, b.session, b.sessions.Put, o)
	}
	return b.total, b.saver.finally(failure(ctx, err), b.state)
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

// begins says what the search's context is.
func (o Options) begins(ctx context.Context) {
	if o.Watch != nil {
		o.Watch(ctx)
	}
}

// unbegun is the result of a search that could not be got ready: none, unless its time was
// used up by that.
func (r *Result) unbegun(ctx context.Context, err error, o Options) (*Result, error) {
	if err = failure(ctx, err); err != nil {
		return nil, err
	}
	r.conclude(o)
	return r, nil
}

// errBudget ends a search whose schedules or time are used up.
var errBudget = errors.New("the budget is used up")

// ErrStop is what Options.Walk returns to end the search.
var ErrStop = errBudget

func (r *Result) conclude(o Options) {
	r.Complete = !r.Endless && len(r.Doubts) == 0 && (r.Unbounded || o.Preemptions >= 0 && r.Preemptions >= o.Preemptions)
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

	sessions *sessions
	total    *Result
	level    *level // the present one, nil for that without preemptions
	saver    saver
	found    []string // threads, when a run has made one that was not known

	count       atomic.Uint64 // schedules
	number      atomic.Int64  // of the level
	done, units atomic.Uint64
}

// session hands out a session at the start of its race.
func (b *bounded) session() (*scenario.Session, error) {
	return b.sessions.takeReady((*scenario.Session).Restart)
}

// search runs the levels, and begins anew when a run has made a thread that was not known:
// with that there are more schedules, of fewer preemptions too.
func (b *bounded) search() error {
	for {
		err := b.levels()
		if !errors.Is(err, errGrown) {
			return err
		}
		logLearned(b.Log, "a run has shown more, and the search begins anew", nil, b.found)
		b.sessions.learn(b.found)
		b.total = &Result{Preemptions: -1, Restarts: b.total.Restarts + 1}
		b.level, b.Resume = nil, nil
		b.count.Store(0)
	}
}

func (b *bounded) levels() error {
	alone, err := b.levelZero()
	if err != nil {
		return err
	}
	first := 1
	if b.resumes() {
		first = b.Resume.Bounded.Level
	}
	for number := first; b.Preemptions < 0 || number <= b.Preemptions; number++ {
		l, err := b.newLevel(number, alone)
		if err != nil {
			return err
		}
		b.level = l
		if err := l.run(); err != nil {
			return err
		}
		b.total.Preemptions = number
		if b.total.Schedules == l.began {
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
// first preemption can be. A search that is resumed has run them.
func (b *bounded) levelZero() ([]uint64, error) {
	s, err := b.session()
	if err != nil {
		return nil, err
	}
	defer b.sessions.Put(s)
	w := b.walker(b.ctx, s, 0)
	var alone []uint64
	found := error(nil)
	defer func() {
		if errors.Is(found, errGrown) {
			b.found = s.Found()
		}
	}()
	if o, over := s.Outcome(); over && !b.resumes() {
		if found = w.leaf(o); found != nil && !errors.Is(found, errFound) {
			return nil, found // it could not be judged
		}
	}
	for i := range s.Schedulable() {
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
		if n > 0 && found == nil && !b.resumes() {
			if found = w.finish(i); found != nil && !errors.Is(found, errFound) {
				b.total.merge(&w.result)
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

func (b *bounded) walker(ctx context.Context, s *scenario.Session, level int) *walker {
	return &walker{ctx: ctx, s: s, keepGoing: b.KeepGoing, inspect: b.Inspect, ends: b.Ends, count: &b.count, limit: b.Schedules, level: level, wanted: b.wanted, log: b.Log}
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
					Preemptions: int(b.number.Load()), Schedules: b.count.Load(),
					Done: b.done.Load(), Units: b.units.Load(),
				})
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
