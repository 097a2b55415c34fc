package portable

import (
	"fmt"
	"slices"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
	"emurace/unwind"
)

const atStop = emu.AtStop

// moment is where a part of a run came to, and what it did.
type moment struct {
	event scenario.Event
	stop  emu.Stop
}

// condition looks for an Until while its thread runs.
type condition interface {
	// stops are addresses where the thread is to stop so that came can be asked.
	stops() []uint64
	// came tells whether the condition came true just now. It is asked after each
	// part of the run.
	came(moment) (bool, error)
}

// condition begins to look for a condition from the present moment of thread i on.
func (p *Player) condition(i int, u Until) (condition, error) {
	switch u := u.(type) {
	case nil:
		return never{}, nil
	case NextEvent:
		return anEvent{}, nil
	case At:
		at, err := p.place(u.Place)
		return arrival{at: at}, err
	case Calls:
		f, err := p.names.function(u.Func)
		if err != nil {
			return nil, err
		}
		in, err := p.scope(i, u.In)
		return arrival{at: f.entries, in: in}, err
	case Returns:
		return p.returns(i, u)
	case Access:
		return p.access(i, u)
	}
	return nil, fmt.Errorf("%v: no condition to stop at", u)
}

type never struct{}

func (never) stops() []uint64           { return nil }
func (never) came(moment) (bool, error) { return false, nil }

type anEvent struct{}

func (anEvent) stops() []uint64 { return nil }
func (anEvent) came(m moment) (bool, error) {
	return len(m.event.Accesses) > 0 || len(m.event.Objects) > 0, nil
}

// arrival is at any of some instructions.
type arrival struct {
	at []uint64
	in *scope
}

func (a arrival) stops() []uint64 { return a.at }
func (a arrival) came(m moment) (bool, error) {
	return m.stop.Kind == atStop && a.in.holds(0), nil
}

// place finds a place's addresses, of which there are several when there are copies
// of a function.
func (p *Player) place(at Place) ([]uint64, error) {
	if at.File != "" {
		return p.names.line(at.File, at.Line)
	}
	if at.Symbol.Name == "" {
		return []uint64{at.Addr}, nil
	}
	f, err := p.names.function(at.Symbol)
	if err != nil {
		return nil, err
	}
	if at.Off == 0 {
		return f.entries, nil
	}
	var list []uint64
	for _, entry := range f.exact {
		list = append(list, entry+at.Off)
	}
	return list, nil
}

// access is a watch of some bytes.
type access struct {
	p          *Player
	way        Way
	addr, size uint64
	value      *uint64
	in         *scope
}

func (p *Player) access(i int, u Access) (condition, error) {
	addr, err := p.loc(u.Loc)
	if err != nil {
		return nil, err
	}
	in, err := p.scope(i, u.In)
	if err != nil {
		return nil, err
	}
	a := access{p: p, way: u.Way, addr: addr, size: u.size(), value: u.Value, in: in}
	if a.addr+a.size < a.addr {
		return nil, fmt.Errorf("%v: the bytes go beyond all addresses", u)
	}
	p.s.StopAfter(a.addr, a.size, a.way != Writes, a.way != Reads)
	return a, nil
}

func (a access) stops() []uint64 { return nil }

func (a access) came(m moment) (bool, error) {
	if !m.stop.Watched || !a.way.among(a.p.s.LastAccesses(), a.addr, a.size) {
		return false, nil
	}
	if a.value != nil {
		b, ok := a.p.s.Process().Read(a.addr, a.size)
		if !ok || number(b) != *a.value {
			return false, nil
		}
	}
	last, ok := a.p.s.Process().Log().Last()
	return ok && a.in.holds(last.PC), nil
}

// among tells whether one of the accesses is of this way and of any of the bytes.
func (w Way) among(list []scenario.Access, addr, size uint64) bool {
	return slices.ContainsFunc(list, func(x scenario.Access) bool {
		return x.Addr < addr+size && addr < x.Addr+x.Size && (w == Touches || x.Write == (w == Writes))
	})
}

func number(b []byte) (v uint64) {
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// loc is the address of a location at the present moment.
func (p *Player) loc(l Loc) (uint64, error) {
	if l.Named != nil {
		name, err := l.Named.Name()
		if err != nil {
			return 0, err
		}
		l.Symbol = Symbol{Name: name}
	}
	switch {
	case l.Word != nil:
		at, err := p.loc(*l.Word)
		if err != nil {
			return 0, err
		}
		v, ok := p.s.Process().Read64(at)
		if !ok {
			return 0, fmt.Errorf("word(%v): nothing is mapped at %#x", *l.Word, at)
		}
		if v == 0 {
			return 0, fmt.Errorf("word(%v): it is 0 when the run begins", *l.Word)
		}
		return v + uint64(l.Off), nil
	case l.Symbol.Name == "":
		return l.Addr + uint64(l.Off), nil
	}
	addr, err := p.names.object(l.Symbol)
	if err == nil && l.Member != "" {
		var off uint64
		if off, err = p.names.member(addr, l); err == nil {
			addr += off
		}
	}
	return addr + uint64(l.Off), err
}

// scope is a function that the thread is to be in; a nil one is no restriction.
type scope struct {
	p *Player
	i int
	f *function
}

func (p *Player) scope(i int, f Symbol) (*scope, error) {
	if f.Name == "" {
		return nil, nil
	}
	found, err := p.names.function(f)
	return &scope{p, i, found}, err
}

// holds tells whether the thread is in the function, or was at the instruction at
// pc, unless that is 0.
func (c *scope) holds(pc uint64) bool {
	if c == nil || pc != 0 && c.p.covers(c.f, pc) || c.p.topLevel(c.i, c.f) {
		return true
	}
	return slices.ContainsFunc(c.p.stack(c.i), func(f frame) bool { return c.p.covers(c.f, f.at) })
}

// covers tells whether an instruction is of a function.
func (p *Player) covers(f *function, pc uint64) bool {
	mod, ok := p.s.Process().Module(pc)
	if !ok {
		return false
	}
	sym, _, ok := mod.Image.SymbolAt(pc - mod.Base)
	if !ok {
		return false
	}
	if slices.Contains(f.entries, mod.Base+sym.Addr) {
		return true
	}
	// Its rare paths have a symbol of their own.
	home, ok := p.s.Process().Module(f.entries[0])
	return ok && home == mod && stem(sym.Name) == f.name
}

// topLevel tells whether the call that the scenario makes now on the thread is one
// of the function.
func (p *Player) topLevel(i int, f *function) bool {
	call, ok, err := p.s.Body(i).Next(p.s.Results(i))
	if !ok || err != nil {
		return false
	}
	addr := call.Addr
	if addr == 0 {
		if addr, err = p.s.Process().Lookup(call.Func); err != nil {
			return false
		}
	}
	return slices.Contains(f.entries, addr)
}

// frame is an activation of a function.
type frame struct {
	at  uint64 // an instruction of it: the current one, or the call that it made
	pc  uint64 // where it goes on
	cfa uint64 // the stack pointer when it has returned, 0 if that is not known
}

// maxFrames bounds how far a stack is looked through.
const maxFrames = 64

// stack is the thread's call stack, innermost first, as far as it can be told.
func (p *Player) stack(i int) []frame {
	t := p.s.MachineThread(i)
	pc, err := p.s.Process().PC(t)
	if err != nil {
		return nil
	}
	var modules []unwind.Module
	for _, m := range p.s.Process().Modules() {
		modules = append(modules, unwind.Module{Lo: m.Lo, Hi: m.Hi, Base: m.Base, Image: m.Image})
	}
	if p.unwinder == nil {
		if p.unwinder, err = unwind.New(p.s.Process().Arch(), modules); err != nil {
			return nil
		}
	}
	p.unwinder = p.unwinder.With(modules)
	list, _ := p.unwinder.Stack(pc, registers{p.s.Process(), t}, p.s.Process(), maxFrames) // why it ends does not matter
	var out []frame
	for k, f := range list {
		at := f.PC
		if k > 0 && !f.Interrupted {
			at--
		}
		out = append(out, frame{at: at, pc: f.PC, cfa: f.CFA})
	}
	return out
}

// registers are a thread's, by their DWARF numbers.
type registers struct {
	m *emu.Process
	t int
}

func (r registers) Get(dwarf uint64) (uint64, bool) {
	return r.m.Register(r.t, unwind.RegisterName(r.m.Arch(), dwarf))
}

// link is where a call goes back to, and the stack pointer then, for a thread that
// stands before the first instruction of the function that it called.
func (p *Player) link(i int) (ret, sp uint64, ok bool) {
	t := p.s.MachineThread(i)
	if sp, ok = p.s.Process().StackPointer(t); !ok {
		return 0, 0, false
	}
	if p.s.Process().Arch() == loader.AMD64 {
		ret, ok = p.s.Process().Read64(sp)
		return ret, sp + 8, ok
	}
	ret, ok = p.s.Process().Register(t, "x30")
	return ret, sp, ok
}
