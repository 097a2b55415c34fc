package graph

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testseed"
)

// command is what a thread does next: r reads, w writes v and what it has read last, a adds v atomically, c puts v+1 for v,
// s leaves out the next command if it has read v, e ends if it reads v, o uses an object of the kernel's, m several of
// them, and what it has read last is then how, t waits for event N of thread T, p reads
// until it is v.
type command struct {
	k    byte
	cell uint64
	wide bool // both cells
	v    uint64
	T, N int
}

// ways of system calls to use objects.
var ways = []struct{ reads, writes []uint64 }{
	{[]uint64{0, 1}, []uint64{0, 1}}, {[]uint64{1, 0}, []uint64{1, 0}}, {[]uint64{1, 0, 2}, []uint64{0}},
	{[]uint64{0, 2}, nil}, {[]uint64{2, 1}, []uint64{1}}, {[]uint64{0}, []uint64{0}},
}

// scripts are the commands of threads. Other than a little program's they depend on what is read.
type scripts [][]command

// happened is an event with what it has read.
type happened struct {
	ev  *Event
	src []Ref
}

// nextOf goes through what a thread has done and tells what is next.
func nextOf(ops []command, hist []happened, val func(Ref, Cell) uint64, seen []Ref, done func(int, int) bool) Answer {
	pc, last := 0, uint64(0)
	i := 0
	for {
		if pc >= len(ops) {
			return Answer{Status: Ended}
		}
		o := ops[pc]
		cells := []Cell{{At: o.cell, Size: 1}}
		if o.wide {
			cells = []Cell{{At: 0, Size: 1}, {At: 1, Size: 1}}
		}
		if o.k == 's' {
			if last == o.v {
				pc++
			}
			pc++
			continue
		}
		var src []Ref
		fresh := i == len(hist)
		if !fresh {
			src = hist[i].src
		} else {
			src = seen
		}
		ev := &Event{}
		switch o.k {
		case 'r', 'p', 'e':
			ev.Reads = cells
		case 'w':
			for _, c := range cells {
				ev.Writes = append(ev.Writes, Write{c, o.v + last})
			}
		case 'a', 'c':
			ev.Reads, ev.Atomic = cells, true
		case 'o':
			c := Cell{Class: 1, At: o.cell}
			ev.Reads, ev.Writes, ev.Full = []Cell{c}, []Write{{Cell: c}}, true
		case 'm':
			way := ways[o.cell]
			for _, at := range way.reads {
				ev.Reads = append(ev.Reads, Cell{Class: 1, At: at})
			}
			for _, at := range way.writes {
				ev.Writes = append(ev.Writes, Write{Cell: Cell{Class: 1, At: at}})
			}
			ev.Full = true
		case 't':
			if fresh && !done(o.T, o.N) {
				return Answer{Status: Waits}
			}
			ev.After = []Ref{{o.T, o.N, -1}}
		}
		full := len(src) == len(ev.Reads)
		var vals []uint64
		if full && o.k == 'm' {
			vals = []uint64{0}
			for _, w := range src {
				vals[0] += uint64(w.Thread + 1) // it depends on who has used them
			}
		} else if full && o.k != 'o' {
			for j, c := range ev.Reads {
				vals = append(vals, val(src[j], c))
			}
			switch o.k {
			case 'a':
				for j, c := range cells {
					ev.Writes = append(ev.Writes, Write{c, vals[j] + o.v})
				}
			case 'c':
				if vals[0] == o.v {
					for _, c := range cells {
						ev.Writes = append(ev.Writes, Write{c, o.v + 1})
					}
				}
			case 'e':
				ev.Ends = vals[0] == o.v
			}
		}
		if fresh {
			if o.k == 'p' && i > 0 && hist[i-1].ev.Note == pc+1 && len(seen) == 0 {
				// has read before and not got it: a second same one goes round
				if i > 1 && hist[i-2].ev.Note == pc+1 && slices.Equal(hist[i-1].src, hist[i-2].src) {
					return Answer{Status: Rounds, Round: []int{i - 1}}
				}
			}
			ev.Note = pc + 1
			return Answer{Event: ev}
		}
		if o.k == 'e' && ev.Ends {
			return Answer{Status: Ended}
		}
		if len(vals) > 0 {
			last = 0
			for _, v := range vals {
				last += v
			}
		}
		i++
		if o.k == 'p' && vals[0] != o.v {
			continue
		}
		pc++
	}
}

// scriptRun explores scripts.
type scriptRun struct {
	p     scripts
	found map[string]int
	order []string
	check func(*Graph) error
}

func (x *scriptRun) Threads() int { return len(x.p) }
func (x *scriptRun) Next(g *Graph, t int, seen []Ref) (Answer, error) {
	// What a machine cannot come to, this one does not either.
	needs := g.Needs(t, seen)
	if g.Order(false, nil) == nil && g.Order(false, needs) == nil {
		return Answer{Status: Torn}, nil
	}
	for o := range g.Threads() {
		for n := range g.Events(o) {
			for _, w := range slices.Concat(g.Sources(o, n), g.Event(o, n).After, []Ref{{Thread: o, Number: n - 1}}) {
				if needs(ID{o, n}) && w.Number >= 0 && w != Init && w.Number < g.Events(w.Thread) && !needs(ID{w.Thread, w.Number}) {
					return Answer{}, fmt.Errorf("thread %d needs event %d of thread %d, which follows from %v", t, n, o, w)
				}
			}
		}
	}
	var h []happened
	for n := range g.Events(t) {
		h = append(h, happened{g.Event(t, n), g.Sources(t, n)})
	}
	return nextOf(x.p[t], h, func(w Ref, c Cell) uint64 {
		if w == Init {
			return 0
		}
		return g.Event(w.Thread, w.Number).Writes[w.Part].Value
	}, seen, func(t, n int) bool { return g.Events(t) > n }), nil
}
func (x *scriptRun) Complete(g *Graph) error {
	k := eventsKey(g)
	x.found[k]++
	x.order = append(x.order, k)
	if x.check != nil {
		return x.check(g)
	}
	return nil
}
func eventsKey(g *Graph) string {
	var ev [][]happened
	for t := range g.Threads() {
		var h []happened
		for n := range g.Events(t) {
			h = append(h, happened{g.Event(t, n), g.Sources(t, n)})
		}
		ev = append(ev, h)
	}
	return keyOf(ev, g.co)
}
func keyOf(ev [][]happened, co map[Cell][]Ref) string {
	var b strings.Builder
	for _, h := range ev {
		for _, e := range h {
			fmt.Fprint(&b, e.ev.Note, e.src, ";")
		}
		b.WriteString("|")
	}
	var cs []Cell
	for c, l := range co {
		if len(l) > 0 {
			cs = append(cs, c)
		}
	}
	slices.SortFunc(cs, func(a, b Cell) int { return int(a.Class*100+a.At) - int(b.Class*100+b.At) })
	for _, c := range cs {
		fmt.Fprint(&b, c, co[c])
	}
	return b.String()
}

// interleave is the oracle: the classes of all orders of the events under sequential consistency.
func (p scripts) interleave() (map[string]bool, int) {
	found, n := map[string]bool{}, 0
	seenState := map[string]bool{}
	ev := make([][]happened, len(p))
	co := map[Cell][]Ref{}
	last := func(c Cell) Ref {
		if l := co[c]; len(l) > 0 {
			return l[len(l)-1]
		}
		return Init
	}
	val := func(w Ref, c Cell) uint64 {
		if w == Init {
			return 0
		}
		return ev[w.Thread][w.Number].ev.Writes[w.Part].Value
	}
	done := func(t, n int) bool { return len(ev[t]) > n }
	var walk func()
	walk = func() {
		k := keyOf(ev, co)
		if seenState[k] {
			return
		}
		seenState[k] = true
		any, blocked := false, false
		for t := range p {
			a := nextOf(p[t], ev[t], val, nil, done)
			if a.Status == Rounds {
				for _, r := range a.Round {
					for j, c := range ev[t][r].ev.Reads {
						blocked = blocked || ev[t][r].src[j] != last(c)
					}
				}
			}
			if a.Status != Ready {
				continue
			}
			any = true
			var src []Ref
			for len(src) < len(a.Event.Reads) {
				src = append(src, last(a.Event.Reads[len(src)]))
				a = nextOf(p[t], ev[t], val, src, done)
			}
			ev[t] = append(ev[t], happened{a.Event, src})
			for j, w := range a.Event.Writes {
				co[w.Cell] = append(co[w.Cell], Ref{t, len(ev[t]) - 1, j})
			}
			walk()
			for _, w := range a.Event.Writes {
				co[w.Cell] = co[w.Cell][:len(co[w.Cell])-1]
			}
			ev[t] = ev[t][:len(ev[t])-1]
		}
		if !any && !blocked {
			found[k] = true
		}
		n++
	}
	walk()
	return found, n
}

func drawnScripts(r *rand.Rand, kinds string) scripts {
	p := make(scripts, 2+r.IntN(2))
	for t := range p {
		for range 1 + r.IntN(7-2*len(p)) {
			o := command{k: kinds[r.IntN(len(kinds))], cell: uint64(r.IntN(2)), v: uint64(r.IntN(2)) + 0}
			switch o.k {
			case 'w', 'a':
				o.v++
				o.wide = r.IntN(4) == 0
			case 'r', 'c':
				o.wide = r.IntN(4) == 0
			case 'p', 'e':
				o.v = 1
			case 'm':
				o.cell = uint64(r.IntN(len(ways)))
			case 't':
				o.T, o.N = r.IntN(len(p)), r.IntN(2)
				if o.T == t {
					o.k = 'r'
				}
			}
			p[t] = append(p[t], o)
		}
	}
	return p
}

func (p scripts) explore(m Model, cut int, check func(*Graph) error) (*scriptRun, Stats, error) {
	return p.exploreBy(m, cut, check, nil)
}

// exploreBy has what is left after a cut go through a function.
func (p scripts) exploreBy(m Model, cut int, check func(*Graph) error, via func(Program, *Graph) (*Graph, error)) (*scriptRun, Stats, error) {
	x := &scriptRun{p: p, found: map[string]int{}, check: check}
	var st Stats
	roots := []*Graph{New(len(p))}
	for len(roots) > 0 {
		e := &Explorer{Program: x, Model: m}
		g := roots[0]
		roots = roots[1:]
		if err := e.Begin(g); err != nil {
			return x, st, err
		}
		n := 0
		err := e.Run(func() error {
			if n++; cut > 0 && n > cut {
				return ErrStop
			}
			return nil
		})
		if errors.Is(err, ErrStop) {
			rest := e.Rest()
			for i := range rest {
				if via != nil {
					if rest[i], err = via(x, rest[i]); err != nil {
						return x, st, err
					}
				}
			}
			roots = append(rest, roots...)
		} else if err != nil {
			return x, st, err
		}
		st.Graphs += e.Stats.Graphs
		st.Blocked += e.Stats.Blocked
		st.Visits += e.Stats.Visits
	}
	return x, st, nil
}

// checkScripts compares random scripts: with the oracle under sequential consistency; cut in pieces and not; and that each model has
// the graphs of a stronger one.
func checkScripts(t *testing.T, kinds string, programs int) {
	t.Helper()
	if testing.Short() {
		programs /= 8
	}
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	bad, graphs := 0, 0
	for i := range programs {
		p := drawnScripts(r, kinds)
		want, _ := p.interleave()
		x, _, err := p.explore(SC, 0, nil)
		if err != nil {
			bad++
			t.Errorf("%d: %v %+v", i, err, p)
		}
		twice, extra, missing := 0, 0, 0
		for k, n := range x.found {
			if n > 1 {
				twice++
			}
			if !want[k] {
				extra++
			}
		}
		for k := range want {
			if x.found[k] == 0 {
				missing++
			}
		}
		graphs += len(want)
		if twice+extra+missing > 0 {
			bad++
			if bad < 4 {
				t.Errorf("%d: want %d, found %d: twice %d extra %d missing %d\n%+v", i, len(want), len(x.found), twice, extra, missing, p)
			}
		}
		for _, m := range Models() {
			y, _, _ := p.explore(m, 0, nil)
			z, _, err := p.explore(m, 1+r.IntN(5), nil)
			if err != nil || !slices.Equal(y.order, z.order) {
				t.Errorf("%d %s: cut: %v", i, m, err)
			}
			for k, n := range y.found {
				if n > 1 {
					bad++
					if bad < 4 {
						t.Errorf("%d %s twice %s %+v", i, m, k, p)
					}
				}
			}
			if m != SC {
				for k := range x.found {
					if y.found[k] == 0 {
						bad++
						if bad < 4 {
							t.Errorf("%d %s lacks an SC graph %+v", i, m, p)
						}
					}
				}
			}
		}
	}
	t.Logf("%q: %d programs, %d SC graphs, %d bad", kinds, programs, graphs, bad)
}

// TestScripts: plain accesses, atomic ones, the kernel's objects, threads that wait for another one's event, that end, and that go
// round.
func TestScripts(t *testing.T) {
	for name, kinds := range map[string]string{
		"plain": "rrwws", "atomic": "rwacs", "objects": "rwoo", "calls": "mmmrws", "more calls": "mmot", "after": "rwt", "ends": "rwwec", "rounds": "wwrp", "all": "rwwacsoeptm",
	} {
		t.Run(name, func(t *testing.T) { checkScripts(t, kinds, 400) })
	}
}

// TestOrders: the orders in which events can be run keep what they have to.
func TestOrders(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	for i := range 300 {
		p := drawnScripts(r, "rwwacsomt")
		for _, m := range Models() {
			_, _, err := p.explore(m, 0, func(g *Graph) error {
				strict := g.Order(m == SC, nil)
				for what, list := range map[string][]ID{"linear": g.Linear(), "strict": strict} {
					if len(list) != g.Size() {
						return fmt.Errorf("%s %s: %d of %d", what, m, len(list), g.Size())
					}
					pos := map[ID]int{}
					last := map[Cell]Ref{}
					for k, id := range list {
						pos[id] = k
						e := g.Event(id.Thread, id.Number)
						if id.Number > 0 && pos[ID{id.Thread, id.Number - 1}] >= k {
							return fmt.Errorf("po")
						}
						for _, a := range e.After {
							if q, ok := pos[ID{a.Thread, a.Number}]; !ok || q >= k {
								return fmt.Errorf("after")
							}
						}
						for j, c := range e.Reads {
							s := g.Sources(id.Thread, id.Number)[j]
							if s != Init {
								if q, ok := pos[ID{s.Thread, s.Number}]; !ok || q >= k {
									return fmt.Errorf("rf")
								}
							}
							now, ok := last[c]
							if !ok {
								now = Init
							}
							if (m == SC || c.Class > 0) && now != s {
								return fmt.Errorf("%s: %v reads %v, memory has %v", what, id, s, now)
							}
						}
						for j, w := range e.Writes {
							last[w.Cell] = Ref{id.Thread, id.Number, j}
						}
					}
					if m == SC {
						for c, l := range last {
							if g.Last(c) != l {
								return fmt.Errorf("%s: last of co", what)
							}
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("%d %s: %v %+v", i, m, err, p)
			}
		}
	}
}
