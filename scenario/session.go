package scenario

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"emurace/emu"
	"emurace/heap"
	"emurace/loader"
)

// DefaultLimit bounds one run of a race, in instructions. A race that needs
// more is called a livelock.
const DefaultLimit = 20_000_000

// Session is a plan on a real machine, from the moment the race begins.
type Session struct {
	M     *emu.Machine
	Plan  *Plan
	Limit uint64 // instructions of one run

	whole   uint64 // Limit, while RunEvents has set a lower one
	libc    LibcID
	threads []racer
	locks   lockTable
	heap    *heap.Heap // nil but for StartHeap and StartBlocks
	// heapEvents makes what calls of the allocator do to blocks part of events.
	heapEvents bool
	fns        map[string]uint64 // addresses of functions
	start      *Mark
	free       *Mark  // one that was dropped, to be used again
	base       uint64 // the machine's steps at the start
	// verdict is the outcome of a race that the plan has judged, nil as long as it
	// has not: one that is over, or in which a thread or the plan found a fault.
	verdict *Outcome
	seen    []Access     // shared bytes that checks have read since the last event
	used    []emu.Object // objects that these checks have used, and that what they see is
	expired bool         // the clock has moved by itself since the event began
	endless int          // who makes more calls than it may, and one; 0 for nobody
}

// racer is one thread of the race.
type racer struct {
	machine       int // the thread's number on the machine
	done          bool
	call          Call // the last one begun
	results       []uint64
	lock          uint64   // the abstract lock that it would try in vain to take, 0 for none
	holds         []uint64 // abstract locks that it has taken
	next          *Event   // what it does next, as far as known; only with abstract locks
	visits        *visit   // since it last changed something that others see; see spin.go
	held          []held   // what it waits for a change of, nil when it does not go round
	rounds        []begun  // of loops of calls; see loop.go
	waits, passed uint64   // for how long it is passed over, and was at most; see fair.go
	text, textEnd uint64   // what is left of the static data for its strings
}

// textArea is how many bytes of static data a thread has for its strings. Each
// has its own, so that addresses do not depend on who came first.
const textArea = 32 << 10

// textSize is textArea, or less where there are so many threads that nothing would be
// left for other data.
func textSize(threads int) uint64 {
	return min(textArea, uint64(emu.StaticData*3/4/threads)&^15)
}

// LibcID says which C library a session runs.
type LibcID struct {
	Name    string // "glibc" or "musl", "" when it is known to be neither
	Version string // "" when the library does not tell
	BuildID string // hex
	SHA256  string // hex, of the file
	Path    string // in the guest
}

// String is the name and the version, as far as they are known.
func (id LibcID) String() string {
	switch {
	case id.Name != "" && id.Version != "":
		return id.Name + " " + id.Version
	case id.Name != "":
		return id.Name
	}
	return path.Base(id.Path)
}

// Start boots a machine, sets the stage and begins the race: every racing
// thread stands before the first instruction of its first call.
func Start(sys *emu.System, plan *Plan, seed uint64) (*Session, error) {
	return StartWith(sys, plan, seed, nil)
}

// StartWith is Start, and calls prepare as soon as the machine has booted, before
// any thread is made and before Setup runs: to trace calls from there on, say.
// What prepare does must not change the process.
func StartWith(sys *emu.System, plan *Plan, seed uint64, prepare func(*emu.Machine) error) (*Session, error) {
	return new(Session).startOn(sys, plan, seed, prepare)
}

func (s *Session) startOn(sys *emu.System, plan *Plan, seed uint64, prepare func(*emu.Machine) error) (*Session, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	m, err := emu.New(emu.Options{System: sys, Env: plan.Env, BindNow: plan.BindNow, Libs: plan.Libs, Files: plan.Files, Seed: seed, Memory: plan.Memory})
	if err != nil {
		return nil, err
	}
	s.M, s.Plan, s.Limit, s.fns = m, plan, DefaultLimit, map[string]uint64{}
	if prepare != nil {
		if err := prepare(m); err != nil {
			s.Close()
			return nil, err
		}
	}
	if err := s.setUp(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (p *Plan) check() error {
	if len(p.Threads) == 0 {
		return fmt.Errorf("scenario: no threads race")
	}
	if err := p.checkEndings(); err != nil {
		return err
	}
	made := len(p.Threads)
	if !slices.ContainsFunc(p.Threads, func(t Thread) bool { return t.Name == Main }) {
		made++ // the process's first thread is there all the same
	}
	if made > emu.MaxThreads {
		return fmt.Errorf("scenario: %d threads, with the process's first; at most %d", made, emu.MaxThreads)
	}
	for i, t := range p.Threads {
		if slices.ContainsFunc(p.Threads[:i], func(o Thread) bool { return o.Name == t.Name }) {
			return fmt.Errorf("scenario: thread %d: the name %q is taken", i, t.Name)
		}
		if err := CheckThreadName(t.Name); err != nil {
			return fmt.Errorf("scenario: thread %d: %w", i, err)
		}
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

// Close frees the machine.
func (s *Session) Close() { s.M.Close() }

func (s *Session) setUp() error {
	if err := s.identify(); err != nil {
		return err
	}
	for _, t := range s.Plan.Threads {
		n := 0
		if t.Name != Main {
			var err error
			if n, err = s.M.Spawn(t.Name); err != nil {
				return err
			}
		}
		size := textSize(len(s.Plan.Threads))
		area, err := s.M.Alloc(size)
		if err != nil {
			return err
		}
		s.threads = append(s.threads, racer{machine: n, text: area, textEnd: area + size})
	}
	if s.Plan.Setup != nil {
		if err := s.Plan.Setup(&Setup{s: s}); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
	}
	for _, r := range s.threads {
		s.M.ForgetCall(r.machine)
	}
	for i := range s.threads {
		if s.verdict != nil {
			break // a thread before this one has found a fault
		}
		if err := s.advance(i); err != nil {
			return err
		}
	}
	s.M.StartClocks()
	s.base = s.M.Steps()
	if err := s.judge(); err != nil {
		return err
	}
	var err error
	s.start, err = s.Mark()
	return err
}

// identify finds out which libc this is: by asking it, or, as musl has nothing to
// be asked, by what its file says.
func (s *Session) identify() error {
	mod, ok := s.M.Libc()
	if !ok {
		return fmt.Errorf("no libc was loaded")
	}
	s.libc = LibcID{BuildID: mod.Image.BuildID, SHA256: mod.Image.SHA256(), Path: mod.Path}
	if version, ok := mod.Image.MuslVersion(); ok {
		s.libc.Name, s.libc.Version = loader.Musl.String(), version
		return nil
	}
	fn, err := s.M.Lookup("gnu_get_libc_version")
	if err != nil {
		return nil // not glibc
	}
	addr, err := s.M.Call(0, fn, "gnu_get_libc_version()")
	if err != nil {
		return err
	}
	s.libc.Name = loader.Glibc.String()
	s.libc.Version, _ = s.M.CString(addr, 64)
	return nil
}

// Libc is the C library that the process runs.
func (s *Session) Libc() LibcID { return s.libc }

// Names are the racing threads' names; a thread's index is used everywhere.
func (s *Session) Names() []string {
	names := make([]string, len(s.Plan.Threads))
	for i, t := range s.Plan.Threads {
		names[i] = t.Name
	}
	return names
}

// MachineThread is a racing thread's number on the machine.
// The clock has none, which is -1.
func (s *Session) MachineThread(i int) int {
	if s.IsClock(i) {
		return -1
	}
	return s.threads[i].machine
}

// RacingThread is the inverse of MachineThread, -1 when the thread does not race.
func (s *Session) RacingThread(machine int) int {
	return slices.IndexFunc(s.threads, func(r racer) bool { return r.machine == machine })
}

// Steps is how many instructions the race has run so far.
func (s *Session) Steps() uint64 { return s.M.Steps() - s.base }

// Runnable tells whether the thread, or the clock, can run now.
func (s *Session) Runnable(i int) bool {
	if s.IsClock(i) {
		return s.clockRuns()
	}
	return s.verdict == nil && s.endless == 0 && s.M.Runnable(s.threads[i].machine) && !s.lockedOut(i) && !s.spinning(i)
}

// Results are what the thread's calls have returned so far.
func (s *Session) Results(i int) []uint64 {
	if s.IsClock(i) {
		return nil
	}
	return s.threads[i].results
}

// Outcome is how the race came out, once it is over.
func (s *Session) Outcome() (Outcome, bool) {
	if end := s.M.End(); end != nil {
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
	case s.fair():
		return Outcome{Kind: Livelock, Thread: -1}, true
	}
	return Outcome{Kind: Unfinished, Thread: -1}, true
}

// maxString bounds the strings that are read of the guest, in bytes.
const maxString = 1 << 16

// advance gives an idle thread its next call, or marks it done.
func (s *Session) advance(i int) error {
	r := &s.threads[i]
	for {
		call, more, err := s.Plan.Threads[i].Body.Next(r.results)
		switch {
		case errors.Is(err, ErrEndless):
			s.endless = i + 1
			return nil
		case err != nil:
			return s.fault(i, err)
		case !more:
			r.done = true
			return nil
		case call.Place == nil:
			return s.begin(i, call)
		}
		addr, err := s.place(i, call.Place)
		if err != nil {
			return &CallError{Call: call, Thread: s.Plan.Threads[i].Name, Err: err}
		}
		r.results = append(slices.Clip(r.results), addr)
	}
}

func (s *Session) begin(i int, call Call) error {
	s.threads[i].visits = nil // it gets further
	fn, args, err := s.prepare(i, call)
	if err != nil {
		return &CallError{Call: call, Thread: s.Plan.Threads[i].Name, Err: err}
	}
	s.threads[i].call = call
	if err := s.M.BeginWith(s.threads[i].machine, fn, call.String(), args); err != nil {
		return err
	}
	return s.loops(i)
}

// prepare finds the function and places the strings.
func (s *Session) prepare(i int, call Call) (fn uint64, args []emu.Arg, err error) {
	fn = call.Addr
	if fn == 0 {
		fn = s.fns[call.Func]
	}
	if fn == 0 {
		if fn, err = s.M.Lookup(call.Func); err != nil {
			return 0, nil, err
		}
		s.fns[call.Func] = fn
	}
	for _, a := range call.Args {
		v := a.Value
		if a.IsStr {
			if v, err = s.place(i, append([]byte(a.Text), 0)); err != nil {
				return 0, nil, err
			}
		}
		args = append(args, emu.Arg{Value: v, Float: a.Class != Word})
	}
	return fn, args, nil
}

// place puts bytes into a thread's static data.
func (s *Session) place(i int, data []byte) (uint64, error) {
	r := &s.threads[i]
	addr := r.text
	if uint64(len(data)) > r.textEnd-addr {
		return 0, fmt.Errorf("the texts and data of the thread's calls take more than %d bytes", textSize(len(s.threads)))
	}
	if err := s.M.Write(r.machine, addr, data); err != nil {
		return 0, err
	}
	r.text += (uint64(len(data)) + 15) &^ 15
	return addr, nil
}

// Mark is a moment of a session.
type Mark struct {
	s       *Session
	m       *emu.Mark
	threads []racer
	heap    *heap.Heap
	verdict *Outcome
	endless int
}

// Mark remembers the present moment.
func (s *Session) Mark() (*Mark, error) {
	m, err := s.M.Mark()
	if err != nil {
		return nil, err
	}
	k := s.free
	s.free = nil
	if k == nil {
		k = &Mark{}
	}
	*k = Mark{s: s, m: m, threads: append(k.threads[:0], s.threads...), heap: s.heap, verdict: s.verdict, endless: s.endless}
	return k, nil
}

// Rewind goes back to the mark.
func (k *Mark) Rewind() error {
	copy(k.s.threads, k.threads)
	k.s.heap, k.s.verdict, k.s.endless = k.heap, k.verdict, k.endless
	return k.m.Rewind()
}

// Drop frees the mark, which is not to be used after that. Most marks are made for one
// event each, so the last one is kept for the next.
func (k *Mark) Drop() {
	if k.m == nil {
		return
	}
	k.m.Drop()
	k.m = nil
	k.s.free = k
}

// Restart goes back to the start of the race.
func (s *Session) Restart() error {
	s.adoptLocks()
	return s.start.Rewind()
}

// StartLog is the length of the access log at the start of the race.
func (s *Session) StartLog() int { return s.start.m.LogLen() }

// Loads lists the guest paths of the libraries that the process has mapped since the
// start of the race, as [emu.Machine.Loads].
func (s *Session) Loads() []string { return s.M.Loads()[s.start.m.Loads():] }

// Base is the machine's step count at the start of the race: the log numbers
// instructions from there on.
func (s *Session) Base() uint64 { return s.base }

// MismatchError is that a slice of a schedule could not run for as long as it says: the
// schedule belongs to another race.
type MismatchError struct {
	Slice int    // its number, counted from 1
	Text  string // of the slice
	Ran   uint64 // instructions
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("slice %d (%s): ran %d instructions", e.Slice, e.Text, e.Ran)
}

// Play runs a schedule from the present moment on. It stops early when the race
// is over. For a schedule of another race it returns a *MismatchError.
func (s *Session) Play(schedule Schedule) error {
	for i, sl := range schedule {
		ran, err := s.Run(sl.Thread, sl.N)
		if err != nil {
			return err
		}
		if sl.N != 0 && ran != sl.N {
			if _, over := s.Outcome(); over && i == len(schedule)-1 {
				return nil
			}
			return &MismatchError{Slice: i + 1, Text: sl.Text(s.ScheduleNames()), Ran: ran}
		}
	}
	return nil
}

// Digest is the digest of the present moment, with the access log of the race.
func (s *Session) Digest() (string, error) { return s.M.Digest(s.StartLog()) }
