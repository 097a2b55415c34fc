package scenario

import (
	"fmt"
	"slices"

	"emurace/loader"
)

// Playback goes to any moment of a schedule's run.
type Playback struct {
	s        *Session
	schedule Schedule
	counted  Schedule // with the lengths of slices that have no end of their own
}

// NewPlayback plays a schedule once. The session is left at the end of the run.
func NewPlayback(s *Session, schedule Schedule) (*Playback, error) {
	p := &Playback{s: s, schedule: schedule, counted: slices.Clone(schedule)}
	if err := s.Restart(); err != nil {
		return nil, err
	}
	for i, sl := range p.counted {
		ran, err := s.RunSlice(sl)
		if err != nil {
			return nil, err
		}
		if sl.N == 0 && s.Spinning(sl.Thread) {
			p.counted[i].N = ran
		}
	}
	return p, nil
}

// Counted is the schedule with a number of instructions for the slices of threads that go
// round: step by step they would not come to an end.
func (p *Playback) Counted() Schedule { return p.counted }

// SeekTo takes the session to the moment when the race has run n instructions,
// or to its end if that comes first.
func (p *Playback) SeekTo(n uint64) error {
	_, _, err := p.Seek(n)
	return err
}

// Seek is SeekTo. It tells which slice of the schedule the moment lies in and
// how much of that slice has run.
func (p *Playback) Seek(n uint64) (slice int, done uint64, err error) {
	if err := p.s.Restart(); err != nil {
		return 0, 0, err
	}
	for i, sl := range p.counted {
		left := n - min(n, p.s.Steps())
		if left == 0 {
			return slice, done, nil
		}
		if sl.N != 0 {
			left = min(left, sl.N)
		}
		if p.s.IsClock(sl.Thread) {
			left = sl.N // no instruction
		}
		slice = i
		if done, err = p.s.RunSlice(sl.Part(0, left)); err != nil {
			return 0, 0, err
		}
	}
	return slice, done, nil
}

// SeekEnd takes the session to the end of the run.
func (p *Playback) SeekEnd() error {
	if err := p.s.Restart(); err != nil {
		return err
	}
	return p.s.Play(p.schedule)
}

// MismatchError is that a slice of a schedule could not run for as long as it says: the
// schedule belongs to another race.
type MismatchError struct {
	Slice int    // its number, counted from 1
	Text  string // of the slice
	Ran   uint64 // instructions
	Whole bool   // so many as it says, but the last one has no middle to end in
	Pairs bool   // on arm64, where those that have one are loads and stores of pairs
}

func (s *Session) mismatch(i int, sl Slice, ran uint64) *MismatchError {
	return &MismatchError{Slice: i + 1, Text: sl.Text(s.ScheduleNames()), Ran: ran, Whole: ran == sl.N, Pairs: s.m.Arch() == loader.ARM64}
}

func (e *MismatchError) Error() string {
	if e.Whole && e.Pairs {
		return fmt.Sprintf("slice %d (%s): the last instruction is not a load or store of a pair of registers, which is two steps", e.Slice, e.Text)
	}
	if e.Whole {
		return fmt.Sprintf("slice %d (%s): the last instruction is not one that reads memory and then writes to it", e.Slice, e.Text)
	}
	return fmt.Sprintf("slice %d (%s): ran %d instructions", e.Slice, e.Text, e.Ran)
}

// Play runs a schedule from the present moment on. It stops early when the race
// is over. For a schedule of another race it returns a *MismatchError.
func (s *Session) Play(schedule Schedule) error {
	for i, sl := range schedule {
		ran, err := s.RunSlice(sl)
		if err != nil {
			return err
		}
		if sl.N != 0 && ran != sl.N {
			if _, over := s.Outcome(); over && i == len(schedule)-1 {
				return nil
			}
			return s.mismatch(i, sl, ran)
		}
		if sl.Half && !s.Holds(sl.Thread) {
			return s.mismatch(i, sl, ran)
		}
	}
	return nil
}
