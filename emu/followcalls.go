package emu

import (
	"fmt"
	"slices"
)

// FollowCalls has every call of functions noted from now on, for Follows; the functions are known by
// their addresses, so that those which no library exports can be among them. As with TraceCalls
// the run is the same, bit for bit, and no thread has to be idle. A second call of FollowCalls changes nothing.
func (p *Process) FollowCalls(funcs []uint64) error {
	if p.following != nil {
		return nil
	}
	t := &callTrace{funcs: map[uint64]string{}, text: func(CallEvent) string { return "" }}
	for _, addr := range funcs {
		if err := p.eng.SetBreak(addr); err != nil {
			return fmt.Errorf("follow the calls of %#x: %w", addr, err)
		}
		t.funcs[addr] = fmt.Sprintf("%#x", addr)
	}
	p.traces, p.following = append(slices.Clip(p.traces), t), t
	return nil
}

// Follows tells whether a thread is in a call that FollowCalls has noted, also of what the function
// itself calls. One that was left by longjmp counts until the stack is used again.
func (p *Process) Follows(t int) bool {
	if p.following == nil || t < 0 || t >= len(p.st.threads) {
		return false
	}
	for c := p.st.threads[t].open; c != nil; c = c.outer {
		if c.trace == p.following {
			return true
		}
	}
	return false
}
