package graph

import "slices"

// A consistent graph has no cycle in the order that a model gives its accesses. Program order orders
// pairs of events that may be far apart, such as all in front of a barrier and all behind it. So that
// each event has few edges, it has vertices beside those of its accesses: some that stand behind
// accesses so far, and some in front of accesses that are still to come.

// kind is a vertex of an event other than its accesses.
type kind int

const (
	all    kind = iota // behind all accesses up to the event
	reads              // behind all reads, but those that dmb ld does not order
	writes             // behind all writes
	rels               // behind all releases
	ctrls              // behind reads that branches, or addresses, depend on
	gate               // in front of all accesses from the event on
	wgate              // in front of all writes from the event on but non-temporal ones
	sgate              // in front of all writes from the event on
	kinds
)

// vertices is how many an event has.
func vertices(e *Event) int { return int(kinds) + len(e.Reads) + len(e.Writes) }

// vertex is one of a thread's event: kinds, then the reads, then the writes.
type vertex struct {
	thread, number, index int
}

func at(thread, number int, k kind) vertex { return vertex{thread, number, int(k)} }

// ordering is the order that a model gives the accesses of a graph.
type ordering struct {
	g     *Graph
	model Model
	// whole has the parts of an access be one.
	whole bool
	bars  []Barrier // which are taken to be there
	// most takes every order that there may be to be there.
	most bool
}

// one tells whether the parts of an event are one access: of a complete graph, as long as it is not torn.
func (o *ordering) one(e *Event) bool { return o.whole && !e.Torn }

func usesObject(e *Event) bool {
	for _, c := range e.Reads {
		if c.Class != 0 {
			return true
		}
	}
	return false
}

// fused tells whether the reads and the writes of an event are one vertex, which those of a system call are: what it reads of one object and
// writes of another has nothing in between.
func (o *ordering) fused(e *Event) bool { return o.one(e) && usesObject(e) }

// reading is the vertex of a read part, writing of a write part.
func (o *ordering) reading(t, n, i int) vertex {
	if o.one(o.g.Event(t, n)) {
		i = 0
	}
	return vertex{t, n, int(kinds) + i}
}

func (o *ordering) writing(t, n, i int) vertex {
	e := o.g.Event(t, n)
	switch {
	case o.fused(e):
		return vertex{t, n, int(kinds)}
	case o.one(e):
		i = 0
	}
	return vertex{t, n, int(kinds) + len(e.Reads) + i}
}

// eachRead and eachWrite call f for the accesses of an event that were added.
func (o *ordering) eachRead(t, n int, f func(vertex)) {
	k := len(o.g.threads[t][n].sources)
	if k > 1 && o.one(o.g.Event(t, n)) {
		k = 1
	}
	for i := range k {
		f(o.reading(t, n, i))
	}
}

func (o *ordering) eachWrite(t, n int, f func(vertex)) {
	k := o.g.threads[t][n].writes
	if k > 1 && o.one(o.g.Event(t, n)) {
		k = 1
	}
	for i := range k {
		f(o.writing(t, n, i))
	}
}

// before calls f for every vertex that is directly in front of v.
func (o *ordering) before(v vertex, f func(vertex)) {
	t, n := v.thread, v.number
	e := o.g.Event(t, n)
	switch i := v.index; {
	case i >= int(kinds) && o.fused(e):
		others := func(u vertex) {
			if u != v {
				f(u)
			}
		}
		if len(o.g.threads[t][n].sources) > 0 {
			o.beforeRead(t, n, 0, others)
		}
		if o.g.threads[t][n].writes > 0 {
			o.beforeWrite(t, n, 0, others)
		}
	case i >= int(kinds)+len(e.Reads):
		o.beforeWrite(t, n, i-int(kinds)-len(e.Reads), f)
	case i >= int(kinds):
		o.beforeRead(t, n, i-int(kinds), f)
	default:
		o.beforeKind(t, n, kind(i), f)
	}
}

// beforeKind: what the vertices beside the accesses are behind of.
func (o *ordering) beforeKind(t, n int, k kind, f func(vertex)) {
	e := o.g.Event(t, n)
	if n > 0 {
		f(at(t, n-1, k))
	}
	switch k {
	case all:
		o.eachRead(t, n, f)
		o.eachWrite(t, n, f)
	case reads:
		if !e.NoReturn || o.model != ARM {
			o.eachRead(t, n, f)
		}
	case writes:
		o.eachWrite(t, n, f)
	case rels:
		if e.Release || o.barred(e, MakeRelease) {
			o.eachWrite(t, n, f)
		}
		o.released(t, n, len(e.Before), f)
	case ctrls:
		for _, item := range e.Before {
			if item.Kind == Branch {
				o.behind(t, item, f)
			}
		}
		o.eachOf(t, e.Addr, f)
	case gate:
		o.beforeGate(t, n, f)
	case wgate:
		o.beforeWriteGate(t, n, f)
	case sgate:
		for i, item := range e.Before {
			if item.Kind == FenceStore && n > 0 {
				o.stored(t, n, i, f)
			}
		}
		if n > 0 && o.barred(e, AddStore) {
			f(at(t, n-1, writes))
		}
	case kinds:
	}
}

// released calls f for what is behind of the private releases in front of an event, among its first items.
func (o *ordering) released(t, n, items int, f func(vertex)) {
	release := func(i Item) bool { return i.Kind == PrivateRelease || o.most && i.Kind == MayRelease }
	if n > 0 && slices.ContainsFunc(o.g.Event(t, n).Before[:items], release) {
		f(at(t, n-1, all))
	}
}

// stored calls f for what a barrier for writes orders that is an item in front of an event: writes, and what private
// writes come behind, by the values that they write or as releases.
func (o *ordering) stored(t, n, item int, f func(vertex)) {
	f(at(t, n-1, writes))
	f(at(t, n-1, rels))
	o.released(t, n, item, f)
	o.behind(t, o.g.Event(t, n).Before[item], f)
}

// behind calls f for the reads that an item depends on.
func (o *ordering) behind(t int, item Item, f func(vertex)) {
	o.eachOf(t, item.Reads, f)
	if o.most {
		o.eachOf(t, item.May, f)
	}
}

// addresses calls f for the reads that the addresses of an event depend on, data for those that the values do.
func (o *ordering) addresses(t int, e *Event, f func(vertex)) {
	o.eachOf(t, e.Addr, f)
	if o.most {
		o.eachOf(t, e.MayAddr, f)
	}
}

func (o *ordering) data(t int, e *Event, f func(vertex)) {
	o.eachOf(t, e.Data, f)
	if o.most {
		o.eachOf(t, e.MayData, f)
	}
}

// eachOf calls f for the reads of events of a thread.
func (o *ordering) eachOf(t int, numbers []int, f func(vertex)) {
	for _, r := range numbers {
		o.eachRead(t, r, f)
	}
}

// beforeGate: what all accesses from an event on are behind of.
func (o *ordering) beforeGate(t, n int, f func(vertex)) {
	e := o.g.Event(t, n)
	for _, w := range e.After {
		if w.Number < len(o.g.threads[w.Thread]) {
			f(at(w.Thread, w.Number, all))
		}
	}
	if n == 0 {
		return
	}
	if o.barred(e, AddFull) {
		f(at(t, n-1, all))
	}
	if o.barred(e, AddLoad) {
		f(at(t, n-1, reads))
	}
	branched := false
	for i, item := range e.Before {
		switch item.Kind {
		case FenceFull:
			f(at(t, n-1, all))
		case MayFull:
			if o.most {
				f(at(t, n-1, all))
			}
		case FenceLoad:
			f(at(t, n-1, reads))
		case FenceISB:
			if o.model == ARM {
				f(at(t, n-1, ctrls))
				if branched {
					o.branches(t, e, f)
				}
			}
		case Branch:
			branched = true
		case FenceStoreAll:
			o.stored(t, n, i, f)
		case PrivateAcquire, PrivateAcquirePC:
			o.behind(t, item, f)
			if item.Kind == PrivateAcquire {
				f(at(t, n-1, rels))
				o.released(t, n, i, f)
			}
		case FenceStore, PrivateRelease, MayRelease:
		}
	}
	was := o.g.Event(t, n-1)
	if was.Full || o.locked(was) || o.most && was.Unsure {
		f(at(t, n-1, all))
		return
	}
	switch o.model {
	case ARM:
		if was.Acquire || was.AcquirePC || o.barred(was, MakeAcquire) {
			o.eachRead(t, n-1, f)
		}
		if was.Atomic && was.Acquire && was.Release {
			o.eachWrite(t, n-1, f)
		}
	case TSO:
		o.eachRead(t, n-1, f)
	case SC:
	}
}

// branches are the reads that the branches in front of the last isb before an event depend on.
func (o *ordering) branches(t int, e *Event, f func(vertex)) {
	last := -1
	for i, item := range e.Before {
		if item.Kind == FenceISB {
			last = i
		}
	}
	for _, item := range e.Before[:max(last, 0)] {
		if item.Kind == Branch {
			o.behind(t, item, f)
		}
	}
}

// beforeWriteGate: what all writes from an event on are behind of.
func (o *ordering) beforeWriteGate(t, n int, f func(vertex)) {
	e := o.g.Event(t, n)
	switch o.model {
	case ARM:
		for _, item := range e.Before {
			if item.Kind == Branch {
				o.behind(t, item, f)
			}
		}
		if n > 0 {
			o.eachOf(t, o.g.Event(t, n-1).Addr, f)
		}
	case TSO:
		if n > 0 && !o.g.Event(t, n-1).NonTemporal {
			o.eachWrite(t, n-1, f)
		}
	case SC:
	}
}

// locked tells of an atomic instruction that is a full barrier under TSO: there they all are.
func (o *ordering) locked(e *Event) bool {
	return o.model == TSO && (e.Atomic || e.Link != 0)
}

// beforeAccess: what any access of an event is behind of.
func (o *ordering) beforeAccess(t, n int, f func(vertex)) {
	e := o.g.Event(t, n)
	f(at(t, n, gate))
	if n > 0 && (o.model == SC || e.Full || o.locked(e) || o.most && e.Unsure) {
		f(at(t, n-1, all))
	}
	if o.model == ARM {
		o.addresses(t, e, f)
	}
}

// beforeRead: what a read is behind of.
func (o *ordering) beforeRead(t, n, i int, f func(vertex)) {
	e := o.g.Event(t, n)
	o.beforeAccess(t, n, f)
	if n > 0 && (e.Acquire || o.barred(e, MakeAcquire)) {
		f(at(t, n-1, rels))
		o.released(t, n, len(e.Before), f)
	}
	for k, w := range o.g.threads[t][n].sources {
		if o.reading(t, n, k) != o.reading(t, n, i) || w == Init {
			continue
		}
		if w.Thread != t {
			if !o.byOwn(t, n, k, w) {
				f(o.writing(w.Thread, w.Number, w.Part))
			}
			continue
		}
		if o.model == ARM && w.Number < n {
			own := o.g.Event(t, w.Number)
			o.addresses(t, own, f)
			o.data(t, own, f)
			if own.Atomic && (e.Acquire || e.AcquirePC) {
				o.eachRead(t, w.Number, f)
				f(o.writing(t, w.Number, w.Part))
			}
			if own.Link != 0 && (e.Acquire || e.AcquirePC) {
				o.eachRead(t, own.Link-1, f)
				f(o.writing(t, w.Number, w.Part))
			}
		}
	}
}

// byOwn tells of a read from another thread's write whether an atomic instruction of its own thread in
// between has read that write too, and has left the bytes as they were. The instruction has written what it
// read, and the read may be from that, which gives no order on ARMv8.
func (o *ordering) byOwn(t, n, k int, w Ref) bool {
	if e := o.g.Event(t, n); o.model != ARM || e.Acquire || e.AcquirePC || o.barred(e, MakeAcquire) {
		return false // rmw;rfi;[A|Q] orders it behind the instruction, and that behind the write
	}
	c := o.g.Event(t, n).Reads[k]
	for m := n - 1; m >= 0; m-- {
		e := o.g.Event(t, m)
		if !e.Atomic || len(e.Writes) > 0 {
			continue
		}
		for i, r := range e.Reads {
			if r == c && i < len(o.g.threads[t][m].sources) && o.g.threads[t][m].sources[i] == w {
				return true
			}
		}
	}
	return false
}

// beforeWrite: what a write is behind of.
func (o *ordering) beforeWrite(t, n, i int, f func(vertex)) {
	e := o.g.Event(t, n)
	o.beforeAccess(t, n, f)
	o.eachRead(t, n, f) // one instruction: the value depends on it, or it is atomic
	if e.Link != 0 {
		o.eachRead(t, e.Link-1, f)
	}
	f(at(t, n, sgate))
	if !e.NonTemporal {
		f(at(t, n, wgate))
	}
	if o.model == ARM {
		o.data(t, e, f)
		o.eachOf(t, e.Pick, f)
		if n > 0 && (e.Release || o.barred(e, MakeRelease)) {
			f(at(t, n-1, all))
		}
	}
	for k := range o.g.threads[t][n].writes {
		if o.writing(t, n, k) == o.writing(t, n, i) {
			o.beforeInCell(t, n, k, f)
		}
	}
}

// beforeInCell: what a write is behind of by its place in the order of its cell, and by program order
// there.
func (o *ordering) beforeInCell(t, n, k int, f func(vertex)) {
	c := o.g.Event(t, n).Writes[k].Cell
	ref := Ref{t, n, k}
	list := o.g.co[c]
	was := Init
	for _, w := range list {
		if w == ref {
			break
		}
		was = w
	}
	if was != Init {
		f(o.writing(was.Thread, was.Number, was.Part))
	}
	// A read of the write before comes before this one: fr. Where it is of the thread itself it
	// comes before in program order, or it would have read this one.
	for _, r := range o.g.readers[c] {
		if o.g.source(r) == was && (r.thread != t || r.number < n) {
			f(o.reading(r.thread, r.number, r.index))
		}
	}
}
