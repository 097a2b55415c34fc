package emu

import (
	"fmt"
	"slices"
)

// CallEvent is the entry into a traced function, or the return from it.
type CallEvent struct {
	Thread int       // the thread's number on the machine
	Func   string    // as it was asked for
	Args   [6]uint64 // integer arguments as they were at entry, as many as the function has
	Caller uint64    // the address that the call returns to
	// Depth is how many other traced calls of the same TraceCalls the thread is
	// in: 0 for a call from outside of all, 1 for malloc called by realloc.
	Depth int
	// Step is the number of the call's first instruction, as in the access log.
	Step uint64

	// Returned tells the return from the entry. ReturnStep is then the number
	// of the call's last instruction and Result what it returned.
	Returned   bool
	Result     uint64
	ReturnStep uint64
}

// callTrace is one TraceCalls.
type callTrace struct {
	funcs map[uint64]string // by address
	f     func(CallEvent)
	text  func(CallEvent) string // of NameCalls, in place of f
}

// openCall is a traced call in progress. The list of them, innermost first, is
// never changed, only put a new head on: so a mark may keep it.
type openCall struct {
	trace *callTrace
	event CallEvent
	sp    uint64 // stack pointer when the call has returned
	text  string // of NameCalls
	outer *openCall
}

// TraceCalls lets f know of every call of functions that libraries export, at
// entry and at return, with the machine standing before the call's first
// instruction and behind its last one. Names that no library exports are passed
// over, and of several names of one function the first counts. f may look at
// the machine but neither run nor change it; the run is the same, bit for bit,
// as without a trace.
//
// A call is known by its thread, return address and stack pointer. One that is
// left by longjmp, by a switch to another stack or by the thread's end never
// returns. Several traces may be on; stopTracing ends them all. The main thread
// must be idle.
func (p *Process) TraceCalls(names []string, f func(CallEvent)) error {
	t := &callTrace{funcs: map[uint64]string{}, f: f}
	for _, name := range names {
		if !p.exports(name) {
			continue
		}
		addr, err := p.Lookup(name)
		if err != nil {
			return fmt.Errorf("trace %s: %w", name, err)
		}
		if t.funcs[addr] != "" {
			continue
		}
		if err := p.eng.SetBreak(addr); err != nil {
			return fmt.Errorf("trace %s: %w", name, err)
		}
		t.funcs[addr] = name
	}
	p.traces = append(p.traces, t)
	return nil
}

// stopTracing ends all traces. What is in progress never returns to them.
func (p *Process) stopTracing() {
	p.traces, p.naming, p.following, p.finder = nil, nil, nil, nil
	p.eng.ClearBreaks()
	for t := range p.st.threads {
		p.changed(t).open = nil
	}
}

func (p *Process) exports(name string) bool {
	if _, ok := p.routine(name); ok {
		return true
	}
	return slices.ContainsFunc(p.Modules(), func(mod *Module) bool {
		_, ok := mod.Image.Symbol(name)
		return ok
	})
}

// atBreak handles a thread that stands at a breakpoint or at the trap that calls
// return to: calls that have just returned, and then one that begins. Both can
// be, when code returns to the first instruction of a function.
func (m *Machine) atBreak(t int) error {
	m.counted = nil
	if len(m.traces) == 0 && m.finder == nil {
		return nil
	}
	pc, err := m.PC(t)
	if err != nil {
		return err
	}
	m.atWord(t, pc)
	sp, err := m.eng.ReadReg(t, m.arch.sp)
	if err != nil {
		return err
	}
	if err := m.returned(t, pc, sp); err != nil {
		return err
	}
	for _, tr := range m.traces {
		if name := tr.funcs[pc]; name != "" {
			if err := m.entered(t, tr, name, sp); err != nil {
				return err
			}
		}
	}
	return m.countErr
}

// returned tells of the calls that end here. A tail call ends together with the
// call that made it. Calls below the stack pointer were left without a return.
func (m *Machine) returned(t int, pc, sp uint64) error {
	for c := m.st.threads[t].open; c != nil && c.sp <= sp; c = c.outer {
		if c.sp == sp && c.event.Caller != pc {
			break // a function that has not moved the stack pointer yet, or no more
		}
		m.changed(t).open = c.outer
		if c.sp < sp || c.trace.f == nil || !slices.Contains(m.traces, c.trace) {
			continue
		}
		result, err := m.eng.ReadReg(t, m.arch.result)
		if err != nil {
			return err
		}
		e := c.event
		e.Returned, e.Result, e.ReturnStep = true, result, m.Steps()
		c.trace.f(e)
	}
	return nil
}

// entered tells of a call that begins.
func (m *Machine) entered(t int, tr *callTrace, name string, sp uint64) error {
	c, err := m.callAt(t, tr, name, sp)
	if c == nil || err != nil {
		return err
	}
	open := abandon(m.st.threads[t].open, c)
	for o := open; o != nil; o = o.outer {
		if o.trace == tr {
			c.event.Depth++
		}
	}
	if err := m.eng.SetBreak(c.event.Caller); err != nil {
		return fmt.Errorf("trace %s: %w", name, err)
	}
	c.outer = open
	m.changed(t).open = c
	if tr.f == nil {
		c.text = tr.text(c.event)
		return nil
	}
	tr.f(c.event)
	return nil
}

// callAt is the call that begins where a thread stands; nil for a jump to the function.
func (p *Process) callAt(t int, tr *callTrace, name string, sp uint64) (*openCall, error) {
	c := &openCall{trace: tr, sp: sp, event: CallEvent{Thread: t, Func: name, Step: p.Steps() + 1}}
	if p.arch.link == nil {
		caller, ok := p.Read64(sp)
		if !ok {
			return nil, nil // the call instruction pushed it, so this was a jump: no call
		}
		c.event.Caller, c.sp = caller, sp+8
	} else {
		caller, err := p.eng.ReadReg(t, *p.arch.link)
		if err != nil {
			return nil, err
		}
		c.event.Caller = caller
	}
	for i, r := range p.arch.args[:len(c.event.Args)] {
		v, err := p.eng.ReadReg(t, r)
		if err != nil {
			return nil, err
		}
		c.event.Args[i] = v
	}
	return c, nil
}

// abandon leaves out the calls that cannot be in progress any more when the
// given one begins. One at the same place of the stack with the same return
// address ends in a tail call, perhaps of itself, as glibc 2.31's first malloc
// does when it has set itself up.
func abandon(open, begins *openCall) *openCall {
	for o := open; o != nil; o = o.outer {
		if o.sp > begins.sp || o.sp == begins.sp && o.event.Caller == begins.event.Caller {
			return o
		}
	}
	return nil
}
