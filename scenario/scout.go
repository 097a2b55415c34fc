package scenario

import "slices"

// A run that makes a thread which is not known shows nothing, and whoever joins that thread
// waits in vain. So a program that makes hundreds of threads one after the other would have a
// search begin anew for each of them. Where there are more than a few, a scout goes ahead: the
// program is run once from the start of the race, whoever there is in turn, and the threads
// that it makes are known from then on. That they are not made in other schedules does not
// matter; they are then threads that are never there.

const (
	// few is how many made threads a session has to know before it sends a scout.
	few = 16
	// scoutTurn is how many instructions a thread of a scout's runs at a time, and
	// scoutLimit how many all of them do.
	scoutTurn  = 10_000
	scoutLimit = 50_000_000
)

// scout takes in the threads that the program makes when all run in turn. It does so once: it
// would find the same again. The session is at the start of the race then.
func (s *Session) scout() error {
	if s.made.scouted || !s.isProgram() || len(s.made.names)+len(s.made.unknown) <= few {
		return nil
	}
	s.made.scouted = true
	if err := s.Restart(); err != nil {
		return err
	}
	events := s.m.WantsEvents()
	s.m.WantEvents(false) // what it accesses teaches nothing
	defer s.m.WantEvents(events)
	if err := s.inTurn(); err != nil {
		return err
	}
	for _, t := range s.m.Threads()[s.met:] {
		if len(s.made.names)+len(s.made.unknown) == s.mostMade() {
			break
		}
		if !slices.Contains(s.made.names, t.Name) && !slices.Contains(s.made.unknown, t.Name) {
			s.made.unknown = append(s.made.unknown, t.Name)
			s.made.grown++
		}
	}
	return s.Restart()
}

// inTurn runs the process's threads, known or not, each a little at a time.
func (s *Session) inTurn() error {
	most := min(s.Limit, scoutLimit)
	for s.m.End() == nil && s.Steps() < most && s.m.Made() <= MaxSchedulable {
		ran := false
		for t := 0; t < s.m.Made() && s.m.End() == nil; t++ {
			if !s.m.Runnable(t) {
				continue
			}
			ran = true
			if _, err := s.m.Run(t, scoutTurn); err != nil {
				return err
			}
		}
		if ran || s.m.End() != nil {
			continue
		}
		if !s.m.Timed() {
			return nil // all wait for ever
		}
		if _, err := s.m.Advance(true); err != nil {
			return err
		}
	}
	return nil
}
