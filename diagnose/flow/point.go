package flow

import (
	"fmt"

	"emurace/symbolize"
)

// point is a frame with what its function's code says of it.
type point struct {
	*Flow
	frame *Frame
	fn    *function
	st    *state
	call  *instruction // the call that the frame is in, nil for none
	// before is the state before that call; st is the one after it.
	before *state

	stack  []Frame // that the frame is in, at index; nil for not known
	index  int
	levels int // frames further out that may still be asked
}

// maxMoments bounds the states of a function that are kept.
const maxMoments = 256

// moment is an instruction with the state before it and, of a call, after it.
type moment struct{ st, before *state }

// states are the states at an instruction, which do not change any more.
func (fl *Flow) states(fn *function, in *instruction, after bool) (st, before *state) {
	m, ok := fn.moments[in]
	if !ok {
		if m.before = fl.before(fn, in); m.before != nil {
			m.st = m.before.clone()
			fl.transfer(fn, in, m.st)
		}
		if fn.moments == nil || len(fn.moments) == maxMoments {
			fn.moments = map[*instruction]moment{}
		}
		fn.moments[in] = m
	}
	if after {
		return m.st, m.before
	}
	return m.before, nil
}

// maxDepth bounds how far a value is followed through memory and frames.
const maxDepth = 6

// at is what is known of a frame; why is what is not, when it is nil.
func (fl *Flow) at(f *Frame) (p *point, why string) {
	fn := fl.function(f)
	switch {
	case fn == nil:
		return nil, "its function is not known"
	case fn.problem != "":
		return nil, fn.name + " is not known: " + fn.problem
	}
	p = &point{Flow: fl, frame: f, fn: fn}
	in := fn.insts[f.PC]
	if f.Return {
		if in = fn.callBefore(f.PC); in == nil {
			return nil, "no call of " + fn.name + "'s returns there"
		}
		p.call = in
	}
	if in != nil {
		p.st, p.before = fl.states(fn, in, f.Return)
	}
	if p.st != nil && !f.Return && in.Repeat {
		p.st = fl.amid(fn, in, p.st)
	}
	if p.st == nil {
		return nil, "no path of " + fn.name + "'s leads there"
	}
	return p, ""
}

// amid is the state within an instruction that repeats itself: some of it may be done.
func (fl *Flow) amid(fn *function, in *instruction, before *state) *state {
	s := step{Flow: fl, fn: fn, in: in, st: before.clone()}
	for _, name := range in.Dst {
		if r := fl.abi.register(name); r >= 0 {
			s.st.regs[r] = s.opaque(r, source{kind: Computed, at: placesOf(in.Addr)})
		}
	}
	s.memory()
	return s.st
}

// callBefore is the call that returns to an address.
func (fn *function) callBefore(pc uint64) *instruction {
	for n := uint64(1); n <= 15; n++ {
		if in := fn.insts[pc-n]; in != nil && in.Call && in.after() == pc {
			return in
		}
	}
	return nil
}

// number is a number that is known; doubt says that it may have changed since.
type number struct {
	n     uint64
	doubt bool
	where string // what it was read from
}

// concrete is the number that a value is, by what the frame has now.
func (p *point) concrete(v value, depth int) (number, bool) {
	if c, ok := v.constant(); ok {
		return number{c, v.doubt, fmt.Sprintf("%#x in the code of %s", c, p.fn.name)}, true
	}
	best, found := number{}, false
	try := func(n number) {
		if !found || best.doubt && !n.doubt {
			best, found = n, true
		}
	}
	for r := range p.abi.n {
		held := p.st.regs[r]
		if !fits(held, v) {
			continue
		}
		if n, ok := p.frame.Register(p.abi.names[r]); ok {
			try(number{v.from(held, n), held.doubt || v.doubt, p.abi.names[r] + " in " + p.fn.name})
		}
	}
	if p.inFrame(value{sym: v.sym}) && p.frame.CFA != 0 {
		try(number{v.from(value{sym: v.sym, off: p.abi.entry}, p.frame.CFA), v.doubt, "the frame of " + p.fn.name})
	}
	if found && !best.doubt {
		return best, true
	}
	for _, s := range p.st.slots {
		if !fits(s.val, v) {
			continue
		}
		addr, ok := p.concrete(value{sym: initially(p.abi.sp), off: s.off}, 0)
		if n, readable := p.read(addr.n, int(s.size), false); ok && readable {
			try(number{v.from(s.val, n), addr.doubt || s.val.doubt || v.doubt, fmt.Sprintf("the frame of %s, at %#x", p.fn.name, addr.n)})
		}
	}
	if list := p.fn.sources[v.sym]; !found && depth > 0 && len(list) == 1 && list[0].kind == Loaded && !list[0].lost {
		s := list[0]
		if addr, ok := p.concrete(s.val, depth-1); ok {
			if n, readable := p.read(addr.n, s.size, s.signed); readable {
				fixed := p.fixed(addr.n, s.size)
				try(number{v.apply(n), !fixed || addr.doubt || v.doubt, fmt.Sprintf("%s, loaded by %s", placeName(p.space, addr.n), p.fn.name)})
			}
		}
	}
	if !found {
		return p.outward(v)
	}
	return best, found
}

// placeName names an address of memory.
func placeName(space symbolize.Space, addr uint64) string {
	if name := symbolize.Data(space, addr); name != "" {
		return name
	}
	return fmt.Sprintf("[%#x]", addr)
}

// fits tells whether what holds one value is enough to know another.
func fits(held, v value) bool {
	return held.sym == v.sym && (held.ext == whole || v.ext != whole)
}

// from computes a value out of another one of the same symbol.
func (v value) from(held value, n uint64) uint64 { return v.apply(n - uint64(held.off)) }
