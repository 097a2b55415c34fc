package oracle

import (
	"emurace/internal/pool"
	"emurace/scenario"
)

// Pool inspects runs side by side, with as many inspectors as are needed at a
// time. What it says of a run does not depend on the runs before.
type Pool struct {
	inspectors pool.Pool[*inspector]
	explainers pool.Pool[*inspector]
}

// NewPool makes a pool for problems of the given kinds. No session is started
// before the first run.
func NewPool(start Starter, detect ...scenario.Kind) *Pool {
	of := func(explain bool) pool.Pool[*inspector] {
		return pool.Pool[*inspector]{
			Make: func() (*inspector, error) { return newInspector(start, explain, detect) },
			Free: (*inspector).close,
		}
	}
	return &Pool{of(false), of(true)}
}

// Inspect repeats a run and returns what is wrong with it, in the order in which
// it happened, first the uses of memory and then the races. How the run ended is
// no matter. The schedule has indices of the threads made too, which the process makes; see
// scenario.Session.SetMade. It may be called by several goroutines at a time.
func (p *Pool) Inspect(made []string, schedule scenario.Schedule) ([]Problem, error) {
	i, err := p.inspectors.Take()
	if err != nil {
		return nil, err
	}
	defer p.inspectors.Put(i)
	if err := i.s.SetMade(made); err != nil {
		return nil, err
	}
	return i.inspect(schedule)
}

// Explain is as the function Explain, on sessions that are used again. Like Inspect it may be
// called by several goroutines at a time.
func (p *Pool) Explain(made []string, schedule scenario.Schedule) ([]Report, error) {
	i, err := p.explainers.Take()
	if err != nil {
		return nil, err
	}
	defer p.explainers.Put(i)
	i.s.Process().System().LoadDebug()
	if err := i.s.SetMade(made); err != nil {
		return nil, err
	}
	return i.reports(schedule)
}

// Close frees all sessions. No run may be under inspection.
func (p *Pool) Close() {
	p.inspectors.Close()
	p.explainers.Close()
}
