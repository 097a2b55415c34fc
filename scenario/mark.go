package scenario

import (
	"emurace/emu"
)

// Mark is a moment of a session.
type Mark struct {
	s *Session
	m *emu.Mark
	state
}

// Mark remembers the present moment.
func (s *Session) Mark() (*Mark, error) {
	m, err := s.m.Mark()
	if err != nil {
		return nil, err
	}
	k := s.free
	s.free = nil
	if k == nil {
		k = &Mark{}
	}
	k.s, k.m = s, m
	k.keep(&s.state)
	return k, nil
}

// Rewind goes back to the mark.
func (k *Mark) Rewind() error {
	k.s.keep(&k.state)
	return k.m.Rewind()
}

// keep makes s what o is now, with a list of threads of its own.
func (s *state) keep(o *state) {
	threads := append(s.threads[:0], o.threads...)
	*s = *o
	s.threads = threads
}

// Drop frees the mark, which is not to be used after that. Most marks are made for one
// event each, so the last one is kept for the next.
func (k *Mark) Drop() {
	if k.m == nil {
		return
	}
	k.m.Drop()
	k.m = nil
	k.s.free = k
}

// Restart goes back to the start of the race.
func (s *Session) Restart() error {
	s.adoptLocks()
	return s.start.Rewind()
}

// StartLog is the length of the access log at the start of the race.
func (s *Session) StartLog() int { return s.start.m.LogLen() }

// Loads lists the guest paths of the libraries that the process has mapped since the
// start of the race, as [emu.Machine.Loads].
func (s *Session) Loads() []string { return s.m.Loads()[s.start.m.Loads():] }
