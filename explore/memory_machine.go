package explore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"emurace/disasm/depend"
	"emurace/emu"
	"emurace/explore/graph"
	"emurace/scenario"
)

// errChanged is that an event came out in another way than before, though everything it follows from
// was the same: such a thing cannot be searched by graphs.
var errChanged = errors.New("a part of a run was not the same when it was run again")

// deed is what an event's instructions were: what is to be run again where a graph has the event.
type deed struct {
	ran    uint64
	half   bool  // it ends in the middle of an instruction
	woke   []int // threads that it let go on
	pc     uint64
	opens  bool // it is a store exclusive, which is to succeed
	linked []scenario.Bytes
	ends   bool
	goes   bool // round, without an event: it is over when that is seen
}

// graphStep is an event that the machine has run, and under which conditions.
type graphStep struct {
	graph.ID
	event    *graph.Event
	deed     *deed
	sources  []graph.Ref
	sees     []scenario.Seen
	leaves   []scenario.Bytes
	mark     *scenario.Mark           // before it
	at       uint64                   // the run's instructions behind it
	held     map[graph.Cell]graph.Ref // cells of which memory holds another write from here on
	after    []graph.Ref              // see graph.Event
	visit    *visit                   // see comesRound
	track    int                      // the tracker's moment before it
	order    depend.Order             // what its instruction means to the model
	rest     []depend.Access          // of a second half, what the first one has accessed
	accesses []depend.Access          // by its last instruction
	round    []int                    // the events of the thread's last round, where it has come round
}

// graphMachine has a session stand where a graph's events have run, in an order that has each behind
// those that it follows from. Memory holds, of each cell, the last in co of the writes that have run;
// a read of another one is given its bytes; see scenario.Seen.
type graphMachine struct {
	s     *scenario.Session
	known uint64 // the session's Grown when the search began
	steps []*graphStep
	held  map[graph.Cell][]holding
	init  map[uint64][]byte // what the words with bytes that make events hold at the start of the race
	cells *cells
	model graph.Model
	order *memoryOrder // nil under sequential consistency
	ran   uint64       // instructions in all
}

// holding is that memory holds a write from a step on.
type holding struct {
	step  int
	write graph.Ref
}

// start goes to the start of the race.
func (m *graphMachine) start() error {
	m.cut(0)
	m.held = map[graph.Cell][]holding{}
	if err := m.s.Restart(); err != nil {
		return err
	}
	m.init = make(map[uint64][]byte, len(m.cells.shared))
	for word := range m.cells.shared {
		b, _ := m.s.Process().Peek(word, 8)
		m.init[word] = slices.Clone(b)
	}
	return nil
}

// cut forgets the steps from n on, without going back.
func (m *graphMachine) cut(n int) {
	for i := len(m.steps) - 1; i >= n; i-- {
		m.steps[i].mark.Drop()
		if m.order != nil {
			m.order.back(m.steps[i])
		}
		for c := range m.steps[i].held {
			m.held[c] = m.held[c][:len(m.held[c])-1]
		}
	}
	m.steps = m.steps[:n]
}

// back goes back to the moment before step n.
func (m *graphMachine) back(n int) error {
	if n >= len(m.steps) {
		return nil
	}
	if err := m.steps[n].mark.Rewind(); err != nil {
		return err
	}
	m.cut(n)
	return nil
}

// initial is what a cell holds at the start of the race; 0 where nothing was mapped then.
func (m *graphMachine) initial(c graph.Cell) uint64 {
	var word [8]byte
	if b := m.init[c.At&^7]; b != nil {
		copy(word[:], b[c.At&7:][:c.Size])
	}
	return binary.LittleEndian.Uint64(word[:])
}

// value is what a write of the graph has written, or what there was at first.
func (m *graphMachine) value(g *graph.Graph, c graph.Cell, w graph.Ref) uint64 {
	if w == graph.Init {
		return m.initial(c)
	}
	return g.Event(w.Thread, w.Number).Writes[w.Part].Value
}

// wrote is the instruction of the run with which a write has happened, 0 for what there was at first.
func (m *graphMachine) wrote(w graph.Ref) uint64 {
	for _, st := range m.steps {
		if st.Thread == w.Thread && st.Number == w.Number {
			return st.at
		}
	}
	return 0
}

// holds notes which writes memory holds behind the last step, from then on.
func (m *graphMachine) holds(held map[graph.Cell]graph.Ref) {
	n := len(m.steps) - 1
	m.steps[n].held = held
	for c, w := range held {
		m.held[c] = append(m.held[c], holding{n, w})
	}
}

// holder is the write whose value memory holds before step n, or the last use of an object that has changed it.
func (m *graphMachine) holder(c graph.Cell, n int) graph.Ref {
	list := m.held[c]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].step < n {
			return list[i].write
		}
	}
	return graph.Init
}

// sees is what an event with these sources finds in memory that memory does not hold.
func (m *graphMachine) sees(g *graph.Graph, reads []graph.Cell, sources []graph.Ref) (list []scenario.Seen) {
	for i, w := range sources {
		c := reads[i]
		if c.Class != 0 {
			continue
		}
		v := m.value(g, c, w)
		if w == m.holder(c, len(m.steps)) || v == content(m.s, c) {
			continue
		}
		list = append(list, scenario.Seen{Bytes: scenario.Bytes{Addr: c.At, Data: bytesOf(c, v)}, Step: m.wrote(w)})
	}
	return list
}

// keeps is what memory holds behind an event of the graph as step n whose writes stand in co before others
// that have run, and the writes whose values it holds from then on.
func (m *graphMachine) keeps(g *graph.Graph, n int, e graph.ID, writes []graph.Write) (leaves []scenario.Bytes, held map[graph.Cell]graph.Ref) {
	for i, w := range writes {
		ref := graph.Ref{Thread: e.Thread, Number: e.Number, Part: i}
		now := m.holder(w.Cell, n)
		if w.Cell.Class == 0 && now != graph.Init && g.CoBefore(ref, now) {
			leaves = append(leaves, scenario.Bytes{Addr: w.Cell.At, Data: bytesOf(w.Cell, m.value(g, w.Cell, now))})
			continue
		}
		if held == nil {
			held = map[graph.Cell]graph.Ref{}
		}
		held[w.Cell] = ref
	}
	return leaves, held
}

// stand makes the machine stand behind these events of the graph, in this order. What it has run already
// of that stays.
func (m *graphMachine) stand(g *graph.Graph, order []graph.ID) error {
	for i, e := range order {
		event := g.Event(e.Thread, e.Number)
		sources := g.Sources(e.Thread, e.Number)
		if i < len(m.steps) {
			st := m.steps[i]
			if st.ID == e && slices.Equal(st.sources, sources) && m.keepsAs(g, i, event) {
				continue
			}
			if err := m.back(i); err != nil {
				return err
			}
		}
		if err := m.again(g, e, event, sources); err != nil {
			return err
		}
	}
	return m.back(len(order))
}

// keepsAs tells whether memory behind step i is as it would be if the step was run now for an event.
func (m *graphMachine) keepsAs(g *graph.Graph, i int, event *graph.Event) bool {
	st, n := m.steps[i], 0
	for part, w := range event.Writes {
		now := m.holder(w.Cell, i)
		if w.Cell.Class != 0 || now == graph.Init || !g.CoBefore(graph.Ref{Thread: st.Thread, Number: st.Number, Part: part}, now) {
			continue
		}
		if n == len(st.leaves) || st.leaves[n].Addr != w.Cell.At || !slices.Equal(st.leaves[n].Data, bytesOf(w.Cell, m.value(g, w.Cell, now))) {
			return false
		}
		n++
	}
	return n == len(st.leaves)
}

// again runs an event of the graph that was run before.
func (m *graphMachine) again(g *graph.Graph, e graph.ID, event *graph.Event, sources []graph.Ref) error {
	d := event.Note.(*deed)
	st := &graphStep{ID: e, event: event, deed: d, sources: sources, sees: m.sees(g, event.Reads, sources)}
	leaves, held := m.keeps(g, len(m.steps), e, event.Writes)
	st.leaves = leaves
	ev, err := m.run(st, d)
	if err != nil {
		return err
	}
	m.holds(held)
	if m.s.Grown() != m.known {
		return errGrown
	}
	if ev.Ran != d.ran || ev.Half != d.half || ev.PC != d.pc {
		return fmt.Errorf("%w: thread %d, event %d", errChanged, e.Thread, e.Number)
	}
	if err := m.proves(g, st); err != nil {
		return err
	}
	return m.comesRound(st)
}

// proves looks whether the step that has run last has read what its sources have written, which everything
// else relies on.
func (m *graphMachine) proves(g *graph.Graph, st *graphStep) error {
	seen := map[graph.Cell]bool{}
	for a := range m.s.Process().Log().Of(m.s.Steps()).All() {
		for i, c := range st.event.Reads {
			if c.Class != 0 || seen[c] || c.At < a.Addr || c.At+uint64(c.Size) > a.Addr+uint64(a.Size) {
				continue
			}
			seen[c] = true
			if a.Kind != emu.LogRead {
				continue
			}
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], a.Value)
			want := bytesOf(c, m.value(g, c, st.sources[i]))
			if !slices.Equal(b[c.At-a.Addr:][:c.Size], want) {
				return fmt.Errorf("%w: thread %d, event %d reads what it is not to read", errChanged, st.Thread, st.Number)
			}
		}
	}
	return nil
}

// run has a step's thread run, up to and over its event, and appends the step.
func (m *graphMachine) run(st *graphStep, d *deed) (ev scenario.Event, err error) {
	if st.mark, err = m.s.Mark(); err != nil {
		return ev, err
	}
	step, logged := m.s.Process().Steps(), m.s.Process().LogLen()
	switch {
	case d == nil, d.ends, d.goes: // the instruction that ends the process is none that has run
		ev, err = m.s.RunEvent(st.Thread)
	case len(st.sees)+len(st.leaves) > 0 || d.opens:
		ev, err = m.s.RunSeeing(st.slice(d))
	default:
		ev, err = m.s.RunUpTo(st.Thread, d.ran)
	}
	if err != nil {
		st.mark.Drop()
		return ev, err
	}
	m.ran += ev.Ran
	st.at = m.s.Steps()
	if m.order != nil {
		st.rest = m.restOf(st.Thread)
		if err := m.order.follow(st, step, logged); err != nil {
			return ev, err
		}
	}
	m.steps = append(m.steps, st)
	return ev, nil
}

// restOf is what the last instruction of a thread has accessed, where that has ended in its middle.
func (m *graphMachine) restOf(thread int) []depend.Access {
	for i := len(m.steps) - 1; i >= 0; i-- {
		if st := m.steps[i]; st.Thread == thread {
			if st.deed.half {
				return st.accesses
			}
			break
		}
	}
	return nil
}

// slice is the step as a slice of a schedule.
func (st *graphStep) slice(d *deed) scenario.Slice {
	sl := scenario.Slice{Thread: st.Thread, N: d.ran, Half: d.half}
	if sees := slices.Concat(st.sees, d.monitor()); len(sees)+len(st.leaves) > 0 {
		sl.Seeing = &scenario.Seeing{Sees: sees, Leaves: st.leaves}
	}
	return sl
}

// monitor is what a store exclusive is to find, so that it succeeds: what its load exclusive has read.
func (d *deed) monitor() (list []scenario.Seen) {
	for _, b := range d.linked {
		list = append(list, scenario.Seen{Bytes: b})
	}
	return list
}
