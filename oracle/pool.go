package oracle

import (
	"emurace/internal/pool"
	"emurace/scenario"
)

// Pool inspects runs side by side, with as many inspectors as are needed at a
// time. What it says of a run does not depend on the runs before.
type Pool struct{ inspectors pool.Pool[*Inspector] }

// NewPool makes a pool for problems of the given kinds. No session is started
// before the first run.
func NewPool(start Starter, detect ...scenario.Kind) *Pool {
	return &Pool{pool.Pool[*Inspector]{
		Make: func() (*Inspector, error) { return New(start, detect...) },
		Free: (*Inspector).Close,
	}}
}

// Inspect is [Inspector.Inspect], safe for concurrent use.
func (p *Pool) Inspect(schedule scenario.Schedule) ([]Problem, error) {
	i, err := p.inspectors.Take()
	if err != nil {
		return nil, err
	}
	defer p.inspectors.Put(i)
	return i.Inspect(schedule)
}

// Close frees all sessions. No run may be under inspection.
func (p *Pool) Close() { p.inspectors.Close() }
