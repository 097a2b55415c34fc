package timeline

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
	"emurace/symbolize"
)

// Moment counts the instructions that the race has completed.
type Moment = uint64

// MaxLen bounds the instructions of a run that a timeline is made of: each takes
// sixteen bytes of memory, and about a microsecond to record.
const MaxLen = 1 << 24

// ErrTooLong is wrapped by the error about a run of more than MaxLen instructions.
var ErrTooLong = errors.New("the run is too long to be gone through")

// every is the distance of checkpoints, in instructions.
const every = 8192

// Timeline is a run that can be stood in at any moment. It moves its session,
// which nobody else may move as long as the timeline is used; reading from the
// session's machine is what it is for.
type Timeline struct {
	s        *scenario.Session
	at       Moment
	slices   []slice  // of the instructions recorded
	pcs, sps []uint64 // of each instruction, before it
	ticks    []Tick
	ticked   int // how many of them have happened at the present moment
	log      []emu.LogEntry
	end      scenario.Outcome
	over     bool                     // the recorded run comes to an end
	falls    *scenario.Seeing         // how the instruction that fails, and does not run, meets memory
	rounds   map[int]*scenario.Rounds // that threads go to which can get no further

	recorded scenario.Schedule // as it was when the timeline was made
	marks    []checkpoint      // ascending, none after at
	syscalls map[uint64]bool   // by pc: whether the instruction there is a system call
}

// slice is a thread running without a break; with half its last instruction ends in its
// middle, and seeing is how that meets memory.
type slice struct {
	thread int
	from   Moment
	half   bool
	seeing *scenario.Seeing
}

// checkpoint is a moment that can be rewound to.
type checkpoint struct {
	at     Moment
	ticked int
	mark   *scenario.Mark
}

// New records a run by playing its schedule from the start of the race. The
// schedule may end before the race does. The session is left at the end.
func New(s *scenario.Session, schedule scenario.Schedule) (*Timeline, error) {
	t := &Timeline{s: s, recorded: slices.Clone(schedule), syscalls: map[uint64]bool{}, rounds: map[int]*scenario.Rounds{}}
	return t, t.Reset()
}

// Reset goes back to the recorded run after it was left, and to its end.
func (t *Timeline) Reset() error {
	t.dropMarks(0)
	t.at, t.ticked = 0, 0
	t.forget(0)
	if err := errors.Join(t.s.Restart(), symbolize.NameCalls(t.s.Process())); err != nil {
		return err
	}
	for i, sl := range t.recorded {
		if sl.Thread < 0 || sl.Thread >= t.s.Schedulable() {
			return fmt.Errorf("timeline: slice %d: no thread %d", i+1, sl.Thread)
		}
		ran, err := t.record(sl)
		if err != nil {
			return err
		}
		if sl.N != 0 && ran != sl.N && !(i == len(t.recorded)-1 && t.over) || ran == sl.N && sl.Half && !t.s.Holds(sl.Thread) {
			return fmt.Errorf("timeline: %w", &scenario.MismatchError{Slice: i + 1, Text: sl.Text(t.s.ScheduleNames()), Ran: ran, Whole: ran == sl.N, Pairs: t.s.Process().Arch() == loader.ARM64})
		}
	}
	return nil
}

// Close lets go of the checkpoints. The session stays where it is.
func (t *Timeline) Close() { t.dropMarks(0) }

// record runs a slice from the end of what is recorded, one instruction after the other.
func (t *Timeline) record(sl scenario.Slice) (ran uint64, err error) {
	thread, n := sl.Thread, sl.N
	if t.s.IsClock(thread) {
		return t.recordClock(n)
	}
	logged := t.s.Process().LogLen()
	delete(t.rounds, thread)
	if n == 0 && !t.over && t.s.Runnable(thread) {
		// Step by step a thread that goes round would do so for ever.
		far, rounds, failed := t.s.LookAhead(thread)
		if failed != nil {
			return 0, failed
		}
		if rounds != nil {
			n = far
			defer func() {
				if err == nil && !t.over && ran == far {
					t.rounds[thread] = rounds
					err = t.s.Wait(thread, rounds)
					t.end, t.over = t.s.Outcome()
				}
			}()
		}
	}
	for !t.over && (n == 0 || ran < n) && t.s.Runnable(thread) {
		if t.at >= MaxLen {
			return ran, fmt.Errorf("timeline: %w: more than %d instructions", ErrTooLong, MaxLen)
		}
		if err := t.checkpoint(); err != nil {
			return ran, err
		}
		pc, sp, err := t.place(thread)
		if err != nil {
			return ran, err
		}
		part := sl.Part(ran, 1)
		one, err := t.s.RunSlice(part)
		if err != nil {
			return ran, err
		}
		if one > 0 {
			if k := len(t.slices); k == 0 || t.slices[k-1].thread != thread || t.slices[k-1].half || t.slices[k-1].seeing != nil {
				t.slices = append(t.slices, slice{thread: thread, from: t.at})
			}
			last := &t.slices[len(t.slices)-1]
			last.half, last.seeing = t.s.Holds(thread), part.Seeing
			t.pcs, t.sps = append(t.pcs, pc), append(t.sps, sp)
			t.at++
			ran++
		}
		t.end, t.over = t.s.Outcome()
		if one == 0 {
			t.falls = part.Seeing
			break
		}
	}
	t.log = slices.AppendSeq(t.log, t.s.Process().Log().From(logged).All())
	return ran, nil
}

func (t *Timeline) place(thread int) (pc, sp uint64, err error) {
	m := t.s.MachineThread(thread)
	if pc, err = t.s.Process().PC(m); err != nil {
		return 0, 0, err
	}
	sp, _ = t.s.Process().StackPointer(m)
	return pc, sp, nil
}

// forget drops what is recorded from a moment on.
func (t *Timeline) forget(n Moment) {
	k := sort.Search(len(t.slices), func(i int) bool { return t.slices[i].from >= n })
	if k > 0 && t.sliceEnd(t.slices[k-1].from) > n {
		t.slices[k-1].half, t.slices[k-1].seeing = false, nil
	}
	t.slices = t.slices[:k]
	t.pcs, t.sps = t.pcs[:n], t.sps[:n]
	t.log = t.log[:t.logAt(n)]
	t.forgetTicks(n)
	t.at = min(t.at, n)
	t.end, t.over, t.falls = scenario.Outcome{}, false, nil
	clear(t.rounds)
}

// checkpoint marks the present moment when the last mark is far behind.
func (t *Timeline) checkpoint() error {
	last := Moment(0) // the start of the race, which the session has a mark of
	if k := len(t.marks); k > 0 {
		last = t.marks[k-1].at
	}
	if t.at-last < every {
		return nil
	}
	m, err := t.s.Mark()
	if err != nil {
		return err
	}
	t.marks = append(t.marks, checkpoint{t.at, t.ticked, m})
	return nil
}

// dropMarks lets go of all checkpoints but the first n.
func (t *Timeline) dropMarks(n int) {
	for _, c := range t.marks[n:] {
		c.mark.Drop()
	}
	t.marks = t.marks[:n]
}

// Seek goes to a moment; beyond the end is the end.
func (t *Timeline) Seek(n Moment) error {
	n = min(n, t.Len())
	if n < t.at {
		if err := t.rewind(n); err != nil {
			return err
		}
	}
	for t.at < n {
		if err := t.tick(); err != nil {
			return err
		}
		part := t.part(t.at, min(t.sliceEnd(t.at), n, t.nextCheckpoint(), t.nextTick()))
		ran, err := t.s.RunSlice(part)
		t.at += ran
		if err != nil {
			return err
		}
		if ran != part.N || part.Half && !t.s.Holds(part.Thread) {
			return fmt.Errorf("timeline: the run is another one than before: %s stopped after instruction %d", t.s.Names()[part.Thread], t.at)
		}
		if err := t.checkpoint(); err != nil {
			return err
		}
	}
	if t.at == t.Len() {
		if err := t.tick(); err != nil {
			return err
		}
	}
	if t.at == t.Len() && t.over && !t.isOver() {
		return t.fall()
	}
	return nil
}

// fall comes to the end behind the last instruction: one more fails, without
// having run.
func (t *Timeline) fall() error {
	if t.end.Thread < 0 {
		for i, r := range t.rounds {
			if err := t.s.Wait(i, r); err != nil {
				return err
			}
		}
		if !t.isOver() {
			return errors.New("timeline: the run does not come to its end again")
		}
		return nil
	}
	ran, err := t.s.RunSlice(scenario.Slice{Thread: t.end.Thread, N: 1, Seeing: t.falls})
	if err == nil && (ran != 0 || !t.isOver()) {
		err = errors.New("timeline: the run does not come to its end again")
	}
	return err
}

func (t *Timeline) isOver() bool {
	_, over := t.s.Outcome()
	return over
}

// rewind goes back to the latest checkpoint that is not after a moment.
func (t *Timeline) rewind(n Moment) error {
	k := sort.Search(len(t.marks), func(i int) bool { return t.marks[i].at > n })
	t.dropMarks(k)
	if k == 0 {
		t.at, t.ticked = 0, 0
		return t.s.Restart()
	}
	t.at, t.ticked = t.marks[k-1].at, t.marks[k-1].ticked
	return t.marks[k-1].mark.Rewind()
}

// nextCheckpoint is the moment at which the next one is due.
func (t *Timeline) nextCheckpoint() Moment {
	if k := len(t.marks); k > 0 {
		return t.marks[k-1].at + every
	}
	return every
}

// StepThread lets a thread run n instructions from the present moment, and tells
// how many it ran: fewer when it comes to its end, waits, or the process ends.
// Where that is not what the recorded run does next, the rest of that is forgotten
// and the timeline ends after the step; see Reset.
func (t *Timeline) StepThread(thread int, n uint64) (ran uint64, err error) {
	if thread < 0 || thread >= t.s.Schedulable() {
		return 0, fmt.Errorf("timeline: no thread %d", thread)
	}
	if t.s.IsClock(thread) {
		return t.stepClock(n)
	}
	if t.at < t.Len() && t.Thread(t.at) == thread {
		if err := t.tick(); err != nil {
			return 0, err
		}
	}
	if t.isOver() || !t.s.Runnable(thread) {
		return 0, nil
	}
	from, same := t.at, Moment(0)
	for same < n && from+same < t.Len() && t.Thread(from+same) == thread {
		same = min(t.sliceEnd(from+same)-from, n)
	}
	if err := t.Seek(from + same); err != nil || same == n {
		return t.at - from, err
	}
	if t.at < t.Len() {
		t.forget(t.at)
	}
	ran, err = t.record(scenario.Slice{Thread: thread, N: n - same})
	return same + ran, err
}

// RunOut lets the threads run from the present moment to the end of the race, the
// given one first, each for as long as it can; what is recorded from here on is
// forgotten.
func (t *Timeline) RunOut(thread int) error {
	if thread < 0 || thread >= t.s.Schedulable() {
		return fmt.Errorf("timeline: no thread %d", thread)
	}
	if t.isOver() {
		return nil
	}
	t.forget(t.at)
	for next := thread; !t.over; next = (next + 1) % t.s.Schedulable() {
		if _, err := t.record(scenario.Slice{Thread: next}); err != nil {
			return err
		}
	}
	return nil
}

// Schedule is what the timeline now consists of, from the start of the race. If
// it comes to the race's end, the last slice runs into that.
func (t *Timeline) Schedule() scenario.Schedule {
	var out scenario.Schedule
	for i := range t.slices {
		out = append(out, t.whole(i))
	}
	out = t.withTicks(out)
	if !t.over {
		return out
	}
	switch k := len(out); {
	case t.falls != nil:
		out = append(out, scenario.Slice{Thread: t.end.Thread, N: 1, Seeing: t.falls})
	case t.end.Thread >= 0 && (k == 0 || out[k-1].Thread != t.end.Thread):
		out = append(out, scenario.Slice{Thread: t.end.Thread}) // its first instruction fails
	default:
		out = out.ToEnd()
	}
	if len(t.rounds) > 0 { // that they get no further is found out anew
		for i := range t.s.Threads() {
			if t.s.MachineThread(i) < 0 {
				continue
			}
			out = append(out, scenario.Slice{Thread: i})
		}
	}
	return out
}
