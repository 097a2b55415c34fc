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

// compareWithin says in what a search with a bound of preemptions comes out differently from all
// schedules with so many, for each bound for which these can be run; how many bounds that
// were, and how many of them were in the way of something.
func compareWithin(t *testing.T, g *guest, tell func() string, size withinSize) (compared, telling int, runs, of uint64, err error) {
	t.Helper()
	if !withinBound(t, g, tell, size.most, size).whole { // which knows all threads that there can be
		return 0, 0, 0, 0, nil
	}
	every := ways{ends: map[string]bool{}, whole: true}
	before := 0
	for most := range size.most + 1 {
		every.everyInstruction(t, g, tell, most, size)
		if !every.whole {
			break
		}
		search := withinBound(t, g, tell, most, size)
		if !search.whole {
			break
		}
		compared++
		runs, of = runs+search.runs, of+every.runs
		for _, d := range []struct {
			what      string
			have, not map[string]bool
		}{{"misses", every.ends, search.ends}, {"has too many", search.ends, every.ends}} {
			var list []string
			for end := range d.have {
				if !d.not[end] && !strings.HasPrefix(end, string(scenario.Livelock)) {
					list = append(list, end)
				}
			}
			if len(list) > 0 {
				slices.Sort(list)
				return compared, telling, runs, of, fmt.Errorf("with %d preemptions the search %s, with %d runs, of %d ends:\n%s\nin all it has\n%s", most, d.what, search.runs, len(every.ends), strings.Join(list, "\n"),
					strings.Join(slices.Sorted(maps.Keys(search.ends)), "\n"))
			}
		}
		if most > 0 && len(every.ends) > before {
			telling++ // the bound before has left something out
		}
		before = len(every.ends)
	}
	return compared, telling, runs, of, nil
}

// Random programs come out in the same ways within a bound of preemptions, whether classes of
// schedules are searched or all schedules are run, with preemptions at every instruction. -programs says how
// many.
func TestWithinRandom(t *testing.T) {
	const batch = batchSize
	count, size := uint64(60), withinSize{most: 3, traces: 6_000, schedules: 6_000}
	if testing.Short() {
		count, size = batch, withinSize{most: 2, traces: 3_000, schedules: 3_000}
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 1)
		var compared, telling int
		var runs, of uint64
		add := func(s uint64, source string, what string, g *guest, tell func() string) {
			c, n, r, o, err := compareWithin(t, g, tell, size)
			compared, telling, runs, of = compared+c, telling+n, runs+r, of+o
			if err != nil {
				t.Errorf("%s, seed %d (with -programs 1 nothing comes after it): %v\n%s", what, s, err, source)
			}
		}
		for first := seed; first < seed+count; first += batch {
			n := min(batch, seed+count-first)
			begin, source := randomPrograms(t, sys, first, n)
			b := newProofBatch(t, sys.Arch, first, n)
			for s := first; s < first+n; s++ {
				g := begin(s)
				add(s, source(s), "accesses", g, g.visible)
				p := b.begin(t, s)
				add(s, b.texts[s], "calls", p, p.told)
			}
			b.close()
		}
		t.Logf("%v: %d programs from seed %d on, %d bounds compared, %d that leave something out; %d runs in place of %d", sys.Arch, 2*count, seed, compared, telling, runs, of)
		if *programs == 0 && (uint64(compared) < 3*count || uint64(telling) < count/2) {
			t.Errorf("too little was compared")
		}
	})
}
