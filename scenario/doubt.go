package scenario

import (
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
)

// DoubtKind is a class of doubts. The texts are part of the result object.
type DoubtKind string

// The kinds of doubt.
const (
	// UnknownSyscall: emurace does not have a system call, or a part of it, and the
	// process was told so.
	UnknownSyscall DoubtKind = "unknown-syscall"
	// UnscheduledThread: a thread that the process has made is there and never runs, since
	// the session does not know it.
	UnscheduledThread DoubtKind = "unscheduled-thread"
	// UnendedThread: a thread waits for the end of one that has made its calls, and that
	// does not end by that.
	UnendedThread DoubtKind = "unended-thread"
	// ThreadLimit: the process was told that it can have no more threads.
	ThreadLimit DoubtKind = "thread-limit"
	// InstructionLimit: the run was cut off there, though threads that could go on had been
	// passed over for long.
	InstructionLimit DoubtKind = "instruction-limit"
	// CallLimit: the run was cut off where a thread had made as many calls as it may.
	CallLimit DoubtKind = "call-limit"
	// The limits of what a guest may take: the run was cut off there. The texts are those of
	// emu.Limit. BootLimit, and it alone, is of what comes before the race, and others can be.
	AtMemoryLimit  DoubtKind = DoubtKind(emu.MemoryLimit)
	AtOutputLimit  DoubtKind = DoubtKind(emu.OutputLimit)
	AtMappingLimit DoubtKind = DoubtKind(emu.MappingLimit)
	AtFileLimit    DoubtKind = DoubtKind(emu.FileLimit)
	AtLogLimit     DoubtKind = DoubtKind(emu.LogLimit)
	AtBootLimit    DoubtKind = DoubtKind(emu.BootLimit)
	// GoneWrong: a check, or the body of a thread, has gone wrong itself.
	GoneWrong DoubtKind = "gone-wrong"
	// NotInGraphs: it has what a search under a memory model does not cover. No session says that.
	NotInGraphs DoubtKind = "not-in-graphs"
	// UnsureOrder: a run fails that the processor may not allow: an order of its accesses may be there that is
	// not known. No session says that.
	UnsureOrder DoubtKind = "unsure-order"
	// Unrepeated: a run has failed, and not when it was run again. No session says that.
	Unrepeated DoubtKind = "unrepeated"
)

// DoubtKinds lists the kinds, in the order in which they are told.
func DoubtKinds() []DoubtKind {
	return []DoubtKind{
		UnknownSyscall, UnscheduledThread, UnendedThread, ThreadLimit, InstructionLimit, CallLimit,
		AtMemoryLimit, AtOutputLimit, AtMappingLimit, AtFileLimit, AtLogLimit, AtBootLimit, GoneWrong, Unrepeated, NotInGraphs, UnsureOrder,
	}
}

// Doubt is why a run may differ from those that there are on Linux.
type Doubt struct {
	Kind DoubtKind `json:"kind"`
	Name string    `json:"name"` // the system call, of which clone makes a thread; the limit; who has not ended; or how a run failed
	// Function is the one that the thread was called with, such as readdir, or that has
	// made it, and Thread its name: "" before the race, or for one that does not race.
	Function string `json:"function,omitempty"`
	Thread   string `json:"thread,omitempty"`
}

// String names it and its place.
func (d Doubt) String() string {
	where := d.Name
	if d.Function != "" && d.Function != d.Name {
		where += " in " + d.Function
	}
	if d.Thread != "" {
		where += " of " + d.Thread
	}
	return where
}

// Doubts are those about the present run, which is over. Rests tells that its failure
// need not be one: an unknown system call may have led there, and a thread that could
// still run or end may get those going that wait. What a process has done before, such as a
// crash, it can do however late another thread comes.
func (s *Session) Doubts(o Outcome) (list []Doubt, rests bool) {
	for _, c := range s.m.Missed() {
		rests = true
		kind, name := UnknownSyscall, c.Name
		if c.MoreThreads() {
			kind, name = ThreadLimit, fmt.Sprintf("the limit of %d threads at a time and %d in all", emu.MaxThreads, emu.MostMade)
		}
		list = append(list, s.doubt(kind, name, c.Func, c.Thread))
	}
	for t, th := range s.m.Threads() {
		// The process's first thread is there, idle, also where it does not race.
		if t == 0 || s.RacingThread(t) >= 0 || !s.m.Alive(t) {
			continue
		}
		rests = rests || o.Kind == Deadlock || o.Kind == Livelock
		function, _, _ := strings.Cut(th.MadeIn, "(")
		list = append(list, s.doubt(UnscheduledThread, "clone", function, th.MadeBy))
	}
	if unended := s.unended(o); len(unended) > 0 {
		rests = true
		list = append(list, unended...)
	}
	if o.Kind == Unjudged {
		list = append(list, Doubt{Kind: GoneWrong, Name: o.Message})
	}
	if o.Limited() {
		list = append(list, s.atLimit(o.End))
	}
	if s.endless != 0 {
		r := s.threads[s.endless-1]
		list = append(list, s.doubt(CallLimit, "the limit of calls", r.call.Func, r.machine))
	} else if o.Kind == Unfinished {
		for i, r := range s.threads {
			if s.Runnable(i) {
				list = append(list, s.doubt(InstructionLimit, "the limit", s.function(i), r.machine))
			}
		}
	}
	return list, rests
}

// atLimit is the doubt about a run that was cut off at a limit of what a guest may take.
func (s *Session) atLimit(end *emu.End) Doubt {
	function := ""
	if i := s.RacingThread(end.Thread); i >= 0 {
		function = s.function(i)
	}
	return s.doubt(DoubtKind(end.Limit), end.Limit.String(), function, end.Thread)
}

// BeforeRace is the doubt about a race that was not come to: the boot, or a call of the
// setup, has reached a limit.
func BeforeRace(e *emu.LimitError) Doubt {
	function, _, _ := strings.Cut(e.Call, "(")
	return Doubt{Kind: DoubtKind(e.Limit), Name: e.Limit.String(), Function: function}
}

func (s *Session) doubt(kind DoubtKind, name, function string, machine int) Doubt {
	d := Doubt{Kind: kind, Name: name, Function: function}
	if i := s.RacingThread(machine); i >= 0 && function != "" {
		d.Thread = s.threads[i].name
	}
	return d
}

// check finds what no doubt is.
func (k DoubtKind) check() error {
	if !slices.Contains(DoubtKinds(), k) {
		return fmt.Errorf("%q is no kind of doubt", string(k))
	}
	return nil
}

// Printable tells whether a text is one to be shown in a line.
func Printable(text string) bool {
	return len(text) <= maxString && !strings.ContainsFunc(text, unprintable)
}

// Check finds what no session says, in a doubt that was read from somewhere.
func (d Doubt) Check() error {
	for _, text := range []string{d.Name, d.Function, d.Thread} {
		if !Printable(text) {
			return fmt.Errorf("the doubt %q is no text to be shown", text)
		}
	}
	return d.Kind.check()
}
