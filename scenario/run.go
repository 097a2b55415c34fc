package scenario

import (
	"fmt"
	"slices"

	"emurace/emu"
)

// Run runs a thread for exactly n instructions, or fewer when it waits, comes
// to the end of its calls, or the process ends. With n 0 there is no bound but the
// session's limit, and a thread that goes round until others do something waits; see
// Spinning. It returns how many ran. One call follows the other without an instruction
// in between.
func (s *Session) Run(i int, n uint64) (uint64, error) {
	if s.IsClock(i) {
		return s.runClock(n)
	}
	if n == 0 && !s.closed {
		return s.runOut(i)
	}
	most := s.Limit - min(s.Limit, s.Steps())
	if n != 0 {
		most = min(most, n)
	}
	s.stirs(i)
	e := Event{Thread: i}
	for e.Ran < most && s.Runnable(i) {
		if _, err := s.runOnce(&e, func(t int) (emu.Stop, error) { return s.m.Run(t, min(most-e.Ran, s.turnLeft())) }); err != nil {
			return e.Ran, err
		}
	}
	return e.Ran, nil
}

// RunSlice is Run for a slice, at the end of which an instruction may end in its middle. It
// is up to the caller whether it has: see Holds. Behind the window none does.
func (s *Session) RunSlice(sl Slice) (ran uint64, err error) {
	if sl.Seeing != nil {
		e, err := s.RunSeeing(sl)
		return e.Ran, err
	}
	if !sl.Half || sl.N == 0 || s.IsClock(sl.Thread) || s.closed {
		return s.Run(sl.Thread, sl.N)
	}
	if sl.N > 1 {
		if ran, err = s.Run(sl.Thread, sl.N-1); err != nil || ran < sl.N-1 {
			return ran, err
		}
	}
	if !s.Runnable(sl.Thread) || s.Steps() >= s.Limit {
		return ran, nil
	}
	if s.closed {
		last, err := s.Run(sl.Thread, 1)
		return ran + last, err
	}
	s.stirs(sl.Thread)
	e := Event{Thread: sl.Thread}
	_, err = s.runOnce(&e, s.m.RunHalf)
	return ran + e.Ran, err
}

// Holds tells whether the thread's last instruction has ended in its middle, so that its
// stores, or the access of a pair's second register, are still to come.
func (s *Session) Holds(i int) bool { return !s.IsClock(i) && s.m.Holds(s.threads[i].machine) }

// MayHalve tells whether the next instruction of a thread that can run may be one that can end
// in its middle.
func (s *Session) MayHalve(i int) bool { return !s.IsClock(i) && s.m.MayHalve(s.threads[i].machine) }

// runOut runs a thread for as long as it can.
func (s *Session) runOut(i int) (uint64, error) {
	s.stirs(i)
	e := Event{Thread: i}
	for wait := uint64(patience); s.Runnable(i) && s.Steps() < s.Limit; wait *= 2 {
		stop, err := s.runOnce(&e, func(t int) (emu.Stop, error) { return s.m.Run(t, min(wait, s.Limit-s.Steps())) })
		if err == nil && stop.Kind == emu.Budget && s.Steps() < s.Limit {
			_, err = s.goesRound(&e)
		}
		if err != nil {
			return e.Ran, err
		}
		if s.closed {
			ran, err := s.Run(i, 0)
			return e.Ran + ran, err
		}
	}
	return e.Ran, s.goneRound(i)
}

// goneRound does what follows when a thread has run that may go round now: it is one that
// waits.
func (s *Session) goneRound(i int) error {
	if s.threads[i].held == nil {
		return nil
	}
	if err := s.judge(); err != nil {
		return err
	}
	return s.unblock()
}

// settle does what follows from the way in which a thread's run stopped.
func (s *Session) settle(i int, kind emu.StopKind) error {
	if kind == emu.Returned && i >= s.planned() {
		kind = emu.Trapped // by a jump: no call has led it here
	}
	switch kind {
	case emu.Returned:
		if err := s.finishCall(i); err != nil {
			return err
		}
	case emu.Gone:
		s.leave(i) // it ended itself: there is nobody to make more calls
	case emu.Trapped:
		return fmt.Errorf("thread %s reached the program's code", s.threads[i].name)
	case emu.AtGate:
		s.closed, s.turn = true, turn{thread: i}
	case emu.Budget, emu.Waits, emu.Ended, emu.Unready, emu.AtStop: // the call is not over
	}
	if err := s.judge(); err != nil {
		return err
	}
	// The others may have waited for a thread that is now at its end.
	return s.unblock()
}

// leave notes that there is nothing that a thread has still to do. Whether the race is over
// when the others wait depends on the plan's, and with it whether the clock can be moved on.
func (s *Session) leave(i int) {
	s.threads[i].done = true
	if o, ok := s.m.Interrupts(s.threads[i].machine); ok {
		s.uses(o) // from here on no handler runs in it
	}
	if s.hasMade() && i < s.planned() {
		s.uses(emu.Object{Class: emu.ObjectOver})
	}
}

func (s *Session) finishCall(i int) error {
	r := &s.threads[i]
	call := r.call
	v, err := s.result(i, call)
	if err != nil {
		return err
	}
	r.results = append(slices.Clip(r.results), v)
	if s.plan.AfterCall != nil {
		s.uses(emu.Object{Class: emu.ObjectResults, ID: uint64(i), Write: true})
		if err := s.checks(func() error { return s.plan.AfterCall(s.view(i), Returned{i, call, v}) }); err != nil {
			s.sees(Sight{Thread: i}) // it was given what the call has returned
			return s.fault(i, err)
		}
	}
	return s.advance(i)
}

// result is what a call of a thread's has returned.
func (s *Session) result(i int, call Call) (uint64, error) {
	t := s.threads[i].machine
	if call.Result == Word {
		return s.m.Result(t)
	}
	v, err := s.m.FloatResult(t)
	if call.Result == Float {
		v &= 1<<32 - 1
	}
	return v, err
}
