package oracle

import (
	"sync"

	"emurace/scenario"
)

// Pool inspects runs side by side, with as many inspectors as are needed at a
// time. What it says of a run does not depend on the runs before.
type Pool struct {
	start  Starter
	detect []scenario.Kind

	mu   sync.Mutex
	idle []*Inspector
}

// NewPool makes a pool for problems of the given kinds. No session is started
// before the first run.
func NewPool(start Starter, detect ...scenario.Kind) *Pool {
	return &Pool{start: start, detect: detect}
}

// Inspect is [Inspector.Inspect], safe for concurrent use.
func (p *Pool) Inspect(schedule scenario.Schedule) ([]Problem, error) {
	i, err := p.take()
	if err != nil {
		return nil, err
	}
	problems, err := i.Inspect(schedule)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, i)
	return problems, err
}

func (p *Pool) take() (*Inspector, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return i, nil
	}
	p.mu.Unlock()
	return New(p.start, p.detect...)
}

// Close frees all sessions. No run may be under inspection.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range p.idle {
		i.Close()
	}
	p.idle = nil
}
