package explore

import (
	"slices"

	"emurace/disasm/depend"
	"emurace/emu"
	"emurace/explore/graph"
	"emurace/scenario"
)

// memoryOrder tells what the instructions that threads have run mean to a memory model. Under sequential
// consistency nothing needs to be known.
type memoryOrder struct {
	s        *scenario.Session
	cells    *cells
	trackers []*depend.Tracker // by thread
}

func newOrders(s *scenario.Session, c *cells) *memoryOrder {
	o := &memoryOrder{s: s, cells: c}
	for range s.Threads() {
		o.trackers = append(o.trackers, depend.New(s.Process().Arch(), o.fetch))
	}
	return o
}

// fetch reads the code of an instruction.
func (o *memoryOrder) fetch(pc uint64) []byte {
	for _, n := range []uint64{16, 4, 1} { // at the end of what is mapped there may be less
		if b, ok := o.s.Process().Peek(pc, n); ok {
			return b
		}
	}
	return nil
}

// follow takes in what a step has run, from a moment of the machine on.
func (o *memoryOrder) follow(st *graphStep, step uint64, logged int) error {
	p := o.s.Process()
	pcs, err := p.PCs(step)
	if err != nil {
		return err
	}
	tracker := o.trackers[st.Thread]
	st.track = tracker.Mark()
	machine := o.s.MachineThread(st.Thread)
	by, entries := make([][]depend.Access, len(pcs)), make([][]emu.LogEntry, len(pcs))
	for a := range p.Log().From(logged).All() {
		if int(a.Thread) != machine || a.Step <= step || a.Step > step+uint64(len(pcs)) {
			continue
		}
		i := int(a.Step - step - 1)
		d := depend.Access{Addr: a.Addr, Size: int(a.Size), Write: a.Kind != emu.LogRead, Kept: o.s.PutsBack(entries[i], a), Event: -1}
		if i == len(pcs)-1 && o.cells.touches(a.Addr, uint64(a.Size)) {
			d.Event = st.Number
		}
		by[i], entries[i] = append(by[i], d), append(entries[i], a)
	}
	begins := o.s.Begins(st.Thread)
	for i, pc := range pcs {
		if i > 0 && slices.Contains(begins, step+uint64(i)) {
			tracker.Begin()
		}
		list := by[i]
		last := i == len(pcs)-1
		if i == 0 && len(st.rest) > 0 { // the second half of an instruction
			list = slices.Concat(st.rest, list)
		}
		told, err := tracker.Step(pc, list)
		if err != nil {
			return err
		}
		if last {
			st.accesses = list
			st.order = depend.Order{}
			for _, t := range told {
				if t.Event == st.Number {
					st.order = t
				}
			}
		}
	}
	if slices.Contains(begins, step+uint64(len(pcs))) {
		tracker.Begin()
	}
	return nil
}

// back takes a step back, which is the last of its thread.
func (o *memoryOrder) back(st *graphStep) { o.trackers[st.Thread].Rewind(st.track) }

// kindOf are the kinds of what lies between events.
var kindOf = map[depend.Kind]graph.ItemKind{
	depend.Branch: graph.Branch, depend.FenceFull: graph.FenceFull, depend.FenceLoad: graph.FenceLoad,
	depend.FenceStore: graph.FenceStore, depend.FenceStoreAll: graph.FenceStoreAll, depend.FenceISB: graph.FenceISB,
	depend.Acquire: graph.PrivateAcquire, depend.AcquirePC: graph.PrivateAcquirePC, depend.Release: graph.PrivateRelease,
	depend.MayFull: graph.MayFull, depend.MayRelease: graph.MayRelease,
}

// orderOf is what is told of an event as a graph has it.
func orderOf(t depend.Order) graph.Order {
	o := graph.Order{
		Acquire: t.Acquire, AcquirePC: t.AcquirePC, Release: t.Release, Link: t.Link, NoReturn: t.NoReturn,
		Full: t.Full, NonTemporal: t.NonTemporal, Addr: t.Addr, Data: t.Data, Pick: t.Pick,
		MayAddr: t.MayAddr, MayData: t.MayData, Unsure: t.Unsure,
	}
	for _, item := range t.Before {
		o.Before = append(o.Before, graph.Item{Kind: kindOf[item.Kind], Reads: item.Reads, May: item.May})
	}
	return o
}
