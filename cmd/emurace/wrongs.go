package main

import (
	"sync"
	"time"
)

// wrongs are runs of a search in which a check, or a thread's function, went wrong itself. They are
// passed over, so that a failure is found that other runs have, as long as they are few and quick;
// what went wrong first is the search's error all the same.
type wrongs struct {
	mu   sync.Mutex
	err  error
	n    int
	took time.Duration
}

// Bounds of what is passed over.
const (
	mostWrong = 1000
	wrongFor  = 5 * time.Second
)

// add takes in one, and returns an error when the search is to end with it.
func (w *wrongs) add(err error, took time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.n, w.took = w.n+1, w.took+took
	if w.n >= mostWrong || w.took >= wrongFor {
		return w.err
	}
	return nil
}

// first is what went wrong first, nil for nothing.
func (w *wrongs) first() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
