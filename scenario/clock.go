package scenario

import (
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
)

// Timeouts says when the clock may be moved on to the next deadline, so that waits with
// a timeout and sleeps end.
type Timeouts string

// The ways. Without a word it is AnyTime.
const (
	// AnyTime is whenever somebody waits with a deadline: nothing is assumed about how
	// long anything takes.
	AnyTime Timeouts = "any"
	// WhenDue is when the clock of any thread has come to the deadline, or when nobody
	// can run.
	WhenDue Timeouts = "due"
	// WhenIdle is when nobody can run.
	WhenIdle Timeouts = "idle"
)

// AllTimeouts lists the words.
func AllTimeouts() []Timeouts { return []Timeouts{AnyTime, WhenDue, WhenIdle} }

// ParseTimeouts reads a word.
func ParseTimeouts(word string) (Timeouts, error) {
	if t := Timeouts(word); slices.Contains(AllTimeouts(), t) {
		return t, nil
	}
	return "", fmt.Errorf("timeouts %q: not any, due or idle", word)
}

// Assumes says what a search that comes to a verdict has assumed about time.
func (t Timeouts) Assumes() string {
	const counts = "the clock counts a nanosecond an instruction, along what has to come before, and how long a thread spins makes no difference"
	switch t {
	case WhenDue:
		return "timeouts pass when a thread's clock has come to them, or nothing else can happen; " + counts
	case WhenIdle:
		return "timeouts pass only when nothing else can happen; " + counts
	case AnyTime:
	}
	return "timeouts may pass at any moment; " + counts
}

// ClockName is the clock's name in schedules. No thread can have it.
const ClockName = "clock"

// Timeouts is when the session's clock may be moved on.
func (s *Session) Timeouts() Timeouts {
	if s.plan.Timeouts == "" {
		return AnyTime
	}
	return s.plan.Timeouts
}

// Schedulable is how many there are that a schedule can name: the threads and, behind
// them, the clock. It can run while somebody waits with a deadline, if the plan's
// Timeouts allow, and its instruction is to move the clock on to the earliest deadline.
// With WhenIdle there is no such thread: the clock then moves by itself.
func (s *Session) Schedulable() int {
	if s.hasClock() {
		return s.Clock() + 1
	}
	return s.Clock()
}

// hasClock tells whether the clock is one of those that a schedule can name.
func (s *Session) hasClock() bool { return s.Timeouts() != WhenIdle }

// Clock is the index of the clock, which is there with WhenIdle too, though no schedule
// can name it then.
func (s *Session) Clock() int { return len(s.threads) }

// IsClock tells whether an index is that of the clock.
func (s *Session) IsClock(i int) bool { return i == s.Clock() }

// ScheduleNames are the names that schedules have: those of the threads, and the
// clock's.
func (s *Session) ScheduleNames() []string {
	names := s.Names()
	if s.hasClock() {
		names = append(names, ClockName)
	}
	return names
}

// clockRuns tells whether the clock can be moved on now.
func (s *Session) clockRuns() bool {
	if !s.hasClock() || s.verdict != nil || s.endless != 0 || s.m.End() != nil || !s.m.Timed() {
		return false
	}
	if s.closed {
		return s.turn.thread == s.Clock()
	}
	if s.Timeouts() == AnyTime {
		return true
	}
	if !s.threadRuns() {
		return true
	}
	due, err := s.m.Due()
	return due && err == nil // what cannot be told is told where the clock is read
}

// threadRuns tells whether any of the threads can run; behind the window, when it is its turn.
func (s *Session) threadRuns() bool {
	for i := range s.threads {
		if s.Runnable(i) || s.closed && s.m.Runnable(s.threads[i].machine) {
			return true
		}
	}
	return false
}

// unblock lets the earliest timeout pass when nothing else can happen and no schedule
// has to say so.
func (s *Session) unblock() error {
	if s.hasClock() || s.m.End() != nil || s.verdict != nil || !s.m.Timed() {
		return nil
	}
	if s.threadRuns() {
		return nil
	}
	s.expired = true
	_, err := s.m.Advance(true)
	return err
}

// runClock moves the clock on n times, or fewer when nobody waits with a deadline any
// more; n 0 is no bound.
func (s *Session) runClock(n uint64) (ran uint64, err error) {
	for (n == 0 || ran < n) && s.Runnable(s.Clock()) && s.Steps() < s.Limit {
		if _, err := s.advanceClock(); err != nil {
			return ran, err
		}
		s.passTurn()
		ran++
	}
	return ran, s.judge()
}

func (s *Session) advanceClock() (emu.Advanced, error) {
	return s.m.Advance(s.Timeouts() != AnyTime)
}

// StopWhenDue has events end, with WhenDue, also where a thread's clock comes to the earliest
// deadline: from there on the clock can be moved on, and otherwise nobody would try that before
// the thread's next access of what threads share, however far that is. Such an event does
// nothing that concerns others. With WantEvents it is for searches; who plays a schedule does not need it.
func (s *Session) StopWhenDue(on bool) { s.dueStops = on }

// untilDue is after how many instructions of a thread that is, as far as it can be told.
func (s *Session) untilDue(i int) (uint64, error) {
	const never = ^uint64(0)
	if !s.dueStops || s.playing || s.closed || s.Timeouts() != WhenDue {
		return never, nil
	}
	n, ok, err := s.m.UntilDue(s.threads[i].machine)
	if !ok {
		return never, err
	}
	return n, nil
}

// clockEvent moves the clock on, if it can be. As an event that is one instruction,
// though none of the machine's.
func (s *Session) clockEvent() (Event, error) {
	e := Event{Thread: s.Clock()}
	if !s.Runnable(e.Thread) || s.Steps() >= s.Limit {
		return e, nil
	}
	if only, ok := s.onlyTimed(); ok {
		e.Needs = append(e.Needs, only)
	}
	a, err := s.advanceClock()
	if err != nil {
		return e, err
	}
	s.passTurn()
	e.Ran, e.Objects = 1, a.Objects
	e.Ends = s.m.End() != nil // a timer's signal has ended the process
	if s.hasMade() {
		e.Objects = append(slices.Clip(e.Objects), emu.Object{Class: emu.ObjectOver, Write: true})
	}
	for _, t := range a.Woke {
		if i := s.RacingThread(t); i >= 0 {
			e.Woke = append(e.Woke, i)
		}
	}
	return e, nil
}

// Stopped is the event by which the clock would be moved on, were the race not over: a
// thread that the process has made waits with a deadline. It is false where there is none.
// The session is as it was.
func (s *Session) Stopped() (Event, bool, error) {
	if s.verdict == nil || s.verdict.Thread >= 0 || !s.hasMade() || !s.m.Timed() {
		return Event{}, false, nil
	}
	mark, err := s.Mark()
	if err != nil {
		return Event{}, false, err
	}
	defer mark.Drop()
	s.verdict = nil
	e, err := s.clockEvent()
	if err != nil {
		return e, false, err
	}
	return e, e.Ran > 0, mark.Rewind()
}

// onlyTimed is the thread that waits with a deadline, when nothing but that has the clock
// move on.
func (s *Session) onlyTimed() (only int, ok bool) {
	if s.m.Alarmed() {
		return 0, false
	}
	for m := range s.m.Threads() {
		if _, timed := s.m.Deadline(m); !timed {
			continue
		}
		if ok {
			return 0, false
		}
		only, ok = s.RacingThread(m), true
	}
	return only, ok && only >= 0
}

// Passing says whose waits end when the clock is moved on now, as in "the deadline of
// main's sem_timedwait passes"; "" when nobody waits with a deadline.
func (s *Session) Passing() string {
	first := uint64(0)
	var whose []string
	for m, t := range s.m.Threads() {
		d, ok := s.m.Deadline(m)
		if !ok || first != 0 && d > first {
			continue
		}
		if d < first {
			whose = nil
		}
		first = d
		function, _, _ := strings.Cut(t.Call, "(")
		if function == "" {
			whose = append(whose, t.Name) // nobody has called it
			continue
		}
		whose = append(whose, fmt.Sprintf("%s's %s", t.Name, function))
	}
	if whose == nil {
		return ""
	}
	return fmt.Sprintf("the deadline of %s passes", strings.Join(whose, " and "))
}
