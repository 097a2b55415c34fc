package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"emurace/explore/graph"
	"emurace/internal/logging"
	"emurace/scenario"
)

// Graphs goes through the executions of a scenario that a memory model allows, each once; see package
// explore/graph. When the search ends by itself and finds nothing, no execution fails in which program order and
// reads-from have no cycle, as on ARMv8 they can where a read is delayed behind a later write.
//
// Every access to bytes which two threads access, one of them writing, is an event, and bytes that no access
// splits are one cell. Both are learned by running, as by DPOR: when a run shows more, the search begins
// anew. It is cut into parts, each the graphs that have the same beginning, so that the result is the
// same for any number of jobs.
func Graphs(ctx context.Context, start func() (*scenario.Session, error), model graph.Model, o Options) (*Result, error) {
	if o.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Time, errBudget)
		defer cancel()
	}
	o.begins(ctx)
	r := newReporter(o.Progress)
	defer r.close()
	w := &graphSearch{Options: o, model: model, ctx: ctx, start: start, report: r, saver: newSaver(o), shared: map[uint64]uint8{}, cuts: map[uint64]uint8{}}
	w.sessions = newSessions(start, func(s *scenario.Session) {
		withEvents(s)
		s.ShareEvery(true)
	})
	defer w.sessions.Close()
	w.parts = list[*graphPart]{
		Items: []*graphPart{{Share: 1}}, Jobs: o.Jobs, Take: w.session, Put: w.sessions.Put, Work: w.work,
		Over: func(p *graphPart) bool { return p.Result != nil || p.later },
		Save: func() error { return w.saver.sometimes(w.state) },
	}
	if err := w.prepare(); err != nil {
		return w.merge().unbegun(ctx, err, o)
	}
	err := w.searchAll()
	total := w.merge()
	if err == nil && !total.Endless && !total.Due {
		total.Unbounded = true
	}
	total.Model = model
	total.conclude(o)
	if !o.once && (err == nil || errors.Is(err, errFound)) {
		total.Missing = w.missing(total)
	}
	if errors.Is(err, errMemory) || errors.Is(err, errChanged) {
		total.addDoubt(Doubt{Doubt: scenario.Doubt{Kind: scenario.NotInGraphs, Name: err.Error()}, Schedules: 1})
		total.conclude(o)
		err = nil
	}
	if err == nil {
		err = total.tryProof(ctx, w.session, w.sessions.Put, o)
	}
	return total, w.saver.finally(failure(ctx, err), w.state)
}

// graphsSplit is after how many graphs a part is cut: what is left of it is parts of their own. Tests change it.
var graphsSplit uint64 = 512

// graphPart is the graphs that begin with one; nil is the empty one.
type graphPart struct {
	Root   *graph.Graph
	Share  float64 // of the whole search, guessed
	Result *Result

	later   bool           // it is not to be searched in this piece
	outline *graph.Outline // of Root, where that has been asked for or is not known yet
	partial bool           // Result is of a search that was broken off
	rest    []*graph.Graph // and this is left of it; nil where nothing was done
	failed  error
	learned *learnedCells
}

// learnedCells is what a part has shown beside what was known.
type learnedCells struct {
	shared, cuts map[uint64]uint8
	made         []string
}

// graphSearch is a search in parts, in the order in which a single one would come to them.
type graphSearch struct {
	Options
	model    graph.Model
	ctx      context.Context
	start    func() (*scenario.Session, error)
	sessions *sessions
	report   *reporter
	saver    saver
	runs     atomic.Uint64

	barriers     []graph.Barrier // which are taken to be in the program
	failing      *graph.Graph    // the last one that was found
	shared, cuts map[uint64]uint8
	restarts     int
	parts        list[*graphPart]
}

func (w *graphSearch) searchAll() error {
	for {
		if err := w.parts.Run(w.ctx); err != nil {
			return err
		}
		last := w.parts.Items[len(w.parts.Items)-1]
		if last.learned == nil {
			break
		}
		w.shared, w.cuts = last.learned.shared, last.learned.cuts
		w.sessions.learn(last.learned.made)
		w.restarts++
		w.runs.Store(0)
		w.parts.Items = []*graphPart{{Share: 1}}
		if w.once {
			return errBudget
		}
	}
	switch last := w.parts.Items[len(w.parts.Items)-1]; {
	case slices.ContainsFunc(w.parts.Items, func(p *graphPart) bool { return p.later }):
		return errBudget
	case w.found(last.Result):
		return errFound
	case last.failed != nil:
		return last.failed
	}
	return nil
}

// merge adds up the parts' results in their order.
func (w *graphSearch) merge() *Result {
	total := &Result{Preemptions: -1, Restarts: w.restarts, Made: w.sessions.threads()}
	for _, p := range w.parts.Items {
		if p.Result != nil {
			total.merge(p.Result)
		}
	}
	return total
}

// session hands out a session that knows which bytes are shared.
func (w *graphSearch) session() (*scenario.Session, error) {
	return w.sessions.takeReady(func(s *scenario.Session) error { return s.AddShared(w.shared) })
}

// work explores a part.
func (w *graphSearch) work(ctx context.Context, s *scenario.Session, part *graphPart) func() outcome[*graphPart] {
	p, rest, err := w.explore(ctx, s, part)
	var l *learnedCells
	if errors.Is(err, errGrown) {
		p.learnOn()
		l = &learnedCells{shared: s.SharedBytes(), cuts: p.cells.cuts, made: s.Found()}
	}
	return func() outcome[*graphPart] {
		switch {
		case l != nil:
			part.learned = l
			logLearned(w.Log, "a run has shown more, and the search begins anew", l.shared, l.made)
			return outcome[*graphPart]{Last: true}
		case errors.Is(err, errFound):
			part.Result = &p.total
			return outcome[*graphPart]{Last: true}
		case errors.Is(err, errSplit):
			w.Log.Printf(logging.Search, "a part of over %d graphs is cut into %d", graphsSplit, len(rest)+1)
			children := part.pieces(&p.total, rest)
			for _, c := range children {
				c.later = w.once && c.Result == nil
			}
			return outcome[*graphPart]{Into: children}
		case err == nil:
			part.Result = &p.total
			return outcome[*graphPart]{}
		case brokenOff(ctx, err):
			part.Result, part.partial, part.rest = &p.total, true, rest
			return outcome[*graphPart]{Err: err}
		default:
			part.Result, part.partial, part.failed = &p.total, true, err
			return outcome[*graphPart]{Last: true}
		}
	}
}

// learnOn runs a run that has shown more to its end, for what else there is to be learned: bytes that are shared often
// have others behind them, and each search that is begun anew takes as long as it is deep.
func (p *graphProgram) learnOn() {
	for t := 0; t < p.s.Threads(); {
		if !p.s.Runnable(t) {
			t++
			continue
		}
		ev, err := p.s.RunEvent(t)
		if err != nil || ev.Ends {
			return // what is known is known
		}
		for _, a := range ev.Accesses {
			p.cells.of(a.Addr, a.Size)
		}
		if _, over := p.s.Outcome(); over {
			return
		}
		if len(ev.Woke) > 0 {
			t = 0
		}
	}
}

// pieces is what becomes of a part of which this is done and that is left.
func (p *graphPart) pieces(done *Result, rest []*graph.Graph) []*graphPart {
	list := []*graphPart{{Result: done, Share: p.Share / 2}}
	for _, g := range rest {
		list = append(list, &graphPart{Root: g, Share: p.Share / 2 / float64(len(rest))})
	}
	return list
}

// brokenOff tells whether a part has ended since the whole search is to.
func brokenOff(ctx context.Context, err error) bool {
	return errors.Is(err, errBudget) || ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// explore goes through the graphs of a part; what is left of it is told where it is cut or broken off.
func (w *graphSearch) explore(ctx context.Context, s *scenario.Session, part *graphPart) (p *graphProgram, rest []*graph.Graph, err error) {
	p = &graphProgram{graphMachine: graphMachine{s: s, cells: newCells(w.shared, w.cuts), model: w.model}, search: w}
	if err := w.sessions.tell(s); err != nil {
		return p, nil, err
	}
	s.ForgetShared()
	p.known = s.Grown()
	defer p.cut(0)
	if s.JudgesCalls() {
		return p, nil, fmt.Errorf("%w: a check after each call", errMemory)
	}
	if err := p.start(); err != nil {
		return p, nil, err
	}
	if w.model != graph.SC {
		s.TracePCs(true)
		defer s.TracePCs(false)
		p.order = newOrders(s, p.cells)
	}
	if w.Schedules > 0 && w.runs.Load() >= w.Schedules {
		return p, nil, errBudget
	}
	root, err := w.root(part, p)
	if err != nil {
		return p, nil, err
	}
	x := &graph.Explorer{Program: p, Model: w.model, Barriers: w.barriers}
	if err = x.Begin(root); err == nil {
		err = x.Run(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if x.Stats.Graphs+x.Stats.Blocked >= graphsSplit {
				return errSplit
			}
			return p.over
		})
	}
	p.total.Blocked += x.Stats.Blocked
	p.total.Instructions = p.ran
	if errors.Is(err, errSplit) || brokenOff(ctx, err) {
		rest = append([]*graph.Graph{}, x.Rest()...)
	}
	if errors.Is(err, errSplit) && len(rest) == 0 {
		err = nil
	}
	return p, rest, err
}

// Complete counts a graph on which all threads have come to their ends.
func (p *graphProgram) Complete(g *graph.Graph) error {
	o, schedule, err := p.outcome(g)
	if err != nil {
		return err
	}
	if p.s.Grown() != p.known {
		return errGrown
	}
	one := &Result{Schedules: 1}
	rests, failed := one.note(p.s, o), false
	if o.Failed() && !g.Certain(p.model) {
		one.addDoubt(Doubt{Doubt: scenario.Doubt{Kind: scenario.UnsureOrder, Name: string(p.model)}, Schedules: 1, Failing: 1, Outcome: o.String()})
		rests = true
	}
	if o.Failed() || p.search.Inspect != nil {
		if schedule == nil {
			if schedule, err = p.schedule(g, nil); err != nil {
				return err
			}
		}
		if failed, err = one.judge(p.s, o, ending(p.s, schedule, o.Kind == scenario.Deadlock), -1, p.search.Inspect, p.search.Ends, rests); err != nil {
			return err
		}
	}
	p.count(g, one)
	if failed && !p.search.KeepGoing {
		p.search.parts.Update(func() error {
			p.search.failing = g.Clone()
			return nil
		})
		return errFound
	}
	if p.search.Schedules > 0 && p.search.runs.Load() >= p.search.Schedules {
		p.over = errBudget // of what was run, this is the last that counts
	}
	return nil
}

// count adds the result of a graph, now that nothing can break it off any more.
func (p *graphProgram) count(g *graph.Graph, one *Result) {
	p.total.merge(one)
	if n := p.search.runs.Add(1); p.search.Progress != nil && n%16 == 1 {
		p.search.parts.Update(func() error {
			p.search.report.set(Progress{Preemptions: -1, Schedules: n, Depth: g.Size(), Restarts: p.search.restarts, Share: p.search.share()})
			return nil
		})
	}
}

// share is how much of the search is done, if the parts' guesses are right.
func (w *graphSearch) share() float64 {
	done := 0.0
	for _, p := range w.parts.Items {
		if p.Result != nil {
			done += p.Share
		}
	}
	return done
}

// outcome is how a graph ends. Where threads have crashed, it is how the first of them did, and the
// schedule that leads there.
func (p *graphProgram) outcome(g *graph.Graph) (o scenario.Outcome, schedule scenario.Schedule, err error) {
	if ends := p.ends(g); len(ends) > 0 {
		if schedule, err = p.schedule(g, &ends[0]); err != nil {
			return o, nil, err
		}
	} else {
		order := g.Order(false, nil)
		if order == nil {
			return o, nil, fmt.Errorf("%w: events of which each has to come before another", errMemory)
		}
		if err := p.stand(g, order); err != nil {
			return o, nil, err
		}
	}
	o, over := p.s.Outcome()
	if !over {
		o = scenario.Outcome{Kind: scenario.Livelock, Thread: -1}
	}
	return o, schedule, nil
}

// schedule stands at the end of a graph, come to in the order that keeps most of co and fr, and is how.
func (p *graphProgram) schedule(g *graph.Graph, end *graph.ID) (s scenario.Schedule, err error) {
	order := g.Linear()
	var list []graph.ID
	for _, e := range order {
		if !g.Event(e.Thread, e.Number).Ends {
			list = append(list, e)
		}
	}
	if end != nil {
		list = append(list, *end)
	}
	// From the start, so that what is seen is told of where memory holds something else.
	if err := p.back(0); err != nil {
		return nil, err
	}
	if err := p.stand(g, list); err != nil {
		return nil, err
	}
	for _, st := range p.steps {
		s = s.Then(st.slice(st.deed))
	}
	return s, nil
}
