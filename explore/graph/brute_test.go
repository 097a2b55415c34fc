package graph

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testseed"
)

// The oracle: every rf and every co of a little program, each tested by the axioms as they are written, with
// all edges of all relations and a transitive closure. It has nothing of the explorer's.

// act is an access of one cell.
type act struct {
	thread, op int // op counts the ops of the thread
	then       bool
	write      bool
	cell       byte
}

// relation is edges among n things.
type relation struct{ reach [][]bool }

func newRelation(n int) *relation {
	r := &relation{make([][]bool, n)}
	for i := range r.reach {
		r.reach[i] = make([]bool, n)
	}
	return r
}

func (r *relation) add(a, b int) { r.reach[a][b] = true }

func (r *relation) acyclic() bool {
	n := len(r.reach)
	for k := range n {
		for i := range n {
			if r.reach[i][k] {
				for j := range n {
					r.reach[i][j] = r.reach[i][j] || r.reach[k][j]
				}
			}
		}
	}
	for i := range n {
		if r.reach[i][i] {
			return false
		}
	}
	return true
}

// brute counts the consistent graphs of a program in which program order and rf have no cycle.
type brute struct {
	p     *little
	m     Model
	acts  []act
	rf    []int          // by act, of reads: the write, -1 for what there was at first
	co    map[byte][]int // acts in order
	count int
}

func (p *little) brute(m Model) int {
	b := &brute{p: p, m: m, co: map[byte][]int{}}
	for t, list := range p.ops {
		for i, o := range list {
			for _, part := range []struct {
				o    *op
				then bool
			}{{&o, false}, {o.then, true}} {
				if part.o == nil || part.o.kind == 'F' {
					continue
				}
				for _, c := range []byte(part.o.cell) {
					b.acts = append(b.acts, act{t, i, part.then, part.o.kind == 'W', c})
				}
			}
		}
	}
	b.rf = make([]int, len(b.acts))
	b.choose(0)
	return b.count
}

// choose takes the sources of reads, and then the orders of writes.
func (b *brute) choose(i int) {
	if i == len(b.acts) {
		b.order(0)
		return
	}
	if b.acts[i].write {
		b.choose(i + 1)
		return
	}
	for w := -1; w < len(b.acts); w++ {
		if w < 0 || b.acts[w].write && b.acts[w].cell == b.acts[i].cell {
			b.rf[i] = w
			b.choose(i + 1)
		}
	}
}

func (b *brute) order(i int) {
	if i == len(b.acts) {
		if b.consistent() {
			b.count++
		}
		return
	}
	if !b.acts[i].write {
		b.order(i + 1)
		return
	}
	c := b.acts[i].cell
	was := b.co[c]
	for k := range len(was) + 1 {
		b.co[c] = slices.Insert(slices.Clone(was), k, i)
		b.order(i + 1)
	}
	b.co[c] = was
}

func (b *brute) opOf(a act) op {
	o := b.p.ops[a.thread][a.op]
	if a.then {
		return *o.then
	}
	return o
}

// po tells whether one access comes before another one in program order, those of one op being at once but for the
// write of a read-modify-write.
func po(a, b act) bool {
	return a.thread == b.thread && (a.op < b.op || a.op == b.op && !a.then && b.then)
}

// one is the number of the access that an act is a part of.
func (b *brute) one(i int) int {
	for k, a := range b.acts {
		if x := b.acts[i]; a.thread == x.thread && a.op == x.op && a.then == x.then {
			return k
		}
	}
	return i
}

func (b *brute) consistent() bool {
	n := len(b.acts)
	place := make([]int, n)
	for _, list := range b.co {
		for k, i := range list {
			place[i] = k
		}
	}
	before := func(w, x int) bool { return w < 0 || place[w] < place[x] } // co, of one cell
	fr := func(r, w int) bool {
		return !b.acts[r].write && b.acts[w].write && b.acts[r].cell == b.acts[w].cell && b.rf[r] != w && before(b.rf[r], w)
	}
	coherent, causal, order := newRelation(n), newRelation(n), newRelation(n)
	for i, x := range b.acts {
		for j, y := range b.acts {
			same := x.cell == y.cell
			reads := !y.write && b.rf[j] == i
			coBefore := same && x.write && y.write && i != j && before(i, j)
			if po(x, y) {
				causal.add(b.one(i), b.one(j))
			}
			if reads {
				causal.add(b.one(i), b.one(j))
			}
			if same && po(x, y) || reads || coBefore || fr(i, j) {
				coherent.add(i, j)
			}
			if x.thread != y.thread && (reads || coBefore || fr(i, j)) || b.m == SC && (po(x, y) || reads || coBefore || fr(i, j) && b.one(i) != b.one(j)) || b.m != SC && b.local(i, j) {
				if b.one(i) == b.one(j) {
					if reads || coBefore {
						return false
					}
					continue
				}
				order.add(b.one(i), b.one(j))
			}
		}
	}
	// Nothing comes between the two of an atomic read-modify-write.
	for i, x := range b.acts {
		for j, y := range b.acts {
			if x.thread == y.thread && x.op == y.op && !x.write && y.then && x.cell == y.cell {
				for k, z := range b.acts {
					if z.thread != x.thread && fr(i, k) && before(k, j) {
						return false
					}
				}
			}
		}
	}
	return coherent.acyclic() && causal.acyclic() && order.acyclic()
}

// between are the barriers between two accesses of a thread.
func (b *brute) between(x, y act) (list []string) {
	for _, o := range b.p.ops[x.thread][x.op:y.op] {
		if o.kind == 'F' {
			list = append(list, o.attrs)
		}
	}
	return list
}

func (b *brute) dep(x, y act, what string) bool {
	return slices.Contains(b.p.deps, dep{x.thread, x.op, y.op, what}) && x.thread == y.thread && !x.write
}

// full tells of a barrier that TSO has at an access: atomic instructions.
func (b *brute) full(a act) bool { return b.p.ops[a.thread][a.op].then != nil }

// local is the order that a model gives two accesses of one thread, lob.
func (b *brute) local(i, j int) bool {
	x, y := b.acts[i], b.acts[j]
	if !po(x, y) && !b.rfiOrder(i, j) {
		return false
	}
	xo, yo := b.opOf(x), b.opOf(y)
	fences := []string{}
	if po(x, y) {
		fences = b.between(x, y)
	}
	if slices.Contains(fences, "dmb.sy") || slices.Contains(fences, "mf") {
		return true
	}
	if b.m == TSO {
		return po(x, y) && (!x.write || y.write || b.full(x) || b.full(y) || strings.Contains(xo.attrs, "L") && strings.Contains(yo.attrs, "A"))
	}
	if b.rfiOrder(i, j) {
		return true
	}
	switch {
	case !x.write && slices.Contains(fences, "dmb.ld"), x.write && y.write && slices.Contains(fences, "dmb.st"):
		return true
	case !x.write && (strings.Contains(xo.attrs, "A") || strings.Contains(xo.attrs, "Q")):
		return true
	case y.write && strings.Contains(yo.attrs, "L"), x.write && strings.Contains(xo.attrs, "L") && !y.write && strings.Contains(yo.attrs, "A"):
		return true
	case y.write && x.cell == y.cell, x.op == y.op:
		return true
	case b.dep(x, y, "addr"), b.dep(x, y, "data") && y.write, b.dep(x, y, "ctrl") && y.write:
		return true
	}
	if o := b.p.ops[x.thread][x.op]; o.then != nil && strings.Contains(o.attrs, "A") && strings.Contains(o.then.attrs, "L") {
		return true // an atomic instruction with acquire and release orders itself before what comes later
	}
	list := b.p.ops[x.thread]
	for k := x.op + 1; k <= y.op; k++ {
		z := act{thread: x.thread, op: k}
		if k < y.op && b.dep(x, z, "addr") && list[k].kind != 'F' && y.write {
			return true // addr;po;[W]
		}
		if b.dep(x, z, "ctrl") && y.write {
			return true // the branch orders all later writes
		}
		// A branch on it, or an address of it, and then isb.
		if b.dep(x, z, "ctrl") || k < y.op && b.dep(x, z, "addr") {
			from := k
			if list[k].kind != 'F' && b.dep(x, z, "addr") && !b.dep(x, z, "ctrl") {
				from = k + 1
			}
			for _, o := range list[from:y.op] {
				if o.attrs == "isb" {
					return true
				}
			}
		}
	}
	return false
}

// rfiOrder is (addr|data);rfi, and what a read-modify-write gives an acquire that reads from it.
func (b *brute) rfiOrder(i, j int) bool {
	x, y := b.acts[i], b.acts[j]
	if b.m != ARM || y.write || b.rf[j] < 0 || x.thread != y.thread {
		return false
	}
	w := b.acts[b.rf[j]]
	if w.thread != y.thread {
		return false
	}
	if b.dep(x, w, "addr") || b.dep(x, w, "data") {
		return true
	}
	acquires := strings.Contains(b.opOf(y).attrs, "A") || strings.Contains(b.opOf(y).attrs, "Q")
	return w.then && acquires && x.op == w.op && (!x.write || i == b.rf[j])
}

// drawn makes a random program.
func drawn(r interface{ IntN(int) int }, wide bool) *little {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	threads := 2 + r.IntN(5)/4
	var ops [][]op
	var deps []dep
	value, accesses := uint64(0), 0
	for t := range threads {
		var list []op
		for range 1 + r.IntN(3) {
			value++
			cells := pick("x", "y")
			if wide && r.IntN(2) == 0 {
				cells = "xy"
			}
			if accesses+len(cells) > 6 {
				break
			}
			accesses += len(cells)
			switch k := r.IntN(10); {
			case k < 4:
				list = append(list, wr(cells, value, pick("", "", "L")))
			case k < 8 || wide || accesses == 6:
				list = append(list, rd(cells, pick("", "", "A", "Q")))
			default:
				list = append(list, rmw(rd(cells, pick("", "A")), wr(cells, value, pick("", "L"))))
				accesses++
			}
			if r.IntN(5) == 0 {
				list = append(list, fence(pick("dmb.sy", "dmb.ld", "dmb.st", "isb")))
			}
		}
		for from, o := range list {
			for to := from + 1; to < len(list); to++ {
				if o.kind == 'R' && list[to].kind != 'F' && r.IntN(4) == 0 {
					what := pick("addr", "ctrl", "data")
					if what == "data" && list[to].kind == 'R' && list[to].then == nil {
						what = "addr"
					}
					deps = append(deps, dep{t, from, to, what})
				}
			}
		}
		ops = append(ops, list)
	}
	return newLittle(ops, deps)
}

// TestBrute: random programs have exactly the graphs that trying everything finds.
func TestBrute(t *testing.T) {
	programs := 2000
	if testing.Short() {
		programs = 100
	}
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	for i := range programs {
		p := drawn(r, i%4 == 3)
		for _, m := range Models() {
			want := p.brute(m)
			got, err := p.explored(m)
			if err != nil || got != want {
				t.Fatalf("program %d under %s: %d graphs, want %d (%v)\n%+v\n%+v", i, m, got, want, err, p.ops, p.deps)
			}
		}
	}
}
