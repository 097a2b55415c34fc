package axioms

import (
	"errors"
	"fmt"
)

// execution is one run of each thread: their accesses are numbered one thread after another.
type execution struct {
	*program
	runs  []*trace
	nodes []*event
	of    []int   // the thread of each node
	place [][]int // by thread and number of the event the node, -1 for a barrier
}

func newExecution(p *program, runs []*trace) (*execution, error) {
	x := &execution{program: p, runs: runs}
	sizes := map[string]int{}
	for thread, run := range runs {
		x.place = append(x.place, nil)
		for i := range run.events {
			e := &run.events[i]
			if !e.access() {
				x.place[thread] = append(x.place[thread], -1)
				continue
			}
			if size := sizes[e.at]; size != 0 && size != e.size {
				return nil, fmt.Errorf("%s is accessed with %d bytes and with %d", e.at, size, e.size)
			}
			sizes[e.at] = e.size
			x.place[thread] = append(x.place[thread], len(x.nodes))
			x.nodes, x.of = append(x.nodes, e), append(x.of, thread)
		}
	}
	if len(x.nodes) > maxEvents {
		return nil, errors.New("too many accesses")
	}
	return x, nil
}

// relation has for each node those that come behind it, as bits.
type relation []uint64

func (r relation) add(from, to int) { r[from] |= 1 << to }

// acyclic tells whether the union of relations has no cycle: nodes that nothing comes behind are taken
// away until there are none.
func acyclic(of ...relation) bool {
	n := len(of[0])
	all := make(relation, n)
	for i := range all {
		for _, r := range of {
			all[i] |= r[i]
		}
	}
	left := ^uint64(0) >> (64 - max(n, 1))
	for n > 0 && left != 0 {
		before := left
		for i := range n {
			if left>>i&1 != 0 && all[i]&left == 0 {
				left &^= 1 << i
			}
		}
		if left == before {
			return false
		}
	}
	return true
}

// po is the order of each thread's accesses.
func (x *execution) po() relation {
	r := make(relation, len(x.nodes))
	for i := range x.nodes {
		for j := i + 1; j < len(x.nodes) && x.of[j] == x.of[i]; j++ {
			r.add(i, j)
		}
	}
	return r
}

// local is a choice for one location: the source of each read of it, and the order of its writes.
type local struct {
	reads, sources []int // sources: a write's node, or first
	order          []int
}

// first, as the source of a read, is what was there before all writes.
const first = -1

// locals are all choices for a location that its own order allows: po of the location's accesses, rf, co
// and fr have no cycle, and nothing of another thread is between an atomic read and its write.
func (x *execution) locals(at string, po relation) (list []local) {
	var reads, writes []int
	for i, e := range x.nodes {
		switch {
		case e.at != at:
		case e.kind == read:
			reads = append(reads, i)
		default:
			writes = append(writes, i)
		}
	}
	mine := make(relation, len(x.nodes))
	var all uint64
	for _, i := range append(append([]int{}, reads...), writes...) {
		all |= 1 << i
	}
	for i := range mine {
		if all>>i&1 != 0 {
			mine[i] = po[i] & all
		}
	}
	permute(writes, 0, func() {
		l := local{reads: reads, sources: make([]int, len(reads)), order: append([]int{}, writes...)}
		x.sources(l, 0, func() {
			rf, co, fr := l.relations(len(x.nodes))
			if acyclic(mine, rf, co, fr) && x.atomic(l) {
				list = append(list, local{reads, append([]int{}, l.sources...), l.order})
			}
		})
	})
	return list
}

// permute calls f with each order of a list from an index on.
func permute(list []int, from int, f func()) {
	if from >= len(list)-1 {
		f()
		return
	}
	for i := from; i < len(list); i++ {
		list[from], list[i] = list[i], list[from]
		permute(list, from+1, f)
		list[from], list[i] = list[i], list[from]
	}
}

// sources calls f with each choice of sources that have the values which the reads from an index on have read.
func (x *execution) sources(l local, from int, f func()) {
	if from == len(l.reads) {
		f()
		return
	}
	e := x.nodes[l.reads[from]]
	if e.value == x.initial(e.at)&mask(e.size) {
		l.sources[from] = first
		x.sources(l, from+1, f)
	}
	for _, w := range l.order {
		if x.nodes[w].value == e.value {
			l.sources[from] = w
			x.sources(l, from+1, f)
		}
	}
}

// relations are rf, co and fr of the location.
func (l local) relations(nodes int) (rf, co, fr relation) {
	rf, co, fr = make(relation, nodes), make(relation, nodes), make(relation, nodes)
	for i, w := range l.order {
		for _, later := range l.order[i+1:] {
			co.add(w, later)
		}
	}
	for i, r := range l.reads {
		behind := l.sources[i] == first
		if !behind {
			rf.add(l.sources[i], r)
		}
		for _, w := range l.order {
			if behind && w != r {
				fr.add(r, w)
			}
			behind = behind || w == l.sources[i]
		}
	}
	return rf, co, fr
}

// atomic tells whether no write of another thread comes between an atomic read and its write.
func (x *execution) atomic(l local) bool {
	for place, w := range l.order {
		e := x.nodes[w]
		if e.of == 0 {
			continue
		}
		r := x.place[x.of[w]][e.of-1]
		if x.nodes[r].at != e.at {
			continue // a store exclusive of another location than its load's
		}
		for i, node := range l.reads {
			if node != r {
				continue
			}
			behind := l.sources[i] == first
			for _, other := range l.order[:place] {
				if behind && x.of[other] != x.of[w] {
					return false
				}
				behind = behind || other == l.sources[i]
			}
		}
	}
	return true
}
