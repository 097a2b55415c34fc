package explore

import (
	"context"
	"errors"
	"slices"
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
// more bytes are shared than was known, or that the process makes a thread that was not
// known, the search begins anew with them.
//
// The search is cut into parts, each the runs that begin with the same events.
// Above a part every thread that can go on is tried, so parts do not depend on
// each other; their sleep sets see to it that no class is run in two of them.
// A part that turns out large is cut again. The cuts depend on counts only, so
// the result is the same for any number of jobs.
func DPOR(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
	return searchParts(ctx, start, o, nil)
}

// searchParts is DPOR, within a bound of preemptions if there is one.
func searchParts(ctx context.Context, start func() (*scenario.Session, error), o Options, within *budget) (*Result, error) {
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
	r := newReporter(o.Progress)
	defer r.close()
	w := &partition{Options: o, ctx: ctx, start: start, report: r, saver: newSaver(o), within: within}
	w.sessions = newSessions(start, func(s *scenario.Session) {
		withEvents(s)
		s.AbstractLocks(o.AbstractLocks)
	})
	defer w.sessions.Close()
	if err := w.prepare(); err != nil {
		return w.merge().unbegun(ctx, err, o)
	}
	err = w.searchAll()
	total := w.merge()
	if err == nil && !total.Endless && !total.Due {
		total.Unbounded = !total.Cut
		if within != nil {
			total.Preemptions = within.most
		}
	}
	total.conclude(o)
	total.withDrawn(first, o)
	if err == nil {
		err = total.tryProof(ctx, w.session, w.sessions.Put, o)
	}
	return total, w.saver.finally(failure(ctx, err), w.state)
}

// part is the runs that begin with the next events of these threads, less those
// that begin with what the sleeping threads would do then.
type part struct {
	Threads []int
	Asleep  set
	Share   float64 // of the whole search, guessed
	Result  *Result

	later   bool     // it is not to be searched in this piece
	partial bool     // Result is of a search that was broken off
	failed  error    // why, where it cannot go on
	learned *learned // the part has shown this to be shared beside what was known
}

// learned is what decides where events end, and of whose.
type learned struct {
	shared map[uint64]uint8
	locks  []uint64
	raw    []uint64 // words that look like locks and are none
	made   []string // threads that the process makes
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
	ctx      context.Context
	start    func() (*scenario.Session, error)
	sessions *sessions
	report   *reporter
	saver    saver
	runs     atomic.Uint64
	all      atomic.Uint64 // those of searches begun anew too
	within   *budget       // nil for no bound

	shared   map[uint64]uint8
	locks    []uint64
	raw      []uint64
	restarts int
	parts    list[*part]
}

// prepare makes the first part, or takes up a search that was broken off.
func (w *partition) prepare() error {
	w.shared = map[uint64]uint8{}
	w.parts = list[*part]{
		Items: []*part{{Share: 1}}, Jobs: w.Jobs, Take: w.session, Put: w.sessions.Put, Work: w.work,
		Over: func(p *part) bool { return p.Result != nil || p.later },
		Save: func() error { return w.saver.sometimes(w.state) },
	}
	if w.Resume == nil {
		return nil
	}
	if err := w.Resume.check(strategyDPOR, maxThreads); err != nil {
		return err
	}
	if err := w.Resume.accept(w.start, strategyDPOR, w.Resume.DPOR.so(), w.Options); err != nil {
		return err
	}
	w.resume(w.Resume.DPOR)
	return nil
}

func (w *partition) searchAll() error {
	for {
		if err := w.parts.Run(w.ctx); err != nil {
			return err
		}
		last := w.last()
		if last == nil || last.learned == nil {
			break
		}
		w.shared, w.locks, w.raw = last.learned.shared, last.learned.locks, last.learned.raw
		w.sessions.learn(last.learned.made)
		w.restarts++
		w.runs.Store(0)
		w.parts.Items = []*part{{Share: 1}}
		if w.once {
			return errBudget
		}
	}
	last := w.last()
	switch {
	case slices.ContainsFunc(w.parts.Items, func(p *part) bool { return p.later }):
		return errBudget
	case last == nil:
	case w.found(last.Result):
		return errFound
	case last.failed != nil:
		return last.failed
	}
	return nil
}

// last is the last part: when one has failed or learned something, there is none behind
// it.
func (w *partition) last() *part {
	if n := len(w.parts.Items); n > 0 {
		return w.parts.Items[n-1]
	}
	return nil
}

// merge adds up the parts' results in their order.
func (w *partition) merge() *Result {
	total := &Result{Preemptions: -1, Restarts: w.restarts, RawLocks: len(w.raw), Made: w.sessions.threads()}
	for _, p := range w.parts.Items {
		if p.Result != nil {
			total.merge(p.Result)
		}
	}
	return total
}

// work searches a part.
func (w *partition) work(ctx context.Context, s *scenario.Session, p *part) func() outcome[*part] {
	// What the session has learned in other parts is forgotten: what is
	// an event must not depend on who has run which part.
	if err := w.sessions.tell(s); err != nil {
		return func() outcome[*part] { return outcome[*part]{Err: err} }
	}
	s.ForgetShared()
	s.SetLockWords(w.locks, w.raw)
	known := s.Grown()
	d := &subtree{s: s, keepGoing: w.KeepGoing, inspect: w.Inspect, ends: w.Ends, known: known, tick: w.tick(ctx), late: ctx.Err, log: w.Log, within: w.within}
	err := d.search(p)
	var children []*part
	if errors.Is(err, errSplit) {
		children, err = w.split(s, p, known)
	}
	if err == nil && s.Grown() != known {
		err = errGrown // in a run that was given up as covered
	}
	var l *learned
	if errors.Is(err, errGrown) {
		l = &learned{shared: s.SharedBytes(), made: s.Found()}
		l.locks, l.raw = s.LockWords()
	}
	return func() outcome[*part] {
		switch {
		case l != nil:
			p.learned = l
			logLearned(w.Log, "a run has shown more, and the search begins anew", l.shared, l.made)
			return outcome[*part]{Last: true}
		case errors.Is(err, errFound):
			p.Result = &d.total
			return outcome[*part]{Last: true}
		case errors.Is(err, errBudget), ctx.Err() != nil && errors.Is(err, ctx.Err()):
			// What the part has found so far counts for the result, though a
			// resumed search will begin the part anew.
			p.Result, p.partial = &d.total, true
		case err == nil && children != nil:
			w.Log.Printf(logging.Search, "a part of over %d runs is cut into %d", w.largest(), len(children))
			w.runs.Add(-d.total.Schedules)
			for _, c := range children {
				c.later = w.once
			}
			return outcome[*part]{Into: children}
		case err == nil:
			p.Result = &d.total
		default:
			// Whether it counts is for the parts in front of it to say.
			p.Result, p.partial, p.failed = &d.total, true, err
			return outcome[*part]{Last: true}
		}
		return outcome[*part]{Err: err}
	}
}

// tick counts the runs of a part and says when to end.
func (w *partition) tick(ctx context.Context) func(int) error {
	runs := 0
	return func(depth int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		runs++
		n := w.runs.Add(1)
		if w.Progress != nil && runs%16 == 1 {
			w.parts.Update(func() error {
				w.report.set(Progress{Preemptions: -1, Schedules: n, Depth: depth, Restarts: w.restarts, Share: w.share()})
				return nil
			})
		}
		if w.Schedules > 0 && n >= w.Schedules {
			return errBudget
		}
		if all := w.all.Add(1); w.inAll > 0 && all >= w.inAll {
			return errBudget
		}
		if runs >= w.largest() {
			return errSplit
		}
		return nil
	}
}

// largest is how many runs a part has at most.
func (w *partition) largest() int {
	if w.cutAfter > 0 {
		return w.cutAfter
	}
	return splitAfter
}

// share is how much of the search is done, if the parts' guesses are right.
func (w *partition) share() float64 {
	done := 0.0
	for _, p := range w.parts.Items {
		if p.Result != nil {
			done += p.Share
		}
	}
	return done
}

// session hands out a session that knows which bytes are shared. While sessions
// are out, what they all know does not change.
func (w *partition) session() (*scenario.Session, error) {
	return w.sessions.takeReady(func(s *scenario.Session) error { return s.AddShared(w.shared) })
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
	d := &subtree{s: s, known: known, order: newOrder(s.Schedulable()), prefix: len(p.Threads), within: w.within}
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
	can := enabled(s)
	going := d.going(can)
	can = d.affordable(can, going).less(p.Asleep)
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
		if d.sleeps(going, e) {
			sleep[t] = e
			asleep = asleep.with(t)
		}
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
