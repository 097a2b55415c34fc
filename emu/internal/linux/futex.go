package linux

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
		n, err := k.waiters(r).wake(addr, int(int32(val)), mask)
		return uint64(n), err
	case futexRequeue, futexCmpRequeue:
		return k.requeue(c, r, cmd == futexCmpRequeue)
	}
	if cmd < uint64(len(futexNames)) {
		r.Missing = "futex operation " + futexNames[cmd]
	}
	return fail(ENOSYS)
}

// futexNames are the operations of futex by number.
var futexNames = []string{"WAIT", "WAKE", "FD", "REQUEUE", "CMP_REQUEUE", "WAKE_OP", "LOCK_PI", "UNLOCK_PI",
	"TRYLOCK_PI", "WAIT_BITSET", "WAKE_BITSET", "WAIT_REQUEUE_PI", "CMP_REQUEUE_PI", "LOCK_PI2"}

func (k *Kernel) wait(c *Call, r *Result, addr uint64, val, mask uint32, op uint64) (uint64, error) {
	b, ok := k.read(r, addr, 4)
	if !ok {
		return fail(EFAULT)
	}
	if le.Uint32(b) != val {
		return fail(EAGAIN)
	}
	deadline := uint64(0)
	if c.Args[3] != 0 {
		t, errno := k.timespec(r, c.Args[3])
		if errno != 0 {
			return fail(errno)
		}
		now := k.clock(r).now()
		// WAIT's timeout is relative, WAIT_BITSET's absolute on one of two
		// clocks.
		deadline = deadlineOf(t, now, op&futexCmd != futexWait, op&futexRealtime != 0)
		if r.again.Is { // a signal that came to nothing has ended the wait
			deadline = r.again.Until
		}
		if deadline <= now {
			return fail(ETIMEDOUT)
		}
	}
	k.waiters(r).add(addr, mask, deadline)
	return 0, nil
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
	q := k.waiters(r)
	n, err := q.wake(from, int(wake), matchAny)
	if err != nil {
		return 0, err
	}
	return uint64(n + q.move(from, to, int(move))), nil
}
