package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	r := newReporter(o.Progress)
	defer r.close()
	w := &partition{Options: o, ctx: ctx, start: start, report: r}
	defer w.close()
	if err := w.prepare(); err != nil {
		return nil, err
	}
	err := w.searchAll()
	total := w.merge()
	total.Unbounded = err == nil && !total.Endless
	total.conclude(o)
	if o.Save != nil && err != nil {
		if saveErr := o.Save(w.state()); saveErr != nil {
			return total, errors.Join(failure(ctx, err), saveErr)
		}
	}
	return total, failure(ctx, err)
}

// errStopped ends the search of a part because another one ended all.
var errStopped = errors.New("the search has ended elsewhere")

// part is the runs that begin with the next events of these threads, less those
// that begin with what the sleeping threads would do then.
type part struct {
	Threads []int   `json:"threads"`
	Asleep  set     `json:"asleep"`
	Share   float64 `json:"share"` // of the whole search, guessed
	Result  *Result `json:"result,omitempty"`

	taken   bool
	partial bool // Result is of a search that was broken off
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
	sessions []*scenario.Session // idle ones
	shared   map[uint64]uint8
	locks    []uint64
	restarts int
	parts    []*part
	stop     error       // ends all work
	stopping atomic.Bool // stop is set
	limit    int         // parts from here on are of no interest any more
	busy     int         // parts being worked on
	saved    time.Time
}

func (w *partition) close() {
	for _, s := range w.sessions {
		s.Close()
	}
}

// prepare makes the first part, or takes up a search that was broken off.
func (w *partition) prepare() error {
	w.wake = sync.NewCond(&w.mu)
	w.saved = time.Now()
	w.shared = map[uint64]uint8{}
	w.parts = []*part{{Share: 1}}
	if w.Resume == nil {
		return nil
	}
	if err := w.Resume.check(); err != nil {
		return err
	}
	w.restarts = w.Resume.Restarts
	w.locks = slices.Clone(w.Resume.Locks)
	for _, b := range w.Resume.Shared {
		w.shared[b.Addr] = b.Mask
	}
	w.parts = nil
	for _, p := range w.Resume.Parts {
		q := *p
		w.parts = append(w.parts, &q)
		if q.Result != nil {
			w.runs.Add(q.Result.Schedules)
		}
	}
	return nil
}

func (w *partition) searchAll() error {
	for {
		w.limit, w.stop = len(w.parts), nil
		w.stopping.Store(false)
		var wg sync.WaitGroup
		for range max(w.Jobs, 1) {
			wg.Go(w.work)
		}
		wg.Wait()
		if !errors.Is(w.stop, errGrown) {
			break
		}
		w.restarts++
		w.runs.Store(0)
		w.parts = []*part{{Share: 1}}
	}
	if w.stop == nil && w.limit < len(w.parts) {
		return errFound
	}
	return w.stop
}

// merge adds up the parts' results in their order.
func (w *partition) merge() *Result {
	total := &Result{Preemptions: -1, Restarts: w.restarts}
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
	defer w.release(s)
	for {
		p := w.take()
		if p == nil {
			return
		}
		known := s.Grown()
		d := &subtree{s: s, keepGoing: w.KeepGoing, inspect: w.Inspect, known: known, tick: w.tick(p)}
		err := d.search(p)
		var children []*part
		if errors.Is(err, errSplit) {
			children, err = w.split(s, p, known)
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
			if p.Result == nil && !p.taken {
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
		if w.stopping.Load() {
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
		w.learn(s)
		w.end(errGrown)
	case errors.Is(err, errFound):
		p.Result = r
		w.limit = min(w.limit, slices.Index(w.parts, p)+1)
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
		i := slices.Index(w.parts, p)
		w.parts = slices.Replace(w.parts, i, i+1, children...)
		w.limit += len(children) - 1
		w.runs.Add(-r.Schedules)
	default:
		p.Result = r
	}
	w.saveNow(err)
}

// saveEvery is how often the state of a long search is saved.
const saveEvery = 20 * time.Second

func (w *partition) saveNow(err error) {
	if w.Save == nil || err != nil && !errors.Is(err, errSplit) || time.Since(w.saved) < saveEvery {
		return
	}
	w.saved = time.Now()
	if err := w.Save(w.state()); err != nil {
		w.end(err)
	}
}

// end makes all workers stop, for the first reason given; that more bytes are
// shared than was known comes before all others. The caller holds the lock.
func (w *partition) end(err error) {
	if w.stop == nil || errors.Is(err, errGrown) {
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

// session hands out a session that knows what all have learned.
func (w *partition) session() (*scenario.Session, error) {
	w.mu.Lock()
	var s *scenario.Session
	if n := len(w.sessions); n > 0 {
		s = w.sessions[n-1]
		w.sessions = w.sessions[:n-1]
	}
	shared := make(map[uint64]uint8, len(w.shared))
	for addr, mask := range w.shared {
		shared[addr] = mask
	}
	locks := slices.Clone(w.locks)
	w.mu.Unlock()
	if s == nil {
		var err error
		if s, err = w.start(); err != nil {
			return nil, err
		}
		if n := len(s.Plan.Threads); n > maxThreads {
			s.Close()
			return nil, fmt.Errorf("%d racing threads, at most %d", n, maxThreads)
		}
		s.M.WantEvents(true)
		s.AbstractLocks(w.AbstractLocks)
	}
	s.AddLockWords(locks)
	return s, s.M.AddShared(shared)
}

func (w *partition) release(s *scenario.Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// Bytes that this session knows and no run has reported yet are known to
	// all from now on; without that, what is an event would depend on who ran
	// which part.
	w.learn(s)
	w.sessions = append(w.sessions, s)
}

// learn takes over what a session has learned; the caller holds the lock.
func (w *partition) learn(s *scenario.Session) {
	for addr, mask := range s.M.SharedBytes() {
		w.shared[addr] |= mask
	}
	for _, addr := range s.LockWords() {
		if !slices.Contains(w.locks, addr) {
			w.locks = append(w.locks, addr)
		}
	}
	slices.Sort(w.locks)
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
	d := &subtree{s: s, known: known, order: newOrder(len(s.Plan.Threads)), prefix: len(p.Threads)}
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
	can := enabled(s) &^ p.Asleep
	for t := d.prefer(can | 1<<(maxThreads-1)); can != 0; {
		e, err := d.peek(t)
		if err != nil {
			return nil, err
		}
		child := &part{Threads: append(slices.Clone(p.Threads), t)}
		for q, other := range sleep {
			if asleep.has(q) && !other.dependent(e) {
				child.Asleep |= 1 << q
			}
		}
		parts = append(parts, child)
		sleep[t] = e
		asleep |= 1 << t
		can &^= 1 << t
		if can != 0 {
			t = can.first()
		}
	}
	if s.Grown() != known {
		return nil, errGrown
	}
	for _, c := range parts {
		c.Share = p.Share / float64(len(parts))
	}
	return parts, nil
}
