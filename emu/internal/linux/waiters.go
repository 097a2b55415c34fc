package linux

import "slices"

// Waiter is a thread that waits for a futex word, or sleeps.
type Waiter struct {
	Thread   int
	Addr     uint64 // of the word
	Mask     uint32
	Deadline uint64 // on the virtual clock in nanoseconds, 0 for none
	Sleeps   bool   // there is no word, and there is a deadline

	// Calls tells that it waits for objects, of which On are those whose change may end the
	// wait: the call is then made again.
	Calls bool
	On    []watch
	For   string // what it waits for, in words
	Until uint64 // when the call ends by itself, 0 for never; Deadline may come before
	Done  uint64 // so much of what it does is done

	Signals uint64 // it waits for one of them to be pending
}

// OfWord tells whether it waits for a futex word.
func (w Waiter) OfWord() bool { return !w.Sleeps && !w.Calls }

// waiters is the queues of threads that wait, one for each futex word, as a system call
// sees them.
type waiters struct{ access }

func (k *Kernel) waiters(r *Result) waiters { return waiters{access{k, r}} }

// add makes the calling thread wait for a word. Whoever moves the clock on comes before
// or after a wait with a deadline, and before or after its end: so that uses the clock.
func (q waiters) add(addr uint64, mask uint32, deadline uint64) {
	q.writes(ObjectFutex, addr)
	q.block(Waiter{Addr: addr, Mask: mask, Deadline: deadline})
}

// sleep makes the calling thread wait for nothing but a time.
func (q waiters) sleep(deadline uint64) { q.block(Waiter{Deadline: deadline, Sleeps: true}) }

func (q waiters) block(w Waiter) {
	w.Thread = q.r.thread
	if w.Deadline != 0 {
		q.reads(ObjectClock, 0)
	}
	q.changeOwn().Status = Blocked
	s := q.k.mut()
	s.Waiters = append(s.Waiters, w)
	q.r.Effect = Blocks
}

// timed notes what the end or the move of a wait means for the clock.
func (q waiters) timed(w Waiter) {
	if w.Deadline != 0 {
		q.reads(ObjectClock, 0)
	}
}

// wake makes at most n threads that wait at addr runnable, oldest first.
func (q waiters) wake(addr uint64, n int, mask uint32) (int, error) {
	s := q.writes(ObjectFutex, addr)
	woken := 0
	for i := 0; i < len(s.Waiters) && woken < n; {
		w := s.Waiters[i]
		if !w.OfWord() || w.Addr != addr || w.Mask&mask == 0 {
			i++
			continue
		}
		q.timed(w)
		if err := q.rouse(i, 0); err != nil {
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
		if w := &s.Waiters[i]; w.Addr == from && w.OfWord() {
			q.timed(*w)
			w.Addr = to
			moved++
		}
	}
	return moved
}

// expire ends the waits whose deadlines have come at a time.
func (q waiters) expire(now uint64) error {
	for i := 0; i < len(q.k.s.Waiters); {
		w := q.k.s.Waiters[i]
		if w.Deadline == 0 || w.Deadline > now {
			i++
			continue
		}
		if w.Calls {
			if err := q.repeat(i, w.Until != 0 && w.Until <= now); err != nil {
				return err
			}
			continue
		}
		value := uint64(0)
		if !w.Sleeps {
			q.writes(ObjectFutex, w.Addr)
			value = negated(ETIMEDOUT)
		}
		if err := q.rouse(i, value); err != nil {
			return err
		}
	}
	return nil
}

// rouse ends one wait with the given result.
func (q waiters) rouse(i int, value uint64) error {
	s := q.k.mut()
	t := s.Waiters[i].Thread
	s.Waiters = slices.Delete(s.Waiters, i, i+1)
	s.Tasks[t].Status = Runnable
	return q.k.Threads.SetResult(t, value)
}

// Rouse ends a thread's wait as a wake-up of its word would. It returns false when the
// thread waits for none.
func (k *Kernel) Rouse(thread int) (bool, error) {
	i := slices.IndexFunc(k.s.Waiters, func(w Waiter) bool { return w.Thread == thread && w.OfWord() })
	if i < 0 {
		return false, nil
	}
	return true, k.waiters(&Result{thread: thread}).rouse(i, 0)
}
