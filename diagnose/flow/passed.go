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

// Instruction tells whether a function's code has an instruction at an address, as its branches lead
// there.
func (fl *Flow) Instruction(addr uint64) bool {
	fn := fl.functionAt(addr)
	return fn != nil && fn.insts[addr] != nil
}
