package explore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"emurace/explore/coverage"
	"emurace/scenario"
)

// Sample runs schedules that a strategy draws at random, until one fails (with
// KeepGoing, every failure is counted), o.Schedules have run, o.Time has passed
// or the context ends; without any of these it goes on for ever. A sample shows
// no scenario free of failures: what does not fail is Undecided. Sessions are
// made by start, one for each job; they must be equal.
//
// A thread is switched away from at events only: at instructions that touch
// bytes which threads share, at system calls, and where its calls end; see
// [scenario.Session.RunEvent].
//
// The first InOrder schedules are no matter of chance. They run the threads one
// after the other, in their order and in the reverse, so that each pair of
// threads is seen in both orders. Running them shows which bytes are shared, how
// many events there are and where; see profile.
//
// The result depends on the scenario, the strategy, the seed, the depth and the aim, and
// not on Jobs. Chance for schedule number i comes from a generator made of the
// seed and i. What else a schedule depends on is which bytes are known to be
// shared, since that decides what an event is, and threads that come to new code
// can share more. So a session forgets before each schedule what it has learned
// from those before, and starts from a common set of shared bytes. The schedules
// run in batches whose sizes are fixed; only between two of them is the common
// set added to, by what the schedules of the batch have learned, and the profile
// then taken anew. Likewise a strategy that learns, Fuzz or Deep, draws for a batch
// from what all before have shown, and no more. Of a batch in which one fails, those
// with lower numbers are still finished, so that the failure is the one with the
// lowest number. A schedule that makes a thread which was not known, see
// scenario.Session.SetMade, ends its batch: it is run again in the next one, which knows it.
func Sample(ctx context.Context, start func() (*scenario.Session, error), strategy Strategy, o Options) (*Result, error) {
	m, err := o.methodOf(strategy)
	if err != nil {
		return nil, err
	}
	if o.AbstractLocks {
		return nil, fmt.Errorf("strategy %s: abstract locks are for dpor only", strategy)
	}
	if o.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Time, errBudget)
		defer cancel()
	}
	o.begins(ctx)
	p := &sampler{
		Options: o, ctx: ctx, start: start, sessions: newSessions(start, withEvents), strategy: strategy, method: m, report: newReporter(o.Progress), saver: newSaver(o),
		total: &Result{}, seen: coverage.NewSeen(), shared: map[uint64]uint8{}, size: firstBatch, learned: map[uint64]uint8{},
	}
	p.schedules = list[*drawn]{
		Jobs: o.Jobs, Take: p.session, Put: p.sessions.Put, Work: p.work, InOrder: p.take,
		Save: func() error { return p.saver.sometimes(p.state) },
	}
	defer p.report.close()
	defer p.sessions.Close()
	if err := p.prepare(); err != nil {
		return p.result().unbegun(ctx, err, Options{Preemptions: -1})
	}
	if err := p.resolveAim(); err != nil {
		return p.result().unbegun(ctx, err, Options{Preemptions: -1})
	}
	err = p.search()
	total := p.result()
	total.conclude(Options{Preemptions: -1})
	return total, p.saver.finally(failure(ctx, err), p.state)
}

// InOrder is how many schedules of a Sample are not the strategy's.
const InOrder = 2

// sampler is a search at random.
type sampler struct {
	Options
	ctx      context.Context
	start    func() (*scenario.Session, error)
	strategy Strategy
	method
	report *reporter
	saver  saver

	sessions *sessions
	shared   map[uint64]uint8 // known to all sessions
	profile  *profile
	aimAt    *Aim   // nil for nothing in particular
	aimed    uint64 // the most events of the aim that a profile has had

	schedules list[*drawn] // that are run on all sessions with the same knowledge

	ran     uint64         // schedules, for Progress
	failing uint64         // of them
	total   *Result        // of the schedules that have run without one missing in between
	seen    *coverage.Seen // by the same schedules
	watches sync.Pool      // of *coverage.Run
	// firsts is what the schedules that are not drawn have shown, run with all that was
	// learned by them.
	firsts [InOrder]*coverage.Shown
	size   uint64 // of the present batch
	begun  uint64 // schedules of the batch that are in total
	// found is the threads that are known with those that a schedule of the batch has made,
	// nil when it has made no others.
	found []string
	// learned is bytes that schedules of the batch in total have shown to be
	// shared: known to all from the next batch on.
	learned map[uint64]uint8
	beyond  []beyond // what has run beyond total when the search was broken off
}

// beyond is the result of a schedule before which others are missing.
type beyond struct {
	number uint64
	result *Result
}

func (p *sampler) search() error {
	begin := p.inOrder
	if p.total.Schedules > 0 {
		begin = p.goOn
	}
	if err := begin(); err != nil {
		return err
	}
	for {
		n := p.size - p.begun
		if p.Schedules > 0 {
			if p.total.Schedules >= p.Schedules {
				return errBudget
			}
			n = min(n, p.Schedules-p.total.Schedules)
		}
		if n == 0 {
			if err := p.nextBatch(); err != nil {
				return err
			}
			continue
		}
		if err := p.batch(n); err != nil {
			return err
		}
		if p.found != nil {
			if err := p.begin(); err != nil {
				return err
			}
		}
	}
}

// begin makes threads known that the last schedule of a batch was the first to make, and
// begins a new batch with it: what came of it does not count.
func (p *sampler) begin() error {
	p.learner.next()
	s, err := p.session()
	if err != nil {
		return err
	}
	err = p.meet(s, p.found)
	p.sessions.Put(s)
	if err != nil {
		return err
	}
	p.found = nil
	return p.relearn("a schedule has shown more")
}

// meet makes threads known to the search, by a session. Those of what it has found so far
// get other indices.
func (p *sampler) meet(s *scenario.Session, made []string) error {
	from := s.ScheduleNames()
	if err := s.SetMade(made); err != nil {
		return err
	}
	p.sessions.learn(made)
	p.total.rename(from, s.ScheduleNames())
	p.learner.renamed(from, s.ScheduleNames())
	return nil
}

// nextBatch makes what a batch has learned known to all, and takes the profile
// anew if that is shared bytes.
func (p *sampler) nextBatch() error {
	p.learner.next()
	p.size, p.begun = p.method.nextBatch(p.size), 0
	if len(p.learned) == 0 {
		return nil
	}
	return p.relearn("the last batch has shown more")
}

// relearn begins a batch of the smallest size with all that was learned.
func (p *sampler) relearn(why string) error {
	for addr, mask := range p.learned {
		p.shared[addr] |= mask
	}
	p.learned = map[uint64]uint8{}
	p.size, p.begun = firstBatch, 0
	logLearned(p.Log, why, p.shared, p.sessions.threads())
	return p.learn(nil)
}

// inOrder runs the schedules that are not drawn, and learns from them.
func (p *sampler) inOrder() error {
	var firsts []*drawn
	err := p.learn(func(r *run, reverse bool) error {
		if !reverse {
			firsts = nil // threads had to be met, and it begins anew
		}
		result, err := p.judge(r)
		firsts = append(firsts, &drawn{result: result, abstract: r.abstract, reads: r.reads, traits: r.traits, schedule: r.schedule})
		return err
	})
	if err != nil {
		return err
	}
	for i, d := range firsts {
		d.shown = p.firsts[i]
		if p.Schedules > 0 && p.total.Schedules >= p.Schedules {
			break
		}
		p.tell(d)
		p.count(d)
		if p.Options.found(d.result) {
			return errFound
		}
	}
	p.learner.next()
	return nil
}

// goOn gets ready to go on with a search that was broken off. The profile it
// takes is the one that there was: taking that has shown no more bytes to be
// shared than were known then, so runs from those bytes alone are the same.
func (p *sampler) goOn() error {
	switch {
	case p.Options.found(p.total):
		return errFound
	case p.Schedules > 0 && p.total.Schedules >= p.Schedules:
		return errBudget
	}
	return p.learn(nil)
}

// learn takes the profile and, with it, adds to the bytes known to be shared, and to the
// threads that are made. Each of the two schedules that it runs is given to seen, unless that
// is nil: once, or more often where threads were met in between.
func (p *sampler) learn(seen func(r *run, reverse bool) error) error {
	s, err := p.session()
	if err != nil {
		return err
	}
	defer p.sessions.Put(s)
	s.ForgetShared()
	for {
		known := s.Grown()
		p.profile = newProfile(s.Schedulable())
		for i, reverse := range []bool{false, true} {
			r := &run{ctx: p.ctx, s: s}
			if r.aim, err = p.aimAt.of(s); err != nil {
				return err
			}
			p.follow(r)
			if err := r.begin(); err != nil {
				return err
			}
			if err := p.profile.record(r, reverse); err != nil {
				return err
			}
			if s.Strange() {
				break
			}
			p.firsts[i] = r.seen.Shown()
			if seen != nil {
				if err := seen(r, reverse); err != nil {
					return err
				}
			}
		}
		if s.Strange() {
			if err := p.meet(s, s.Found()); err != nil {
				return err
			}
			continue
		}
		seen = nil
		if s.Grown() == known {
			break
		}
	}
	p.shared = s.SharedBytes()
	p.profile.finish()
	p.aimed = max(p.aimed, p.profile.aimed)
	return nil
}

// session hands out a session that knows what all know.
func (p *sampler) session() (*scenario.Session, error) {
	return p.sessions.takeReady(func(s *scenario.Session) error { return s.AddShared(p.shared) })
}

// drawn is a schedule, and what has become of it.
type drawn struct {
	number   uint64           // counted from 1
	turn     uint64           // place in its batch, counted from 0
	result   *Result          // nil when it has not come to its end
	learned  map[uint64]uint8 // shared bytes; nil when no more than was known
	found    []string         // threads, when it has made one that was not known; then nothing else counts
	abstract abstract         // as in its run
	reads    *reads
	traits   *traits
	schedule scenario.Schedule // that has run
	shown    *coverage.Shown
	err      error // it could not be run
	counted  bool  // it is in the search's total
}

// batch runs the next n schedules of the present batch.
func (p *sampler) batch(n uint64) error {
	p.schedules.Items = make([]*drawn, n)
	for i := range n {
		p.schedules.Items[i] = &drawn{number: p.total.Schedules + 1 + i, turn: p.begun + i}
	}
	err := p.schedules.Run(p.ctx)
	for _, d := range p.schedules.Items {
		if d.err != nil {
			return d.err
		}
		if d.result != nil && !d.counted {
			p.beyond = append(p.beyond, beyond{d.number, d.result})
		}
	}
	if err == nil && p.Options.found(p.total) {
		return errFound
	}
	return err
}

// work runs a schedule. After one that fails or cannot be run, or that makes a thread that
// was not known, those with higher numbers are of no interest.
func (p *sampler) work(ctx context.Context, s *scenario.Session, d *drawn) func() outcome[*drawn] {
	p.draw(ctx, s, d)
	return func() outcome[*drawn] {
		if err := ctx.Err(); err != nil && errors.Is(d.err, err) {
			d.err = nil
			return outcome[*drawn]{Err: err}
		}
		if d.found != nil {
			return outcome[*drawn]{Last: true}
		}
		p.tell(d)
		return outcome[*drawn]{Last: d.err != nil || p.Options.found(d.result)}
	}
}

// take makes a schedule of the batch part of the search, once those in front of it are.
func (p *sampler) take(d *drawn) {
	if d.err != nil {
		return
	}
	if d.found != nil {
		p.found = d.found
		return
	}
	p.count(d)
	d.counted = true
	p.begun++
	for addr, mask := range d.learned {
		p.learned[addr] |= mask
	}
}

// tell reports a schedule that has run.
func (p *sampler) tell(d *drawn) {
	p.ran++
	if d.err == nil {
		p.failing += d.result.Failing
	}
	if p.Progress != nil && p.ran%16 == 1 {
		now := Progress{Preemptions: -1, Schedules: p.ran, Failing: p.failing, Done: min(p.ran, p.Schedules), Units: p.Schedules}
		now.Learned = p.learner.sizes()
		now.Both, now.One = p.seen.Sizes()
		p.report.set(now)
	}
}

// count makes a schedule part of the result, and of what the strategy knows.
func (p *sampler) count(d *drawn) {
	p.total.merge(d.result)
	p.seen.Add(d.shown)
	d.shown = nil
	p.learner.learn(d)
}

// draw runs one schedule.
func (p *sampler) draw(ctx context.Context, s *scenario.Session, d *drawn) {
	if d.err = p.sessions.tell(s); d.err != nil {
		return
	}
	s.ForgetShared()
	known := s.Grown()
	r := &run{ctx: ctx, s: s, rand: generator(p.Seed, d.number), profile: p.profile, number: d.number, turn: int(d.turn)}
	if d.err = r.takeAim(p.aimAt); d.err != nil {
		return
	}
	p.follow(r)
	defer p.watches.Put(r.seen)
	if d.err = r.begin(); d.err != nil {
		return
	}
	if d.err = p.walk(r); d.err != nil {
		return
	}
	if s.Strange() {
		d.found = s.Found()
		return
	}
	result, err := p.judge(r)
	if err != nil {
		d.err = err
		return
	}
	d.result, d.abstract, d.reads, d.shown = result, r.abstract, r.reads, r.seen.Shown()
	d.traits, d.schedule = r.traits, r.schedule
	if s.Grown() != known {
		d.learned = s.SharedBytes()
	}
}

// follow has a run watched.
func (p *sampler) follow(r *run) {
	p.learner.watch(r)
	if seen, ok := p.watches.Get().(*coverage.Run); ok {
		seen.Reset()
		r.seen = seen
		return
	}
	r.seen = coverage.NewRun()
}

// generator is the source of chance for one schedule. ChaCha8 keeps those of
// neighbouring numbers apart, which generators with a smaller state need not.
func generator(seed, number uint64) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	binary.LittleEndian.PutUint64(key[8:], number)
	return rand.New(rand.NewChaCha8(key))
}

// judge is the result of a run that is over, as of a search of one schedule.
func (p *sampler) judge(r *run) (*Result, error) {
	o, over := r.s.Outcome()
	if !over {
		return nil, errors.New("sample: a schedule has ended before the race")
	}
	result := &Result{Schedules: 1, Instructions: r.instructions}
	logRun(p.Log, r.s, fmt.Sprintf("schedule %d", r.number), func() scenario.Schedule { return r.schedule }, o)
	rests := result.note(r.s, o)
	if !o.Failed() && p.Inspect == nil {
		return result, nil
	}
	_, err := result.judge(r.s, o, ending(r.s, r.schedule, false), -1, p.Inspect, p.Ends, rests)
	return result, err
}

// result is that of all schedules that have run. Schedules that were given up
// when the search was broken off have numbers too.
func (p *sampler) result() *Result {
	total := tallyOf(p.total).result()
	total.Preemptions, total.Made = -1, p.sessions.threads()
	total.Learned = p.learner.sizes()
	total.Aimed = p.aimed
	if x := p.seen.Summary(); x.Runs > 0 {
		total.Coverage = x
	}
	for _, b := range p.beyond {
		for i := range b.result.Findings {
			// merge adds what is there.
			b.result.Findings[i].Number = b.number - total.Schedules
		}
		total.merge(b.result)
	}
	return total
}
