package graph

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"emurace/internal/testseed"
)

// allTurns are the ways to draw threads.
var allTurns = []Turns{Uniform, Priorities, EventOrder}

// draw walks until done, or so many times at most, in all ways in turn.
func draw(r *rand.Rand, p Program, m Model, most int, done func() bool) (int, error) {
	var s Sizes
	for i := range most {
		if done() {
			return i, nil
		}
		w := &Walk{Program: p, Model: m, Draws: NewChance(r, allTurns[i%len(allTurns)], p.Threads(), 3, s)}
		if err := w.Run(func() error { return nil }); err != nil && !errors.Is(err, ErrTorn) && !errors.Is(err, ErrDead) {
			return i, err
		}
		s = s.Of(w)
	}
	return most, nil
}

// checkDrawn compares the graphs that many walks come to with those that are gone through.
func (p *little) checkDrawn(t *testing.T, r *rand.Rand, name string, m Model, most int) {
	t.Helper()
	n, err := p.explored(m)
	if err != nil {
		t.Fatalf("%s under %s: %v", name, m, err)
	}
	all := p.found
	p.found, p.graphs = map[string]int{}, nil
	_, err = draw(r, p, m, most, func() bool { return len(p.found) >= n })
	if err != nil || len(p.found) != n {
		t.Errorf("%s under %s: %d graphs drawn, want %d (%v)\n%+v\n%+v", name, m, len(p.found), n, err, p.ops, p.deps)
	}
	for k := range p.found {
		if all[k] == 0 {
			t.Errorf("%s under %s: a graph that there is not: %s", name, m, k)
		}
	}
	for _, g := range p.graphs {
		if !g.Consistent(m) {
			t.Errorf("%s under %s: %s is not consistent", name, m, key(g))
		}
	}
}

// TestWalkTable: walks come to all graphs of the litmus tests, and to no others.
func TestWalkTable(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	for _, row := range tableRows() {
		for _, m := range Models() {
			newLittle(row.ops, row.deps).checkDrawn(t, r, row.name, m, 20_000)
		}
	}
}

// TestWalkBrute: of random programs too.
func TestWalkBrute(t *testing.T) {
	programs := 200
	if testing.Short() {
		programs = 40
	}
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	for i := range programs {
		p := drawn(r, i%4 == 3)
		for _, m := range Models() {
			p.checkDrawn(t, r, fmt.Sprint("program ", i), m, 50_000)
		}
	}
}

// TestWalkScripts: of random scripts that go round, wait, end and use objects walks come to all graphs in which the uses
// of objects fit in program order and rf, and to no others.
func TestWalkScripts(t *testing.T) {
	programs := 60
	if testing.Short() {
		programs = 12
	}
	for name, kinds := range map[string]string{
		"plain": "rrwws", "atomic": "rwacs", "objects": "rwoo", "after": "rwt", "ends": "rwwec", "rounds": "wwrp", "all": "rwwacsoept", "calls": "mmrws",
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
			for i := range programs {
				p := drawnScripts(r, kinds)
				for _, m := range Models() {
					want := map[string]bool{}
					x, _, err := p.explore(m, 0, func(g *Graph) error {
						if g.Order(false, nil) != nil {
							want[eventsKey(g)] = true
						}
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					y := &scriptRun{p: p, found: map[string]int{}, check: func(g *Graph) error {
						if !g.Consistent(m) || g.split() {
							return fmt.Errorf("not consistent: %s", eventsKey(g))
						}
						return nil
					}}
					_, err = draw(r, y, m, 50_000, func() bool { return len(y.found) >= len(want) })
					missing := 0
					for k := range want {
						if y.found[k] == 0 {
							missing++
						}
					}
					for k := range y.found {
						if x.found[k] == 0 {
							t.Errorf("%d under %s: a graph that there is not: %s\n%+v", i, m, k, p)
						}
					}
					if err != nil || missing > 0 {
						t.Errorf("%d under %s: %d of %d graphs not drawn (%v)\n%+v", i, m, missing, len(want), err, p)
					}
				}
			}
		})
	}
}
