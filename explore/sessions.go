package explore

import (
	"fmt"
	"sync"

	"emurace/internal/ordered"
	"emurace/internal/pool"
	"emurace/scenario"
)

// sessions are those of a search, of which each is used by one goroutine at a time.
type sessions struct {
	pool.Pool[*scenario.Session]
	mu sync.Mutex
	// made is the threads that the process makes, as far as the search knows them: none but
	// those of before the race until it has learned of others. It is set while no session
	// is out.
	made  []string
	known bool // there was a session, or a search that is gone on with
}

// newSessions makes sessions when they are needed, and gets each ready once.
func newSessions(start func() (*scenario.Session, error), ready func(*scenario.Session)) *sessions {
	p := &sessions{}
	p.Pool = pool.Pool[*scenario.Session]{
		Make: func() (*scenario.Session, error) {
			s, err := start()
			if err != nil {
				return nil, err
			}
			if n := s.Schedulable(); n > maxThreads {
				s.Close()
				return nil, fmt.Errorf("%d racing threads, at most %d", n, maxThreads)
			}
			ready(s)
			p.mu.Lock()
			defer p.mu.Unlock()
			if !p.known {
				p.made, p.known = s.Made(), true
			}
			return s, nil
		},
		Free: (*scenario.Session).Close,
	}
	return p
}

// threads are those that the process makes, as far as they are known; none without
// sessions.
func (p *sessions) threads() []string {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// learn makes these threads known, and no others.
func (p *sessions) learn(made []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made, p.known = made, true
}

// tell makes a session know what the search knows of threads, and forget what it has
// learned since.
func (p *sessions) tell(s *scenario.Session) error { return s.SetMade(p.threads()) }

// takeReady hands out a session that was got ready for what comes next.
func (p *sessions) takeReady(ready func(*scenario.Session) error) (*scenario.Session, error) {
	s, err := p.Take()
	if err != nil {
		return nil, err
	}
	err = p.tell(s)
	if err == nil {
		err = ready(s)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// withEvents has a new session stop at events.
func withEvents(s *scenario.Session) {
	s.WantEvents(true)
	s.StopWhenDue(true)
}

// list is what a search works through: units, parts or schedules. The result of each
// stays in it.
type (
	list[T any]    = ordered.List[*scenario.Session, T]
	outcome[T any] = ordered.Outcome[T]
)
