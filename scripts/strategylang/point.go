package strategylang

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"go.starlark.net/starlark"

	"emurace/disasm"
	"emurace/symbolize"
)

// point is a scheduling point as next(point) sees it. It can be asked as long as the
// function runs.
type point struct {
	*decider // nil afterwards
	random   *rand.Rand
	threads  *starlark.List
}

var _ starlark.HasAttrs = (*point)(nil)

func (p *point) String() string        { return "<point>" }
func (p *point) Type() string          { return "point" }
func (p *point) Freeze()               {}
func (p *point) Truth() starlark.Bool  { return true }
func (p *point) Hash() (uint32, error) { return 0, errors.New("a point cannot be a key") }

var errPast = errors.New("the point is past: what it tells is to be taken from it while it is there")

// AttrNames are the names that Attr knows.
func (p *point) AttrNames() []string {
	return []string{"choice", "events", "last", "memory", "met", "random", "steps", "thread", "threads"}
}

// Attr is point.name.
func (p *point) Attr(name string) (starlark.Value, error) {
	switch name {
	case "random", "choice":
		return chance(name, p.random), nil
	}
	if p.decider == nil {
		return nil, errPast
	}
	s := p.walk.Session()
	switch name {
	case "threads":
		return p.runnable(), nil
	case "thread":
		return starlark.NewBuiltin(name, p.byName), nil
	case "last":
		if p.last < 0 {
			return starlark.None, nil
		}
		return starlark.String(s.ScheduleNames()[p.last]), nil
	case "met":
		return starlark.Bool(p.met), nil
	case "steps":
		return starlark.MakeUint64(s.Steps()), nil
	case "memory":
		return p.memory, nil
	case "events":
		return history{p.decider, len(p.decider.events)}, nil
	}
	return nil, nil
}

func (p *point) runnable() *starlark.List {
	if p.threads == nil {
		var list []starlark.Value
		for _, t := range p.walk.Enabled() {
			list = append(list, &candidate{point: p, thread: t, called: p.walk.Session().ScheduleNames()[t]})
		}
		p.threads = starlark.NewList(list)
		p.threads.Freeze()
	}
	return p.threads
}

// byName is the runnable thread of a name, None when there is none now.
func (p *point) byName(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &name); err != nil {
		return nil, err
	}
	if p.decider == nil {
		return nil, errPast
	}
	for t := range starlark.Elements(p.runnable()) {
		if t.(*candidate).called == name {
			return t, nil
		}
	}
	return starlark.None, nil
}

// candidate is a thread that can run now.
type candidate struct {
	point   *point
	thread  int
	called  string
	pending *event
}

var _ starlark.HasAttrs = (*candidate)(nil)

func (c *candidate) String() string        { return fmt.Sprintf("<thread %s>", c.called) }
func (c *candidate) Type() string          { return "thread" }
func (c *candidate) Freeze()               {}
func (c *candidate) Truth() starlark.Bool  { return true }
func (c *candidate) Hash() (uint32, error) { return starlark.String(c.called).Hash() }
func (c *candidate) name() string          { return c.called }

// AttrNames are the names that Attr knows.
func (c *candidate) AttrNames() []string {
	return []string{"call", "instruction", "name", "offset", "pc", "pending", "place", "symbol"}
}

// Attr is thread.name. What the thread does next is found out by running it and
// going back, and only when it is asked for.
func (c *candidate) Attr(name string) (starlark.Value, error) {
	if name == "name" {
		return starlark.String(c.called), nil
	}
	if c.point.decider == nil {
		return nil, errPast
	}
	s := c.point.walk.Session()
	if s.IsClock(c.thread) && name != "pending" {
		return c.clock(name), nil
	}
	m := s.MachineThread(c.thread)
	switch name {
	case "call":
		if s.Process().RunsProgram() {
			return starlark.String(symbolize.Doing(s.Process(), m)), nil
		}
		return starlark.String(s.Process().Threads()[m].Call), nil
	case "pending":
		if c.pending == nil {
			e, err := c.point.walk.Peek(c.thread)
			if err != nil {
				return nil, err
			}
			c.pending = &event{decider: c.point.decider, is: e}
		}
		return c.pending, nil
	}
	pc, err := s.Process().PC(m)
	if err != nil {
		return nil, err
	}
	switch name {
	case "pc":
		return starlark.MakeUint64(pc), nil
	case "symbol":
		symbol, _, _ := s.Process().Symbol(pc)
		return starlark.String(symbol), nil
	case "offset":
		_, off, _ := s.Process().Symbol(pc)
		return starlark.MakeUint64(off), nil
	case "place":
		return starlark.String(place(s, pc)), nil
	case "instruction":
		code, _ := s.Process().Read(pc, 16)
		if code == nil {
			code, _ = s.Process().Read(pc, 4)
		}
		in, err := disasm.Decode(s.Process().Arch(), code, pc, func(addr uint64) (string, uint64) {
			name, off, _ := s.Process().Symbol(addr)
			return name, addr - off
		})
		if err != nil {
			return starlark.String(""), nil // no instruction that is known
		}
		return starlark.String(in.Text), nil
	}
	return nil, nil
}

// clock is thread.name of the clock, which stands nowhere: its instruction is to let a
// deadline pass.
func (c *candidate) clock(name string) starlark.Value {
	switch name {
	case "pc", "offset":
		return starlark.None
	case "instruction":
		return starlark.String(c.point.walk.Session().Passing())
	case "call", "symbol", "place":
		return starlark.String("")
	}
	return nil
}

// chance are the functions that draw: random(n), a number below n, and choice(list).
func chance(name string, r *rand.Rand) starlark.Value {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if name == "random" {
			var n int64
			if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &n); err != nil {
				return nil, err
			}
			if n < 1 {
				return nil, fmt.Errorf("random: %d: less than 1", n)
			}
			return starlark.MakeInt64(r.Int64N(n)), nil
		}
		var list starlark.Indexable
		var v starlark.Value
		if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &v); err != nil {
			return nil, err
		}
		list, ok := v.(starlark.Indexable)
		if !ok || list.Len() == 0 {
			return nil, fmt.Errorf("choice: got %s, want a list that is not empty", v.Type())
		}
		return list.Index(r.IntN(list.Len())), nil
	})
}

// Attributes lists what can be written behind a dot, by what the documentation calls
// the value.
func Attributes() map[string][]string {
	return map[string][]string{
		"point": (&point{}).AttrNames(), "thread": (&candidate{}).AttrNames(), "s": (&searcher{}).AttrNames(),
		"event": (&event{}).AttrNames(), "access": (&access{}).AttrNames(), "block": (&block{}).AttrNames(),
	}
}
