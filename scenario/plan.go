package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"emurace/emu"
)

// Plan is a scenario whose parameters are settled.
type Plan struct {
	Env  []string // the process's environment, NAME=value
	Libs []string // libraries beside libc, by DT_NEEDED name or absolute path
	// BindNow makes ld.so find all functions before the race; see emu.Options.BindNow.
	BindNow bool
	// NoLSE has arm64 code do without LSE; see emu.Options.NoLSE.
	NoLSE bool
	// Files are read-only files of the process beside the sysroot's, or in their
	// place; see emu.Options.Files.
	Files map[string][]byte
	// Libraries are those of the user's own among Libs, and what they need that lies beside
	// them. They are no sysroot's.
	Libraries []Library
	Setup     func(*Setup) error
	Threads   []Thread
	// Memory is what the process may take of the host's memory, in bytes; see
	// emu.Options.Memory. 0 is emu.DefaultMemory.
	Memory uint64
	// Timeouts says when waits with a deadline end because that passes.
	Timeouts Timeouts
	// Check, if set, judges the process when every thread has made all of its
	// calls, and AfterCall whenever one has returned. A *Failure makes the run fail
	// with its message; another error means that the run could not be judged. Both
	// must be pure functions of what they see.
	Check     func(*View) error
	AfterCall func(*View, Returned) error
	// Endings are ways in which the process may end in the middle of the race and be
	// right. Nothing is checked then: there is no process any more. With MustEnd it has
	// to end in one of them, and not doing so is a fault like those that a check finds.
	Endings []Ending
	MustEnd bool
	// Program, if set, is what the process runs.
	Program *Program
}

// Library is a file of this machine that a process loads as a library.
type Library struct {
	At      string // where the process sees it: absolute, below LibraryRoot
	Host    string // the file, absolute
	Content []byte // must not change any more
}

// LibraryRoot is the folder of the guest in which libraries of the user's own lie, as they lie
// in that of the scenario's file.
const LibraryRoot = "/scenario"

// Failure is the error of a run in which something is not as it should be, found
// by a plan's check or by the body of a thread.
type Failure struct{ Message string }

// Error is the message.
func (f *Failure) Error() string { return f.Message }

// Thread is one racing thread. The thread called "main" is the process's first;
// every other one is made with the guest's pthread_create before Setup runs.
type Thread struct {
	Name string
	Body Body
}

// Main is the name of the process's first thread.
const Main = "main"

// Body is what a racing thread does: calls, each decided by what the calls
// before it returned. It must be a pure function of those results, because
// after a rewind it is asked again.
type Body interface {
	// Next is the call to make after the given results, or false at the end. A
	// *Failure makes the run fail, ErrEndless cuts it short; another error means that it
	// cannot go on.
	Next(results []uint64) (Call, bool, error)
}

// ErrEndless is the error of a Body that makes more calls than it may.
var ErrEndless = errors.New("the thread makes too many calls: an endless loop?")

// Loops is what a Body can tell beside: that it has come back to where it was. Then it
// goes on as it did there, if its calls return the same, and a loop of calls that wait
// for another thread is known for what it is.
type Loops interface {
	// Same is after how many of the results it was last in the state in which it is after
	// all of them, if it is known to have been.
	Same(results []uint64) (n int, ok bool)
}

// Calls is a Body that makes the same calls whatever they return.
type Calls []Call

// Next is the call number len(results).
func (c Calls) Next(results []uint64) (Call, bool, error) {
	if len(results) >= len(c) {
		return Call{}, false, nil
	}
	return c[len(results)], true, nil
}

// Call is a call of a function that a loaded library exports, or of code at an
// address.
type Call struct {
	Func string // what a library exports; with Addr only a name to show
	Addr uint64 // where the code is; 0 looks Func up
	Args []Arg
	// Result is what class of value it returns, and so in which register. What there is
	// of it in Results is its bits.
	Result Class
	// Place, if not nil, makes it no call at all: the bytes are put into static
	// data of the thread's own, 16-byte aligned, and the result is their address.
	// No instruction runs.
	Place []byte
	// Pos is where the call is written, FILE:LINE:COLUMN of a script; "" when that is
	// not known. It is for errors about the call.
	Pos string
}

// CallError is about a call that cannot be made, such as one of a function that there
// is not.
type CallError struct {
	Call   Call
	Thread string
	Err    error
}

// Error is the place, where one is known, the thread, the function and what is wrong.
func (e *CallError) Error() string {
	text := fmt.Sprintf("%s calls %s: %v", e.Thread, e.Call.Func, e.Err)
	if e.Call.Place != nil {
		text = fmt.Sprintf("%s places data: %v", e.Thread, e.Err)
	}
	if e.Call.Pos == "" {
		return text
	}
	return e.Call.Pos + ": " + text
}

// Unwrap is what is wrong.
func (e *CallError) Unwrap() error { return e.Err }

// String writes the call as in C.
func (c Call) String() string {
	var args []string
	for _, a := range c.Args {
		switch {
		case a.IsStr:
			args = append(args, fmt.Sprintf("%q", a.Text))
		case a.Class != Word:
			args = append(args, floatText(a.Value, a.Class))
		case a.Value < 4096:
			args = append(args, fmt.Sprint(a.Value))
		default:
			args = append(args, fmt.Sprintf("%#x", a.Value))
		}
	}
	return emu.FormatCall(c.Func, args...)
}

func (p *Plan) check() error {
	if len(p.Threads) == 0 {
		return fmt.Errorf("scenario: no threads race")
	}
	if err := p.checkEndings(); err != nil {
		return err
	}
	if err := p.checkProgram(); err != nil {
		return err
	}
	made := len(p.Threads)
	if !slices.ContainsFunc(p.Threads, func(t Thread) bool { return t.Name == Main }) {
		made++ // the process's first thread is there all the same
	}
	if made > MaxPlanned {
		return fmt.Errorf("scenario: %d threads, with the process's first; at most %d", made, MaxPlanned)
	}
	for i, t := range p.Threads {
		if slices.ContainsFunc(p.Threads[:i], func(o Thread) bool { return o.Name == t.Name }) {
			return fmt.Errorf("scenario: thread %d: the name %q is taken", i, t.Name)
		}
		if err := CheckThreadName(t.Name); err != nil {
			return fmt.Errorf("scenario: thread %d: %w", i, err)
		}
	}
	if name := p.madeName(); name != "" {
		return fmt.Errorf("scenario: the name %q is that of a thread made by another one", name)
	}
	return nil
}

// CheckThreadName is an error when a thread cannot be called that: a schedule names
// its threads, one word each.
func CheckThreadName(name string) error {
	if name == "" {
		return errors.New("the name is empty")
	}
	if name == ClockName {
		return fmt.Errorf("the name %q is that of who moves the clock on", name)
	}
	if strings.ContainsFunc(name, func(c rune) bool { return unicode.IsSpace(c) || unprintable(c) }) {
		return fmt.Errorf("the name %q is not one printable word", name)
	}
	return nil
}

func unprintable(c rune) bool { return !unicode.IsPrint(c) }
