package linux

import "slices"

// Waiter is a thread that waits for a futex word.
type Waiter struct {
	Thread   int
	Addr     uint64
	Mask     uint32
	Deadline uint64 // on the virtual clock in nanoseconds, 0 for none
}

// waiters is the queues of threads that wait, one for each futex word, as a system call
// sees them.
type waiters struct{ access }

func (k *Kernel) waiters(r *Result) waiters { return waiters{access{k, r}} }

// add makes the calling thread wait.
func (q waiters) add(addr uint64, mask uint32, deadline uint64) {
	s := q.writes(ObjectFutex, addr)
	s.Tasks[q.r.thread].Status = Blocked
	s.Waiters = append(s.Waiters, Waiter{Thread: q.r.thread, Addr: addr, Mask: mask, Deadline: deadline})
	q.r.Effect = Blocks
}

// wake makes at most n threads that wait at addr runnable, oldest first.
func (q waiters) wake(addr uint64, n int, mask uint32) (int, error) {
	s := q.writes(ObjectFutex, addr)
	woken := 0
	for i := 0; i < len(s.Waiters) && woken < n; {
		w := s.Waiters[i]
		if w.Addr != addr || w.Mask&mask == 0 {
			i++
			continue
		}
		if err := q.k.rouse(i, 0); err != nil {
			return woken, err
		}
		woken++
	}
	return woken, nil
}

// move lets at most n threads that wait at one word wait at another one instead.
func (q waiters) move(from, to uint64, n int) int {
	q.writes(ObjectFutex, to)
	s, moved := q.writes(ObjectFutex, from), 0
	if from == to {
		return 0
	}
	for i := 0; i < len(s.Waiters) && moved < n; i++ {
		if s.Waiters[i].Addr == from {
			s.Waiters[i].Addr = to
			moved++
		}
	}
	return moved
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
