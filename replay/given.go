package replay

import (
	"slices"

	"emurace/scenario"
)

// boundary looks for the beginning of a call between event number i of a thread's own
// and the one before it: there the emulator, not the program, has set the registers
// of the call's arguments. given tells that reg was one of them. When the value is
// what an earlier call of the thread had returned, from and place are the register
// and the number of the event where to go on looking: that call's result, and the
// first event after it. place is -1 when no call has returned it.
//
// How a thread comes by its arguments is asked of what it does, which need not be guest code: see
// passesOn.
func (h *History) boundary(thread, i int, reg string) (given bool, from string, place int) {
	list := h.byThread[thread]
	call := h.calls[thread]
	if i < len(list) {
		call = h.events[list[i]].Call
	}
	if i > 0 && h.events[list[i-1]].Call == call {
		return false, "", -1
	}
	words, floats, result := h.s.Process().CallRegisters()
	k, float := slices.Index(words, reg), false
	if k < 0 && reg == result {
		return true, "", -1 // amd64's rax: how many floats there are (emu.Machine.BeginWith)
	}
	if k < 0 {
		k, float = slices.Index(floats, reg), true
	}
	if k < 0 || call > len(h.results[thread]) {
		return false, "", -1
	}
	made, ok := h.callAt(thread, call)
	if !ok {
		return false, "", -1
	}
	for n, arg := range made.Args {
		if (arg.Class != scenario.Word) != float {
			continue
		}
		if k--; k >= 0 {
			continue
		}
		if float {
			result = floats[0]
		}
		return true, result, h.returned(thread, call, n, made)
	}
	return false, "", -1
}

// returned is the number of the first event after the latest call before the given
// one that returned the value of its argument number n, -1 without such a call.
func (h *History) returned(thread, call, n int, made scenario.Call) int {
	list, arg := h.byThread[thread], made.Args[n]
	for c := call - 1; c >= 0 && !arg.IsStr; c-- {
		if h.results[thread][c] != arg.Value || !h.passesOn(thread, c, call, n, made) {
			continue
		}
		before, ok := h.callAt(thread, c)
		if !ok || before.Place != nil {
			return -1 // data that the scenario has placed
		}
		if (before.Result != scenario.Word) != (arg.Class != scenario.Word) {
			continue // the same bits, in a register of the other kind
		}
		place, _ := slices.BinarySearchFunc(list, c+1, func(i, call int) int { return h.events[i].Call - call })
		return place
	}
	return -1
}

// passesOn tells whether a thread passes what its call c has returned as argument number n of a later
// one: had that call returned something else, it would pass that. What a thread does follows from
// nothing but what its calls return.
func (h *History) passesOn(thread, c, call, n int, made scenario.Call) bool {
	results := slices.Clone(h.results[thread][:call])
	results[c] += 0x1000 // what a number and an address can be, and small enough for an int
	other, ok, err := h.s.Body(thread).Next(results)
	return ok && err == nil && other.Func == made.Func && n < len(other.Args) && other.Args[n].Value == results[c]
}

// callAt is a call of a thread of the plan's by its number.
func (h *History) callAt(thread, call int) (scenario.Call, bool) {
	body := h.s.Body(thread)
	if body == nil {
		return scenario.Call{}, false
	}
	made, ok, err := body.Next(h.results[thread][:call])
	return made, ok && err == nil
}
