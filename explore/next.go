package explore

import "emurace/scenario"

// nextEvent runs a thread's next event; back goes back to the present moment. Where that
// would end the process, what comes before the end is an event of its own, and the end
// is the next one: otherwise two threads that each end the process, with no event before,
// would never both get far enough in one run for it to show what they share.
func nextEvent(s *scenario.Session, t int, back func() error) (scenario.Event, error) {
	e, err := s.RunEvent(t)
	if err != nil || e.Lead == 0 {
		return e, err
	}
	if err := back(); err != nil {
		return e, err
	}
	return s.RunUpTo(t, e.Lead)
}

// markedEvent is nextEvent with a mark of its own.
func markedEvent(s *scenario.Session, t int) (scenario.Event, error) {
	mark, err := s.Mark()
	if err != nil {
		return scenario.Event{}, err
	}
	defer mark.Drop()
	return nextEvent(s, t, mark.Rewind)
}
