package explore

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// found is what a search over events has found.
type found struct {
	traces uint64 // complete runs
	kinds  map[scenario.Kind]uint64
	// ends and visible count how often the race came out in each way; see
	// guest.end and guest.visible.
	ends, visible map[string]uint64
	// returned1 counts the runs in which the last thread's last call returned 1.
	returned1 uint64
}

func newFound() *found {
	return &found{kinds: map[scenario.Kind]uint64{}, ends: map[string]uint64{}, visible: map[string]uint64{}}
}

func (f *found) add(g *guest) {
	o, _ := g.s.Outcome()
	f.traces++
	f.ends[g.end()]++
	f.visible[g.visible()]++
	f.kinds[o.Kind]++
	results := g.s.Results(g.s.Threads() - 1)
	if n := len(results); n > 0 && uint32(results[n-1]) == 1 {
		f.returned1++
	}
}

// settled repeats a search until it learns no more about what is an event. Each time it
// has learned of a byte or a lock, of which there are only so many.
func settled(t *testing.T, g *guest, search func() *found) *found {
	t.Helper()
	for {
		known, bytes, locks := g.s.Grown(), sharedBytes(g), g.s.Grown()-g.s.Process().SharedGrown()
		must(t, g.s.Restart())
		f := search()
		if g.s.Grown() == known {
			return f
		}
		if found := g.s.Found(); !slices.Equal(found, g.s.Made()) {
			must(t, g.s.SetMade(found))
			continue
		}
		if sharedBytes(g) == bytes && g.s.Grown()-g.s.Process().SharedGrown() == locks {
			t.Fatal("nothing was learned, and the search is to be repeated all the same")
		}
	}
}

// sharedBytes is how many bytes are known to make events.
func sharedBytes(g *guest) (n int) {
	for _, mask := range g.s.SharedBytes() {
		n += bits.OnesCount8(mask)
	}
	return n
}

// explored is the search under test, with a look at the end of every run.
func explored(t *testing.T, g *guest) *found {
	t.Helper()
	return exploredEach(t, g, func() {})
}

// exploredEach calls a function at the end of every run, also of those runs that are
// made again because more bytes turned out to be shared.
func exploredEach(t *testing.T, g *guest, look func()) *found {
	t.Helper()
	return exploredUpTo(t, g, math.MaxUint64, look)
}

// exploredUpTo is exploredEach, but gives up after so many runs, and what it has found
// by then is not all.
func exploredUpTo(t *testing.T, g *guest, most uint64, look func()) *found {
	t.Helper()
	return exploredWithin(t, g, nil, most, look)
}

// exploredWithin is exploredUpTo with a bound of preemptions, if there is one.
func exploredWithin(t *testing.T, g *guest, within *budget, most uint64, look func()) *found {
	t.Helper()
	tooMany := errors.New("too many runs")
	return settled(t, g, func() *found {
		f := newFound()
		d := &subtree{s: g.s, keepGoing: true, known: g.s.Grown(), late: t.Context().Err, within: within}
		d.tick = func(int) error {
			if f.traces == most {
				return tooMany
			}
			f.add(g)
			look()
			return nil
		}
		err := d.search(&part{})
		if errors.Is(err, tooMany) {
			return f
		}
		if err != nil && !errors.Is(err, errGrown) {
			t.Fatal(err)
		}
		if d.total.Schedules != f.traces {
			t.Fatalf("%d schedules, but %d runs came to their end", d.total.Schedules, f.traces)
		}
		return f
	})
}

// step is an event as the oracles see it: they take from the explorer where an
// event ends, and find out from the machine's own log what it did.
type step struct {
	thread   int
	number   int // of the thread's events, from 0
	accesses []emu.LogEntry
	objects  []emu.Object
	ends     bool
	writes   bool        // counts as a write of all that it touched
	blocks   [][2]uint64 // that were freed or handed out, first and last byte
}

// step runs a thread's next event.
func (g *guest) step(t *testing.T, thread, number int) *step {
	t.Helper()
	g.blocks = nil
	e, err := g.s.RunEvent(thread)
	must(t, err)
	st := &step{thread: thread, number: number, objects: e.Objects, ends: g.s.Process().End() != nil, blocks: g.blocks}
	st.accesses = slices.Collect(g.s.Process().Log().Of(g.s.Process().Steps()).Backward())
	st.writes = g.exchangesWrite && len(st.accesses) > 0 && g.isExchange(st.accesses[0].PC)
	return st
}

// isExchange tells whether the instruction at pc is an atomic exchange: SWP of
// arm64, XCHG with memory of amd64.
func (g *guest) isExchange(pc uint64) bool {
	b, ok := g.s.Process().Read(pc, 4)
	if !ok {
		return false
	}
	if g.arch == loader.ARM64 {
		return binary.LittleEndian.Uint32(b)&0x3f20fc00 == 0x38208000
	}
	if b[0]&0xf0 == 0x40 { // REX
		b = b[1:]
	}
	return b[0] == 0x87
}

// changes tells whether an access is a store, other than one by which an atomic
// instruction puts back what it has read.
func (s *step) changes(a emu.LogEntry) bool {
	if a.Kind == emu.LogRead {
		return false
	}
	if s.writes {
		return true
	}
	putsBack := a.Kind == emu.LogWrite && a.Old == a.Value && slices.ContainsFunc(s.accesses, func(b emu.LogEntry) bool {
		return b.Kind == emu.LogRead && b.Addr == a.Addr && b.Size == a.Size
	})
	return !putsBack
}

// conflicts tells whether the order of two events matters.
func (s *step) conflicts(o *step) bool {
	if s.thread == o.thread || s.ends || o.ends {
		return true
	}
	for _, a := range s.accesses {
		for _, b := range o.accesses {
			apart := a.Addr+uint64(a.Size) <= b.Addr || b.Addr+uint64(b.Size) <= a.Addr
			if !apart && (s.changes(a) || o.changes(b)) {
				return true
			}
		}
	}
	if s.overlaps(o) || o.overlaps(s) {
		return true
	}
	return slices.ContainsFunc(s.objects, func(a emu.Object) bool {
		return slices.ContainsFunc(o.objects, func(b emu.Object) bool {
			return a.Class == b.Class && a.ID == b.ID && (a.Write || b.Write)
		})
	})
}

// overlaps tells whether a block of s has bytes that o touches.
func (s *step) overlaps(o *step) bool {
	return slices.ContainsFunc(s.blocks, func(a [2]uint64) bool {
		return slices.ContainsFunc(o.blocks, func(b [2]uint64) bool { return a[0] <= b[1] && b[0] <= a[1] }) ||
			slices.ContainsFunc(o.accesses, func(b emu.LogEntry) bool { return a[0] < b.Addr+uint64(b.Size) && b.Addr <= a[1] })
	})
}

// sleepSets is the oracle: every thread that can go on is tried everywhere, but
// not when its next event was tried before and nothing has happened since that
// it conflicts with (Godefroid, LNCS 1032). That runs one schedule of each
// trace to its end, without any notion of a race.
func sleepSets(t *testing.T, g *guest) *found {
	t.Helper()
	return settled(t, g, func() *found {
		f := newFound()
		var walk func(asleep map[int]*step)
		walk = func(asleep map[int]*step) {
			if _, over := g.s.Outcome(); over {
				f.add(g)
				return
			}
			g.branch(t, func(thread int) bool { return asleep[thread] == nil }, func(thread int) {
				st := g.step(t, thread, 0)
				still := map[int]*step{}
				for i, s := range asleep {
					if !s.conflicts(st) {
						still[i] = s
					}
				}
				walk(still)
				asleep[thread] = st
			})
		}
		walk(map[int]*step{})
		return f
	})
}

// branch goes on with each thread that can run and is wanted, from the present
// moment each time.
func (g *guest) branch(t *testing.T, wanted func(thread int) bool, goOn func(thread int)) {
	t.Helper()
	mark, err := g.s.Mark()
	must(t, err)
	defer mark.Drop()
	for thread := range g.s.Threads() {
		if !g.s.Runnable(thread) || !wanted(thread) {
			continue
		}
		goOn(thread)
		must(t, mark.Rewind())
	}
}

// sameWays tells whether two searches found the same ways to come out.
func sameWays(a, b map[string]uint64) bool {
	for k := range a {
		if b[k] == 0 {
			return false
		}
	}
	return len(a) == len(b)
}
