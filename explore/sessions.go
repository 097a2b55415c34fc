package explore

import (
	"fmt"

	"emurace/internal/pool"
	"emurace/scenario"
)

// sessions are those of a search, of which each is used by one goroutine at a time.
type sessions = pool.Pool[*scenario.Session]

// newSessions makes sessions when they are needed, and gets each ready once.
func newSessions(start func() (*scenario.Session, error), ready func(*scenario.Session)) *sessions {
	return &sessions{
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
	}
}

// withEvents has a new session stop at events.
func withEvents(s *scenario.Session) { s.WantEvents(true) }
