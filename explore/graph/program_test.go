package graph

import (
	"fmt"
	"slices"
	"strings"
)

// op is an access of a little program, or a barrier. An atomic read-modify-write is a read with Then.
type op struct {
	kind  byte // R, W or F
	cell  string
	value uint64
	attrs string // A, Q, L; of a barrier its name
	then  *op    // the write of an atomic read-modify-write
}

func rd(cells string, attrs ...string) op {
	return op{kind: 'R', cell: cells, attrs: strings.Join(attrs, "")}
}
func wr(cells string, v uint64, attrs ...string) op {
	return op{kind: 'W', cell: cells, value: v, attrs: strings.Join(attrs, "")}
}
func fence(name string) op { return op{kind: 'F', attrs: name} }
func rmw(r, w op) op       { r.then = &w; return r }

// dep is a dependency between ops of a thread.
type dep struct {
	thread, from, to int
	what             string // addr, data, ctrl
}

// little is a program whose threads run straight on. Each letter of a cell is a cell of its own: "xy" is one
// access to both.
type little struct {
	ops  [][]op
	deps []dep

	events [][]*Event
	found  map[string]int
	graphs []*Graph
}

func cellOf(letter byte) Cell { return Cell{At: uint64(letter), Size: 1} }

var fences = map[string]ItemKind{"mf": FenceFull, "dmb.sy": FenceFull, "dmb.ld": FenceLoad, "dmb.st": FenceStore, "isb": FenceISB}

func newLittle(ops [][]op, deps []dep) *little {
	p := &little{ops: ops, deps: deps, found: map[string]int{}}
	for t, list := range ops {
		number := make([]int, len(list)) // of each op's event
		var events []*Event
		var before []Item
		for i, o := range list {
			number[i] = len(events)
			var branch []int
			for _, d := range deps {
				if d.thread == t && d.to == i && d.what == "ctrl" {
					branch = append(branch, number[d.from])
				}
			}
			if branch != nil {
				before = append(before, Item{Kind: Branch, Reads: branch})
			}
			if o.kind == 'F' {
				before = append(before, Item{Kind: fences[o.attrs]})
				continue
			}
			e := &Event{Place: uint64(t*100 + i)}
			for _, d := range deps {
				if d.thread == t && d.to == i {
					switch d.what {
					case "addr":
						e.Addr = append(e.Addr, number[d.from])
					case "data":
						e.Data = append(e.Data, number[d.from])
					}
				}
			}
			e.Before, before = before, nil
			e.add(o)
			if o.then != nil {
				e.Atomic = true
				e.add(*o.then)
			}
			events = append(events, e)
		}
		p.events = append(p.events, events)
	}
	return p
}

func (e *Event) add(o op) {
	e.Acquire = e.Acquire || strings.Contains(o.attrs, "A")
	e.AcquirePC = e.AcquirePC || strings.Contains(o.attrs, "Q")
	e.Release = e.Release || strings.Contains(o.attrs, "L")
	for _, l := range []byte(o.cell) {
		if o.kind == 'R' {
			e.Reads = append(e.Reads, cellOf(l))
		} else {
			e.Writes = append(e.Writes, Write{cellOf(l), o.value})
		}
	}
}

func (p *little) Threads() int { return len(p.ops) }

func (p *little) Next(g *Graph, t int, sources []Ref) (Answer, error) {
	n := g.Events(t)
	if n == len(p.events[t]) {
		return Answer{Status: Ended}, nil
	}
	return Answer{Event: p.events[t][n]}, nil
}

func (p *little) Complete(g *Graph) error {
	p.found[key(g)]++
	p.graphs = append(p.graphs, g.Clone())
	return nil
}

// key tells graphs apart: rf and co.
func key(g *Graph) string {
	var b strings.Builder
	for t := range g.threads {
		for n := range g.threads[t] {
			fmt.Fprint(&b, g.Sources(t, n))
		}
	}
	cells := make([]Cell, 0, len(g.co))
	for c := range g.co {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b Cell) int { return int(a.At) - int(b.At) })
	for _, c := range cells {
		if len(g.co[c]) > 0 {
			fmt.Fprint(&b, c.At, g.co[c])
		}
	}
	return b.String()
}

// explored is the number of graphs of a program, and an error if one was come to twice.
func (p *little) explored(m Model) (int, error) {
	p.found, p.graphs = map[string]int{}, nil
	x := &Explorer{Program: p, Model: m}
	if err := x.Begin(New(p.Threads())); err != nil {
		return 0, err
	}
	if err := x.Run(func() error { return nil }); err != nil {
		return 0, err
	}
	for k, n := range p.found {
		if n > 1 {
			return 0, fmt.Errorf("%d times the graph %s", n, k)
		}
	}
	if int(x.Stats.Graphs) != len(p.found) {
		return 0, fmt.Errorf("%d graphs, counted as %d", len(p.found), x.Stats.Graphs)
	}
	return len(p.found), nil
}
