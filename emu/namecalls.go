package emu

import (
	"debug/elf"
	"fmt"
	"slices"

	"emurace/loader"
)

// NamedCall is a call in progress of a function that NameCalls was given.
type NamedCall struct {
	Func   string
	Text   string // as it was when the call began
	Caller uint64 // the address that the call returns to
	SP     uint64 // the stack pointer when it has returned: the frame's CFA
}

// NameCalls has every call of functions of the C library noted from now on, for NamedCalls,
// with what text says of it before its first instruction. text may look at the process. As
// with TraceCalls the run is the same, bit for bit; unlike there no thread has to be idle. Of
// functions with several versions for different processors, STT_GNU_IFUNC, the calls
// are not noted: which one the program calls is known to itself only. Nor are those of a
// static program, in which a function of that name may be its own. A second call of NameCalls
// changes nothing.
func (p *Process) NameCalls(names []string, text func(CallEvent) string) error {
	if p.naming != nil {
		return nil
	}
	t := &callTrace{funcs: map[uint64]string{}, text: text}
	for _, mod := range p.Modules() {
		if !p.isLibc(mod) {
			continue
		}
		for _, name := range names {
			sym, ok := mod.Image.Symbol(name)
			addr := mod.Base + sym.Addr
			if !ok || sym.Type != elf.STT_FUNC || t.funcs[addr] != "" {
				continue
			}
			if err := p.eng.SetBreak(addr); err != nil {
				return fmt.Errorf("name the calls of %s: %w", name, err)
			}
			t.funcs[addr] = name
		}
	}
	p.traces, p.naming = append(p.traces, t), t
	return nil
}

// libcParts are the libraries that a glibc consists of: before 2.34 some of its functions were
// in files of their own.
var libcParts = []string{"libpthread.so.0", "libdl.so.2", "librt.so.1"}

// isLibc tells whether a module is the C library, or a part of it.
func (p *Process) isLibc(mod *Module) bool {
	libc, _ := p.Libc()
	return mod == libc || p.sys.Libc == loader.Glibc && slices.Contains(libcParts, mod.Image.Soname)
}

// NamedCalls are the calls of a thread's that are in progress of those that NameCalls notes,
// innermost first. Those that began before NameCalls are not among them. A call that was
// left by longjmp may still be: its place on the stack tells.
func (p *Process) NamedCalls(t int) []NamedCall {
	if p.naming == nil || t < 0 || t >= len(p.st.threads) {
		return nil
	}
	var list []NamedCall
	add := func(c *openCall) {
		list = append(list, NamedCall{Func: c.event.Func, Text: c.text, Caller: c.event.Caller, SP: c.sp})
	}
	open := p.st.threads[t].open
	// A thread that stands before the first instruction has not been seen there yet.
	if c := p.begins(t); c != nil {
		open = abandon(open, c)
		if !noted(open, c) {
			c.text = p.naming.text(c.event)
			add(c)
		}
	}
	for c := open; c != nil; c = c.outer {
		if c.trace == p.naming {
			add(c)
		}
	}
	return list
}

// noted tells whether a call that begins now is among those in progress.
func noted(open, c *openCall) bool {
	for ; open != nil && open.event.Step == c.event.Step; open = open.outer {
		if open.trace == c.trace {
			return true
		}
	}
	return false
}

// begins is the call that begins where a thread stands, nil for none.
func (p *Process) begins(t int) *openCall {
	pc, err := p.PC(t)
	if err != nil || p.naming.funcs[pc] == "" {
		return nil
	}
	sp, err := p.eng.ReadReg(t, p.arch.sp)
	if err != nil {
		return nil
	}
	c, err := p.callAt(t, p.naming, p.naming.funcs[pc], sp)
	if err != nil {
		return nil // it has ended
	}
	return c
}
