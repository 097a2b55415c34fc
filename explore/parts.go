package explore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"emurace/internal/logging"
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
//
// The search is cut into parts, each the runs that begin with the same events.
// Above a part every thread that can go on is tried, so parts do not depend on
// each other; their sleep sets see to it that no class is run in two of them.
// A part that turns out large is cut again. The cuts depend on counts only, so
// the result is the same for any number of jobs.
func DPOR(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
	if o.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Time, errBudget)
		defer cancel()
	}
	o.begins(ctx)
	r := newReporter(o.Progress)
	defer r.close()
	w := &partition{Options: o, ctx: ctx, start: start, report: r, saver: newSaver(o)}
	w.sessions = newSessions(start, func(s *scenario.Session) {
		withEvents(s)
		s.AbstractLocks(o.AbstractLocks)
	})
	defer w.sessions.Close()
	if err := w.prepare(); err != nil {
		return w.merge().unbegun(ctx, err, o)
	}
	err := w.searchAll()
	total := w.merge()
	total.Unbounded = err == nil && !total.Endless && !total.Due
	total.conclude(o)
	if err == nil {
		err = total.tryProof(ctx, w.session, w.sessions.Put, o)
	}
	return total, w.saver.finally(failure(ctx, err), w.state)
}

// errStopped ends the search of a part because another one ended all.
var errStopped = errors.New("the search has ended elsewhere")

// part is the runs that begin with the next events of these threads, less those
// that begin with what the sleeping threads would do then.
type part struct {
	Threads []int
	Asleep  set
	Share   float64 // of the whole search, guessed
	Result  *Result

	taken   bool
	partial bool     // Result is of a search that was broken off
	learned *learned // the part has shown this to be shared beside what was known
	dropped atomic.Bool
}

// learned is what decides where events end.
type learned struct {
	shared map[uint64]uint8
	locks  []uint64
	raw    []uint64 // words that look like locks and are none
}

// Sizes of parts, in runs.
const (
	splitAfter = 4096 // a part that has more is cut
	splitInto  = 8    // into at least so many
)

// partition is a search in parts, in the order in which a single search would
// come to them.
type partition struct {
	Options
	ctx    context.Context
	start  func() (*scenario.Session, error)
	report *reporter
	runs   atomic.Uint64

	mu       sync.Mutex
	wake     *sync.Cond
	sessions *sessions
	shared   map[uint64]uint8
	locks    []uint64
	raw      []uint64
	restarts int
	parts    []*part
	stop     error       // ends all work
	stopping atomic.Bool // stop is set
	limit    int         // parts from here on are of no interest any more
	busy     int         // parts being worked on
	saver    saver
}

// prepare makes the first part, or takes up a search that was broken off.
func (w *partition) prepare() error {
	w.wake = sync.NewCond(&w.mu)
	w.shared = map[uint64]uint8{}
	w.parts = []*part{{Share: 1}}
	if w.Resume == nil {
		return nil
	}
	if err := w.Resume.check(strategyDPOR, maxThreads); err != nil {
		return err
	}
	w.resume(w.Resume.DPOR)
	return w.Resume.accept(w.start, strategyDPOR, w.Resume.DPOR.so(), w.Options)
}

func (w *partition) searchAll() error {
	for {
		w.limit = w.ofInterest()
		var wg sync.WaitGroup
		for range max(w.Jobs, 1) {
			wg.Go(w.work)
		}
		wg.Wait()
		if w.stop != nil {
			return w.stop
		}
		if !w.grown() {
			break
		}
		w.restarts++
		w.runs.Store(0)
		w.parts = []*part{{Share: 1}}
	}
	if !w.KeepGoing && w.limit > 0 && w.parts[w.limit-1].failing() {
		return errFound
	}
	return nil
}

func (p *part) failing() bool { return p.Result != nil && p.Result.Failing > 0 }

// ofInterest is how many parts there is something to learn from: those up to the
// first that fails, unless every failure is counted.
func (w *partition) ofInterest() int {
	if i := slices.IndexFunc(w.parts, (*part).failing); i >= 0 && !w.KeepGoing {
		return i + 1
	}
	return len(w.parts)
}

// grown takes over what the first part that has learned something has learned.
func (w *partition) grown() bool {
	if w.limit == 0 {
		return false
	}
	l := w.parts[w.limit-1].learned
	if l == nil {
		return false
	}
	w.shared, w.locks, w.raw = l.shared, l.locks, l.raw
	return true
}

// merge adds up the parts' results in their order.
func (w *partition) merge() *Result {
	total := &Result{Preemptions: -1, Restarts: w.restarts, RawLocks: len(w.raw)}
	for _, p := range w.parts[:min(w.limit, len(w.parts))] {
		if p.Result != nil {
			total.merge(p.Result)
		}
	}
	return total
}

// work takes parts until none is left.
func (w *partition) work() {
	s, err := w.session()
	if err != nil {
		w.fail(err)
		return
	}
	defer w.sessions.Put(s)
	for {
		p := w.take()
		if p == nil {
			return
		}
		// What the session has learned in other parts is forgotten: what is
		// an event must not depend on who has run which part.
		s.ForgetShared()
		s.SetLockWords(w.locks, w.raw)
		known := s.Grown()
		d := &subtree{s: s, keepGoing: w.KeepGoing, inspect: w.Inspect, known: known, tick: w.tick(p), log: w.Log}
		err := d.search(p)
		var children []*part
		if errors.Is(err, errSplit) {
			children, err = w.split(s, p, known)
		}
		if err == nil && s.Grown() != known {
			err = errGrown // in a run that was given up as covered
		}
		w.finish(p, &d.total, children, err, s)
	}
}

// take hands out the first part that nobody has, and waits while one may still
// be cut.
func (w *partition) take() *part {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if w.stop != nil {
			return nil
		}
		for _, p := range w.parts[:min(w.limit, len(w.parts))] {
			if p.Result == nil && p.learned == nil && !p.taken {
				p.taken = true
				w.busy++
				return p
			}
		}
		if w.busy == 0 {
			return nil
		}
		w.wake.Wait()
	}
}

// tick counts the runs of a part and says when to end.
func (w *partition) tick(p *part) func(int) error {
	runs := 0
	return func(depth int) error {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if w.stopping.Load() || p.dropped.Load() {
			return errStopped
		}
		runs++
		n := w.runs.Add(1)
		if w.Progress != nil && runs%16 == 1 {
			w.mu.Lock()
			progress := Progress{Preemptions: -1, Schedules: n, Depth: depth, Restarts: w.restarts, Share: w.share()}
			w.mu.Unlock()
			w.report.set(progress)
		}
		if w.Schedules > 0 && n >= w.Schedules {
			return errBudget
		}
		if runs >= splitAfter {
			return errSplit
		}
		return nil
	}
}

// share is how much of the search is done, if the parts' guesses are right.
func (w *partition) share() float64 {
	done := 0.0
	for _, p := range w.parts {
		if p.Result != nil {
			done += p.Share
		}
	}
	return done
}

// finish takes in what became of a part.
func (w *partition) finish(p *part, r *Result, children []*part, err error, s *scenario.Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.wake.Broadcast()
	w.busy--
	p.taken = false
	switch {
	case errors.Is(err, errGrown):
		p.learned = &learned{shared: s.SharedBytes()}
		p.learned.locks, p.learned.raw = s.LockWords()
		logLearned(w.Log, "a run has shown more, and the search begins anew", p.learned.shared)
		w.dropAfter(p)
	case errors.Is(err, errFound):
		p.Result = r
		w.dropAfter(p)
	case errors.Is(err, errBudget), w.ctx.Err() != nil && errors.Is(err, w.ctx.Err()):
		// What the part has found so far counts for the result, though a
		// resumed search will begin the part anew.
		p.Result = r
		p.partial = true
		w.end(err)
	case errors.Is(err, errStopped):
		p.Result = r
		p.partial = true
	case err != nil:
		w.end(err)
	case children != nil:
		w.Log.Printf(logging.Search, "a part of over %d runs is cut into %d", splitAfter, len(children))
		i := slices.Index(w.parts, p)
		w.parts = slices.Replace(w.parts, i, i+1, children...)
		if i < w.limit {
			w.limit += len(children) - 1
		}
		w.runs.Add(-r.Schedules)
	default:
		p.Result = r
	}
	if w.stop == nil {
		if err := w.saver.sometimes(w.state); err != nil {
			w.end(err)
		}
	}
}

// dropAfter ends the search of the parts after one that fails, or that has
// learned something. Those before it are finished all the same, so that the
// first of such parts is the same whoever is faster.
func (w *partition) dropAfter(p *part) {
	w.limit = min(w.limit, slices.Index(w.parts, p)+1)
	for _, q := range w.parts[w.limit:] {
		q.dropped.Store(true)
	}
}

// end makes all workers stop, for the first reason given. The caller holds the
// lock.
func (w *partition) end(err error) {
	if w.stop == nil {
		w.stop = err
	}
	w.stopping.Store(true)
}

func (w *partition) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(err)
	w.wake.Broadcast()
}

// session hands out a session that knows which bytes are shared. While sessions
// are out, what they all know does not change.
func (w *partition) session() (*scenario.Session, error) {
	s, err := w.sessions.Take()
	if err != nil {
		return nil, err
	}
	if err := s.AddShared(w.shared); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// split cuts a part: level by level, until there are enough, each run by each
// thread that is not asleep.
func (w *partition) split(s *scenario.Session, p *part, known uint64) ([]*part, error) {
	parts := []*part{p}
	for range 64 {
		var next []*part
		cut := false
		for _, q := range parts {
			children, err := w.children(s, q, known)
			if err != nil {
				return nil, err
			}
			if children == nil {
				next = append(next, q)
				continue
			}
			cut = true
			next = append(next, children...)
		}
		parts = next
		if !cut || len(parts) >= splitInto {
			break
		}
	}
	return parts, nil
}

// children are the parts one event further, nil when the part is one run or
// none.
func (w *partition) children(s *scenario.Session, p *part, known uint64) ([]*part, error) {
	d := &subtree{s: s, known: known, order: newOrder(s.Schedulable()), prefix: len(p.Threads)}
	sleep, err := d.enter(p)
	if err != nil {
		return nil, err
	}
	if _, over := s.Outcome(); over {
		return nil, nil
	}
	var parts []*part
	if sleep == nil {
		sleep = map[int]*event{}
	}
	asleep := p.Asleep
	can := enabled(s).less(p.Asleep)
	for !can.empty() {
		t := can.first()
		if len(parts) == 0 {
			t = d.prefer(can)
		}
		e, err := d.peek(t)
		if err != nil {
			return nil, err
		}
		child := &part{Threads: append(slices.Clone(p.Threads), t)}
		for q, other := range sleep {
			if asleep.has(q) && !other.dependent(&e.spanned) {
				child.Asleep = child.Asleep.with(q)
			}
		}
		parts = append(parts, child)
		sleep[t] = e
		asleep = asleep.with(t)
		can = can.less(only(t))
	}
	if s.Grown() != known {
		return nil, errGrown
	}
	for _, c := range parts {
		c.Share = p.Share / float64(len(parts))
	}
	return parts, nil
}
