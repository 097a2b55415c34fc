package linux

import (
	"cmp"
	"fmt"
	"slices"
)

// Waiting for objects: pipes, sockets and what else State.objects has. A call that finds
// nothing to do has its thread wait, and is made again when one of the objects has changed.
// So all that it does follows from what it sees then, and is noted then, as of any other
// call; the wait itself leaves nothing but the thread in the list of those that wait. Who
// changes an object lets all go on who wait for such a change, as wake_up does of those that
// do not wait exclusively (kernel/sched/wait.c): who of several gets what there is is then
// for the schedule to say.

// ways are what can be done with an object without waiting: the events of poll,
// include/uapi/asm-generic/poll.h.
type ways uint32

const (
	wayIn     ways = 0x1
	wayPri    ways = 0x2
	wayOut    ways = 0x4
	wayError  ways = 0x8
	wayHangup ways = 0x10
	wayNone   ways = 0x20 // POLLNVAL: there is no such descriptor
	wayInNorm ways = 0x40
	wayOutNrm ways = 0x100
	wayEnd    ways = 0x2000 // POLLRDHUP

	anyIn  = wayIn | wayInNorm
	anyOut = wayOut | wayOutNrm
	always = wayError | wayHangup // told of whether asked for or not
)

// watch is an object and the changes of it that may end a wait.
type watch struct {
	Object uint64
	Ways   ways
	FD     int // by which descriptor, -1 for none
}

// again is what is left of a call that waited and is made again.
type again struct {
	Is      bool
	Until   uint64 // when it ends by itself, 0 for never
	Expired bool   // that time has come
	Done    uint64 // so much of what it does is done
	// Interrupted tells that a signal has ended the wait: the call ends with EINTR, or is made
	// anew when the handler has run, as SA_RESTART has it.
	Interrupted bool
	OfTime      bool // it waits for no longer than some time, and is not made anew
}

// patience is how long a call may wait.
type patience struct {
	until   uint64 // on the virtual clock in nanoseconds, 0 for ever
	refuses bool   // it does not wait at all, or no longer
}

// forever and atOnce are those of calls without a timeout, and of those that do not wait.
var (
	forever = patience{}
	atOnce  = patience{refuses: true}
)

// patienceOf is that of a call which waits so many nanoseconds from now on: of one that is
// made again, what is left.
func (k *Kernel) patienceOf(r *Result, ns uint64) patience {
	switch {
	case r.again.Is:
		return patience{until: r.again.Until, refuses: r.again.Expired}
	case ns == 0:
		return atOnce
	case ns == endless:
		return forever
	}
	return patience{until: deadlineOf(ns, k.clock(r).now(), false, false)}
}

// await makes the calling thread wait until one of the objects changes in one of the ways, or
// the time has come; sooner is another time at which there may be something to do, 0 for
// none. That it waits is seen by nobody but who changes the objects, and those the call has
// looked at.
func (q waiters) await(on []watch, p patience, sooner uint64, done uint64, words string) {
	w := Waiter{Calls: true, On: on, For: words, Until: p.until, Deadline: p.until, Done: done}
	if sooner != 0 && (w.Deadline == 0 || sooner < w.Deadline) {
		w.Deadline = sooner
	}
	q.block(w)
}

// done is how much of the call was done before it waited.
func (q waiters) done() uint64 { return q.r.again.Done }

// stir lets all go on who wait for such a change of an object. Who calls it changes that.
func (q waiters) stir(id uint64, how ways) error {
	s := q.writes(ObjectQueue, id)
	for i := 0; i < len(s.Waiters); {
		w := s.Waiters[i]
		if !w.Calls || !slices.ContainsFunc(w.On, func(o watch) bool { return o.Object == id && o.Ways&how != 0 }) {
			i++
			continue
		}
		q.timed(w)
		if err := q.repeat(i, false); err != nil {
			return err
		}
	}
	return nil
}

// repeat ends one wait: its call is made again.
func (q waiters) repeat(i int, expired bool) error {
	s := q.k.mut()
	w := s.Waiters[i]
	s.Waiters = slices.Delete(s.Waiters, i, i+1)
	s.Tasks[w.Thread].Status = Runnable
	s.Tasks[w.Thread].Again = again{Is: true, Until: w.Until, Expired: expired, Done: w.Done}
	return q.k.Threads.Again(w.Thread)
}

// interrupt ends the wait of a thread that a signal has come for, if it waits, or has just
// been let go on to make its call again.
func (q waiters) interrupt(thread int) error {
	s := q.k.mut()
	t := &s.Tasks[thread]
	if t.Status == Runnable {
		t.Again.Interrupted = t.Again.Is
		return nil
	}
	i := slices.IndexFunc(s.Waiters, func(w Waiter) bool { return w.Thread == thread })
	if i < 0 {
		return nil
	}
	w := s.Waiters[i]
	q.timed(w)
	if w.OfWord() {
		q.writes(ObjectFutex, w.Addr)
		s = q.k.mut()
	}
	s.Waiters = slices.Delete(s.Waiters, i, i+1)
	t = &s.Tasks[thread]
	t.Status = Runnable
	until := w.Until
	if !w.Calls {
		until = w.Deadline
	}
	t.Again = again{Is: true, Until: until, Done: w.Done, Interrupted: true, OfTime: until != 0}
	return q.k.Threads.Again(thread)
}

// forSignal tells whether a thread, or any, waits for a signal to be pending. Who does
// looks at what is pending for it.
func (q waiters) forSignal(tid int, sig uint64, all bool) bool {
	object := uint64(tid)
	if all {
		object = wholeProcess
	}
	s := q.reads(ObjectBlocked, object)
	return slices.ContainsFunc(s.Waiters, func(w Waiter) bool { return w.Signals&bit(sig) != 0 && (all || s.Tasks[w.Thread].TID == tid) })
}

// signalled lets a thread go on that waits for a signal which is now pending for it, or of
// several the first that has come: sigtimedwait.
func (q waiters) signalled(tid int, sig uint64, all bool) error {
	for i, w := range q.k.s.Waiters {
		if w.Signals&bit(sig) == 0 || !all && q.k.s.Tasks[w.Thread].TID != tid {
			continue
		}
		q.timed(w)
		return q.repeat(i, false)
	}
	return nil
}

// awaitSignal makes the calling thread wait for one of these signals, or, with none, for one
// that has a handler.
func (q waiters) awaitSignal(set uint64, p patience) {
	words := "a signal, and nothing else"
	if set != 0 { // who sends one looks whether somebody waits for it
		q.writes(ObjectBlocked, wholeProcess)
		q.writes(ObjectBlocked, uint64(q.own().TID))
		words = fmt.Sprintf("one of the signals %v", signalNumbers(set))
	}
	q.block(Waiter{Calls: true, For: words, Until: p.until, Deadline: p.until, Signals: set})
}

// byFD tells whether a thread waits for an object by a descriptor.
func (q waiters) byFD(id uint64, fd int) bool {
	return slices.ContainsFunc(q.reads(ObjectQueue, id).Waiters, func(w Waiter) bool {
		return slices.ContainsFunc(w.On, func(o watch) bool { return o.Object == id && o.FD == fd })
	})
}

// WaitsFor says in words for what a thread waits that waits neither for a word nor for a
// time, "" for nothing. It is nobody's call.
func (k *Kernel) WaitsFor(thread int) string {
	i := slices.IndexFunc(k.s.Waiters, func(w Waiter) bool { return w.Thread == thread && w.Calls })
	if i < 0 {
		return ""
	}
	return cmp.Or(k.s.Waiters[i].For, "a signal, and nothing else")
}
