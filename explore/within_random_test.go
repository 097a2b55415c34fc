package explore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/scenario"
)

// withinSize says how much of a program is looked at.
type withinSize struct {
	most      int    // preemptions
	traces    uint64 // a search that has more is cut off
	schedules uint64 // as is the oracle, which may have so many
}

// ways are how a program comes out, and how many runs have shown it.
type ways struct {
	ends  map[string]bool
	runs  uint64
	whole bool
}

// withinBound is what the search under test finds with a bound.
func withinBound(t *testing.T, g *guest, tell func() string, most int, size withinSize) ways {
	t.Helper()
	g.s.ForgetShared()
	g.s.WantEvents(true)
	w := ways{ends: map[string]bool{}}
	f := exploredWithin(t, g, &budget{most}, size.traces, func() { w.ends[tell()] = true })
	w.runs, w.whole = f.traces, f.traces < size.traces
	return w
}

// everyInstruction is the oracle: it knows no events and preempts at every instruction. It adds
// the schedules with exactly so many preemptions to what it has found before.
func (w *ways) everyInstruction(t *testing.T, g *guest, tell func() string, exactly int, size withinSize) {
	t.Helper()
	g.s.WantEvents(false)
	for first := range g.s.Threads() {
		must(t, g.s.Restart())
		if !g.s.Runnable(first) {
			continue
		}
		var count atomic.Uint64
		count.Store(w.runs)
		v := &walker{ctx: t.Context(), s: g.s, keepGoing: true, level: exactly, count: &count, limit: size.schedules}
		v.inspect = func([]string, scenario.Schedule) ([]Problem, error) { return nil, nil }
		v.wanted = func(scenario.Outcome) bool { // asked of every run, since there is an inspection
			w.ends[tell()] = true
			return false
		}
		err := v.walk(first, exactly)
		w.runs = count.Load()
		if errors.Is(err, errBudget) {
			w.whole = false
			return
		}
		must(t, err)
	}
}

// withinCount is what was compared of programs.
type withinCount struct {
	programs, compared, telling int // bounds that were compared, and those that let more ends happen than the one before
	runs, of                    uint64
}

// add compares what a search with a bound of preemptions comes to with what all schedules with so many
// come to, for each bound for which these can be run.
func (c *withinCount) add(t *testing.T, g *guest, tell func() string, size withinSize, what, source string) {
	t.Helper()
	c.programs++
	if !withinBound(t, g, tell, size.most, size).whole { // which knows all threads that there can be
		return
	}
	every := ways{ends: map[string]bool{}, whole: true}
	before := 0
	for most := range size.most + 1 {
		every.everyInstruction(t, g, tell, most, size)
		if !every.whole {
			return
		}
		search := withinBound(t, g, tell, most, size)
		if !search.whole {
			return
		}
		c.compared++
		c.runs, c.of = c.runs+search.runs, c.of+every.runs
		if most > 0 && len(every.ends) > before {
			c.telling++
		}
		before = len(every.ends)
		missing, more := without(every.ends, search.ends), without(search.ends, every.ends)
		if len(missing)+len(more) > 0 {
			t.Errorf("%s (with -programs 1 nothing comes after it), %d preemptions: of %d ends %d runs miss\n%s\nand have, though there are none,\n%s\n%s",
				what, most, len(every.ends), search.runs, strings.Join(missing, "\n"), strings.Join(more, "\n"), source)
			return
		}
	}
}

// without is the ends that others do not have, in order.
func without(ends, others map[string]bool) (list []string) {
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		if !others[end] {
			list = append(list, end)
		}
	}
	return list
}

// tell says how much was compared, which is not to be too little.
func (c *withinCount) tell(t *testing.T, sys *emu.System, usual uint64) {
	t.Helper()
	t.Logf("%v: %d programs, %d bounds compared, %d that let more happen than the one before; %d runs in place of %d", sys.Arch, c.programs, c.compared, c.telling, c.runs, c.of)
	if usual >= batchSize && (c.compared < c.programs || c.telling < c.programs/12) {
		t.Errorf("too little was compared")
	}
}

// toldAll is told, but of a process that a signal has killed without what its thread's functions had returned: if
// the clock has sent it, that may be anywhere between two events.
func (g *guest) toldAll() string {
	if o, _ := g.s.Outcome(); o.Kind == scenario.Signal {
		return fmt.Sprint(o.Kind, " ", o.Thread, " ", *o.End)
	}
	return g.told()
}

// Random programs come out in the same ways within a bound of preemptions, whether classes of
// schedules are searched or all schedules are run, with preemptions at every instruction. -programs says how
// many.
func TestWithinRandom(t *testing.T) {
	const batch = batchSize
	count, size := uint64(40), withinSize{most: 3, traces: 6_000, schedules: 6_000}
	if testing.Short() {
		count, size = batch, withinSize{most: 2, traces: 3_000, schedules: 3_000}
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed, count := seedsOf(testseed.Of(t, 1), count, sys.Arch)
		var all withinCount
		for first := seed; first < seed+count; first += batch {
			n := min(batch, seed+count-first)
			begin, source := randomPrograms(t, sys, first, n)
			b := newProofBatch(t, sys.Arch, first, n)
			for s := first; s < first+n; s++ {
				g := begin(s)
				all.add(t, g, g.visible, size, fmt.Sprintf("accesses, seed %d", s), source(s))
				g = b.begin(t, s)
				all.add(t, g, g.toldAll, size, fmt.Sprintf("calls, seed %d", s), b.texts[s])
			}
			b.close()
		}
		all.tell(t, sys, count)
	})
}
