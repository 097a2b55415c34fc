package replay

import (
	"slices"
	"sort"

	"emurace/emu"
	"emurace/loader"
)

// What the kernel has done in a run, as far as the log of accesses does not have it.

// freshPages are pages that a system call has given new content, or taken away.
type freshPages struct {
	emu.Fresh
	step    uint64 // of the log
	machine int    // whose system call
}

// frameOf is the beginning of a signal's handler.
type frameOf struct {
	emu.Frame
	step    uint64 // of the handler's first instruction, also where that fails
	machine int
}

// inFrame tells whether an entry is of the frame of a handler that its thread goes to next.
func (h *History) inFrame(a emu.LogEntry) bool {
	i := slices.IndexFunc(h.frames, func(f frameOf) bool { return f.machine == int(a.Thread) && f.step > a.Step })
	if i < 0 {
		return false
	}
	f, thread := h.frames[i], h.s.RacingThread(int(a.Thread))
	if a.Addr < f.Lo || a.Addr >= f.Hi || thread < 0 {
		return false
	}
	next := h.indexOf(thread, a.Step+1)
	return next == len(h.byThread[thread]) || h.events[h.byThread[thread][next]].Step == f.step
}

// beginsHandler tells whether event number i of a thread, or the one that fails behind the last, is
// the first one of a handler.
func (h *History) beginsHandler(thread, i int) bool {
	list := h.byThread[thread]
	if i < len(list) {
		return h.events[list[i]].Handler
	}
	n := len(h.frames)
	return n > 0 && h.frames[n-1].machine == h.s.MachineThread(thread) && (len(list) == 0 || h.frames[n-1].step > h.events[list[len(list)-1]].Step)
}

// callsKernel tells whether a thread is about to make a system call, and which.
func (h *History) callsKernel(machine int, pc uint64) (number uint64, calls bool) {
	if !h.kernel[pc] {
		return 0, false
	}
	name := "rax"
	if h.s.Process().Arch() == loader.ARM64 {
		name = "x8"
	}
	number, _ = h.s.Process().Register(machine, name)
	return number, true
}

// noteCall takes down what the system call did that was the instruction of a step.
func (h *History) noteCall(number, step uint64, machine int) {
	h.numbers[step] = number
	for _, f := range h.s.Process().Fresh() {
		h.fresh = append(h.fresh, freshPages{f, step, machine})
	}
}

// returnsFromHandler tells whether the instruction of a step is the system call with which a
// signal's handler ends: all registers are then as they were before it.
func (h *History) returnsFromHandler(step uint64) bool {
	n, ok := h.numbers[step]
	if h.s.Process().Arch() == loader.ARM64 {
		return ok && n == 139
	}
	return ok && n == 15
}

// lastEmptied finds the last system call before a step that gave a page of some bytes another
// content.
func (h *History) lastEmptied(addr, size, before uint64) (p freshPages, ok bool) {
	for _, f := range slices.Backward(h.fresh) {
		if f.step < before && f.Addr < addr+size && addr < f.Addr+f.Size {
			return f, true
		}
	}
	return p, false
}

// How tells in which way bytes were written.
type How string

// The ways.
const (
	HowStored How = "stored" // by an instruction
	HowKernel How = "kernel" // a system call wrote them, such as read
	HowZeroed How = "zeroed" // a system call gave their page another content, all zeros
	HowMapped How = "mapped" // a system call mapped their page, all zeros, where there was none
	HowSignal How = "signal" // the kernel wrote them as a signal came for the thread
	HowPlaced How = "placed" // the scenario put them there, for the thread's next call
)

// how tells who has written an entry of the log that is a write.
func (h *History) how(a emu.LogEntry) How {
	if a.Kind == emu.LogWrite {
		return HowStored
	}
	if a.Kind == emu.LogZero {
		return HowZeroed
	}
	if h.inFrame(a) {
		return HowSignal
	}
	if h.inKernel(a) {
		return HowKernel
	}
	// It came between two instructions of the thread.
	thread := h.s.RacingThread(int(a.Thread))
	if thread < 0 {
		return HowSignal
	}
	list := h.byThread[thread]
	i := h.indexOf(thread, a.Step+1)
	switch {
	case i < len(list) && h.events[list[i]].Handler:
		return HowSignal
	case i > 0 && i < len(list) && h.events[list[i-1]].Call == h.events[list[i]].Call:
		return HowSignal
	}
	return HowPlaced
}

// vsyscall is the page whose three functions of amd64 are system calls by themselves.
const vsyscall = 0xffffffffff600000

// inKernel tells whether an entry is of a system call that the thread has made itself.
func (h *History) inKernel(a emu.LogEntry) bool {
	e, ok := h.eventAt(a.Step)
	if !ok {
		return h.cut() && a.Step < h.events[0].Step // of which nothing else is known
	}
	_, calls := h.numbers[a.Step]
	return h.s.MachineThread(e.Thread) == int(a.Thread) && (calls || e.PC&^(loader.PageSize-1) == vsyscall)
}

// cut tells whether the run has more instructions than the history has.
func (h *History) cut() bool { return h.end > maxHistory }

// eventAt is the instruction of a step.
func (h *History) eventAt(step uint64) (Event, bool) {
	i := sort.Search(len(h.events), func(i int) bool { return h.events[i].Step >= step })
	if i == len(h.events) || h.events[i].Step != step {
		return Event{}, false
	}
	return h.events[i], true
}

// whole are the accesses of the instruction that a step is of: where it has ended in its middle,
// those of both steps.
func (h *History) whole(step uint64) []emu.LogEntry {
	e, ok := h.eventAt(step)
	if !ok || e.Part == "" {
		return h.Accesses(step)
	}
	list := h.byThread[e.Thread]
	i := h.indexOf(e.Thread, step)
	if e.Part == h.half(true) {
		if i == 0 {
			return h.Accesses(step)
		}
		return slices.Concat(h.Accesses(h.events[list[i-1]].Step), h.Accesses(step))
	}
	if i+1 >= len(list) {
		return h.Accesses(step)
	}
	return slices.Concat(h.Accesses(step), h.Accesses(h.events[list[i+1]].Step))
}
