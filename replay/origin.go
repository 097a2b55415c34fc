package replay

import (
	"slices"

	"emurace/disasm"
	"emurace/emu"
	"emurace/loader"
)

// hop is one instruction on the way that a value took into a register, the
// latest first.
type hop struct {
	Event
	Inst disasm.Inst
	Kind hopKind
	Reg  string // the register that the instruction gave the value to
	Addr uint64 // for hopLoad: where the value was
	Size int    // for hopLoad: bytes
}

// hopKind is what an instruction on a value's way did.
type hopKind uint8

// The kinds.
const (
	hopCopy     hopKind = iota + 1 // from another register
	hopLoad                        // from memory
	hopConst                       // a constant of the program
	hopComputed                    // computed from other values
	hopKernel                      // the result of a system call
	hopSignal                      // set by the kernel where a signal's handler begins
	hopUnknown                     // not known: it is not what the way that was followed leads to
)

// maxHops bounds the way that is followed.
const maxHops = 256

// origin follows the value that a register of a thread holds before the given
// step back to where it came from: through copies between registers and through
// the thread's own stack, up to a load from other memory, a constant or a
// computation; also from an argument of a call to the call that had returned it. An
// empty result means that the register has had the value since before the race, or
// that it is an argument which no call had returned.
func (h *History) origin(thread int, reg string, before uint64) []hop {
	var hops []hop
	list := h.byThread[thread]
	i, restored := h.indexOf(thread, before), -1
	for len(hops) < maxHops {
		for ; ; i-- {
			if given, from, place := h.boundary(thread, i, reg); given {
				if place < 0 {
					return hops
				}
				reg, i = from, place
			}
			if i == 0 {
				return hops
			}
			if i != restored && h.beginsHandler(thread, i) {
				if kind := h.setsForHandler(reg); kind != 0 {
					e := h.events[list[i-1]]
					if i < len(list) {
						e = h.events[list[i]]
					}
					return append(hops, hop{Event: e, Inst: h.Inst(e.PC), Kind: kind, Reg: reg})
				}
			}
			if _, calls := h.numbers[h.events[list[i-1]].Step]; calls {
				if h.returnsFromHandler(h.events[list[i-1]].Step) {
					if restored = h.handlerOf(list, i-1); restored < 0 {
						return append(hops, hop{Event: h.events[list[0]], Inst: h.Inst(h.events[list[0]].PC), Kind: hopUnknown, Reg: reg})
					}
					i = restored + 1 // to where the handler had begun
					continue
				}
				if _, _, result := h.s.Process().CallRegisters(); reg == result {
					return append(hops, hop{Event: h.events[list[i-1]], Inst: h.Inst(h.events[list[i-1]].PC), Kind: hopKernel, Reg: reg})
				}
			}
			if slices.Contains(h.Inst(h.events[list[i-1]].PC).Dst, reg) {
				break
			}
		}
		i--
		e := h.events[list[i]]
		in := h.Inst(e.PC)
		hop := hop{Event: e, Inst: in, Kind: hopComputed, Reg: reg}
		k := slices.IndexFunc(in.Moves, func(m disasm.Move) bool { return m.Dst == reg })
		if k < 0 || slices.Contains(in.Partial, reg) {
			return append(hops, hop)
		}
		switch mv := in.Moves[k]; mv.Kind {
		case disasm.Copy:
			hop.Kind = hopCopy
			reg = mv.Src
		case disasm.Const:
			hop.Kind = hopConst
			return append(hops, hop)
		case disasm.Load:
			addr, ok := h.operandAddress(e, in, mv)
			if !ok {
				return append(hops, hop)
			}
			hop.Kind, hop.Addr, hop.Size = hopLoad, addr, mv.Size
			if _, ok := h.loadedBytes(hop); !ok {
				hop.Kind = hopComputed
				return append(hops, hop)
			}
			for _, a := range h.whole(e.Step) {
				if a.Kind == emu.LogRead && addr-a.Addr < uint64(a.Size) {
					hop.Step = a.Step // of two, where the instruction has ended in its middle
				}
			}
			src, at, ok := h.spilled(thread, hop)
			if !ok {
				return append(hops, hop)
			}
			reg, i = src, at
		case disasm.Store: // has no register to be found by
		}
		hops = append(hops, hop)
	}
	return hops
}

// operandAddress is where a move's memory operand was in this execution, taken
// from the access log: the operands of one instruction are logged in order.
func (h *History) operandAddress(e Event, in disasm.Inst, mv disasm.Move) (uint64, bool) {
	reads := 0
	for _, m := range in.Mem[:mv.Mem] {
		if m.Read {
			reads++
		}
	}
	var starts []uint64
	next := uint64(0)
	for _, a := range h.whole(e.Step) {
		if a.Kind != emu.LogRead {
			continue
		}
		if len(starts) == 0 || a.Addr != next || len(in.Mem) > 1 {
			starts = append(starts, a.Addr)
		}
		next = a.Addr + uint64(a.Size)
	}
	if reads >= len(starts) {
		return 0, false
	}
	return starts[reads] + uint64(mv.Offset), true
}

// spilled tells whether a loaded value had been put on the thread's own stack
// by the thread itself, and from which register, at which of its events.
func (h *History) spilled(thread int, hop hop) (reg string, at int, ok bool) {
	if src := h.last(hop.Addr, hop.Size, hop.Step); slices.ContainsFunc(src, func(b byteSource) bool {
		return !b.found || b.how != HowStored || b.step != src[0].step
	}) {
		return "", 0, false
	}
	w, found := h.lastWrite(hop.Addr, uint64(hop.Size), hop.Step)
	m := h.s.MachineThread(thread)
	if !found || int(w.Thread) != m || w.Kind != emu.LogWrite || !h.onStack(m, hop.Addr) {
		return "", 0, false
	}
	at = h.indexOf(thread, w.Step)
	list := h.byThread[thread]
	if at >= len(list) || h.events[list[at]].Step != w.Step {
		return "", 0, false
	}
	in := h.Inst(w.PC)
	writes := uint64(0)
	for _, a := range h.whole(w.Step) {
		if a.Kind == emu.LogWrite {
			writes = a.Addr
			break
		}
	}
	for _, mv := range in.Moves {
		if mv.Kind == disasm.Store && mv.Src != "" && writes+uint64(mv.Offset) == hop.Addr && mv.Size == hop.Size {
			return mv.Src, at, true
		}
	}
	return "", 0, false
}

// onStack tells whether an address lies in the mapping of the thread's stack.
func (h *History) onStack(machine int, addr uint64) bool {
	sp, ok := h.s.Process().StackPointer(machine)
	if !ok {
		return false
	}
	lo, hi, ok := h.s.Process().MappingOf(sp)
	return ok && addr >= lo && addr < hi
}

// setsForHandler tells whether the kernel sets a register where a signal's handler begins: hopSignal,
// or hopUnknown for those that on arm64 only a handler with SA_SIGINFO gets; 0 for one that stays.
func (h *History) setsForHandler(reg string) hopKind {
	p := h.s.Process()
	args, _, result := p.CallRegisters()
	arm64 := p.Arch() == loader.ARM64
	switch {
	case reg == args[0] || reg == result || reg == p.StackPointerName() || reg == p.PCName() || reg == "x30" || reg == "x29":
		return hopSignal
	case slices.Contains(args[1:3], reg) && arm64:
		return hopUnknown
	case slices.Contains(args[1:3], reg):
		return hopSignal
	}
	return 0
}

// handlerOf is the place in a thread's list where the handler begins that returns at place i; -1
// where that is before the race, or is not in the history.
func (h *History) handlerOf(list []int, i int) int {
	for depth := 0; i >= 0; i-- {
		if h.returnsFromHandler(h.events[list[i]].Step) {
			depth++
		}
		if h.events[list[i]].Handler {
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
