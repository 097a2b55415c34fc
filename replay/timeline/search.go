package timeline

import (
	"emurace/emu"
	"emurace/symbolize"
)

// Direction is forwards or backwards in time.
type Direction int

// The directions.
const (
	Forwards  Direction = 1
	Backwards Direction = -1
)

// Stop is a condition to run to. The moments at which it holds are fixed by the
// run; it is not asked of the present one.
type Stop interface {
	// at tells whether to stop at moment n, which is at least 1 forwards and
	// less than Len backwards.
	at(t *Timeline, n Moment, d Direction) bool
}

// Find is the nearest moment after the given one, or before it, at which any of
// the conditions holds, and which of them does; false when there is none. Of
// several that hold at the same moment it is the first.
func (t *Timeline) Find(from Moment, d Direction, stops ...Stop) (n Moment, which int, found bool) {
	from = min(from, t.Len())
	for n = from; ; {
		switch {
		case d == Forwards && n < t.Len():
			n++
		case d == Backwards && n > 0:
			n--
		default:
			return n, 0, false
		}
		for i, s := range stops {
			if s.at(t, n, d) {
				return n, i, true
			}
		}
	}
}

// Any is a Stop for a thread's number: whichever thread.
const Any = -1

// Break stops where a thread is about to run the instruction at an address, or
// has failed to.
type Break struct {
	PC     uint64
	Thread int // Any, or the only one to stop
}

func (b Break) at(t *Timeline, n Moment, _ Direction) bool {
	pc, ok := t.PC(n)
	return ok && pc == b.PC && (b.Thread == Any || b.Thread == t.Thread(n))
}

// Watch stops around an access to any of the bytes [Addr, Addr+Size): forwards
// behind the instruction that made it, backwards before it, so that a write has
// happened or been taken back.
type Watch struct {
	Addr, Size    uint64
	Reads, Writes bool
}

func (w Watch) at(t *Timeline, n Moment, d Direction) bool {
	i := n
	if d == Forwards {
		i--
	}
	_, ok := w.Hit(t, i)
	return ok
}

// Hit is the first access of instruction n that the watch is for.
func (w Watch) Hit(t *Timeline, n Moment) (emu.LogEntry, bool) {
	for _, a := range t.Accesses(n) {
		wanted := w.Writes
		if a.Kind == emu.LogRead {
			wanted = w.Reads
		}
		if wanted && a.Addr < w.Addr+w.Size && w.Addr < a.Addr+uint64(a.Size) {
			return a, true
		}
	}
	return emu.LogEntry{}, false
}

// Reach stops at a moment: to look no further than that.
type Reach struct{ Moment Moment }

func (r Reach) at(_ *Timeline, n Moment, _ Direction) bool { return n == r.Moment }

// Switch stops where another thread goes on than the one that ran before.
type Switch struct{}

func (Switch) at(t *Timeline, n Moment, _ Direction) bool {
	return n > 0 && n <= t.Len() && t.Thread(n) != t.Thread(n-1)
}

// Turn stops where a thread is about to run, at each of its instructions.
type Turn struct{ Thread int }

func (u Turn) at(t *Timeline, n Moment, _ Direction) bool { return t.Thread(n) == u.Thread }

// Syscall stops where a thread is about to make a system call.
type Syscall struct{ Thread int }

func (s Syscall) at(t *Timeline, n Moment, _ Direction) bool {
	pc, ok := t.PC(n)
	return ok && n < t.Len() && (s.Thread == Any || s.Thread == t.Thread(n)) && t.isSyscall(pc)
}

// isSyscall looks at the code, which is taken not to change during the race.
func (t *Timeline) isSyscall(pc uint64) bool {
	is, known := t.syscalls[pc]
	if !known {
		is = symbolize.IsSystemCall(t.s.Process(), pc)
		t.syscalls[pc] = is
	}
	return is
}

// Return stops where a thread comes back to a place in the stack: its stack
// pointer is at SP or above, and, unless PC is 0, it is about to run there.
// Backwards it stops where the stack pointer was last there before. It is how
// calls are stepped over and out of.
type Return struct {
	Thread int
	SP, PC uint64
}

func (r Return) at(t *Timeline, n Moment, _ Direction) bool {
	sp, ok := t.SP(n)
	if !ok {
		return n == t.Len() && t.Thread(n) == r.Thread // the run ends inside
	}
	return t.Thread(n) == r.Thread && sp >= r.SP && (r.PC == 0 || t.pcs[n] == r.PC)
}
