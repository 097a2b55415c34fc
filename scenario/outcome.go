package scenario

import (
	"fmt"

	"emurace/emu"
)

// Kind says how a run came out. The texts are part of the result object.
type Kind string

// The kinds of outcome.
const (
	OK       Kind = "ok"       // every thread made all its calls, and what those have made waits or is gone
	Segv     Kind = "segv"     // a memory access faulted
	Illegal  Kind = "illegal"  // an illegal instruction or other exception
	Abort    Kind = "abort"    // SIGABRT, as from abort()
	Signal   Kind = "signal"   // another signal
	Exit     Kind = "exit"     // the process exited in the middle
	Deadlock Kind = "deadlock" // every remaining thread waits
	// Livelock: those that are left go round for ever, or a fair run has come to the limit
	// of instructions: no thread that could run had to wait for long.
	Livelock Kind = "livelock"
	// Unfinished: the limit was reached, but threads that could have gone on were passed
	// over for long. Nothing is known of how the race comes out.
	Unfinished Kind = "unfinished"
	Check      Kind = "check" // a check of the plan's found a fault, or a thread did itself
	// Unjudged: a check of the plan's, or a thread's body, has gone wrong itself. Nothing is known
	// of how the race comes out. Only with [Session.OnUnjudged] does a run end so.
	Unjudged Kind = "unjudged"
	// A limit was reached, of what a guest may take here. Nothing is known of how the race
	// comes out on a machine that has more. The texts are those of emu.Limit.
	MemoryLimit  Kind = Kind(emu.MemoryLimit)
	OutputLimit  Kind = Kind(emu.OutputLimit)
	MappingLimit Kind = Kind(emu.MappingLimit)
	FileLimit    Kind = Kind(emu.FileLimit)
	LogLimit     Kind = Kind(emu.LogLimit)
)

// Outcome is how a run came out. Two runs with equal outcomes ended in the same
// way at the same instruction.
type Outcome struct {
	Kind   Kind
	Thread int      // index of the thread it happened on; -1 for OK, Deadlock, Livelock and for Check when it was at the end
	End    *emu.End // how the process ended; nil for OK, Deadlock, Livelock, Check
	// Message says what was wrong, for Check.
	Message string `json:",omitempty"`
	// Expected tells that the process ended in a way that the plan says is right.
	Expected bool `json:",omitempty"`
}

// Failed tells whether the outcome is one to report.
func (o Outcome) Failed() bool {
	return o.Kind != OK && o.Kind != Unfinished && o.Kind != Unjudged && !o.Expected && !o.Limited()
}

// Limited tells whether the race has ended at a limit of what a guest may take.
func (o Outcome) Limited() bool { return o.End != nil && o.End.Kind == emu.EndLimit }

// String says it in words.
func (o Outcome) String() string {
	if o.Expected {
		return fmt.Sprintf("%s: %v, as the scenario expects", o.Kind, o.End)
	}
	if o.End != nil {
		return fmt.Sprintf("%s: %v", o.Kind, o.End)
	}
	if o.Message != "" {
		return fmt.Sprintf("%s: %s", o.Kind, o.Message)
	}
	return string(o.Kind)
}

// outcomeOf classifies the end of the process.
func outcomeOf(end *emu.End, thread int) Outcome {
	o := Outcome{Thread: thread, End: end}
	switch {
	case end.Kind == emu.EndFault:
		o.Kind = Segv
	case end.Kind == emu.EndSignal && end.Signal == sigabrt:
		o.Kind = Abort
	case end.Kind == emu.EndSignal:
		o.Kind = Signal
	case end.Kind == emu.EndExit:
		o.Kind = Exit
	case end.Kind == emu.EndLimit:
		o.Kind = Kind(end.Limit)
	default:
		o.Kind = Illegal
	}
	return o
}

// Outcome is how the race came out, once it is over.
func (s *Session) Outcome() (Outcome, bool) {
	if end := s.m.End(); end != nil {
		return s.ended(end), true
	}
	if s.verdict != nil {
		return *s.verdict, true
	}
	switch {
	case s.endless != 0:
		return Outcome{Kind: Unfinished, Thread: -1}, true
	case !s.threadRuns() && !s.clockRuns() && s.allSpin():
		return Outcome{Kind: Livelock, Thread: -1}, true
	case !s.threadRuns() && !s.clockRuns():
		return Outcome{Kind: Deadlock, Thread: -1}, true
	case !s.CutShort():
		return Outcome{}, false
	case s.fair() && s.callsLeft():
		return Outcome{Kind: Livelock, Thread: -1}, true
	}
	return Outcome{Kind: Unfinished, Thread: -1}, true
}
