package flow

// maxTails bounds how many functions one after the other go on by a jump.
const maxTails = 4

// Called is the function that the call of the frame stack[i+1] called: that of stack[i], or one
// that has gone on to it by a jump in place of a call, as glibc's setenv to __add_to_environ. ok is
// false when that is not known.
func (fl *Flow) Called(stack []Frame, i int) (name string, addr uint64, ok bool) {
	if i < 0 || i+1 >= len(stack) || !stack[i+1].Return {
		return "", 0, false
	}
	inner := fl.function(&stack[i])
	p, _ := fl.at(&stack[i+1])
	if p == nil || inner == nil {
		return "", 0, false
	}
	c := caller{point: p}
	to, _ := c.target()
	if to == 0 || !fl.reaches(to, inner.entry, maxTails) {
		return "", 0, false
	}
	fn := fl.functionAt(to)
	if fn == nil || fn.entry != to {
		return "", 0, false
	}
	return fn.name, to, true
}

// reaches tells whether a function is another one, or goes on to it by a jump.
func (fl *Flow) reaches(from, to uint64, depth int) bool {
	if from == to {
		return true
	}
	fn := fl.functionAt(from)
	if depth == 0 || fn == nil || fn.entry != from {
		return false
	}
	for _, in := range fn.insts {
		if in.tail != 0 && fl.reaches(fl.through(in.tail), to, depth-1) {
			return true
		}
	}
	return false
}
