package flow

import "fmt"

// Passed tells where the value came from that the function of the frame stack[i] was given as
// its integer argument k, by the code of its caller. The value itself is now, where that is known.
// The stack is innermost first.
func (fl *Flow) Passed(stack []Frame, i, k int, now uint64, known bool) Origin {
	if i < 0 || i >= len(stack) || k < 0 || k >= len(fl.abi.args) {
		return Origin{How: "there is no such argument"}
	}
	c, why := fl.callerOf(stack, i)
	if why != "" {
		return Origin{How: why}
	}
	o := c.from(fmt.Sprintf("argument %d of %s", k, fl.function(&stack[i]).name), c.before.regs[fl.abi.args[k]], now, known)
	o.Certain = o.Certain && c.sure && !c.frame.Doubtful
	return o
}

// maxOutward bounds the frames further out that are asked what a function was called with.
const maxOutward = 4

// within says which frame of a stack a point is of.
func (p *point) within(stack []Frame, index, levels int) {
	p.stack, p.index, p.levels = stack, index, levels
}

// outward is the number that a value is which rests on an argument of the function's, as its callers
// know it.
func (p *point) outward(v value) (number, bool) {
	sym := p.fn.symbols[v.sym]
	k := p.abi.argument(sym.at.register)
	if sym.kind != initial || k < 0 || p.levels == 0 || p.stack == nil {
		return number{}, false
	}
	c, why := p.callerWithin(p.stack, p.index, p.levels-1)
	if why != "" {
		return number{}, false
	}
	n, ok := c.concrete(c.before.regs[p.abi.args[k]], maxDepth)
	if !ok {
		return number{}, false
	}
	return number{v.apply(n.n), n.doubt || v.doubt || !c.sure, n.where}, true
}

// OriginIn is Origin of the frame stack[i], which may ask the frames further out what its function was called
// with.
func (fl *Flow) OriginIn(stack []Frame, i int, register string) Origin {
	if i < 0 || i >= len(stack) {
		return Origin{How: "there is no such frame"}
	}
	return fl.origin(stack, i, register)
}

// Instruction tells whether a function's code has an instruction at an address, as its branches lead
// there.
func (fl *Flow) Instruction(addr uint64) bool {
	fn := fl.functionAt(addr)
	return fn != nil && fn.insts[addr] != nil
}
