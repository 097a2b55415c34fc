package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
)

// Ending is a way in which a process may end in the middle of the race and be right.
type Ending struct {
	Kind   Kind // Exit, Abort or Signal
	Code   int  `json:",omitempty"` // of Exit, its status
	Signal int  `json:",omitempty"` // of Signal
}

// sigabrt is the signal that abort() raises.
const sigabrt = 6

// String says it behind "the process ends with".
func (e Ending) String() string {
	switch e.Kind {
	case Exit:
		return fmt.Sprintf("exit status %d", e.Code)
	case Abort:
		return "an abort"
	default: // of a signal: no other kind is an ending
		return fmt.Sprintf("signal %d", e.Signal)
	}
}

// Bounds of endings.
const (
	maxStatus  = 255
	lastSignal = 64
)

// kept are the signals that by default do not end a process: those that are ignored,
// and those that stop it or let it go on (signal(7)).
var kept = []int{17, 18, 19, 20, 21, 22, 23, 28}

// ExitWith is the ending of a process that exits with a status.
func ExitWith(status int) (Ending, error) {
	if status < 0 || status > maxStatus {
		return Ending{}, fmt.Errorf("exit status %d: not from 0 to %d; of what exit is given the kernel keeps eight bits, which here are %d", status, maxStatus, status&maxStatus)
	}
	return Ending{Kind: Exit, Code: status}, nil
}

// KilledBy is the ending of a process that is killed by a signal which it has sent
// itself.
func KilledBy(signal int) (Ending, error) {
	switch {
	case signal < 1 || signal > lastSignal:
		return Ending{}, fmt.Errorf("signal %d: not from 1 to %d", signal, lastSignal)
	case slices.Contains(kept, signal):
		return Ending{}, fmt.Errorf("signal %d: it does not end a process", signal)
	case signal == sigabrt:
		return Ending{Kind: Abort}, nil
	}
	return Ending{Kind: Signal, Signal: signal}, nil
}

// check finds endings that no process has.
func (e Ending) check() error {
	var same Ending
	var err error
	switch e.Kind {
	case Exit:
		same, err = ExitWith(e.Code)
	case Abort:
		same = Ending{Kind: Abort}
	case Signal:
		same, err = KilledBy(e.Signal)
	default:
		return fmt.Errorf("%q is not how a process ends and is right: that is exit, abort or signal", e.Kind)
	}
	if err == nil && same != e {
		err = fmt.Errorf("%v: it is the ending %+v", e, same)
	}
	return err
}

// Ending is in which way the process ended; false when it has not, or by a fault,
// which is never right.
func (o Outcome) Ending() (Ending, bool) {
	if o.End == nil {
		return Ending{}, false
	}
	switch o.Kind {
	case Exit:
		return Ending{Kind: Exit, Code: o.End.Code}, true
	case Abort:
		return Ending{Kind: Abort}, true
	case Signal:
		return Ending{Kind: Signal, Signal: o.End.Signal}, true
	default: // the process goes on, or it has faulted
		return Ending{}, false
	}
}

// checkEndings finds endings of a plan that make no sense.
func (p *Plan) checkEndings() error {
	for i, e := range p.Endings {
		if err := e.check(); err != nil {
			return fmt.Errorf("scenario: ending %d: %w", i, err)
		}
	}
	if p.MustEnd && len(p.Endings) == 0 {
		return errors.New("scenario: the process must end, and in no way")
	}
	if p.MustEnd && p.Check != nil {
		return errors.New("scenario: the process must end, so that there is nothing left to check when all threads have made their calls")
	}
	return nil
}

// ended is the outcome of a process that has ended.
func (s *Session) ended(end *emu.End) Outcome {
	o := outcomeOf(end, s.RacingThread(end.Thread))
	if e, ok := o.Ending(); ok {
		o.Expected = slices.Contains(s.plan.Endings, e)
	}
	if o.Expected {
		if f := s.printed(); f != nil {
			return Outcome{Kind: Check, Thread: -1, Message: f.Message}
		}
	}
	return o
}

// endless is the failure of a race whose process goes on, though it must end.
func (p *Plan) endless() error {
	var ways []string
	for _, e := range p.Endings {
		ways = append(ways, e.String())
	}
	return &Failure{"every thread has made all its calls, and the process has not ended, though it must: with " + strings.Join(ways, " or ")}
}
