package explore

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"emurace/emu"
	"emurace/scenario"
)

// profile is what is known of a scenario from running its threads one after the
// other, in their order and in the reverse.
type profile struct {
	longest  uint64   // events of the longer run
	shortest uint64   // and of the shorter one
	aimed    uint64   // events of the search's aim, in the run that has more; 0 without an aim
	events   []uint64 // of each thread, of the run in which it has more
	// ranges has, for each range of bytes or object that was accessed and each
	// thread, the number of events in the run where that is higher.
	ranges    map[span][]uint64
	inAim     map[span]bool // of these, what an event of the aim has accessed
	locations []location    // those that several threads access
	pairs     uint64        // of all of them
	aimedAt   uint64        // and of those of the aim
}

// span is bytes from lo up to hi, or a kernel object of which lo is the number.
type span struct {
	class  emu.ObjectClass // 0 for memory
	lo, hi uint64
}

// location is a span that is accessed as one, a variable for instance: of ranges
// that overlap, their union.
type location struct {
	span
	events []uint64 // of each thread
	pairs  uint64   // of threads that access it
	aimed  bool     // events of the aim access it
}

func newProfile(threads int) *profile {
	return &profile{events: make([]uint64, threads), ranges: map[span][]uint64{}, inAim: map[span]bool{}}
}

// record runs the threads to their ends, one after the other, and notes what they
// access. One that waits is resumed as soon as it can be.
func (p *profile) record(r *run, reverse bool) error {
	seen := map[span][]uint64{}
	events := make([]uint64, len(p.events))
	aimed := uint64(0)
	for !r.over() {
		can := r.enabled()
		t := can.first()
		if reverse {
			t = can.last()
		}
		if clock := r.s.Clock(); t == clock && can != only(clock) {
			t = can.less(only(clock)).last() // it could go on for ever with who sleeps in a loop
		}
		e, err := r.step(t)
		if err != nil {
			return err
		}
		events[t]++
		is := r.aim != nil && r.aimed
		if is {
			aimed++
		}
		for _, s := range spans(&e) {
			if is {
				p.inAim[s] = true
			}
			if seen[s] == nil {
				seen[s] = make([]uint64, len(events))
			}
			seen[s][t]++
		}
	}
	if p.longest == 0 {
		p.shortest = r.events
	}
	p.longest, p.shortest = max(p.longest, r.events), min(p.shortest, r.events)
	p.aimed = max(p.aimed, aimed)
	raise(p.events, events)
	for s, counts := range seen {
		if p.ranges[s] == nil {
			p.ranges[s] = counts
		}
		raise(p.ranges[s], counts)
	}
	return nil
}

// raise makes no count lower than that of another run. A thread that comes to
// its end early takes no part in any draw, so counting too many does less harm
// than counting too few.
func raise(counts, other []uint64) {
	for t, n := range other {
		counts[t] = max(counts[t], n)
	}
}

// spans are what an event accesses, each once, in order. A system call that maps a
// library accesses some hundred thousand of them.
func spans(e *scenario.Event) []span {
	list := make([]span, 0, len(e.Accesses)+len(e.Objects))
	for _, a := range e.Accesses {
		list = append(list, span{0, a.Addr, a.Addr + a.Size})
	}
	for _, o := range e.Objects {
		list = append(list, span{o.Class, o.ID, o.ID + 1})
	}
	slices.SortFunc(list, compareSpans)
	return slices.Compact(list)
}

func compareSpans(a, b span) int {
	return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi))
}

// finish joins the ranges that overlap and keeps what several threads access.
func (p *profile) finish() {
	var all []location
	for s, counts := range p.ranges {
		all = append(all, location{span: s, events: counts, aimed: p.inAim[s]})
	}
	slices.SortFunc(all, func(a, b location) int { return compareSpans(a.span, b.span) })
	p.ranges, p.inAim = nil, nil
	for len(all) > 0 {
		l, n := all[0], 1
		l.events = slices.Clone(l.events)
		for ; n < len(all) && all[n].class == l.class && all[n].lo < l.hi; n++ {
			l.hi = max(l.hi, all[n].hi)
			l.aimed = l.aimed || all[n].aimed
			for t, count := range all[n].events {
				l.events[t] += count
			}
		}
		all = all[n:]
		threads := uint64(0)
		for _, count := range l.events {
			if count > 0 {
				threads++
			}
		}
		l.pairs = threads * (threads - 1) / 2
		if l.pairs > 0 {
			p.locations = append(p.locations, l)
			p.pairs += l.pairs
			if l.aimed {
				p.aimedAt += l.pairs
			}
		}
	}
}

// choose draws a location for the run, one of its aim if there is any.
func (r *run) choose() *location { return r.profile.choose(r.rand, r.aim != nil) }

// choose draws a location, with a chance that follows how many pairs of threads
// meet there; nil when there is none. With aimed it is one of the aim, if there is any.
func (p *profile) choose(random *rand.Rand, aimed bool) *location {
	all := p.pairs
	if aimed = aimed && p.aimedAt > 0; aimed {
		all = p.aimedAt
	}
	if all == 0 {
		return nil
	}
	n := random.Uint64N(all)
	for i := range p.locations {
		l := &p.locations[i]
		if aimed && !l.aimed {
			continue
		}
		if n < l.pairs {
			return l
		}
		n -= l.pairs
	}
	return nil
}

// count is how many events of each thread touch a location, or with nil how many
// it has in all, in a slice of the caller's own.
func (p *profile) count(l *location) []uint64 {
	if l == nil {
		return slices.Clone(p.events)
	}
	return slices.Clone(l.events)
}

// touchedBy tells whether an event accesses the location; nil is accessed by all.
func (l *location) touchedBy(e *scenario.Event) bool {
	if l == nil {
		return true
	}
	for _, a := range e.Accesses {
		if l.class == 0 && a.Addr < l.hi && l.lo < a.Addr+a.Size {
			return true
		}
	}
	for _, o := range e.Objects {
		if o.Class == l.class && o.ID == l.lo {
			return true
		}
	}
	return false
}
