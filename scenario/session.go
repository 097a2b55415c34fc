package scenario

import (
	"slices"
	"time"

	"emurace/emu"
	"emurace/heap"
)

// DefaultLimit bounds one run of a race, in instructions. A race that needs
// more is called a livelock.
const DefaultLimit = 20_000_000

// Session is a plan on a real machine, from the moment the race begins. Those who look at
// the machine have Process; only the session runs and changes it.
type Session struct {
	Limit uint64 // instructions of one run

	m     *emu.Machine
	plan  *Plan
	libc  LibcID
	fns   map[string]uint64 // addresses of functions
	base  uint64            // the machine's steps at the start
	start *Mark
	free  *Mark  // one that was dropped, to be used again
	whole uint64 // Limit, while RunEvents has set a lower one
	// playing tells that a schedule says where instructions end in their middle.
	playing bool
	locks   lockTable
	made    made
	// heapEvents makes what calls of the allocator do to blocks part of events.
	heapEvents bool
	dueStops   bool                             // see StopWhenDue
	trying     bool                             // what runs is taken back, whatever it comes to
	seen       []Access                         // shared bytes that checks have read since the last event
	used       []emu.Object                     // objects that these checks have used, and that what they see is
	expired    bool                             // the clock has moved by itself since the event began
	onUnjudged func(error, time.Duration) error // see OnUnjudged
	asked      time.Time                        // when a check, or the body of a thread, was asked last; only with onUnjudged
	state
}

// state is what a rewind takes back, beside the machine.
type state struct {
	// threads are those that race: the plan's, and then the known ones that the process
	// makes itself, whether they are there or not.
	threads []racer
	met     int        // how many of the machine's threads the session has taken in
	strange bool       // one of them is not known, and can be
	heap    *heap.Heap // never changed; nil but for StartHeap and StartBlocks
	// verdict is the outcome of a race that the plan has judged, nil as long as it
	// has not: one that is over, or in which a thread or the plan found a fault.
	verdict *Outcome
	// sights is what the check that ran last has looked at, failer one more than the thread whose own
	// function has found a fault, 0 for a check.
	sights  []Sight
	failer  int
	endless int // who makes more calls than it may, and one; 0 for nobody
	window
}

// racer is one thread of the race.
type racer struct {
	name          string
	body          Body     // of one that the process makes there are no calls
	machine       int      // the thread's number on the machine, -1 while it is not there
	done          bool     // has made its calls, or has ended
	call          Call     // the last one begun
	begins        []uint64 // the machine's steps at which its calls were begun
	results       []uint64
	lock          uint64   // the abstract lock that it would try in vain to take, 0 for none
	holds         []uint64 // abstract locks that it has taken
	next          *Event   // what it does next, as far as known; only with abstract locks
	visits        *visit   // since it last changed something that others see; see spin.go
	held          []held   // what it waits for a change of, nil when it does not go round
	rounds        []begun  // of loops of calls; see loop.go
	waits, passed uint64   // for how long it is passed over, and was at most; see fair.go
	texts         texts
}

// Close frees the machine.
func (s *Session) Close() { s.m.Close() }

// Process is the session's machine, to be looked at.
func (s *Session) Process() *emu.Process { return &s.m.Process }

// Plan is what the session is of.
func (s *Session) Plan() *Plan { return s.plan }

// Libc is the C library that the process runs.
func (s *Session) Libc() LibcID { return s.libc }

// Threads is how many threads race. Everywhere a thread is known by its index.
func (s *Session) Threads() int { return len(s.threads) }

// Names are the racing threads' names.
func (s *Session) Names() []string {
	names := make([]string, len(s.threads))
	for i, r := range s.threads {
		names[i] = r.name
	}
	return names
}

// MachineThread is a racing thread's number on the machine.
// The clock has none, which is -1, nor has a thread that the process has not made yet.
func (s *Session) MachineThread(i int) int {
	if s.IsClock(i) {
		return -1
	}
	return s.threads[i].machine
}

// RacingThread is the inverse of MachineThread, -1 when the thread does not race.
func (s *Session) RacingThread(machine int) int {
	if machine < 0 {
		return -1
	}
	return slices.IndexFunc(s.threads, func(r racer) bool { return r.machine == machine })
}

// Steps is how many instructions the race has run so far.
func (s *Session) Steps() uint64 { return s.m.Steps() - s.base }

// Runnable tells whether the thread, or the clock, can run now.
func (s *Session) Runnable(i int) bool {
	if s.IsClock(i) {
		return s.clockRuns()
	}
	if s.verdict != nil || s.endless != 0 || !s.m.Runnable(s.threads[i].machine) {
		return false
	}
	if s.closed {
		return s.turn.thread == i
	}
	return !s.lockedOut(i) && !s.spinning(i)
}

// Results are what the thread's calls have returned so far.
func (s *Session) Results(i int) []uint64 {
	if s.IsClock(i) {
		return nil
	}
	return s.threads[i].results
}

// Body is what a racing thread does: no calls where the process makes it itself.
func (s *Session) Body(i int) Body { return s.threads[i].body }

// maxString bounds the strings that are read of the guest, in bytes.
const maxString = 1 << 16

// Base is the machine's step count at the start of the race: the log numbers
// instructions from there on.
func (s *Session) Base() uint64 { return s.base }

// Digest is the digest of the present moment, with the access log of the race.
func (s *Session) Digest() (string, error) { return s.m.Digest(s.StartLog()) }
