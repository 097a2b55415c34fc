package replay

import (
	"errors"
	"fmt"

	"emurace/disasm"
	"emurace/emu"
	"emurace/internal/words"
	"emurace/symbolize"
)

// LinkKind says what an instruction did to a value that is being followed back.
type LinkKind string

// The kinds. After a constant and the last three the way ends, and after a
// computation from more than one register.
const (
	LinkCopy     LinkKind = "copy"     // from another register
	LinkLoad     LinkKind = "load"     // from memory
	LinkStore    LinkKind = "store"    // from a register into memory
	LinkConst    LinkKind = "constant" // a constant of the program
	LinkComputed LinkKind = "computed" // from other values
	LinkKernel   LinkKind = "kernel"   // a system call wrote it
	LinkOlder    LinkKind = "older"    // it was there when the race began
	LinkMany     LinkKind = "many"     // the way is longer than is followed
	LinkUnknown  LinkKind = "unknown"  // it is not known how it came there
)

// Link is one step of the way that a value took, the latest first.
type Link struct {
	Kind LinkKind
	// Act is the instruction, nil for LinkOlder and LinkMany.
	Act *symbolize.Act
	// Register is where the value was behind a copy, a load, a constant or a
	// computation; Addr and Size are the bytes of memory of a load or a store.
	Register string
	Addr     uint64
	Place    string // the static data that Addr is in; "" for none
	Size     int
	Value    uint64 // that was loaded or stored
	How      How    // of LinkKernel: in which way
}

// maxLinks bounds a way.
const maxLinks = 64

// FollowRegister follows the value that a thread's register has before an
// instruction, numbered from 1 since the race began, back through registers and
// memory and through other threads, to where it was made or to the start of the
// race. The session is left at the end of the run.
func (h *History) FollowRegister(thread int, register string, before uint64) ([]Link, error) {
	f := &follower{h: h}
	f.register(thread, register, before+h.s.Base())
	return f.links, f.err
}

// FollowMemory is FollowRegister for bytes of memory: who wrote them last before
// the instruction, and where the value came from that was written.
func (h *History) FollowMemory(addr, size, before uint64) ([]Link, error) {
	f := &follower{h: h}
	f.memory(addr, size, before+h.s.Base())
	return f.links, f.err
}

// follower is a way while it is being followed. Its steps are those of the log.
type follower struct {
	h     *History
	links []Link
	err   error
}

// add appends a link with the instruction of a step, and tells whether the way can
// go on.
func (f *follower) add(l Link, step uint64) bool {
	if f.err != nil {
		return false
	}
	if len(f.links) >= maxLinks {
		if f.links[len(f.links)-1].Kind != LinkMany {
			f.links = append(f.links, Link{Kind: LinkMany})
		}
		return false
	}
	if step > 0 {
		l.Act, f.err = f.h.actOf(step)
	}
	if l.Addr != 0 {
		l.Place = f.h.place(l.Addr)
	}
	f.links = append(f.links, l)
	return f.err == nil
}

func (f *follower) register(thread int, register string, before uint64) {
	hops := f.h.origin(thread, register, before)
	if len(hops) == 0 {
		f.add(Link{Kind: LinkOlder, Register: register}, 0)
		return
	}
	for i, hop := range hops {
		l := Link{Register: hop.Reg, Addr: hop.Addr, Size: hop.Size}
		switch hop.Kind {
		case hopCopy:
			l.Kind = LinkCopy
		case hopConst:
			l.Kind = LinkConst
		case hopComputed:
			l.Kind = LinkComputed
		case hopKernel, hopSignal:
			l.Kind = LinkKernel
		case hopUnknown:
			l.Kind = LinkUnknown
		case hopLoad:
			l.Kind = LinkLoad
			l.Value = f.h.loaded(hop)
		}
		if !f.add(l, hop.Step) || i < len(hops)-1 {
			continue
		}
		switch hop.Kind {
		case hopLoad:
			f.memory(hop.Addr, uint64(hop.Size), hop.Step)
		case hopComputed:
			// From one register, such as a sum with a constant, it goes on.
			if in := hop.Inst; len(in.Mem) == 0 && len(in.Src) == 1 {
				f.register(thread, in.Src[0], hop.Step)
			}
		case hopCopy:
			// The register that it was copied from has had it since before the
			// race.
			f.add(Link{Kind: LinkOlder}, 0)
		case hopConst, hopKernel, hopSignal, hopUnknown: // here it comes from
		}
	}
}

// loaded is what a load got, put together from its accesses.
func (h *History) loaded(hop hop) uint64 {
	data, _ := h.loadedBytes(hop)
	return number64(data)
}

// loadedBytes is what a load got, false where the log does not have all of it.
func (h *History) loadedBytes(hop hop) (data []byte, ok bool) {
	data = make([]byte, hop.Size)
	left := hop.Size
	for _, a := range h.whole(hop.Step) {
		if a.Kind != emu.LogRead {
			continue
		}
		for i := range uint64(a.Size) {
			if at := a.Addr + i - hop.Addr; at < uint64(len(data)) {
				data[at] = byte(a.Value >> (8 * i))
				left--
			}
		}
	}
	return data, left == 0 && hop.Size > 0
}

func (f *follower) memory(addr, size, before uint64) {
	by, ok := f.h.lastWriter(addr, size, before)
	if !ok {
		f.add(Link{Kind: LinkOlder, Addr: addr, Size: int(size)}, 0)
		return
	}
	if by.How != HowStored {
		if f.add(Link{Kind: LinkKernel, How: by.How, Addr: by.Addr, Size: len(by.Data), Value: number64(by.Data)}, 0) {
			f.err = errors.Join(f.h.describe(&by), f.h.SeekEnd())
			f.links[len(f.links)-1].Act = &by.Act
		}
		return
	}
	w, _ := f.h.lastWrite(addr, size, before)
	l := Link{Kind: LinkStore, Addr: w.Addr, Size: int(w.Size), Value: w.Value}
	if !f.add(l, w.Step) {
		return
	}
	thread := f.h.s.RacingThread(int(w.Thread))
	if thread < 0 {
		return
	}
	mv, ok := f.h.stored(w, addr)
	switch {
	case !ok:
		f.links[len(f.links)-1].Kind = LinkComputed
	case mv.Src == "":
		f.links[len(f.links)-1].Kind = LinkConst
	default:
		f.register(thread, mv.Src, w.Step)
	}
}

// stored finds which value an instruction stored at an address; false when that
// was computed in the instruction itself.
func (h *History) stored(w emu.LogEntry, addr uint64) (disasm.Move, bool) {
	start := uint64(0)
	for _, a := range h.whole(w.Step) {
		if a.Kind == emu.LogWrite {
			start = a.Addr
			break
		}
	}
	for _, mv := range h.Inst(w.PC).Moves {
		at := start + uint64(mv.Offset)
		if mv.Kind == disasm.Store && addr >= at && addr < at+uint64(max(mv.Size, 1)) {
			return mv, true
		}
	}
	return disasm.Move{}, false
}

// TellLinks writes a way, the latest first.
func TellLinks(p *Printer, links []Link) {
	for _, l := range links {
		if l.Act == nil {
			p.Printf("    %s\n", l.end(p))
			continue
		}
		p.Printf("    %8d  %s  %s  %s\n", l.Act.Step, p.Name(pad(l.Act.Thread, 8)), p.Name(pad(l.Act.Location.String(), 24)), l.Act.Instruction)
		p.Printf("              %s\n", l.what(p))
	}
}

// end is what is said where the way ends without an instruction.
func (l *Link) end(p *Printer) string {
	switch {
	case l.Kind == LinkMany:
		return fmt.Sprintf("and so on: only %d steps are followed", maxLinks)
	case l.Addr != 0:
		return fmt.Sprintf("%s has not been written since the race began: the value is older", p.Number(addressOf(l.Addr, l.Place)))
	}
	return "the register has had the value since before the race, or as an argument of the call"
}

func (l *Link) what(p *Printer) string {
	value, addr := p.Number(words.Hex(l.Value)), p.Number(addressOf(l.Addr, l.Place))
	switch l.Kind {
	case LinkLoad:
		return fmt.Sprintf("loads %s from %s into %s", value, addr, l.Register)
	case LinkStore:
		return fmt.Sprintf("stores %s at %s, in %s", value, addr, l.Act.Call)
	case LinkKernel:
		if l.Register != "" {
			return fmt.Sprintf("the kernel sets %s", l.Register)
		}
		return l.How.stores(value, addr)
	case LinkCopy:
		return fmt.Sprintf("copies it into %s", l.Register)
	case LinkConst:
		if l.Register == "" {
			return fmt.Sprintf("stores the constant %s at %s, in %s", value, addr, l.Act.Call)
		}
		return fmt.Sprintf("sets %s to a constant", l.Register)
	case LinkUnknown:
		return fmt.Sprintf("how it came into %s is not known", l.Register)
	case LinkComputed:
	case LinkOlder, LinkMany: // no instruction's; see end
	}
	if l.Register == "" {
		return fmt.Sprintf("computes %s and stores it at %s, in %s", value, addr, l.Act.Call)
	}
	return fmt.Sprintf("computes %s", l.Register)
}

// LinkReport is a link as an object.
type LinkReport struct {
	Kind        LinkKind          `json:"kind"`
	Register    string            `json:"register,omitempty"`
	Address     string            `json:"address,omitempty"`
	Place       string            `json:"place,omitempty"` // static data that Address is in
	Size        int               `json:"size,omitempty"`
	Value       string            `json:"value,omitempty"`
	How         How               `json:"how,omitempty"` // of kernel: in which way
	Instruction *symbolize.Report `json:"instruction,omitempty"`
}

// Report is the link as an object.
func (l *Link) Report() LinkReport {
	r := LinkReport{Kind: l.Kind, Register: l.Register, Size: l.Size, How: l.How, Instruction: l.Act.Report()}
	if l.Addr != 0 {
		r.Address, r.Place = words.Hex(l.Addr), l.Place
	}
	switch l.Kind {
	case LinkLoad, LinkStore, LinkKernel:
		r.Value = words.Hex(l.Value)
	default: // nothing in memory is it
	}
	return r
}
