package flow

import "slices"

// maxTails bounds how many functions one after the other go on by a jump.
const maxTails = 4

// maxReached bounds the functions that are looked at for that.
const maxReached = 64

// Called is the function that the call of the frame stack[i+1] called: that of stack[i], or one
// that has gone on to it by a jump in place of a call, as glibc's setenv to __add_to_environ. ok is
// false when that is not known.
func (fl *Flow) Called(stack []Frame, i int) (name string, addr uint64, ok bool) {
	fn, _ := fl.calledFunction(stack, i)
	if fn == nil {
		return "", 0, false
	}
	return fn.name, fn.entry, true
}

// calledFunction is what Called is about, and the call of it; nil when it is not known.
func (fl *Flow) calledFunction(stack []Frame, i int) (*function, caller) {
	if i < 0 || i >= len(stack) {
		return nil, caller{}
	}
	inner := fl.function(&stack[i])
	c, to, why := fl.callInto(stack, i, maxOutward)
	if why != "" || inner == nil || !fl.reaches(to, inner.entry, maxTails, map[uint64]bool{}) {
		return nil, c
	}
	fn := fl.functionAt(to)
	if fn == nil || fn.entry != to {
		return nil, c
	}
	return fn, c
}

// reaches tells whether a function is another one, or goes on to it by a jump.
func (fl *Flow) reaches(from, to uint64, depth int, seen map[uint64]bool) bool {
	if from == to {
		return true
	}
	if seen[from] || len(seen) == maxReached {
		return false
	}
	seen[from] = true
	fn := fl.functionAt(from)
	if depth == 0 || fn == nil || fn.entry != from {
		return false
	}
	for _, in := range fn.insts {
		if in.tail != 0 && fl.reaches(fl.through(in.tail), to, depth-1, seen) {
			return true
		}
	}
	return false
}

// CalledArguments tells what the function that Called names was called with, as Arguments does for
// that of the frame itself. The list is empty when Called does not know it.
func (fl *Flow) CalledArguments(stack []Frame, i, n int) []Value {
	fn, c := fl.calledFunction(stack, i)
	if fn == nil {
		return nil
	}
	if fn.entry == fl.function(&stack[i]).entry {
		return fl.Arguments(stack, i, n)
	}
	list := make([]Value, max(0, min(n, len(fl.abi.args))))
	for k := range list {
		v := fl.given(stack, i, c, c.before.regs[fl.abi.args[k]], maxDepth-1)
		v.Certain = v.Certain && c.sure
		list[k] = agree([]Value{v, fl.beforeJump(stack, i, fn, k)})
	}
	return list
}

// beforeJump is an argument of a function that has gone on to that of a frame by a jump, as the
// latter still has it.
func (fl *Flow) beforeJump(stack []Frame, i int, fn *function, k int) Value {
	lost := Value{How: fn.name + " did not hand it on"}
	to := fl.function(&stack[i]).entry
	if fn.problem != "" {
		return lost
	}
	var handed []value // the arguments at all jumps, those that differ doubtful
	for _, in := range fn.insts {
		if in.tail == 0 || fl.through(in.tail) != to {
			continue
		}
		st, _ := fl.states(fn, in, false)
		if st == nil {
			continue
		}
		var list []value
		for _, r := range fl.abi.args {
			list = append(list, st.regs[r])
		}
		for j := range handed {
			list[j].doubt = list[j].doubt || handed[j].doubt || !list[j].same(handed[j])
		}
		handed = list
	}
	j := slices.IndexFunc(handed, func(v value) bool { return v.sym == initially(fl.abi.args[k]) && !v.doubt })
	if j < 0 {
		return lost
	}
	v := fl.kept(stack, i, j)
	if !v.Known {
		v = fl.handedOn(stack, i, j, maxDepth-1)
	}
	if !v.Known {
		return lost
	}
	v.Value -= uint64(handed[j].off)
	if v.Bits == 32 || handed[j].ext != whole {
		v.Bits, v.Value = 32, uint64(uint32(v.Value))
	}
	return v
}
