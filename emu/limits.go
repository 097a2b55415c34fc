package emu

import (
	"errors"
	"fmt"

	"emurace/emu/internal/shim"
)

// Limit is something of which a process may take only so much. That it has come there says
// nothing of what it would do on a real machine. The texts are part of the result object.
type Limit string

// The limits.
const (
	// MemoryLimit: pages were touched that take more than Options.Memory.
	MemoryLimit Limit = "memory-limit"
	// OutputLimit: linux.MaxOutput bytes were written to standard output and error, or in
	// linux.MaxWrites pieces.
	OutputLimit Limit = "output-limit"
	// MappingLimit: the process has linux.MaxMappings mappings.
	MappingLimit Limit = "mapping-limit"
	// FileLimit: the process's files have linux.MaxFilePages pages that were written, or it
	// has made linux.MaxFiles names and files.
	FileLimit Limit = "file-limit"
	// LogLimit: what has been done since the first mark, accesses and changes of pages, is
	// more than is kept to undo it.
	LogLimit Limit = "log-limit"
	// BootLimit: the boot, or a call that is run to its end, has taken BootInstructions.
	BootLimit Limit = "boot-limit"
)

// How much there is of each. Reaching the last of it is reaching the limit.
const (
	// DefaultMemory is Options.Memory when it is 0, in bytes, and LeastMemory the least
	// that it can be: with less no libc boots.
	DefaultMemory = shim.DefaultMemory
	LeastMemory   = 16 << 20
	// BootInstructions is far more than ld.so needs, which is some 150,000.
	BootInstructions = 1 << 28
)

// String says what the limit is of.
func (l Limit) String() string {
	switch l {
	case MemoryLimit:
		return "the limit of memory"
	case OutputLimit:
		return "the limit of output"
	case MappingLimit:
		return "the limit of mappings"
	case FileLimit:
		return "the limit of files"
	case LogLimit:
		return "the limit of logged accesses"
	case BootLimit:
		return "the limit of instructions before the race"
	}
	return string(l)
}

// ErrAddresses is wrapped by the error about a limit on the host's address space that leaves no
// room for a machine.
var ErrAddresses = shim.ErrAddresses

// LimitError is the error of a boot, or of a call that is run to its end, which has come to
// a limit.
type LimitError struct {
	Limit Limit
	Call  string // in progress, "" in the boot
	Said  string // what the process printed last, for an error
}

// Error says which limit and where.
func (e *LimitError) Error() string {
	if e.Call == "" {
		return fmt.Sprintf("the process comes to %v as it boots%s", e.Limit, e.Said)
	}
	return fmt.Sprintf("call %s: the process comes to %v%s", e.Call, e.Limit, e.Said)
}

// limitOf is the limit that an error of the engine's says was reached.
func limitOf(err error) (Limit, bool) {
	var reached *shim.LimitError
	if !errors.As(err, &reached) {
		return "", false
	}
	return engineLimit(reached.Limit), true
}

func engineLimit(l shim.Limit) Limit {
	if l == shim.LogLimit {
		return LogLimit
	}
	return MemoryLimit
}

// asLimit makes an error of the engine's about a limit, in the boot, a LimitError.
func asLimit(err error) error {
	if l, ok := limitOf(err); ok {
		return &LimitError{Limit: l}
	}
	return err
}

// reach ends the process at a limit.
func (m *Machine) reach(t int, l Limit) error {
	pc, err := m.PC(t)
	if err != nil {
		return err
	}
	m.st.end = &End{Kind: EndLimit, Thread: t, PC: pc, Limit: l}
	return nil
}

// unfinished is why a thread that ran alone has not come to where it should: a limit, or nil.
func (m *Machine) unfinished(s Stop, call string) error {
	limit := BootLimit
	switch {
	case s.Kind == Budget:
	case s.Kind == Ended && s.End.Kind == EndLimit:
		limit = s.End.Limit
	default:
		return nil
	}
	return &LimitError{Limit: limit, Call: call, Said: m.lastOutput()}
}

// Interrupt makes machines of the system, also those that run already, ask now and then
// whether to go on: while they boot, and in runs. What f returns, unless it is nil, is the
// error of whatever was going on. A machine is of no use then but to be rewound or closed.
// Nil ends that.
func (s *System) Interrupt(f func() error) {
	if f == nil {
		s.interrupt.Store(nil)
		return
	}
	s.interrupt.Store(&f)
}

// How many instructions are run before it is asked whether to go on, and as how many a
// system call counts for that: some take as long as the milliseconds that those need.
const (
	askEvery  = 1 << 22
	callCosts = 1 << 14
)

// ask tells whether to go on, after what has cost so much.
func (m *Machine) ask(cost uint64) error {
	m.cost += cost
	if m.cost < askEvery {
		return nil
	}
	m.cost = 0
	if f := m.sys.interrupt.Load(); f != nil {
		return (*f)()
	}
	return nil
}
