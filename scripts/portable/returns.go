package portable

import (
	"slices"

	"emurace/emu"
)

// openCall is a call in progress: where it returns to, and with which stack.
type openCall struct{ ret, sp uint64 }

// returning follows the calls of a function on a thread.
type returning struct {
	p    *Player
	i    int
	f    *function
	trap uint64 // where the scenario's own calls return to
	at   []uint64
	open []openCall // outermost first
}

// returns begins with the calls that are in progress, as far as the stack can be
// told: libraries have the tables for it.
func (p *Player) returns(i int, u Returns) (condition, error) {
	f, err := p.names.function(u.Func)
	if err != nil {
		return nil, err
	}
	_, trap, _ := p.s.Process().Traps()
	r := &returning{p: p, i: i, f: f, trap: trap, at: slices.Clone(f.entries)}
	if p.topLevel(i, f) {
		r.open = append(r.open, openCall{ret: trap})
	}
	stack := p.stack(i)
	for k := len(stack) - 2; k >= 0; k-- {
		if stack[k].cfa != 0 && p.covers(f, stack[k].at) {
			r.begin(openCall{stack[k+1].pc, stack[k].cfa})
		}
	}
	return r, nil
}

func (r *returning) begin(c openCall) {
	if c.ret == r.trap {
		c.sp = 0 // it tells nothing: the thread's stack is empty then
	}
	// A function that jumps to its own beginning is still in the same call.
	if !slices.Contains(r.open, c) {
		r.open = append(r.open, c)
		r.at = appendNew(r.at, c.ret)
	}
}

func (r *returning) stops() []uint64 { return r.at }

// came closes the calls that have just returned and opens one that begins. A tail
// call ends with the call that made it.
func (r *returning) came(m moment) (bool, error) {
	if m.stop.Kind == emu.Returned {
		over := slices.Contains(r.open, openCall{ret: r.trap})
		r.open = nil
		return over, nil
	}
	if m.stop.Kind != atStop {
		return false, nil
	}
	t := r.p.s.MachineThread(r.i)
	pc, err := r.p.s.Process().PC(t)
	if err != nil {
		return false, err
	}
	sp, _ := r.p.s.Process().StackPointer(t)
	here := openCall{pc, sp}
	over := slices.Contains(r.open, here)
	if over {
		r.open = slices.DeleteFunc(r.open, func(c openCall) bool { return c == here })
	}
	if slices.Contains(r.f.entries, pc) {
		if ret, sp, ok := r.p.link(r.i); ok {
			r.begin(openCall{ret, sp})
		}
	}
	return over, nil
}
