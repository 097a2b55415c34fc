package graph

import "testing"

// fixed is a program whose threads have these events, whatever they read.
type fixed struct {
	ev [][]*Event
	gs []*Graph
}

func (f *fixed) Threads() int { return len(f.ev) }
func (f *fixed) Next(g *Graph, t int, _ []Ref) (Answer, error) {
	if n := g.Events(t); n < len(f.ev[t]) {
		return Answer{Event: f.ev[t][n]}, nil
	}
	return Answer{Status: Ended}, nil
}
func (f *fixed) Complete(g *Graph) error { f.gs = append(f.gs, g.Clone()); return nil }
func (f *fixed) run(m Model, b ...Barrier) Stats {
	f.gs = nil
	x := &Explorer{Program: f, Model: m, Barriers: b}
	if err := x.Begin(New(len(f.ev))); err != nil {
		panic(err)
	}
	if err := x.Run(func() error { return nil }); err != nil {
		panic(err)
	}
	return x.Stats
}

var cx, cy = Cell{At: 'x', Size: 1}, Cell{At: 'y', Size: 1}

// TestSilentAtomic: an atomic instruction that leaves what it has read orders an acquire read behind it, as if it had written it.
// T0: y=1; dmb sy; x=1.  T1: silent atomic of x (no acquire); ldar x; ldr y.
// x=1 seen by the atomic: W x -> rmw.R -> (rmw;rfi;[A]) ldar -> ldr y. y=0 is forbidden, with the silent write and without it.
func TestSilentAtomic(t *testing.T) {
	f := &fixed{ev: [][]*Event{
		{{Writes: []Write{{cy, 1}}}, {Writes: []Write{{cx, 1}}, Order: Order{Before: []Item{{Kind: FenceFull}}}}},
		{{Reads: []Cell{cx}, Order: Order{Atomic: true}}, {Reads: []Cell{cx}, Order: Order{Acquire: true}}, {Reads: []Cell{cy}}},
	}}
	f.run(ARM)
	for _, g := range f.gs {
		if g.Sources(1, 0)[0] != Init && g.Sources(1, 1)[0] != Init && g.Sources(1, 2)[0] == Init {
			t.Error("forbidden graph is explored: silent rmw x=1, ldar x=1, ldr y=0")
		}
	}
}

// TestMissing: three threads that each store and look at the next one need three barriers, which are found also where each has more
// accesses.
func TestMissing(t *testing.T) {
	for _, extra := range []int{0, 4, 10, 40} {
		pad := func(t0 uint64, n int) (l []*Event) {
			for i := range n {
				l = append(l, &Event{Reads: []Cell{{At: 1000 + t0*1000 + uint64(i), Size: 1}}, Order: Order{Torn: false}, Place: t0*1000 + uint64(i)})
			}
			return l
		}
		// three-thread store buffering needs 3 full barriers
		mk := func(t0 uint64, w, r Cell) []*Event {
			return append(pad(t0, extra), &Event{Writes: []Write{{w, 1}}, Place: t0*1000 + 500}, &Event{Reads: []Cell{r}, Place: t0*1000 + 501})
		}
		cz := Cell{At: 'z', Size: 1}
		f := &fixed{ev: [][]*Event{mk(1, cx, cy), mk(2, cy, cz), mk(3, cz, cx)}}
		f.run(ARM)
		var bad []*Graph
		for _, g := range f.gs {
			k := 0
			for t := range 3 {
				if g.Sources(t, extra+1)[0] == Init {
					k++
				}
			}
			if k == 3 {
				bad = append(bad, g)
			}
		}
		set, fewest := Missing(bad, ARM)
		t.Logf("%d accesses more: %v, the fewest: %v", extra, set, fewest)
		if len(set) != 3 || !fewest && extra == 0 {
			t.Errorf("%d accesses more: %d barriers, want 3", extra, len(set))
		}
		if set != nil {
			f.run(ARM, set...)
			for _, g := range f.gs {
				if g.Sources(0, extra+1)[0] == Init && g.Sources(1, extra+1)[0] == Init && g.Sources(2, extra+1)[0] == Init {
					t.Errorf("%d accesses more: it is explored with the barriers", extra)
				}
			}
		}
	}
}
