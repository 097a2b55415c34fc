package scenario

import (
	"errors"
	"fmt"
	"slices"

	"emurace/emu"
	"emurace/program"
)

// A program's window is the part of its run that a search is about. Before it, and behind it,
// threads run in turn, in one fixed way: the first that can, for a quantum of instructions or
// until it waits, then the next one, and the clock when a deadline is due or nobody can run.
// Nothing of what is before it is logged, and all of it is there when the race begins, threads too.
//
// The window is over when a thread is about to run the instruction at its end. In each run that
// is a moment which everything of the window comes before: so to a search it is like an end of
// the process. What comes behind it runs all the same, as it may show what the window has
// spoilt; which bytes it shares with the window is learned, and where it ends in a failure
// the run fails. Only the thread whose turn it is can run then, so that schedules and whoever
// plays them need to know nothing of it. Whose turn it is must follow from the instructions that have
// run, and from nothing that depends on who runs them: so going round is not looked for there.

// Place names instructions of a process.
type Place interface {
	fmt.Stringer
	// Find lists their addresses in the session's process as it is now; there is at least
	// one, or an error, which tells of similar names if asked for.
	Find(s *Session, similar bool) ([]uint64, error)
}

// Bound is where a program's window begins or ends: before an instruction of a place, when a
// thread comes there.
type Bound struct {
	Thread string // its name; "" for any
	Place  Place
}

// String writes it as main:function.
func (b *Bound) String() string {
	if b.Thread == "" {
		return b.Place.String()
	}
	return b.Thread + ":" + b.Place.String()
}

// IsProgramThread tells whether a program's thread can have this name: main, or one that says who
// has made it.
func IsProgramThread(name string) bool {
	s := &Session{plan: &Plan{Threads: []Thread{{Name: Main}}}}
	return name == Main || s.Makes(name)
}

// BoundError is that a window cannot begin or end where it is to.
type BoundError struct {
	Bound *Bound
	End   bool  // of the window, not its beginning
	Err   error // of a place that there is not
	Why   string
}

// Error says which place it is, and why.
func (e *BoundError) Error() string {
	what := "begin"
	if e.End {
		what = "end"
	}
	if e.Err != nil {
		return fmt.Sprintf("the window cannot %s at %v: %v", what, e.Bound, e.Err)
	}
	return fmt.Sprintf("the window cannot %s at %v: %s", what, e.Bound, e.Why)
}

// Unwrap is what is wrong with the place.
func (e *BoundError) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *BoundError) Hint() string {
	var known interface{ Hint() string }
	if errors.As(e.Err, &known) && known.Hint() != "" {
		return known.Hint()
	}
	if e.Err != nil && e.End {
		return "the place has to be there when the window begins, as one of a library that is loaded later is not"
	}
	return "name a place that the program comes to with these arguments and input, and its thread only where others come there too"
}

// before is a program on its way to where its window begins.
type before struct {
	s    *Session
	from *Bound
	left uint64 // instructions
	// loads is how many files had been mapped when the place was last looked for, and known that
	// it was found.
	loads int
	known bool
}

// runToBound runs a program up to where a thread comes to the place.
func (s *Session) runToBound(from *Bound) error {
	s.m.AwaitLoad(true)
	defer s.m.AwaitLoad(false)
	b := &before{s: s, from: from, left: BootLimit}
	if err := b.look(); err != nil {
		return err
	}
	there := false
	err := program.InTurn(s.m, func(t int) (kind emu.StopKind, on bool, err error) {
		kind, there, err = b.turn(t)
		return kind, !there, err
	})
	if err == nil && !there {
		err = b.missed()
	}
	return errors.Join(err, s.m.StopAt())
}

// look finds out where the place is. Of a library that is not mapped yet nobody knows.
func (b *before) look() error {
	list, err := b.from.Place.Find(b.s, false)
	b.loads, b.known = len(b.s.m.Loads()), err == nil
	return b.s.m.StopAt(list...)
}

// turn runs a thread for its turn, and tells whether it has come to the place.
func (b *before) turn(t int) (kind emu.StopKind, there bool, err error) {
	m := b.s.m
	over := false // the instruction that it stands before is another thread's place
	for n := uint64(program.Quantum); n > 0; {
		var stop emu.Stop
		run := func(n uint64) (err error) {
			stop, err = m.Run(t, n)
			return err
		}
		if over {
			err = m.WithoutStops(func() error { return run(1) })
		} else {
			err = run(n)
		}
		if err != nil {
			return stop.Kind, false, err
		}
		n -= min(n, stop.Ran)
		if b.left -= min(b.left, stop.Ran); b.left == 0 {
			return stop.Kind, false, &emu.LimitError{Limit: emu.BootLimit}
		}
		if len(m.Loads()) != b.loads {
			if err := b.look(); err != nil {
				return stop.Kind, false, err
			}
		}
		if over = stop.Kind == emu.AtStop; over && b.from.is(m, t) {
			return stop.Kind, true, nil
		}
		if !over && stop.Kind != emu.Budget {
			return stop.Kind, false, nil
		}
	}
	return emu.Budget, false, nil
}

// is tells whether a thread of the machine is the bound's.
func (b *Bound) is(m *emu.Machine, t int) bool {
	return b.Thread == "" || m.Threads()[t].Name == b.Thread
}

// missed is why a program has not come to the place.
func (b *before) missed() error {
	if err := b.s.endedEarly(); err != nil {
		return err
	}
	e := &BoundError{Bound: b.from}
	if !b.known {
		if _, e.Err = b.from.Place.Find(b.s, true); e.Err != nil {
			return e
		}
	}
	who := "no thread"
	if b.from.Thread != "" {
		who = b.from.Thread + " never"
	}
	e.Why = who + " comes there before all threads wait for ever"
	if end := b.s.m.End(); end != nil {
		e.Why = fmt.Sprintf("%s comes there before the process ends: %v", who, end)
	}
	return e
}

// window is what a rewind takes back of one.
type window struct {
	closed bool  // it is over
	turn   turn  // of whom, then
	stood  []int // machine's threads that stand at its end since the beginning, which does not count; never changed
}

// turn is a thread's, or the clock's, or with -1 nobody's.
type turn struct {
	thread int
	ran    uint64 // instructions
}

// setGate has the window end where it is to.
func (s *Session) setGate() error {
	to := s.plan.Program.To
	if to == nil {
		return nil
	}
	list, err := to.Place.Find(s, true)
	if err != nil {
		return &BoundError{Bound: to, End: true, Err: err}
	}
	for t := range s.m.Threads() {
		if !s.m.Alive(t) {
			continue
		}
		pc, err := s.m.PC(t)
		if err != nil {
			return err
		}
		if slices.Contains(list, pc) {
			s.stood = append(s.stood, t)
		}
	}
	return s.m.GateAt(s.closes, list...)
}

// closes tells whether the window is over, as a thread has come to where it ends.
func (s *Session) closes(t int) bool {
	if s.closed || s.trying || !s.plan.Program.To.is(s.m, t) {
		return false
	}
	if i := slices.Index(s.stood, t); i >= 0 {
		s.stood = slices.Delete(slices.Clone(s.stood), i, i+1)
		return false
	}
	return true
}

// Closed tells whether the window is over, so that what still runs does so in a fixed order.
func (s *Session) Closed() bool { return s.closed }

// Turn is whose turn it is behind the window, -1 for nobody's.
func (s *Session) Turn() int { return s.turn.thread }

// turnLeft is how many instructions are left of the present turn; there are no turns in the window.
func (s *Session) turnLeft() uint64 {
	if !s.closed {
		return ^uint64(0)
	}
	return program.Quantum - s.turn.ran
}

// passTurn gives the turn to who is next, where the present one is over.
func (s *Session) passTurn() {
	if !s.closed {
		return
	}
	now := s.turn.thread
	if now >= 0 && now < len(s.threads) && s.turn.ran < program.Quantum && s.m.Runnable(s.threads[now].machine) {
		return
	}
	s.turn = turn{thread: -1}
	for k := range len(s.threads) + 1 {
		next := (now + 1 + k) % (len(s.threads) + 1)
		if s.IsClock(next) && s.clockNext() || !s.IsClock(next) && s.m.Runnable(s.threads[next].machine) {
			s.turn.thread = next
			return
		}
	}
}

// clockNext tells whether the clock can have the next turn.
func (s *Session) clockNext() bool {
	if !s.hasClock() || s.m.End() != nil || !s.m.Timed() {
		return false
	}
	if !s.threadRuns() {
		return true
	}
	due, err := s.m.Due()
	return due && err == nil
}

// RunTail runs what is left behind the window, to the end of the race.
func (s *Session) RunTail() (tail Schedule, err error) {
	for {
		t := s.turn.thread
		if _, over := s.Outcome(); over || !s.closed || t < 0 {
			return tail, nil
		}
		ran, err := s.Run(t, 0)
		if err != nil {
			return tail, err
		}
		if _, over := s.Outcome(); ran == 0 && !over && s.turn.thread == t {
			return tail, fmt.Errorf("behind the window, %s has its turn and does not run", s.ScheduleNames()[t])
		}
		tail = tail.add(Slice{Thread: t, N: ran})
	}
}

// Length is how many instructions ran with the event, those behind the window among them.
func (s *Session) Length(e *Event) uint64 {
	n := e.Ran
	for _, sl := range e.Tail {
		if !s.IsClock(sl.Thread) {
			n += sl.N
		}
	}
	return n
}
