package scenario

import (
	"slices"
	"time"
)

// Sight is something that a check looked at: bytes of memory, or what a thread's calls had
// returned.
type Sight struct {
	Addr uint64
	Data []byte // what was there; nil for a thread's results
	// Thread is whose results they were, an index into the plan's threads; -1 for memory.
	Thread int
}

// Bounds of what is kept of one call of a check.
const (
	maxSights    = 64
	maxSightData = 64 // bytes of one
)

// Sights are what the check that found a fault had looked at, in that order, each once, and what
// Check's thread had been returned where its own function found it; nil for other ends.
func (s *Session) Sights() []Sight {
	switch v := s.verdict; {
	case v == nil || v.Kind != Check:
		return nil
	case s.failer > 0:
		return []Sight{{Thread: s.failer - 1}}
	}
	return slices.Clone(s.sights)
}

// sees notes what a check has looked at.
func (s *Session) sees(n Sight) {
	n.Data = n.Data[:min(len(n.Data), maxSightData)]
	known := slices.ContainsFunc(s.sights, func(o Sight) bool {
		return o.Thread == n.Thread && o.Addr == n.Addr && len(o.Data) == len(n.Data)
	})
	if !known && len(s.sights) < maxSights {
		n.Data = slices.Clone(n.Data)
		s.sights = append(s.sights, n)
	}
}

// checks runs a check, and keeps what it looks at.
func (s *Session) checks(check func() error) error {
	s.sights, s.failer = nil, 0
	s.asks()
	return check()
}

// asks notes that a check, or the body of a thread, is asked now.
func (s *Session) asks() {
	if s.onUnjudged != nil {
		s.asked = time.Now()
	}
}
