package linux

import "slices"

// Waiter is a thread that waits for a futex word.
type Waiter struct {
	Thread   int
	Addr     uint64
	Mask     uint32
	Deadline uint64 // on the virtual clock in nanoseconds, 0 for none
}

// Operations of futex, include/uapi/linux/futex.h.
const (
	futexWait       = 0
	futexWake       = 1
	futexRequeue    = 3
	futexCmpRequeue = 4
	futexWaitBitset = 9
	futexWakeBitset = 10
	futexCmd        = 0x7f
	futexRealtime   = 0x100
	matchAny        = 0xffffffff
)

// sysFutex serves FUTEX_WAIT and FUTEX_WAKE, their BITSET forms, FUTEX_REQUEUE
// and FUTEX_CMP_REQUEUE; process shared and private futexes are the same thing in one
// process.
func sysFutex(k *Kernel, c *Call, r *Result) (uint64, error) {
	addr, op, val := c.Args[0], c.Args[1], uint32(c.Args[2])
	mask := uint32(matchAny)
	if addr%4 != 0 {
		return fail(EINVAL)
	}
	cmd := op & futexCmd
	if cmd == futexWaitBitset || cmd == futexWakeBitset {
		if mask = uint32(c.Args[5]); mask == 0 {
			return fail(EINVAL)
		}
	}
	switch cmd {
	case futexWait, futexWaitBitset:
		return k.wait(c, r, addr, val, mask, op)
	case futexWake, futexWakeBitset:
		r.uses(ObjectFutex, addr, true)
		n, err := k.wake(addr, int(int32(val)), mask)
		return uint64(n), err
	case futexRequeue, futexCmpRequeue:
		return k.requeue(c, r, cmd == futexCmpRequeue)
	}
	k.unknown["futex operation "+futexName(cmd)] = true
	return fail(ENOSYS)
}

func futexName(cmd uint64) string {
	names := []string{"WAIT", "WAKE", "FD", "REQUEUE", "CMP_REQUEUE", "WAKE_OP", "LOCK_PI", "UNLOCK_PI",
		"TRYLOCK_PI", "WAIT_BITSET", "WAKE_BITSET", "WAIT_REQUEUE_PI", "CMP_REQUEUE_PI", "LOCK_PI2"}
	if cmd < uint64(len(names)) {
		return names[cmd]
	}
	return "unknown"
}

func (k *Kernel) wait(c *Call, r *Result, addr uint64, val, mask uint32, op uint64) (uint64, error) {
	b, ok := k.read(r, addr, 4)
	if !ok {
		return fail(EFAULT)
	}
	if le.Uint32(b) != val {
		return fail(EAGAIN)
	}
	w := Waiter{Thread: c.Thread, Addr: addr, Mask: mask}
	if c.Args[3] != 0 {
		t, errno := k.timespec(r, c.Args[3])
		if errno != 0 {
			return fail(errno)
		}
		r.uses(ObjectClock, 0, false)
		// WAIT's timeout is relative, WAIT_BITSET's absolute on one of two
		// clocks.
		switch {
		case op&futexCmd == futexWait:
			w.Deadline = k.monotonic() + t
		case op&futexRealtime != 0:
			w.Deadline = t - min(t, bootTime)
		default:
			w.Deadline = t
		}
		if w.Deadline <= k.monotonic() {
			return fail(ETIMEDOUT)
		}
	}
	r.uses(ObjectFutex, addr, true)
	s := k.mut()
	s.Tasks[c.Thread].Status = Blocked
	s.Waiters = append(s.Waiters, w)
	r.Effect = Blocks
	return 0, nil
}

// wake makes at most n threads that wait at addr runnable, oldest first.
func (k *Kernel) wake(addr uint64, n int, mask uint32) (int, error) {
	woken := 0
	for i := 0; i < len(k.s.Waiters) && woken < n; {
		w := k.s.Waiters[i]
		if w.Addr != addr || w.Mask&mask == 0 {
			i++
			continue
		}
		if err := k.rouse(i, 0); err != nil {
			return woken, err
		}
		woken++
	}
	return woken, nil
}

// requeue wakes some of the threads that wait at one word and lets others wait at
// another one instead, as futex_requeue of kernel/futex/requeue.c does, with its
// results: REQUEUE and CMP_REQUEUE both count the woken and the moved. Musl's
// condition variables hand their waiters to the mutex in this way.
func (k *Kernel) requeue(c *Call, r *Result, compare bool) (uint64, error) {
	from, to := c.Args[0], c.Args[4]
	wake, move := int32(c.Args[2]), int32(c.Args[3])
	if to%4 != 0 || wake < 0 || move < 0 {
		return fail(EINVAL)
	}
	if compare {
		b, ok := k.read(r, from, 4)
		if !ok {
			return fail(EFAULT)
		}
		if le.Uint32(b) != uint32(c.Args[5]) {
			return fail(EAGAIN)
		}
	}
	r.uses(ObjectFutex, from, true)
	r.uses(ObjectFutex, to, true)
	n, err := k.wake(from, int(wake), matchAny)
	if err != nil {
		return 0, err
	}
	s, moved := k.mut(), 0
	for i := 0; i < len(s.Waiters) && moved < int(move) && from != to; i++ {
		if s.Waiters[i].Addr == from {
			s.Waiters[i].Addr = to
			moved++
		}
	}
	return uint64(n + moved), nil
}

// rouse ends one wait with the given result.
func (k *Kernel) rouse(i int, value uint64) error {
	s := k.mut()
	t := s.Waiters[i].Thread
	s.Waiters = slices.Delete(s.Waiters, i, i+1)
	s.Tasks[t].Status = Runnable
	return k.Threads.SetResult(t, value)
}

// Rouse ends a thread's wait as a wake-up of its word would. It returns false when the
// thread waits for none.
func (k *Kernel) Rouse(thread int) (bool, error) {
	i := slices.IndexFunc(k.s.Waiters, func(w Waiter) bool { return w.Thread == thread })
	if i < 0 {
		return false, nil
	}
	return true, k.rouse(i, 0)
}

// Expire is for when every thread waits: the clock is moved on to the earliest
// timeout and its thread woken. It returns that thread, or -1 when no wait has
// a timeout, which is a deadlock.
func (k *Kernel) Expire() (int, error) {
	first := -1
	for i, w := range k.s.Waiters {
		if w.Deadline != 0 && (first < 0 || w.Deadline < k.s.Waiters[first].Deadline) {
			first = i
		}
	}
	if first < 0 {
		return -1, nil
	}
	w := k.s.Waiters[first]
	if now := k.monotonic(); w.Deadline > now {
		k.advance(w.Deadline - now)
	}
	return w.Thread, k.rouse(first, negated(ETIMEDOUT))
}
