package linux

import "cmp"

const second = 1_000_000_000

// bootTime is the real-time clock, in nanoseconds since 1970, at the virtual
// machine's start: an arbitrary constant, so that runs are equal on any day.
const bootTime = 1_600_000_000 * second

// ClockThread is who moves the clock on, which no thread does.
const ClockThread = -1

// monotonic is the virtual clock of a thread in nanoseconds: one for each instruction
// of its clock, and what the clock was advanced, which begins at a second.
func (k *Kernel) monotonic(thread int) uint64 {
	return k.Memory.Clock(thread) + k.s.Advanced + second
}

// clock is the virtual clock as a system call sees it.
type clock struct{ access }

func (k *Kernel) clock(r *Result) clock { return clock{access{k, r}} }

// now is the monotonic clock, in nanoseconds.
func (c clock) now() uint64 {
	c.reads(ObjectClock, 0)
	return c.k.monotonic(c.r.thread)
}

// read is now, or the time of day in nanoseconds since 1970.
func (c clock) read(real bool) uint64 {
	if real {
		return bootTime + c.now()
	}
	return c.now()
}

// used is processor time in nanoseconds: one an instruction, as on the virtual clock,
// without what that was advanced.
func (c clock) used() uint64 {
	c.reads(ObjectClock, 0)
	return c.k.Memory.Clock(c.r.thread)
}

// advance moves the clock on, up to 146 years in all: with a timeout added, a
// time still fits 64 bits.
func (c clock) advance(ns uint64) {
	const most = 1 << 62
	s := c.writes(ObjectClock, 0)
	s.Advanced += min(ns, most-s.Advanced)
}

// Earliest is the waiter whose deadline comes first, of equals who came first; false
// when nobody waits with a deadline. The timer of setitimer is waited for by ClockThread.
func (s *State) Earliest() (w Waiter, ok bool) {
	for _, v := range s.Waiters {
		if v.Deadline != 0 && (!ok || cmp.Less(v.Deadline, w.Deadline)) {
			w, ok = v, true
		}
	}
	if due := s.alarm.due; due != 0 && (!ok || due < w.Deadline) {
		return Waiter{Thread: ClockThread, Sleeps: true, Deadline: due}, true
	}
	return w, ok
}

// Alarmed tells whether the timer of setitimer is set.
func (s *State) Alarmed() bool { return s.alarm.due != 0 }

// Due tells whether the earliest deadline has come for a clock that counts so many
// instructions.
func (k *Kernel) Due(instructions uint64) bool {
	w, ok := k.s.Earliest()
	return ok && w.Deadline <= instructions+k.s.Advanced+second
}

// Until is how many instructions lie between such a clock and the earliest deadline; false where
// there is none, or it has come.
func (k *Kernel) Until(instructions uint64) (n uint64, ok bool) {
	w, ok := k.s.Earliest()
	if now := instructions + k.s.Advanced + second; ok && w.Deadline > now {
		return w.Deadline - now, true
	}
	return 0, false
}

// Advance moves the clock on until the earliest deadline has come for ClockThread, and
// lets go on all whose deadline has: a wait for a futex word ends with ETIMEDOUT, a sleep
// with 0, and another call is made again. The timer of setitimer sends its signal. The result
// says what that has changed; it is of no system call. False when nobody waits with a deadline.
func (k *Kernel) Advance() (Result, bool, error) {
	r := Result{thread: ClockThread}
	first, ok := k.s.Earliest()
	if !ok {
		return r, false, nil
	}
	c := k.clock(&r)
	now := c.now()
	c.advance(first.Deadline - min(first.Deadline, now))
	now = max(first.Deadline, now)
	if err := k.waiters(&r).expire(now); err != nil {
		return r, true, err
	}
	if k.s.alarm.due == 0 {
		return r, true, nil
	}
	return r, true, k.ring(&r, now)
}
