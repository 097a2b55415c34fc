package scenario

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"emurace/emu"
	"emurace/loader"
)

// View is what a plan's checks see of the process.
type View struct {
	s      *Session
	reader int // the thread that what is read counts for, -1 for none
}

// Returned is a call that has just returned.
type Returned struct {
	Thread int // index into the plan's threads
	Call   Call
	Result uint64
}

func (s *Session) view(reader int) *View { return &View{s, reader} }

// Results are what thread i's calls have returned so far. After a call of another
// thread's, how many there are depends on which came first, as with what Read reads.
func (v *View) Results(i int) []uint64 {
	if v.reader >= 0 && v.reader != i {
		v.s.uses(emu.Object{Class: emu.ObjectResults, ID: uint64(i)})
	}
	v.s.sees(Sight{Thread: i})
	return slices.Clone(v.s.threads[i].results)
}

// Read copies memory of the guest, false where none is mapped. After a call it is
// an access of the thread that made the call, at the moment when that returned: what
// a check finds depends on which thread came first, and a search has to know.
func (v *View) Read(addr, size uint64) ([]byte, bool) {
	b, ok := v.s.m.Read(addr, size)
	if ok {
		v.s.sawShared(v.reader, addr, size)
		v.s.sees(Sight{Addr: addr, Data: b, Thread: -1})
	} else {
		v.sawMappings()
	}
	return b, ok
}

// CString reads a string of the guest, false when there is none.
func (v *View) CString(addr uint64) (string, bool) {
	text, ok := v.s.m.CString(addr, maxString)
	if ok {
		v.s.sawShared(v.reader, addr, uint64(len(text))+1)
		v.s.sees(Sight{Addr: addr, Data: append([]byte(text), 0), Thread: -1})
	} else {
		v.s.sawShared(v.reader, addr, uint64(len(text)))
		v.sawMappings()
	}
	return text, ok
}

// Lookup is the address of a function or object that a loaded library exports.
func (v *View) Lookup(name string) (uint64, error) {
	v.sawMappings()
	return v.s.m.Lookup(name)
}

// sawMappings notes that what a check after a call has found depends on what is mapped.
func (v *View) sawMappings() {
	if v.reader >= 0 {
		v.s.uses(emu.Object{Class: emu.ObjectMappings})
	}
}

// Libc is the C library of the process.
func (v *View) Libc() LibcID { return v.s.libc }

// Arch is the guest's architecture.
func (v *View) Arch() loader.Arch { return v.s.m.Arch() }

// uses notes an object that a call's return, or the check after it, has changed or
// looked at, for the event that ends there.
func (s *Session) uses(o emu.Object) {
	if s.m.WantsEvents() && !slices.Contains(s.used, o) {
		s.used = append(s.used, o)
	}
}

// sawShared notes which bytes that a check after a call has read are shared.
func (s *Session) sawShared(i int, addr, size uint64) {
	s.lookedAt(addr, size)
	if i < 0 {
		return
	}
	for _, c := range s.m.CountReads(s.threads[i].machine, addr, size) {
		s.seen = append(s.seen, Access(c))
	}
}

// judge has the plan judge a race that is over: every thread of the plan's has made all its
// calls, and what the process has made besides has ended or waits. That nobody wakes it then
// is no deadlock.
func (s *Session) judge() error {
	if s.verdict != nil || s.m.End() != nil || s.callsLeft() {
		return nil
	}
	for i := range s.threads {
		if s.Runnable(i) {
			return nil
		}
	}
	s.verdict = &Outcome{Kind: OK, Thread: -1}
	if s.plan.MustEnd {
		return s.fault(-1, s.plan.endless())
	}
	if s.plan.Check == nil {
		return nil
	}
	return s.fault(-1, s.checks(func() error { return s.plan.Check(s.view(-1)) }))
}

// fault ends the race when a check or the body of thread i has found a fault; i is
// -1 when no thread is to blame.
func (s *Session) fault(i int, err error) error {
	var f *Failure
	if errors.As(err, &f) {
		s.verdict = &Outcome{Kind: Check, Thread: i, Message: Bounded(f.Message)}
		return nil
	}
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if s.onUnjudged == nil {
		return &UnjudgedError{err}
	}
	if err := s.onUnjudged(err, time.Since(s.asked)); err != nil {
		return &UnjudgedError{err}
	}
	s.verdict = &Outcome{Kind: Unjudged, Thread: i, Message: inLine(err.Error())}
	return nil
}

// OnUnjudged has a run end as Unjudged where a check, or the body of a thread, goes wrong itself,
// when f, which is told how long that took, returns nil. Without that, or where f has an error, the
// run has one.
func (s *Session) OnUnjudged(f func(err error, took time.Duration) error) { s.onUnjudged = f }

// inLine is the beginning of a text as one line.
func inLine(text string) string {
	const most = 400
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// UnjudgedError is that a check, or the body of a thread, has gone wrong itself: what it was to
// judge, or to do, is then not known of this run. Of others it may be.
type UnjudgedError struct{ Err error }

// Error is what went wrong.
func (e *UnjudgedError) Error() string { return e.Err.Error() }

// Unwrap is what went wrong.
func (e *UnjudgedError) Unwrap() error { return e.Err }

// maxMessage bounds what is kept of a message, in bytes: a check may print as much as it likes, and
// the message is compared, kept in traces and shown.
const maxMessage = 1 << 14

// Bounded is a message, or the beginning of one that is too long, with what tells it from others
// that begin so.
func Bounded(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	sum := sha256.Sum256([]byte(message))
	head := strings.ToValidUTF8(message[:maxMessage], "")
	return fmt.Sprintf("%s... (%d bytes in all, SHA-256 %x..)", head, len(message), sum[:8])
}
