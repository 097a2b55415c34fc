// Package pool keeps what is costly to make, such as a booted process, for whoever needs
// one next.
package pool

import "sync"

// Pool hands out things of a kind, each to one user at a time. It has made as many as were
// in use at the same time at most. Its methods may be called by several goroutines at a
// time.
type Pool[T any] struct {
	// Make makes one when none is idle.
	Make func() (T, error)
	// Free frees one.
	Free func(T)

	mu   sync.Mutex
	idle []T
}

// Take hands out the one that came back last, or a new one.
func (p *Pool[T]) Take() (T, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		t := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return t, nil
	}
	p.mu.Unlock()
	return p.Make()
}

// Put takes one back.
func (p *Pool[T]) Put(t T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, t)
}

// Close frees all that came back. The others are for their users to free, or to put back
// before another Close.
func (p *Pool[T]) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.idle {
		p.Free(t)
	}
	p.idle = nil
}
