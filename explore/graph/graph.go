package graph

import "slices"

// Cell is a group of bytes that no access splits, or an object of the kernel's.
type Cell struct {
	Class uint64 // 0 of memory
	At    uint64 // address of the first byte, or the object's number
	Size  uint8  // bytes, 1 to 8; 0 of an object
}

// Ref names a write: a part of a thread's event.
type Ref struct{ Thread, Number, Part int }

// Init is what cells hold at first, as a write.
var Init = Ref{Thread: -1}

// Write is a part of an event that writes.
type Write struct {
	Cell  Cell
	Value uint64 // of no account of an object
}

// ItemKind is what lies between two events of a thread.
type ItemKind uint8

// The kinds of item.
const (
	Branch           ItemKind = iota + 1 // a branch that depends on reads, or an address
	FenceFull                            // dmb sy, mfence
	FenceLoad                            // dmb ld
	FenceStore                           // dmb st, sfence
	FenceISB                             // isb
	FenceStoreAll                        // dsb st: also before later reads
	PrivateAcquire                       // a read of memory that no other thread uses, as of Acquire
	PrivateAcquirePC                     // as of AcquirePC
	PrivateRelease                       // a write of such memory, as of Release
	MayFull                              // a FenceFull that may be there; see Graph.Certain
	MayRelease                           // a PrivateRelease that may be
)

// Item is something that orders, between a thread's event before and this one.
type Item struct {
	Kind ItemKind
	// Reads are, of a Branch and a private acquire, the thread's own events whose reads it depends on, and of
	// a fence for writes those that private writes in front of it depend on.
	Reads []int `json:",omitempty"`
	May   []int `json:",omitempty"` // those on which a branch or a private acquire may depend beside
}

// Order is what memory models need to know of an event. The zero value is a plain access.
type Order struct {
	Acquire     bool   // its reads: LDAR and the like (A)
	AcquirePC   bool   // its reads: LDAPR (Q)
	Release     bool   // its writes: STLR and the like (L)
	Atomic      bool   // one atomic instruction reads and writes: nothing comes between
	Link        int    // of a store exclusive, the number of its load exclusive's event and one; 0 for none
	NoReturn    bool   // the reads of an atomic instruction go to no register
	Full        bool   // a full barrier in front and behind: system calls, locked instructions of x86
	NonTemporal bool   // its writes
	Torn        bool   // its parts are accesses of their own
	Addr        []int  // the thread's own events whose reads the addresses depend on
	Data        []int  // the thread's own events whose reads the values written depend on
	Pick        []int  // those that have only picked among values: they come before the writes and nothing else
	MayAddr     []int  // those on which the addresses may depend beside; see Graph.Certain
	MayData     []int  // likewise the values
	Unsure      bool   // there may be an order of it that is not known
	Before      []Item // in program order
}

// Event is what one instruction, or system call, of a thread does to what threads share. Its parts are
// its reads and then its writes.
type Event struct {
	Order
	Reads  []Cell
	Writes []Write
	// After are events of other threads that let this one happen, such as the one that has woken or
	// made the thread. Their Part is of no account.
	After []Ref
	// Ends tells that the thread gets no further: it has crashed or has ended the process.
	Ends  bool
	Place uint64 // where the instruction stands, which barriers are told by
	Note  any    // the program's own; not looked at
}

// Status is how a thread stands.
type Status uint8

// How a thread stands.
const (
	Ready  Status = iota
	Ended         // it has nothing left to do
	Waits         // for another thread, in the kernel
	Rounds        // it does the same again and again until it reads another write
	Torn          // what its next event follows from cannot have been, and no graph with it is an execution
)

// Program tells what threads do.
type Program interface {
	// Threads is how many there are.
	Threads() int
	// Next is what a thread does next behind its complete events in g, when the first reads of that event
	// read from these writes. If there are more reads the answer has at least one more; where it
	// has none more, its writes are complete. It must be a function of what the thread's events in g have read.
	Next(g *Graph, thread int, sources []Ref) (Answer, error)
	// Complete is given every complete consistent graph, which it may keep only as a Clone. An error of its
	// ends the exploration.
	Complete(g *Graph) error
}

// Answer is what a thread does next.
type Answer struct {
	Status Status
	Event  *Event // of Ready
	Round  []int  // of Rounds: the numbers of the events of the last round
}

// part is a place in the order of addition: a read, a write, or with index -1 an event without parts.
type part struct {
	thread, number int
	write          bool
	index          int
}

// node is an event in a graph.
type node struct {
	event   *Event
	sources []Ref // of the reads that were added
	writes  int   // how many were added
	done    bool  // all parts were, and the event is known as a whole
	base    int   // number of its first vertex in its thread; see vertices
}

// Graph is an execution, or the beginning of one.
type Graph struct {
	threads [][]node
	parts   []part // in the order of addition
	co      map[Cell][]Ref
	readers map[Cell][]part // reads of the cell
	line    *line           // an order of the complete events, nil where it is to be found
}

// New is the graph without events.
func New(threads int) *Graph {
	return &Graph{threads: make([][]node, threads), co: map[Cell][]Ref{}, readers: map[Cell][]part{}}
}

// Clone is a copy. Events are shared: they do not change.
func (g *Graph) Clone() *Graph {
	c := &Graph{threads: make([][]node, len(g.threads)), parts: slices.Clone(g.parts), co: make(map[Cell][]Ref, len(g.co)), readers: make(map[Cell][]part, len(g.readers))}
	for t, list := range g.threads {
		c.threads[t] = slices.Clone(list)
		for i := range c.threads[t] {
			c.threads[t][i].sources = slices.Clone(list[i].sources)
		}
	}
	for cell, list := range g.co {
		c.co[cell] = slices.Clone(list)
	}
	for cell, list := range g.readers {
		c.readers[cell] = slices.Clone(list)
	}
	return c
}

// Threads is how many threads there are.
func (g *Graph) Threads() int { return len(g.threads) }

// Events is how many complete events a thread has.
func (g *Graph) Events(thread int) int {
	n := len(g.threads[thread])
	if n > 0 && !g.threads[thread][n-1].done {
		n--
	}
	return n
}

// Size is how many events there are.
func (g *Graph) Size() (n int) {
	for t := range g.threads {
		n += g.Events(t)
	}
	return n
}

// Event is an event of a thread. Of one that is not complete, the writes are known where one of them was added.
func (g *Graph) Event(thread, number int) *Event { return g.threads[thread][number].event }

// Sources are the writes that the event's reads read from. They are not to be changed.
func (g *Graph) Sources(thread, number int) []Ref { return g.threads[thread][number].sources }

// Writes are the cell's writes in their order. They are not to be changed.
func (g *Graph) Writes(c Cell) []Ref { return g.co[c] }

// place is where a write stands in co, -1 of Init.
func (g *Graph) place(c Cell, w Ref) int {
	if w == Init {
		return -1
	}
	return slices.Index(g.co[c], w)
}

// CoBefore tells whether write a stands before write b of the same cell in co.
func (g *Graph) CoBefore(a, b Ref) bool {
	if b == Init || a == b {
		return false
	}
	if a == Init {
		return true
	}
	for _, w := range g.co[g.cellOf(a)] {
		switch w {
		case a:
			return true
		case b:
			return false
		}
	}
	return false
}

func (g *Graph) cellOf(w Ref) Cell { return g.threads[w.Thread][w.Number].event.Writes[w.Part].Cell }

// Last is the last write of a cell in co.
func (g *Graph) Last(c Cell) Ref {
	if n := len(g.co[c]); n > 0 {
		return g.co[c][n-1]
	}
	return Init
}

// open is the last event of a thread where that is not complete, nil otherwise.
func (g *Graph) open(thread int) *node {
	n := len(g.threads[thread])
	if n == 0 || g.threads[thread][n-1].done {
		return nil
	}
	return &g.threads[thread][n-1]
}

// push adds an event of which no part was added yet.
func (g *Graph) push(thread int, e *Event) {
	list := g.threads[thread]
	base := 0
	if n := len(list); n > 0 {
		base = list[n-1].base + vertices(list[n-1].event)
	}
	g.threads[thread] = append(list, node{event: e, base: base})
}

// addRead adds the next read of a thread's open event.
func (g *Graph) addRead(thread int, source Ref) part {
	n := g.open(thread)
	p := part{thread: thread, number: len(g.threads[thread]) - 1, index: len(n.sources)}
	n.sources = append(slices.Clip(n.sources), source)
	g.readers[n.event.Reads[p.index]] = append(g.readers[n.event.Reads[p.index]], p)
	g.parts = append(g.parts, p)
	return p
}

// addWrite adds the next write of a thread's open event at a place of its cell's order.
func (g *Graph) addWrite(thread, place int) {
	n := g.open(thread)
	p := part{thread: thread, number: len(g.threads[thread]) - 1, write: true, index: n.writes}
	n.writes++
	c := n.event.Writes[p.index].Cell
	g.co[c] = slices.Insert(g.co[c], place, p.ref())
	g.parts = append(g.parts, p)
}

func (p part) ref() Ref { return Ref{p.thread, p.number, p.index} }

// finish makes the last event of a thread complete.
func (g *Graph) finish(thread int) {
	n := len(g.threads[thread]) - 1
	g.threads[thread][n].done = true
	g.grows(thread, n)
}

// pop takes the last part away, and with the first part of an event the event.
func (g *Graph) pop() {
	p := g.parts[len(g.parts)-1]
	g.parts = g.parts[:len(g.parts)-1]
	n := &g.threads[p.thread][p.number]
	if n.done {
		g.shrinks(p.thread, p.number)
	}
	n.done = false
	switch {
	case p.index < 0:
	case p.write:
		c := n.event.Writes[p.index].Cell
		list := g.co[c]
		i := slices.Index(list, p.ref())
		g.co[c] = slices.Delete(list, i, i+1)
		n.writes--
	default:
		c := n.event.Reads[p.index]
		list := g.readers[c]
		g.readers[c] = list[:len(list)-1]
		n.sources = n.sources[:len(n.sources)-1]
	}
	if len(n.sources) == 0 && n.writes == 0 {
		g.threads[p.thread] = g.threads[p.thread][:p.number]
	}
}

// source is what a read reads from.
func (g *Graph) source(p part) Ref { return g.threads[p.thread][p.number].sources[p.index] }

// cell is that of a read or a write.
func (g *Graph) cell(p part) Cell {
	e := g.threads[p.thread][p.number].event
	if p.write {
		return e.Writes[p.index].Cell
	}
	return e.Reads[p.index]
}

// Next is the event of a thread of which some reads are there, nil for none.
func (g *Graph) Next(thread int) *Event {
	if n := g.open(thread); n != nil {
		return n.event
	}
	return nil
}
