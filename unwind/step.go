package unwind

import (
	"debug/elf"
	"encoding/binary"
	"fmt"

	"emurace/loader"
)

// caller returns the frame that called f, and f's own CFA, 0 if it is not
// known. An endError says that the stack ends at f.
func (u *Unwinder) caller(f *Frame, mem Memory) (Frame, uint64, error) {
	if f.Module == nil {
		if f.How == Current {
			return u.callerAtEntry(f, mem)
		}
		return Frame{}, 0, endError{NoModule}
	}
	if f.Module.Image == nil {
		return u.callerWithout(f, mem)
	}
	if f.How == Current && !executable(f.Module.Image, f.PC-f.Module.Base) {
		// A jump into data, which has no frame.
		if caller, cfa, err := u.callerAtEntry(f, mem); err == nil {
			return caller, cfa, nil
		}
	}
	entry, ok := u.table(f.Module.Image).find(f.lookup() - f.Module.Base)
	if !ok {
		return u.callerWithout(f, mem)
	}
	r, err := entry.rowAt(f.lookup()-f.Module.Base, u.arch == &arm64)
	if err != nil {
		return Frame{}, 0, err
	}
	cfa, err := r.cfa(f, mem)
	if err != nil {
		return Frame{}, 0, err
	}
	caller, err := u.restore(f, &r, entry.cie, cfa, mem)
	if u.countsNoLinkage(&r) {
		cfa += 16
		caller.set(u.arch.sp, cfa)
	}
	return caller, cfa, err
}

// executable says whether an address of a file is in a part of it that is code.
func executable(im *loader.Image, addr uint64) bool {
	for _, s := range im.Load {
		if addr >= s.Vaddr && addr < s.End() {
			return s.Flags&elf.PF_X != 0
		}
	}
	return false
}

// countsNoLinkage recognizes the information of _dl_runtime_resolve on arm64
// (sysdeps/aarch64/dl-trampoline.S in glibc, up to 2.43 at least). A linkage
// table's header enters it with x16 and x30 pushed. It says that x30 is there,
// but counts its CFA from below the two: a return address saved above the
// stack pointer of the caller, which no other code has. In the one instruction
// before it says so, the caller's stack pointer is 16 too low.
func (u *Unwinder) countsNoLinkage(r *row) bool {
	ra := r.regs[u.arch.returnAddress]
	return u.arch == &arm64 && r.cfaExpression == nil && r.cfaRegister == u.arch.sp && ra.kind == atOffset && ra.offset == 8
}

// cfa computes the canonical frame address.
func (r *row) cfa(f *Frame, mem Memory) (uint64, error) {
	if r.cfaExpression != nil {
		return evaluate(r.cfaExpression, f.Get, mem)
	}
	base, ok := f.Get(r.cfaRegister)
	if !ok {
		return 0, fmt.Errorf("canonical frame address: %w (register %d)", errRegister, r.cfaRegister)
	}
	return base + uint64(r.cfaOffset), nil
}

// restore makes the caller's frame by the rules of a row.
func (u *Unwinder) restore(f *Frame, r *row, c *cie, cfa uint64, mem Memory) (Frame, error) {
	if c.returnColumn >= tracked {
		return Frame{}, fmt.Errorf("return address column %d", c.returnColumn)
	}
	caller := Frame{How: CFI, Interrupted: c.signal}
	// The stack pointer before the call is what the CFA is defined as.
	caller.set(u.arch.sp, cfa)
	for n := range uint64(tracked) {
		v, known, err := r.regs[n].apply(n, f, cfa, mem)
		if r.regs[n].kind == unspecified {
			if n == u.arch.sp || !u.arch.keeps(n, c.signal) {
				continue
			}
			v, known = f.Get(n)
		}
		if err != nil && n == c.returnColumn {
			return Frame{}, fmt.Errorf("return address: %w", err)
		}
		// Another register that cannot be read is merely not known.
		if err == nil && known {
			caller.set(n, v)
		}
	}
	if r.regs[c.returnColumn].kind == undefined {
		return Frame{}, endError{Outermost}
	}
	pc, ok := caller.Get(c.returnColumn)
	if r.regs[c.returnColumn].kind == unspecified {
		pc, ok = f.Get(c.returnColumn) // still in the link register
	}
	if !ok {
		return Frame{}, fmt.Errorf("return address: %w", errRegister)
	}
	if r.signed {
		pc &= u.arch.addressMask
	}
	return u.returnTo(caller, pc)
}

// keeps says whether a register without a rule is the same in the caller.
// Signal trampolines restore all of them.
func (a *arch) keeps(n uint64, signal bool) bool {
	if signal {
		return n < a.general
	}
	for _, p := range a.preserved {
		if p == n {
			return true
		}
	}
	return false
}

// apply recovers one register. known is false if its value is not recoverable.
func (r rule) apply(n uint64, f *Frame, cfa uint64, mem Memory) (v uint64, known bool, err error) {
	switch r.kind {
	case sameValue:
		v, known = f.Get(n)
		return v, known, nil
	case inRegister:
		if v, known = f.Get(uint64(r.offset)); !known {
			return 0, false, errRegister
		}
		return v, true, nil
	case isOffset:
		return cfa + uint64(r.offset), true, nil
	case atOffset:
		v, err = read(mem, cfa+uint64(r.offset))
	case isExpression:
		// The CFA is on the stack when these expressions begin.
		v, err = evaluate(r.expression, f.Get, mem, cfa)
	case atExpression:
		if v, err = evaluate(r.expression, f.Get, mem, cfa); err == nil {
			v, err = read(mem, v)
		}
	default: // unspecified, undefined
		return 0, false, nil
	}
	return v, err == nil, err
}

func read(mem Memory, addr uint64) (uint64, error) {
	v, ok := mem.Read64(addr)
	if !ok {
		return 0, fmt.Errorf("%w at %#x", errUnreadable, addr)
	}
	return v, nil
}

// returnTo completes a caller's frame. A return address of 0 is how threads
// and signal stacks begin that have nothing to return to.
func (u *Unwinder) returnTo(caller Frame, pc uint64) (Frame, error) {
	if pc == 0 {
		return Frame{}, endError{Outermost}
	}
	caller.PC = pc
	u.place(&caller)
	return caller, nil
}

// callerWithout is for code in a module that has no call frame information.
func (u *Unwinder) callerWithout(f *Frame, mem Memory) (Frame, uint64, error) {
	// Code without a frame of its own, such as a stub, leaves the link
	// register alone.
	if f.How == Current && u.arch.link {
		if caller, cfa, err := u.callerAtEntry(f, mem); err == nil {
			return caller, cfa, nil
		}
	}
	return u.callerByChain(f, mem)
}

// callerAtEntry takes the return address from where a call leaves it. It must
// lie in a module, as nothing else says that it is one.
func (u *Unwinder) callerAtEntry(f *Frame, mem Memory) (Frame, uint64, error) {
	sp, ok := f.Get(u.arch.sp)
	if !ok {
		return Frame{}, 0, endError{NoInformation}
	}
	if u.inLinkageHeader(f) {
		sp += 16
	}
	var pc uint64
	if u.arch.link {
		pc, ok = f.Get(u.arch.returnAddress)
		if u.module(pc) == nil {
			pc &= u.arch.addressMask // it may be signed already
		}
	} else {
		pc, ok = mem.Read64(sp)
		sp += 8
	}
	if !ok || u.module(pc) == nil {
		if f.Module == nil {
			return Frame{}, 0, endError{NoModule}
		}
		return Frame{}, 0, endError{NoInformation}
	}
	caller := u.preserve(f, Entry)
	caller.set(u.arch.sp, sp)
	caller, err := u.returnTo(caller, pc)
	return caller, sp, err
}

// inLinkageHeader says whether f is in the first entry of an arm64 procedure
// linkage table, after the instruction that pushes x16 and x30 for the dynamic
// linker's resolver. Linkers give these tables no call frame information, but
// there is only one form of them (small_plt0_entry in binutils'
// bfd/elfnn-aarch64.c): the push, adrp, ldr, add, br.
func (u *Unwinder) inLinkageHeader(f *Frame) bool {
	if u.arch != &arm64 || f.Module == nil || f.Module.Image == nil {
		return false
	}
	rest := [...]struct{ mask, value uint32 }{
		{0x9f00001f, 0x90000010}, // adrp x16
		{0xffc003ff, 0xf9400211}, // ldr x17, [x16, #n]
		{0xff8003ff, 0x91000210}, // add x16, x16, #n
		{0xffffffff, 0xd61f0220}, // br x17
	}
	for done := range rest {
		push := f.PC - f.Module.Base - 4*uint64(done+1)
		if w, ok := word(f.Module.Image, push); !ok || w != 0xa9bf7bf0 { // stp x16, x30, [sp, #-16]!
			continue
		}
		for i, want := range rest {
			if w, ok := word(f.Module.Image, push+4*uint64(i+1)); !ok || w&want.mask != want.value {
				return false
			}
		}
		return true
	}
	return false
}

// word returns an instruction of the image's file.
func word(im *loader.Image, vaddr uint64) (uint32, bool) {
	for _, s := range im.Load {
		if vaddr >= s.Vaddr && s.Filesz >= 4 && vaddr-s.Vaddr <= s.Filesz-4 {
			return binary.LittleEndian.Uint32(im.Data()[s.Offset+vaddr-s.Vaddr:]), true
		}
	}
	return 0, false
}

// callerByChain follows the frame pointer: on both architectures it points at
// the caller's frame pointer and, above that, the return address.
func (u *Unwinder) callerByChain(f *Frame, mem Memory) (Frame, uint64, error) {
	fp, ok := f.Get(u.arch.fp)
	sp, spOK := f.Get(u.arch.sp)
	// A frame pointer below the stack pointer, or not of a word, is none: the
	// code uses the register for something else.
	if !ok || fp == 0 || fp%8 != 0 || (spOK && fp < sp) {
		return Frame{}, 0, endError{NoInformation}
	}
	next, err := read(mem, fp)
	if err != nil {
		return Frame{}, 0, err
	}
	pc, err := read(mem, fp+8)
	if err != nil {
		return Frame{}, 0, err
	}
	if u.arch.link && u.module(pc) == nil {
		pc &= u.arch.addressMask
	}
	cfa := fp + 16
	caller := u.preserve(f, FramePointer)
	// Where callee-saved registers have gone is not known, except for the
	// frame pointer.
	caller.registers = registers{}
	caller.set(u.arch.fp, next)
	caller.set(u.arch.sp, cfa)
	caller, err = u.returnTo(caller, pc)
	return caller, cfa, err
}

// preserve begins a caller's frame with the registers that calls preserve.
func (u *Unwinder) preserve(f *Frame, how How) Frame {
	caller := Frame{How: how}
	for _, n := range u.arch.preserved {
		if v, ok := f.Get(n); ok {
			caller.set(n, v)
		}
	}
	return caller
}
