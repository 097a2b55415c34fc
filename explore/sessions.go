package explore

import (
	"fmt"

	"emurace/internal/ordered"
	"emurace/internal/pool"
	"emurace/scenario"
)

// sessions are those of a search, of which each is used by one goroutine at a time.
type sessions struct {
	pool.Pool[*scenario.Session]
}

// newSessions makes sessions when they are needed, and gets each ready once.
func newSessions(start func() (*scenario.Session, error), ready func(*scenario.Session)) *sessions {
	return &sessions{pool.Pool[*scenario.Session]{
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
			return s, nil
		},
		Free: (*scenario.Session).Close,
	}}
}

// takeReady hands out a session that was got ready for what comes next.
func (p *sessions) takeReady(ready func(*scenario.Session) error) (*scenario.Session, error) {
	s, err := p.Take()
	if err != nil {
		return nil, err
	}
	if err := ready(s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// withEvents has a new session stop at events.
func withEvents(s *scenario.Session) { s.WantEvents(true) }

// list is what a search works through: units, parts or schedules. The result of each
// stays in it.
type (
	list[T any]    = ordered.List[*scenario.Session, T]
	outcome[T any] = ordered.Outcome[T]
)
