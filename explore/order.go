package explore

import (
	"math/bits"
	"slices"

	"emurace/scenario"
)

// set is a set of threads, a bit each.
type set uint64

// maxThreads is how many threads a set holds.
const maxThreads = 64

func (s set) has(t int) bool { return s&(1<<t) != 0 }
func (s set) first() int     { return bits.TrailingZeros64(uint64(s)) }

// event is an event of a run, with its place in the run's order.
type event struct {
	scenario.Event
	lo, hi uint64 // bounds of the bytes accessed
	// clock says of each thread which of the run's events, by number, is the
	// last of its that happens before this one, or is this one; -1 for none.
	clock []int
}

func newEvent(ev scenario.Event) *event {
	e := &event{Event: ev, lo: ^uint64(0)}
	for _, a := range ev.Accesses {
		e.lo, e.hi = min(e.lo, a.Addr), max(e.hi, a.Addr+uint64(a.Size))
	}
	return e
}

// dependent is scenario.Event.Dependent, with a quick way out.
func (e *event) dependent(o *event) bool {
	if len(e.Objects) == 0 && !e.Ends && !o.Ends && e.Thread != o.Thread && (e.hi <= o.lo || o.hi <= e.lo) {
		return false
	}
	return e.Event.Dependent(&o.Event)
}

// order is the events of one run with what happens before what: a vector clock
// an event.
type order struct {
	threads int
	events  []*event
}

// cut forgets all events from number n on.
func (r *order) cut(n int) { r.events = r.events[:n] }

// add appends an event and returns the numbers of those that it is in an
// immediate race with: dependent events of other threads with nothing in
// between that orders the two. A thread that was woken comes after its waker,
// and that is no race.
func (r *order) add(e *event) (races []int) {
	e.clock = make([]int, r.threads)
	for i := range e.clock {
		e.clock[i] = -1
	}
	for j := len(r.events) - 1; j >= 0; j-- {
		o := r.events[j]
		if e.clock[o.Thread] >= j {
			continue
		}
		woke := slices.Contains(o.Woke, e.Thread)
		if !woke && !o.dependent(e) {
			continue
		}
		if o.Thread != e.Thread && !woke {
			if k := r.raceOf(j, e); k >= 0 {
				races = append(races, k)
			}
		}
		for i, c := range o.clock {
			e.clock[i] = max(e.clock[i], c)
		}
	}
	e.clock[e.Thread] = len(r.events)
	r.events = append(r.events, e)
	return races
}

// raceOf is the event that e is in a race with, given that it depends on event
// j: j itself, or, when e takes an abstract lock that j has let go, the event
// that had taken it. Before j the lock was taken, so there is nothing to turn
// round; which of the two took it first is. It is -1 where that is ordered too.
func (r *order) raceOf(j int, e *event) int {
	o := r.events[j]
	if e.Acquire == 0 || o.Release != e.Acquire {
		return j
	}
	for k := j - 1; k >= 0; k-- {
		if a := r.events[k]; a.Thread == o.Thread && a.Acquire == e.Acquire {
			if e.clock[o.Thread] >= k {
				return -1
			}
			return k
		}
	}
	return -1
}

// before tells whether event i happens before event k, or is it.
func (r *order) before(i, k int) bool { return r.events[k].clock[r.events[i].Thread] >= i }

// reversal is the way to run the last event before event j, with which it
// races: the events after j that do not need j, and then the last one. It
// returns their numbers and the threads that may come first.
func (r *order) reversal(j int) (v []int, initials set) {
	n := len(r.events) - 1
	var seen set
	for k := j + 1; k <= n; k++ {
		if k < n && r.before(j, k) {
			continue
		}
		o := r.events[k]
		if !seen.has(o.Thread) {
			free := !slices.ContainsFunc(v, func(i int) bool { return r.before(i, k) })
			if free {
				initials |= 1 << o.Thread
			}
		}
		seen |= 1 << o.Thread
		v = append(v, k)
	}
	return v, initials
}
