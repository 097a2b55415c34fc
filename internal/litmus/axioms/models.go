package axioms

// Model is a memory model.
type Model uint8

// The models: sequential consistency, x86-TSO and ARMv8.
const (
	SC Model = iota
	TSO
	ARM
)

// Models are all of them.
func Models() []Model { return []Model{SC, TSO, ARM} }

// String is the model's name, as emurace's option --memory has it.
func (m Model) String() string { return [...]string{"sc", "tso", "arm"}[m] }

// order is the order of each thread's accesses that a model keeps, but for what depends on the sources of reads.
func (x *execution) order(m Model) relation {
	r := make(relation, len(x.nodes))
	for thread, run := range x.runs {
		for i := range run.events {
			from := x.place[thread][i]
			if from < 0 {
				continue
			}
			var between [fenceISB + 1]bool
			released := false // an atomic instruction that does all, of this or a later event
			for j := i + 1; j < len(run.events); j++ {
				a, b, to := &run.events[i], &run.events[j], x.place[thread][j]
				if to < 0 {
					between[b.kind] = true
					continue
				}
				var kept bool
				switch m {
				case SC:
					kept = true
				case TSO:
					kept = keptTSO(run, i, j, between[fenceFull])
				default:
					kept = keptARM(a, b, between) || released || whole(run, i)
				}
				if kept {
					r.add(from, to)
				}
				released = released || whole(run, j)
			}
		}
		if m == ARM {
			x.dependencies(r, thread)
		}
	}
	return r
}

// keptTSO is x86-TSO's: all but a write and a later read. A barrier or an atomic read-modify-write between
// them orders these as well, also one that is one of the two. Of AArch64's instructions those with release and
// acquire stay ordered.
func keptTSO(run *trace, i, j int, fence bool) bool {
	a, b := &run.events[i], &run.events[j]
	if a.kind == read || b.kind == write || fence || a.release && b.acquire {
		return true
	}
	for k := i; k <= j; k++ {
		if e := &run.events[k]; e.kind == write && e.of != 0 {
			return true // if it is not i, its read comes behind i's write, and its write before j
		}
		if partOfAtomic(run, k) {
			return true
		}
	}
	return false
}

// partOfAtomic tells whether a read belongs to an atomic write behind it.
func partOfAtomic(run *trace, k int) bool {
	for n := k + 1; n < len(run.events); n++ {
		if run.events[n].of == k+1 {
			return true
		}
	}
	return false
}

// whole tells whether an event is the write of an instruction that acquires and releases: what comes
// behind it comes behind its write, and what is before it before.
func whole(run *trace, i int) bool {
	e := &run.events[i]
	return e.kind == write && e.single && e.of != 0 && e.release && run.events[e.of-1].acquire
}

// keptARM is ARMv8's bob, and the order of accesses to one location of which the later one writes.
func keptARM(a, b *event, between [fenceISB + 1]bool) bool {
	switch {
	case between[fenceFull],
		between[fenceLoad] && a.kind == read && !a.noReturn,
		between[fenceStore] && a.kind == write && b.kind == write,
		between[fenceDSBST] && a.kind == write,
		a.acquire, a.acquirePC,
		b.release,
		a.release && b.acquire,
		a.at == b.at && b.kind == write:
		return true
	}
	return false
}

// dependencies adds ARMv8's dob, and aob's rmw, but for what goes on through a read of the thread's own write.
func (x *execution) dependencies(r relation, thread int) {
	run := x.runs[thread]
	edges := func(from uint64, to int) {
		for k := range run.events {
			if from>>k&1 != 0 {
				r.add(x.place[thread][k], to)
			}
		}
	}
	var addresses, addressPicks uint64 // of all events so far
	var gate uint64                    // what an ISB comes behind
	for j := range run.events {
		e := &run.events[j]
		if e.kind == fenceISB {
			gate |= e.ctrl | e.ctrlPick | addresses | addressPicks
		}
		to := x.place[thread][j]
		if to < 0 {
			continue
		}
		edges(e.addr|e.data|gate, to)
		if e.kind == write {
			edges(e.ctrl|addresses|addressPicks|e.addrPick|e.dataPick|e.ctrlPick, to)
			if e.of != 0 {
				edges(1<<(e.of-1), to)
			}
		}
		addresses |= e.addr
		addressPicks |= e.addrPick
	}
}

// through is what ARMv8 orders through reads of a thread's own writes: an address or data dependency to the write,
// and an atomic write that an acquire reads.
func (x *execution) through(r relation, reader, source int) {
	if source == first || x.of[source] != x.of[reader] {
		return
	}
	w, e := x.nodes[source], x.nodes[reader]
	from := w.addr | w.data
	if w.of != 0 && (e.acquire || e.acquirePC) {
		from |= 1 << (w.of - 1)
		r.add(source, reader)
	}
	for k, node := range x.place[x.of[source]] {
		if from>>k&1 != 0 {
			r.add(node, reader)
		}
	}
}
