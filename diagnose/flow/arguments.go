package flow

import "fmt"

// Arguments tells what the function of the frame stack[i] was called with: the integer arguments
// 0 to n-1. The stack is innermost first. n is cut to the arguments that are in registers.
func (fl *Flow) Arguments(stack []Frame, i, n int) []Value {
	n = max(0, min(n, len(fl.abi.args)))
	list := make([]Value, n)
	for k := range list {
		if i >= 0 && i < len(stack) {
			list[k] = fl.argument(stack, i, k, maxDepth)
		}
	}
	return list
}

// argument compares what the function's own frame knows, what the caller's code says, and what
// the functions that it has called got from it.
func (fl *Flow) argument(stack []Frame, i, k, depth int) Value {
	list := []Value{fl.kept(stack, i, k)}
	if depth > 0 {
		list = append(list, fl.passed(stack, i, k, depth-1), fl.handedOn(stack, i, k, depth-1))
	}
	return agree(list)
}

// agree is what all that is known says. What is certain stands against what is likely.
func agree(list []Value) Value {
	best := Value{}
	for _, v := range list {
		if v.Known && (!best.Known || v.Certain && !best.Certain || v.Certain == best.Certain && v.Bits > best.Bits) {
			best = v
		}
	}
	if !best.Known {
		for _, v := range list {
			if best.How == "" {
				best.How = v.How
			}
		}
		return best
	}
	agreed := 0
	for _, v := range list {
		if !v.Known {
			continue
		}
		bits := min(v.Bits, best.Bits)
		switch mask := ^uint64(0) >> (64 - bits); {
		case (v.Value^best.Value)&mask == 0:
			agreed++
		case v.Certain == best.Certain:
			return Value{How: fmt.Sprintf("%s says %#x, and %s %#x", best.How, best.Value, v.How, v.Value)}
		}
	}
	return best
}

// valueOf is a number as an argument.
func valueOf(n number, bits int, doubtful bool) Value {
	return Value{Value: n.n, Known: true, Certain: !n.doubt && !doubtful, Bits: bits, How: n.where}
}

// argument is the number that a value is; where only its low half is known, that.
func (p *point) argument(v value) (Value, bool) {
	if n, ok := p.concrete(v, maxDepth); ok {
		bits := 64
		if v.ext == zero32 {
			bits = 32
		}
		return valueOf(n, bits, p.frame.Doubtful), true
	}
	if v.ext == whole {
		if n, ok := p.concrete(v.low32(zero32), maxDepth); ok {
			return valueOf(n, 32, p.frame.Doubtful), true
		}
	}
	return Value{}, false
}

// kept is an argument as the function's own registers and frame still have it.
func (fl *Flow) kept(stack []Frame, i, k int) Value {
	p, why := fl.at(&stack[i])
	if p == nil {
		return Value{How: why}
	}
	v, ok := p.argument(value{sym: initially(fl.abi.args[k])})
	if !ok {
		v.How = p.fn.name + " no longer has it"
	}
	return v
}

// caller is the call in stack[i+1] of the function of stack[i], with the state before it.
type caller struct {
	*point
	// sure says that the function is what the call calls.
	sure bool
}

// callInto finds the call that led to the frame stack[i], and the function that it calls; so many
// frames further out may be asked.
func (fl *Flow) callInto(stack []Frame, i, levels int) (c caller, to uint64, why string) {
	if i+1 >= len(stack) {
		return c, 0, "its caller is not known"
	}
	if !stack[i+1].Return {
		return c, 0, "it was not called by the frame before"
	}
	p, why := fl.at(&stack[i+1])
	if p == nil {
		return c, 0, why
	}
	p.within(stack, i+1, levels)
	c = caller{point: p}
	to, c.sure = c.target()
	if to == 0 {
		return c, 0, "what " + p.fn.name + " called is not known"
	}
	c.sure = c.sure && !stack[i].Doubtful
	return c, to, ""
}

// callerOf finds the call that made the frame stack[i].
func (fl *Flow) callerOf(stack []Frame, i int) (c caller, why string) {
	return fl.callerWithin(stack, i, maxOutward)
}

// callerWithin is callerOf, with so many frames further out that may be asked.
func (fl *Flow) callerWithin(stack []Frame, i, levels int) (c caller, why string) {
	c, to, why := fl.callInto(stack, i, levels)
	if why != "" {
		return c, why
	}
	if fn := fl.function(&stack[i]); fn == nil || to != fn.entry {
		return c, c.fn.name + " called another function, which went on to this one"
	}
	return c, ""
}

// target is the function that the call of a frame calls, 0 for not known.
func (c *caller) target() (to uint64, sure bool) {
	if c.call.Target != 0 {
		return c.through(c.call.Target), true
	}
	if len(c.call.Mem) > 0 {
		s := step{Flow: c.Flow, fn: c.fn, in: c.call, st: c.before}
		for j := range c.call.Mem {
			m := &c.call.Mem[j]
			if !m.Read {
				continue
			}
			if v, ok := s.address(m); ok {
				if addr, ok := c.concrete(v, maxDepth); ok {
					n, ok := c.word(addr.n)
					if ok {
						return c.through(n), !addr.doubt && c.fixed(addr.n, 8)
					}
				}
			}
		}
		return 0, false
	}
	for _, name := range c.call.Src {
		if r := c.abi.register(name); r >= 0 && r != c.abi.sp {
			if n, ok := c.concrete(c.before.regs[r], maxDepth); ok {
				return c.through(n.n), !n.doubt
			}
		}
	}
	return 0, false
}

// passed is an argument as the caller's code says it.
func (fl *Flow) passed(stack []Frame, i, k, depth int) Value {
	c, why := fl.callerOf(stack, i)
	if why != "" {
		return Value{How: why}
	}
	v := fl.given(stack, i, c, c.before.regs[fl.abi.args[k]], depth)
	v.Certain = v.Certain && c.sure
	return v
}

// given is a value before the call of stack[i+1].
func (fl *Flow) given(stack []Frame, i int, c caller, v value, depth int) Value {
	if out, ok := c.argument(v); ok && (out.Certain || out.Bits == 64) {
		return out
	}
	// What the caller was called with, others may know.
	if j := fl.abi.argument(c.fn.symbols[v.sym].at.register); c.fn.symbols[v.sym].kind == initial && j >= 0 && depth > 0 {
		out := fl.argument(stack, i+1, j, depth-1)
		if out.Known && (out.Bits == 64 || v.ext != whole) {
			out.Value = v.apply(out.Value)
			out.Certain = out.Certain && !v.doubt
			if v.ext == zero32 {
				out.Bits = 32
			}
			return out
		}
	}
	out, ok := c.argument(v)
	if !ok {
		out.How = "what " + c.fn.name + " passed is no longer known"
	}
	return out
}

// handedOn is an argument that the function has handed on to the one that it is calling, which
// still has it.
func (fl *Flow) handedOn(stack []Frame, i, k, depth int) Value {
	if i == 0 {
		return Value{}
	}
	c, why := fl.callerOf(stack, i-1)
	if why != "" {
		return Value{How: why}
	}
	for j, r := range fl.abi.args {
		v := c.before.regs[r]
		if v.sym != initially(fl.abi.args[k]) {
			continue
		}
		inner := fl.kept(stack, i-1, j)
		if !inner.Known && depth > 0 {
			inner = fl.handedOn(stack, i-1, j, depth-1)
		}
		if !inner.Known {
			continue
		}
		whole64 := v.ext == whole && inner.Bits == 64
		out := Value{Value: inner.Value - uint64(v.off), Known: true, Certain: inner.Certain && c.sure && !v.doubt, Bits: 64, How: inner.How}
		if !whole64 {
			out.Bits, out.Value = 32, uint64(uint32(out.Value))
		}
		return out
	}
	return Value{}
}
