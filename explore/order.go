package explore

import (
	"cmp"
	"slices"

	"emurace/emu"
	"emurace/scenario"
)

// spanned is an event with the bounds of what it accesses.
type spanned struct {
	scenario.Event
	lo, hi uint64
	aimed  bool // as its run told when it had run
}

// event is an event of a run, with its place in the run's order.
type event struct {
	spanned
	touches []touch
	// clock says of each thread which of the run's events, by number, is the
	// last of its that happens before this one, or is this one; -1 for none.
	clock []int
	// Of a search with a bound: stays tells that the thread could go on behind it, so that to leave it
	// there is a preemption; preemptions is how many its run has up to it.
	stays       bool
	preemptions int
}

// touch is what an event does to eight bytes of memory, or to a kernel object.
// Masks have a bit a byte.
type touch struct {
	place         place
	reads, writes uint8
}

// place is an address divided by eight, or a kernel object.
type place struct {
	class emu.ObjectClass // 0 for memory
	id    uint64
}

// hides tells whether whatever conflicts with o and came before t comes before
// t by necessity: t wrote all that o touches.
func (t touch) hides(o touch) bool { return (o.reads|o.writes)&^t.writes == 0 }

// forget, if set, takes away some of what an event does. It is there for tests of what
// becomes of a search that does not know all.
var forget func(*scenario.Event)

func withBounds(ev scenario.Event) spanned {
	if forget != nil {
		forget(&ev)
	}
	b := spanned{Event: ev, lo: ^uint64(0)}
	for _, a := range ev.Accesses {
		b.lo, b.hi = min(b.lo, a.Addr), max(b.hi, a.Addr+a.Size)
	}
	return b
}

// dependent is scenario.Event.Dependent, with a quick way out.
func (e *spanned) dependent(o *spanned) bool {
	if len(e.Objects) == 0 && !e.Ends && !o.Ends && e.Thread != o.Thread && (e.hi <= o.lo || o.hi <= e.lo) {
		return false
	}
	return e.Event.Dependent(&o.Event)
}

func newEvent(ev scenario.Event) *event {
	e := &event{spanned: withBounds(ev)}
	for _, a := range e.Accesses {
		end := a.Addr + a.Size
		for id := a.Addr / 8; id*8 < end; id++ {
			bytes := uint8(0xff)
			if id*8 < a.Addr {
				bytes &= 0xff << (a.Addr & 7)
			}
			if end-id*8 < 8 {
				bytes &= 0xff >> (8 - end&7)
			}
			e.touch(place{id: id}, bytes, a.Write)
		}
	}
	for _, o := range e.Objects {
		e.touch(place{o.Class, o.ID}, 1, o.Write)
	}
	e.join()
	return e
}

func (e *event) touch(p place, bytes uint8, write bool) {
	t := touch{place: p}
	if write {
		t.writes = bytes
	} else {
		t.reads = bytes
	}
	e.touches = append(e.touches, t)
}

// join makes one touch of those of the same place.
func (e *event) join() {
	slices.SortFunc(e.touches, func(a, b touch) int {
		return cmp.Or(cmp.Compare(a.place.class, b.place.class), cmp.Compare(a.place.id, b.place.id))
	})
	joined := e.touches[:0]
	for _, t := range e.touches {
		if n := len(joined); n > 0 && joined[n-1].place == t.place {
			joined[n-1].reads |= t.reads
			joined[n-1].writes |= t.writes
		} else {
			joined = append(joined, t)
		}
	}
	e.touches = joined
}

// order is the events of one run with what happens before what: a vector clock
// an event. It keeps who touched which place, so that adding an event costs
// what conflicts with it and not the length of the run.
type order struct {
	threads int
	events  []*event
	byPlace map[place]*touchers
	own     [][]int // numbers of each thread's events
	wakers  []int   // numbers of the events that woke a thread
	// expiries are the numbers of the events behind which the clock moved by itself.
	expiries []int
}

// touchers are who touched a place, in the order of the run: those that wrote and
// those that read, an event that does both in both. They are kept apart because a
// thread that spins reads the same place again and again, and who reads it next
// need not go through all that.
type touchers struct{ writes, reads []toucher }

type toucher struct {
	number int
	touch
}

func newOrder(threads int) order {
	return order{threads: threads, byPlace: map[place]*touchers{}, own: make([][]int, threads)}
}

func (l *touchers) add(n int, t touch) {
	if t.writes != 0 {
		l.writes = append(l.writes, toucher{n, t})
	}
	if t.reads != 0 {
		l.reads = append(l.reads, toucher{n, t})
	}
}

// cut takes the last event off, which touched the place like this.
func (l *touchers) cut(t touch) {
	if t.writes != 0 {
		l.writes = l.writes[:len(l.writes)-1]
	}
	if t.reads != 0 {
		l.reads = l.reads[:len(l.reads)-1]
	}
}

// conflicting calls found with the numbers of the events that a touch conflicts
// with, the latest first, writes before reads, without those that are sure to
// happen before one of them.
func (l *touchers) conflicting(t touch, found func(int)) {
	hidden := -1 // the event that wrote all that t touches
	for i := len(l.writes) - 1; i >= 0; i-- {
		o := l.writes[i]
		if o.writes&(t.reads|t.writes) != 0 {
			found(o.number)
		}
		if o.hides(t) {
			hidden = o.number
			break
		}
	}
	if t.writes == 0 {
		return
	}
	for i := len(l.reads) - 1; i >= 0 && l.reads[i].number > hidden; i-- {
		if l.reads[i].reads&t.writes != 0 {
			found(l.reads[i].number)
		}
	}
}

// cut forgets all events from number n on.
func (r *order) cut(n int) {
	for len(r.events) > n {
		e := r.events[len(r.events)-1]
		r.events = r.events[:len(r.events)-1]
		for _, t := range e.touches {
			r.byPlace[t.place].cut(t)
		}
		r.own[e.Thread] = r.own[e.Thread][:len(r.own[e.Thread])-1]
		if len(e.Woke) > 0 {
			r.wakers = r.wakers[:len(r.wakers)-1]
		}
		if e.Expired {
			r.expiries = r.expiries[:len(r.expiries)-1]
		}
	}
}

// add appends an event and returns the numbers of those that it is in an
// immediate race with: dependent events of other threads with nothing in
// between that orders the two. A thread that was woken comes after its waker,
// and that is no race.
func (r *order) add(e *event) (races []int) {
	e.clock = make([]int, r.threads)
	for i := range e.clock {
		e.clock[i] = -1
	}
	for _, j := range r.candidates(e) {
		o := r.events[j]
		if e.clock[o.Thread] >= j {
			continue
		}
		if o.Thread != e.Thread && !slices.Contains(o.Woke, e.Thread) && !r.needed(j, e) && j > r.expired() {
			if k := r.raceOf(j, e); k >= 0 {
				races = append(races, k)
			}
		}
		for i, c := range o.clock {
			e.clock[i] = max(e.clock[i], c)
		}
	}
	n := len(r.events)
	e.clock[e.Thread] = n
	r.events = append(r.events, e)
	for _, t := range e.touches {
		l := r.byPlace[t.place]
		if l == nil {
			l = &touchers{}
			r.byPlace[t.place] = l
		}
		l.add(n, t)
	}
	r.own[e.Thread] = append(r.own[e.Thread], n)
	if len(e.Woke) > 0 {
		r.wakers = append(r.wakers, n)
	}
	if e.Expired {
		r.expiries = append(r.expiries, n)
	}
	return races
}

// needed tells whether a new event cannot be without event j.
func (r *order) needed(j int, e *event) bool {
	o := r.events[j]
	own := r.own[o.Thread]
	return own[len(own)-1] == j && slices.Contains(e.Needs, o.Thread)
}

// expired is the number of the latest event behind which nobody could run before the
// clock moved, -1 for none: nothing can come before what is in front of that.
func (r *order) expired() int {
	if n := len(r.expiries); n > 0 {
		return r.expiries[n-1]
	}
	return -1
}

// candidates are the numbers of the events that a new one directly depends on,
// latest first, without those that are sure to happen before one of them.
func (r *order) candidates(e *event) []int {
	if e.Ends {
		all := make([]int, len(r.events))
		for i := range all {
			all[i] = len(all) - 1 - i
		}
		return all
	}
	var list []int
	before := -1
	if own := r.own[e.Thread]; len(own) > 0 {
		before = own[len(own)-1]
		list = append(list, before)
	}
	for i := len(r.wakers) - 1; i >= 0 && r.wakers[i] > before; i-- {
		if slices.Contains(r.events[r.wakers[i]].Woke, e.Thread) {
			list = append(list, r.wakers[i])
		}
	}
	for _, t := range e.touches {
		if l := r.byPlace[t.place]; l != nil {
			l.conflicting(t, func(n int) {
				if r.events[n].Thread != e.Thread {
					list = append(list, n)
				}
			})
		}
	}
	for i := r.expired(); i > before; i-- {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b int) int { return b - a })
	return slices.Compact(list)
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
				initials = initials.with(o.Thread)
			}
		}
		seen = seen.with(o.Thread)
		v = append(v, k)
	}
	return v, initials
}
