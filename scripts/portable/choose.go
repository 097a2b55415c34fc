package portable

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
)

// candidate is a run that may do in place of a segment.
type candidate struct {
	run    Run
	cost   int // how much it says about this build: the less the better
	events int // the thread has had when it stops
	note   string
}

// What words cost. A word for which another build needs other luck costs more: an
// access that is not the first of its kind, since compilers load a variable once
// or twice; a place at the very edge of those that will do.
const (
	costEnd      = 5  // as long as the thread can run
	costReturns  = 10 // from an exported function
	costCalls    = 12
	costWrites   = 14 // of an exported variable
	costReads    = 15
	costPointed  = 1  // beyond these, of what an exported pointer points to
	costFar      = 20 // and at most, of what is far from it
	costInternal = 30 // beyond these, of what is not exported
	costReserved = 8  // and of a function whose name is the library's own, though exported
	costBuiltin  = 15 // and of one that compilers call, or do without, as they like
	costPlace    = 80
	costAddress  = 90
	costCount    = 120
)

// builtins are functions that GCC knows the meaning of: where a library's code names
// one, there may be instructions in its place or a call of another one, and there are
// calls of some that no code names. So which of them a library calls is not the same on
// two processors.
var builtins = map[string]bool{
	"memchr": true, "memcmp": true, "memcpy": true, "memmove": true, "mempcpy": true, "memset": true,
	"stpcpy": true, "stpncpy": true, "strcat": true, "strchr": true, "strcmp": true, "strcpy": true, "strcspn": true,
	"strlen": true, "strncat": true, "strncmp": true, "strncpy": true, "strnlen": true, "strpbrk": true, "strrchr": true,
	"strspn": true, "strstr": true,
}

// choose finds the run for the first of some segments, the runs before it given.
func (d *describer) choose(runs []Run, segments []segment) (Run, error) {
	g := segments[0]
	lo, hi, err := d.room(runs, segments)
	if err != nil {
		return Run{}, err
	}
	t, err := d.play(runs)
	if err != nil {
		return Run{}, err
	}
	w, err := d.walk(t, g.thread, hi)
	if err != nil {
		return Run{}, err
	}
	f := &finder{d: d, trail: w, thread: d.s.ScheduleNames()[g.thread], want: g.upTo, lo: lo, hi: hi}
	if err := f.find(runs, g); err != nil {
		return Run{}, err
	}
	slices.SortStableFunc(f.found, func(a, b candidate) int { return cmp.Compare(a.cost, b.cost) })
	const mostTries = 60
	for k, c := range f.found {
		if c.cost < costPlace && (k >= mostTries || d.spent > maxSpent) {
			continue
		}
		ok, err := d.after(append(slices.Clone(runs), c.run), segments[1:])
		if err != nil {
			return Run{}, err
		}
		if !ok {
			continue
		}
		number := len(runs) + 1
		if c.events != g.upTo {
			d.note("Run %d stops where %s has had %d events, not %d as in the schedule: it ends the same with %d to %d.",
				number, f.thread, c.events, g.upTo, lo, hi)
		}
		if c.note != "" {
			d.note("Run %d: %s", number, c.note)
		}
		return c.run, nil
	}
	return Run{}, fmt.Errorf("describe: no condition stops %s behind its event %d", f.thread, g.upTo)
}

// room is the least and the most events after which the first segment can end with
// the same outcome.
func (d *describer) room(runs []Run, segments []segment) (lo, hi int, err error) {
	g := segments[0]
	lo, hi = g.upTo, g.upTo
	if !d.free {
		return lo, hi, nil
	}
	t, err := d.play(runs)
	if err != nil {
		return 0, 0, err
	}
	had := t.counts[g.thread]
	does := func(upTo int) bool {
		if err != nil || d.spent > maxSpent || upTo <= had {
			return false
		}
		other := slices.Clone(segments)
		other[0].upTo = upTo
		var ok bool
		ok, err = d.after(runs, other)
		return ok
	}
	const far = 100
	for lo > g.upTo-far && does(lo-1) {
		lo--
	}
	for hi < g.upTo+far && does(hi+1) {
		hi++
	}
	return lo, hi, err
}

// finder gathers candidates on a trail.
type finder struct {
	d            *describer
	trail        *trail
	thread       string
	want, lo, hi int // events
	pointers     []pointer
	found        []candidate
}

// margin is how far a moment of the trail is away from the next one at which it would not
// do to stop, in stretches of 16 instructions.
func (f *finder) margin(k int) int {
	const stretch = 16
	first, last := k, k
	for first > 1 && f.trail.moments[first-1].events >= f.lo {
		first--
	}
	for last+1 < len(f.trail.moments) && f.trail.moments[last+1].events <= f.hi {
		last++
	}
	return min(k-first, last-k) / stretch
}

// add adds a candidate; short is what it costs more where there is no margin at all.
func (f *finder) add(u Until, hit, k, cost, perHit, short int, note string) {
	events := f.trail.moments[k].events
	cost += perHit * min(hit-1, 4)
	if f.d.free {
		m := f.margin(k)
		cost += max(0, short*(3-m)/3) + (16-min(m, 16))/4
	}
	if events != f.want {
		cost++
	}
	f.found = append(f.found, candidate{run: Run{Thread: f.thread, Until: u, Hit: hit}, cost: cost, events: events, note: note})
}

// find looks at every moment of the trail at which it will do to stop.
func (f *finder) find(runs []Run, g segment) error {
	f.findPointers()
	f.calls()
	inside := func(k int) bool { n := f.trail.moments[k].events; return n >= f.lo && n <= f.hi }
	for k := 1; k < len(f.trail.moments); k++ {
		if inside(k) {
			f.accesses(k)
		}
	}
	if last := len(f.trail.moments) - 1; f.trail.ended && inside(last) {
		f.found = append(f.found, candidate{run: Run{Thread: f.thread}, cost: costEnd, events: f.trail.moments[last].events})
	}
	f.places()
	t, err := f.d.play(runs)
	if err != nil {
		return err
	}
	from := f.d.s.Steps()
	if err := f.d.run(t, []segment{g}); err != nil {
		return err
	}
	f.found = append(f.found, candidate{
		run: Run{Thread: f.thread, N: f.d.s.Steps() - from}, cost: costCount, events: g.upTo,
		note: "it counts instructions, which are others and not as many on another build.",
	})
	return nil
}

// calls adds the calls and returns of functions.
func (f *finder) calls() {
	open := slices.Clone(f.trail.begun)
	top := f.trail.top
	entered, left := map[uint64]int{}, map[uint64]int{}
	for k, m := range f.trail.moments {
		usable := k > 0 && m.events >= f.lo && m.events <= f.hi
		var over []uint64
		if k > 0 && f.trail.before(k).returned {
			over, open, top = []uint64{top}, nil, m.pc
		} else if k > 0 {
			here := openCall{m.pc, m.sp}
			for _, o := range open {
				if o.call == here {
					over = appendNew(over, o.entry)
				}
			}
			open = slices.DeleteFunc(open, func(o openFunction) bool { return o.call == here })
		}
		for _, entry := range over {
			left[entry]++
			if sym, cost, note := f.d.functionAt(entry); usable && sym.Name != "" {
				f.add(Returns{sym}, left[entry], k, costReturns+cost, 6, 4, note)
			}
		}
		if k > 0 {
			entered[m.pc]++
		}
		if m.end == 0 {
			continue
		}
		if sym, cost, note := f.d.functionAt(m.pc); usable && sym.Name != "" {
			f.add(Calls{Func: sym}, entered[m.pc], k, costCalls+cost, 6, 4, note)
		}
		if begins := (openFunction{m.pc, openCall{m.ret, m.end}}); m.pc != top && !slices.Contains(open, begins) {
			open = append(open, begins)
		}
	}
}

// topEntry is the function that the scenario calls on a thread now, 0 for none.
func (d *describer) topEntry(thread int) uint64 {
	results := d.s.Results(thread)
	call, ok, err := d.s.Body(thread).Next(results)
	if !ok || err != nil {
		return 0
	}
	if call.Addr != 0 {
		return call.Addr
	}
	addr, err := d.s.Process().Lookup(call.Func)
	if err != nil {
		return 0
	}
	return addr
}

// functionAt is the name of the function that begins at an address, none when the
// name does not lead there, and what the name costs more than an exported one's.
func (d *describer) functionAt(entry uint64) (sym Symbol, cost int, note string) {
	d.p.names.eachCall(func(c callOf) {
		if c.Addr == entry && c.Addr != 0 {
			sym.Name = c.Func
		}
	})
	if sym.Name == "" {
		mod, ok := d.s.Process().Module(entry)
		if !ok {
			return sym, 0, ""
		}
		s, off, ok := mod.Image.SymbolAt(entry - mod.Base)
		if !ok || off != 0 {
			return sym, 0, ""
		}
		sym.Name = stem(s.Name)
		if name := d.p.names.chosenName(entry); name != "" {
			sym.Name = name
		}
		switch {
		case strings.HasPrefix(sym.Name, emu.RoutinePrefix):
		case sym.Name == stem(s.Name) && !public(s):
			cost = costInternal
			note = fmt.Sprintf("no library exports %s; another build may have no function of this name.", sym.Name)
		case builtins[sym.Name]:
			cost = costBuiltin
		case strings.HasPrefix(sym.Name, "_"):
			cost = costReserved
		}
	}
	if _, err := ParseSymbol(sym.Name); err != nil {
		return Symbol{}, 0, ""
	}
	if fn, err := d.p.names.function(sym); err != nil || !slices.Contains(fn.entries, entry) {
		return Symbol{}, 0, ""
	}
	return sym, cost, note
}

// places adds the instructions at which the thread can stand behind the last event:
// the one that it comes to for the first time, if there is one.
func (f *finder) places() {
	const most = 64
	seen := map[uint64]int{}
	best := -1
	hits := 0
	tried := 0
	for k, m := range f.trail.moments {
		if k == 0 {
			continue
		}
		seen[m.pc]++
		if m.events == f.want && tried < most {
			if tried++; best < 0 || seen[m.pc] < hits {
				best, hits = k, seen[m.pc]
			}
		}
	}
	if best < 0 {
		return
	}
	pc := f.trail.moments[best].pc
	at, cost := Place{Addr: pc}, costAddress
	note := "it stops at an address, where another build has something else."
	if entry, ok := f.d.entryOf(pc); ok {
		if sym, _, _ := f.d.functionAt(entry); sym.Name != "" {
			at, cost = Place{Symbol: sym, Off: pc - entry}, costPlace
			note = fmt.Sprintf("it stops at an instruction of %s, and another build has another one there.", sym.Name)
		}
	}
	f.found = append(f.found, candidate{run: Run{Thread: f.thread, Until: At{at}, Hit: hits}, cost: cost, events: f.want, note: note})
}
