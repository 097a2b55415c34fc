package explore

import (
	"sync"
	"sync/atomic"
	"time"
)

// reporter hands the latest progress of a search to its user now and then.
type reporter struct {
	latest atomic.Pointer[Progress]
	done   chan struct{}
	wg     sync.WaitGroup
}

func newReporter(show func(Progress)) *reporter {
	r := &reporter{done: make(chan struct{})}
	if show == nil {
		return r
	}
	r.wg.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-r.done:
				return
			case <-tick.C:
				if p := r.latest.Load(); p != nil {
					show(*p)
				}
			}
		}
	})
	return r
}

func (r *reporter) set(p Progress) { r.latest.Store(&p) }

// close stops the reports; none comes after it has returned.
func (r *reporter) close() {
	close(r.done)
	r.wg.Wait()
}
