package explore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"

	"emurace/explore/graph"
	"emurace/internal/logging"
	"emurace/scenario"
)

// GraphStrategies are those that draw executions under a memory model, the best first.
func GraphStrategies() []Strategy { return []Strategy{PCT, POS, Random} }

// turnsOf is how a strategy draws threads.
var turnsOf = map[Strategy]graph.Turns{Random: graph.Uniform, PCT: graph.Priorities, POS: graph.EventOrder}

// Bounds of a walk.
const (
	mostWalkEvents = 4096 // what finding the next one costs grows with them
	mostRedrawn    = 100  // walks for one execution that came to none
)

// SampleGraphs draws executions that a memory model allows, until one fails (with KeepGoing, every failure is
// counted), o.Schedules were drawn, o.Time has passed or the context ends. What does not fail is Undecided.
// Threads are drawn as the strategy does it; what a load reads and where a store comes are drawn too, see graph.Walk and
// graph.Chance; o.Depth is how many of both together a failure may need.
//
// The result depends on the scenario, the model, the strategy, the seed and the depth, and not on o.Jobs, as with
// Sample: chance for number i comes from the seed and i, and what else an execution depends on, which bytes are known to be
// shared and how large the executions were so far, changes between batches alone. An execution that shows more to be
// shared than is known does not count, and is drawn again when it is known.
func SampleGraphs(ctx context.Context, start func() (*scenario.Session, error), model graph.Model, strategy Strategy, o Options) (*Result, error) {
	turns, ok := turnsOf[strategy]
	if !ok {
		return nil, fmt.Errorf("strategy %q: not pct, pos or random, which draw under a memory model", strategy)
	}
	if o.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Time, errBudget)
		defer cancel()
	}
	if o.Depth == 0 {
		o.Depth = DefaultDepth
	}
	o.begins(ctx)
	own := o
	own.Schedules, own.Progress, own.Save = 0, nil, nil // of single executions
	w := &graphSampler{Options: o, turns: turns, report: newReporter(o.Progress), total: &Result{}}
	w.search = &graphSearch{Options: own, model: model, ctx: ctx, report: w.report, shared: map[uint64]uint8{}, cuts: map[uint64]uint8{}}
	w.search.sessions = newSessions(start, func(s *scenario.Session) {
		withEvents(s)
		s.ShareEvery(true)
	})
	defer w.report.close()
	defer w.search.sessions.Close()
	w.walks = list[*drawnGraph]{Jobs: o.Jobs, Take: w.search.session, Put: w.search.sessions.Put, Work: w.work, InOrder: w.take}
	err := w.draw(ctx)
	total := w.total
	total.Preemptions, total.Made, total.Model, total.Restarts = -1, w.search.sessions.threads(), model, w.search.restarts
	total.conclude(Options{Preemptions: -1})
	if errors.Is(err, errFound) {
		total.Missing = w.missing(ctx, total)
	}
	return total, failure(ctx, err)
}

// graphSampler is a search that draws executions.
type graphSampler struct {
	Options
	turns  graph.Turns
	search *graphSearch // what walks know and run on
	report *reporter
	walks  list[*drawnGraph]

	total   *Result
	next    uint64      // number of the next walk that is to count
	sizes   graph.Sizes // of the walks of the batches before
	larger  graph.Sizes // with those of this batch
	ran     uint64      // for Progress
	failing *graph.Graph
	learned *learnedCells // by the last walk of a batch
}

// drawnGraph is a walk, and what has become of it.
type drawnGraph struct {
	number  uint64 // counted from 1
	result  *Result
	sizes   graph.Sizes
	failing *graph.Graph
	learned *learnedCells
	err     error
}

// draw draws batch by batch.
func (w *graphSampler) draw(ctx context.Context) error {
	size := uint64(firstBatch)
	for {
		n := size
		if w.Schedules > 0 {
			if w.next >= w.Schedules {
				return errBudget
			}
			n = min(n, w.Schedules-w.next)
		}
		drew, before := w.next, w.total.Schedules
		w.walks.Items = make([]*drawnGraph, n)
		for i := range n {
			w.walks.Items[i] = &drawnGraph{number: w.next + 1 + i}
		}
		err := w.walks.Run(ctx)
		last := w.walks.Items[len(w.walks.Items)-1]
		switch {
		case err != nil:
			return err
		case w.found(w.total):
			return errFound
		case last.err != nil:
			return last.err
		case w.learned != nil:
			w.relearn()
			size = firstBatch
			continue
		case w.total.Schedules == before && w.next-drew >= firstBatch:
			return errBudget // a whole batch has come to no end; the doubts say why
		}
		w.sizes = w.larger
		size = min(2*size, mostBatch)
	}
}

// relearn makes known what the last walk has shown.
func (w *graphSampler) relearn() {
	l := w.learned
	w.learned = nil
	logLearned(w.Log, "a walk has shown more, and is drawn again", l.shared, l.made)
	w.search.shared, w.search.cuts = l.shared, l.cuts
	from := w.total.Made
	w.search.sessions.learn(l.made)
	w.search.restarts++
	w.total.Made = from
}

// work draws one execution.
func (w *graphSampler) work(ctx context.Context, s *scenario.Session, d *drawnGraph) func() outcome[*drawnGraph] {
	w.one(ctx, s, d, nil)
	return func() outcome[*drawnGraph] {
		if err := ctx.Err(); err != nil && errors.Is(d.err, err) {
			d.err = nil
			return outcome[*drawnGraph]{Err: err}
		}
		if d.result != nil {
			w.ran++
			if w.Progress != nil && w.ran%16 == 1 {
				w.report.set(Progress{Preemptions: -1, Schedules: w.ran, Failing: w.total.Failing, Done: min(w.ran, w.Schedules), Units: w.Schedules, Restarts: w.search.restarts})
			}
		}
		return outcome[*drawnGraph]{Last: d.err != nil || d.learned != nil || w.found(d.result)}
	}
}

// take makes a walk part of the result, once those in front of it are.
func (w *graphSampler) take(d *drawnGraph) {
	switch {
	case d.err != nil:
	case d.learned != nil:
		w.learned = d.learned
	default:
		w.next = d.number
		before := w.total.Schedules
		for i := range d.result.Findings {
			d.result.Findings[i].Number = d.number - before // merge adds what is there
		}
		w.total.merge(d.result)
		w.larger = graph.Sizes{Events: max(w.larger.Events, d.sizes.Events), Points: max(w.larger.Points, d.sizes.Points)}
		if w.failing == nil {
			w.failing = d.failing
		}
	}
}

// drawnProgram is a scenario for one walk.
type drawnProgram struct {
	*graphProgram
	failing *graph.Graph
}

// Complete judges an execution.
func (p *drawnProgram) Complete(g *graph.Graph) error {
	err := p.graphProgram.Complete(g)
	if p.total.Failing > 0 {
		p.failing = g.Clone()
	}
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

// one draws walks until one comes to an execution, with barriers added.
func (w *graphSampler) one(ctx context.Context, s *scenario.Session, d *drawnGraph, barriers []graph.Barrier) {
	search := w.search
	p := &drawnProgram{graphProgram: &graphProgram{graphMachine: graphMachine{s: s, cells: newCells(search.shared, search.cuts), model: search.model}, search: search}}
	if d.err = search.sessions.tell(s); d.err != nil {
		return
	}
	s.ForgetShared()
	p.known = s.Grown()
	defer p.cut(0)
	err := w.walk(ctx, p, d, barriers)
	d.failing = p.failing
	p.total.Instructions = p.ran
	switch {
	case errors.Is(err, errGrown):
		p.learnOn()
		d.learned = &learnedCells{shared: s.SharedBytes(), cuts: maps.Clone(p.cells.cuts), made: s.Found()}
		return
	case errors.Is(err, graph.ErrTorn), errors.Is(err, graph.ErrDead):
	case errors.Is(err, graph.ErrMany):
		err = fmt.Errorf("%w: executions of more than %d events", errMemory, mostWalkEvents)
		fallthrough
	case errors.Is(err, errMemory), errors.Is(err, errChanged):
		p.total.Blocked++
		p.total.addDoubt(Doubt{Doubt: scenario.Doubt{Kind: scenario.NotInGraphs, Name: doubtName(err)}, Schedules: 1})
	case err != nil:
		d.err = err
		return
	}
	d.result = &p.total
}

// doubtName is what a doubt says of an error, without what differs from walk to walk.
func doubtName(err error) string {
	if errors.Is(err, errChanged) {
		return errChanged.Error()
	}
	return err.Error()
}

func (w *graphSampler) walk(ctx context.Context, p *drawnProgram, d *drawnGraph, barriers []graph.Barrier) error {
	if p.s.JudgesCalls() {
		return fmt.Errorf("%w: a check after each call", errMemory)
	}
	if err := p.start(); err != nil {
		return err
	}
	if p.model != graph.SC {
		p.s.TracePCs(true)
		defer p.s.TracePCs(false)
		p.order = newOrders(p.s, p.cells)
	}
	r := generator(w.Seed, d.number)
	for range mostRedrawn {
		walk := &graph.Walk{Program: p, Model: p.model, Barriers: barriers, Most: mostWalkEvents, Draws: w.chance(r, p.Threads())}
		err := walk.Run(ctx.Err)
		d.sizes = d.sizes.Of(walk)
		if !errors.Is(err, graph.ErrTorn) && !errors.Is(err, graph.ErrDead) {
			return err
		}
		p.total.Blocked++
	}
	w.Log.Printf(logging.Search, "walk %d has come to no execution in %d tries", d.number, mostRedrawn)
	return graph.ErrDead
}

func (w *graphSampler) chance(r *rand.Rand, threads int) graph.Draws {
	return graph.NewChance(r, w.turns, threads, w.Depth, w.sizes)
}

// missing looks for the fewest barriers that forbid the failures: each set that forbids those so far is tried by walks,
// so many as it took to find the first and more.
func (w *graphSampler) missing(ctx context.Context, found *Result) *Missing {
	if w.search.model == graph.SC || w.failing == nil || len(found.Findings) == 0 || !found.Findings[0].Schedule.Odd() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, barrierTime, errBudget)
	defer cancel()
	s, err := w.search.session()
	if err != nil {
		return nil
	}
	defer w.search.sessions.Put(s)
	failing, tries := []*graph.Graph{w.failing}, 4*w.next+64
	for range mostBarrierRounds {
		set, _ := graph.Missing(failing, w.search.model)
		if set == nil {
			return nil
		}
		fails := false
		for i := uint64(1); i <= tries && !fails; i++ {
			d := &drawnGraph{number: i}
			w.one(ctx, s, d, set)
			if d.err != nil || d.learned != nil {
				return unverified(set)
			}
			if fails = d.failing != nil; fails {
				failing = append(failing, d.failing)
			}
		}
		if !fails {
			return unverified(set)
		}
	}
	return nil
}
