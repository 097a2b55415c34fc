package execution

import (
	"slices"

	"emurace/disasm/depend"
	"emurace/emu"
	"emurace/loader"
	"emurace/replay/timeline"
)

// mostTracked bounds the instructions of a run that dependencies are followed through.
const mostTracked = 1 << 18

// keeper knows what keeps events of a thread in order. It claims only what both TSO and ARMv8 give.
type keeper struct {
	r      *run
	orders map[int]depend.Order // of events
}

// keeper follows the threads through the run. Where that cannot be done it knows of nothing.
func (r *run) keeper() *keeper {
	k := &keeper{r: r, orders: map[int]depend.Order{}}
	s := r.line.Session()
	if r.line.Len() > mostTracked {
		return k
	}
	fetch := func(pc uint64) []byte {
		for _, n := range []uint64{16, 4, 1} { // at the end of what is mapped there may be less
			if b, ok := s.Process().Peek(pc, n); ok {
				return b
			}
		}
		return nil
	}
	trackers := make([]*depend.Tracker, s.Threads())
	rest, begins := make([][]depend.Access, s.Threads()), map[uint64]bool{}
	for t := range s.Threads() {
		for _, step := range s.Begins(t) {
			begins[step] = true
		}
	}
	for n := range r.line.Len() {
		t := r.line.Thread(n)
		if t < 0 || t >= len(trackers) {
			return &keeper{r: r}
		}
		if trackers[t] == nil {
			trackers[t] = depend.New(s.Process().Arch(), fetch)
		}
		list := append(rest[t], r.accesses(n)...)
		if rest[t] = nil; r.line.Half(n) {
			rest[t] = list
			continue // it is told when all of it is done
		}
		pc, _ := r.line.PC(n)
		told, err := trackers[t].Step(pc, list)
		if err != nil {
			return &keeper{r: r} // what comes behind may depend on it
		}
		for _, o := range told {
			if o.Event >= 0 {
				k.orders[o.Event] = o
			}
		}
		if begins[s.Base()+n+1] { // of this thread: no other one has run at this step
			trackers[t].Begin()
		}
	}
	return k
}

// accesses are those of an instruction as a tracker is told them.
func (r *run) accesses(n timeline.Moment) (list []depend.Access) {
	all := r.line.Accesses(n)
	for i, a := range all {
		event := -1
		if r.touches(a) {
			event = r.number[n+1]
		}
		list = append(list, depend.Access{
			Addr: a.Addr, Size: int(a.Size), Write: a.Kind != emu.LogRead, Kept: r.line.Session().PutsBack(all[:i], a), Event: event,
		})
	}
	return list
}

// kept says what keeps two events of a thread in order, of which the first one is come to by its read or its write,
// and the second one is left by such; "" where nothing is known to.
func (k *keeper) kept(from, to int, fromWrite, toWrite bool) string {
	first, last := k.orders[from], k.orders[to]
	between := k.between(from, to)
	has := func(kind depend.Kind) bool {
		return slices.ContainsFunc(between, func(i depend.Item) bool { return i.Kind == kind })
	}
	if has(depend.FenceFull) {
		return "a full barrier"
	}
	if k.r.line.Session().Process().Arch() == loader.AMD64 {
		return k.keptByX86(from, to, fromWrite && !toWrite)
	}
	switch {
	case !fromWrite && !first.NoReturn && has(depend.FenceLoad):
		return "a load barrier"
	case fromWrite && (toWrite && has(depend.FenceStore) || has(depend.FenceStoreAll)):
		return "a store barrier"
	case !fromWrite && (first.Acquire || first.AcquirePC):
		return "an acquire load"
	case toWrite && last.Release:
		return "a store-release"
	case fromWrite || k.r.events[from].count(false) > 1: // of a pair, the other one may be depended on
		return ""
	case slices.Contains(last.Addr, from):
		return "an address dependency"
	case toWrite && k.r.events[to].count(true) == 1 && slices.Contains(last.Data, from):
		return "a data dependency"
	}
	branched := false
	for _, i := range between {
		branched = branched || i.Kind == depend.Branch && slices.Contains(i.Reads, from)
		if branched && toWrite {
			return "a control or address dependency"
		}
		if branched && i.Kind == depend.FenceISB {
			return "a dependency and isb"
		}
	}
	return ""
}

// count is how many of an event's accesses are writes, or reads.
func (e *Event) count(write bool) (n int) {
	for _, p := range e.Parts {
		if p.Write == write {
			n++
		}
	}
	return n
}

// keptByX86 is kept on amd64, where only a read may come before an earlier write.
func (k *keeper) keptByX86(from, to int, passes bool) string {
	first, last := k.orders[from], k.orders[to]
	if _, ok := k.orders[from]; !ok {
		return ""
	}
	if _, ok := k.orders[to]; !ok || first.NonTemporal || last.NonTemporal {
		return ""
	}
	if !passes {
		return "the processor"
	}
	for i := from; i >= 0; i = k.r.next[i] {
		if k.orders[i].Full {
			return "a locked instruction"
		}
		if i == to {
			break
		}
	}
	return ""
}

// between is what lies between two events of a thread.
func (k *keeper) between(from, to int) (list []depend.Item) {
	for i := k.r.next[from]; i >= 0 && i <= to; i = k.r.next[i] {
		list = append(list, k.orders[i].Before...)
	}
	return list
}
