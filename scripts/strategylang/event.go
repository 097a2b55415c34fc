package strategylang

import (
	"errors"
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"emurace/heap"
	"emurace/scenario"
)

// What a script is told of events is found out when it asks, and not before: most
// strategies look at one thing of many, and a point has hundreds of events behind it.

// fact is what events, accesses and blocks have in common: nobody can change them.
type fact struct{}

func (fact) Freeze()              {}
func (fact) Truth() starlark.Bool { return true }

// event is an event that has happened, or that a thread would run next.
type event struct {
	fact
	*decider
	is       scenario.Event
	accesses *starlark.List // nil until asked for
}

var _ starlark.HasAttrs = (*event)(nil)

func (*event) String() string        { return "<event>" }
func (*event) Type() string          { return "event" }
func (*event) Hash() (uint32, error) { return 0, errors.New("an event cannot be a key") }

// AttrNames are the names that Attr knows.
func (*event) AttrNames() []string {
	return []string{"accesses", "ends", "pc", "place", "steps", "thread"}
}

// Attr is event.name.
func (e *event) Attr(name string) (starlark.Value, error) {
	s := e.walk.Session()
	switch name {
	case "thread":
		return starlark.String(s.ScheduleNames()[e.is.Thread]), nil
	case "pc":
		return starlark.MakeUint64(e.is.PC), nil
	case "place":
		return starlark.String(place(s, e.is.PC)), nil
	case "steps":
		return starlark.MakeUint64(e.is.Ran), nil
	case "ends":
		return starlark.Bool(e.is.Ends), nil
	case "accesses":
		if e.accesses == nil {
			list := make([]starlark.Value, len(e.is.Accesses))
			for i, a := range e.is.Accesses {
				list[i] = &access{decider: e.decider, is: a}
			}
			e.accesses = starlark.NewList(list)
			e.accesses.Freeze()
		}
		return e.accesses, nil
	}
	return nil, nil
}

// place names an instruction, as run's until takes it.
func place(s *scenario.Session, pc uint64) string {
	if name := named(s, pc); name != "" {
		return name
	}
	return fmt.Sprintf("%#x", pc)
}

// named is an address by its symbol, "" when it has none.
func named(s *scenario.Session, addr uint64) string {
	name, off, ok := s.Process().Symbol(addr)
	switch {
	case !ok:
		return ""
	case off == 0:
		return name
	}
	return fmt.Sprintf("%s+%#x", name, off)
}

// access is an access of an event's.
type access struct {
	fact
	*decider
	is scenario.Access
}

var _ starlark.HasAttrs = (*access)(nil)

func (*access) String() string        { return "<access>" }
func (*access) Type() string          { return "access" }
func (*access) Hash() (uint32, error) { return 0, errors.New("an access cannot be a key") }

// AttrNames are the names that Attr knows.
func (*access) AttrNames() []string {
	return []string{"address", "block", "size", "symbol", "write"}
}

// Attr is access.name. The block is the one that the bytes are of at the moment when it
// is asked for.
func (a *access) Attr(name string) (starlark.Value, error) {
	switch name {
	case "address":
		return starlark.MakeUint64(a.is.Addr), nil
	case "size":
		return starlark.MakeUint64(a.is.Size), nil
	case "write":
		return starlark.Bool(a.is.Write), nil
	case "symbol":
		return starlark.String(named(a.walk.Session(), a.is.Addr)), nil
	case "block":
		if a.past {
			return nil, errPast
		}
		b, ok := a.walk.Session().Block(a.is.Addr)
		if !ok {
			return starlark.None, nil
		}
		return &block{session: a.walk.Session(), is: b}, nil
	}
	return nil, nil
}

// block is a block of the heap, as it was when it was asked for.
type block struct {
	fact
	session *scenario.Session
	is      heap.Piece
}

var _ starlark.HasAttrs = (*block)(nil)

func (*block) String() string        { return "<block>" }
func (*block) Type() string          { return "block" }
func (*block) Hash() (uint32, error) { return 0, errors.New("a block cannot be a key") }

// AttrNames are the names that Attr knows.
func (*block) AttrNames() []string { return []string{"address", "freed", "size", "thread"} }

// Attr is block.name.
func (b *block) Attr(name string) (starlark.Value, error) {
	switch name {
	case "address":
		return starlark.MakeUint64(b.is.Addr), nil
	case "size":
		return starlark.MakeUint64(b.is.Size), nil
	case "freed":
		return starlark.Bool(b.is.Freed != nil), nil
	case "thread":
		if b.is.Alloc == nil {
			return starlark.String(""), nil
		}
		i := b.session.RacingThread(b.is.Alloc.Thread)
		if i < 0 {
			return starlark.String(""), nil
		}
		return starlark.String(b.session.Names()[i]), nil
	}
	return nil, nil
}

// history is the first n events of a schedule, a sequence like a list that nobody can
// change.
type history struct {
	*decider
	n int
}

var (
	_ starlark.Sliceable = history{}
	_ starlark.Sequence  = history{}
)

func (h history) String() string       { return h.Slice(0, h.n, 1).String() }
func (history) Type() string           { return "events" }
func (history) Freeze()                {}
func (h history) Truth() starlark.Bool { return h.n > 0 }
func (history) Hash() (uint32, error)  { return 0, errors.New("events cannot be a key") }

// Len is how many there are.
func (h history) Len() int { return h.n }

// Index is one of them.
func (h history) Index(i int) starlark.Value { return h.event(i) }

// Slice is a list of some of them.
func (h history) Slice(start, end, step int) starlark.Value {
	var list []starlark.Value
	for i := start; step > 0 && i < end || step < 0 && i > end; i += step {
		list = append(list, h.event(i))
	}
	return starlark.NewList(list)
}

// Iterate goes through them.
func (h history) Iterate() starlark.Iterator { return &historyIterator{history: h} }

type historyIterator struct {
	history
	at int
}

func (i *historyIterator) Next(p *starlark.Value) bool {
	if i.at == i.n {
		return false
	}
	*p = i.event(i.at)
	i.at++
	return true
}

func (*historyIterator) Done() {}

// event is what a script is given for an event that has happened, the same each time.
func (d *decider) event(i int) *event {
	if n := i + 1 - len(d.told); n > 0 {
		d.told = append(d.told, slices.Repeat([]*event{nil}, n)...)
	}
	if d.told[i] == nil {
		d.told[i] = &event{decider: d, is: d.events[i]}
	}
	return d.told[i]
}
