package linux

import "emurace/loader"

// The frame on the stack that a handler runs above, and that rt_sigreturn takes the thread's
// registers from.

// signalFrame is a frame that is to be written, and the registers that the handler begins with.
type signalFrame struct {
	addr  uint64
	bytes []byte
	set   map[string][]byte
}

// context is what a frame is made of.
type context struct {
	regs  map[string][]byte
	sp    uint64 // where there is room below
	mask  uint64 // what the thread is to block when it goes on
	stack [24]byte
	h     Handler
	info  info
	// trampoline is what a handler returns to that says nothing else.
	trampoline uint64
}

func word(v uint64) []byte { return le.AppendUint64(nil, v) }

// amd64Regs are the registers in the order of struct sigcontext_64,
// arch/x86/include/uapi/asm/sigcontext.h.
var amd64Regs = []string{"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "eflags"}

// Where things are in amd64's struct rt_sigframe, arch/x86/include/asm/sigframe.h: the return
// address, a struct ucontext, a siginfo_t.
const (
	amd64Context  = 8
	amd64Regs0    = amd64Context + 40
	amd64Mask     = amd64Context + 296
	amd64Info     = amd64Context + 304
	amd64Frame    = amd64Info + 128
	amd64FP       = 512 // FXSAVE's area
	amd64RedZone  = 128
	amd64Segments = 0x002b_0000_0000_0033 // cs and ss
)

// amd64SignalFrame is x64_setup_rt_frame of arch/x86/kernel/signal_64.c. The floating-point state
// is FXSAVE's, as of a processor without XSAVE: the rest of it is not there.
func amd64SignalFrame(c *context) *signalFrame {
	fp := (c.sp - amd64FP) &^ 63
	at := (fp-amd64Frame)&^15 - 8
	b := make([]byte, fp+amd64FP-at)
	put := func(off int, v uint64) { le.PutUint64(b[off:], v) }
	put(0, c.h.restorer())
	put(amd64Context, 6) // UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
	copy(b[amd64Context+16:], c.stack[:])
	for i, name := range amd64Regs {
		copy(b[amd64Regs0+8*i:], c.regs[name])
	}
	put(amd64Regs0+8*18, amd64Segments)
	put(amd64Regs0+8*19, c.info.code)
	put(amd64Regs0+8*20, c.info.vector)
	put(amd64Regs0+8*21, c.mask)
	if c.info.fault {
		put(amd64Regs0+8*22, le.Uint64(c.info.data[16:])) // cr2
	}
	put(amd64Regs0+8*23, fp)
	put(amd64Mask, c.mask)
	copy(b[amd64Info:], c.info.data[:])
	amd64SaveFP(b[fp-at:], c.regs)
	flags := le.Uint64(c.regs["eflags"]) &^ (1<<10 | 1<<16 | 1<<8) // DF, RF, TF
	return &signalFrame{at, b, map[string][]byte{
		"rdi": word(c.info.sig), "rsi": word(at + amd64Info), "rdx": word(at + amd64Context), "rax": word(0),
		"rsp": word(at), "rip": word(c.h.address()), "eflags": word(flags),
	}}
}

// amd64SaveFP is FXSAVE, Intel's manual, volume 1, 10.5.1; which registers of the x87 are empty
// is told in a byte.
func amd64SaveFP(b []byte, regs map[string][]byte) {
	copy(b, regs["fctrl"])
	copy(b[2:], regs["fstat"])
	for i, tags := 0, le.Uint16(regs["ftag"]); i < 8; i++ {
		if tags>>(2*i)&3 != 3 {
			b[4] |= 1 << i
		}
	}
	copy(b[24:], regs["mxcsr"])
	le.PutUint32(b[28:], 0xffff) // MXCSR_MASK
	for i, name := range x87Regs {
		copy(b[32+16*i:], regs[name])
	}
	for i, name := range xmmRegs {
		copy(b[160+16*i:], regs[name])
	}
}

func amd64LoadFP(b []byte, set map[string][]byte) {
	tags := uint16(0)
	for i := range 8 {
		if b[4]>>i&1 == 0 {
			tags |= 3 << (2 * i)
		}
	}
	set["fctrl"], set["fstat"], set["ftag"] = b[0:2], b[2:4], le.AppendUint16(nil, tags)
	mxcsr := le.Uint32(b[24:])
	set["mxcsr"] = le.AppendUint32(nil, mxcsr&0xffff)
	for i, name := range x87Regs {
		set[name] = b[32+16*i : 42+16*i]
	}
	for i, name := range xmmRegs {
		set[name] = b[160+16*i : 176+16*i]
	}
}

var (
	x87Regs = registers("st", 8)
	xmmRegs = registers("xmm", 16)
	armRegs = registers("x", 31)
	vecRegs = registers("v", 32)
)

// Where things are in arm64's struct rt_sigframe, arch/arm64/kernel/signal.c: a siginfo_t, a
// struct ucontext. Its sigcontext ends in records, of which the first is the floating point's.
const (
	arm64Context = 128
	arm64Mask    = arm64Context + 40
	arm64Machine = arm64Context + 176
	arm64Regs0   = arm64Machine + 8
	arm64SP      = arm64Regs0 + 31*8
	arm64PC      = arm64SP + 8
	arm64State   = arm64PC + 8
	arm64Records = arm64Machine + 288
	arm64Frame   = arm64Records + 4096
	fpsimdMagic  = 0x46508001
	fpsimdSize   = 528
)

// arm64SignalFrame is setup_rt_frame of arch/arm64/kernel/signal.c.
func arm64SignalFrame(c *context) *signalFrame {
	next := (c.sp - 16) &^ 15 // struct frame_record
	at := next - (arm64Frame+15)&^15
	b := make([]byte, next+16-at)
	put := func(off uint64, v uint64) { le.PutUint64(b[off:], v) }
	copy(b, c.info.data[:])
	copy(b[arm64Context+16:], c.stack[:])
	put(arm64Mask, c.mask)
	if c.info.fault {
		put(arm64Machine, le.Uint64(c.info.data[16:]))
	}
	for i, name := range armRegs {
		copy(b[arm64Regs0+8*i:], c.regs[name])
	}
	copy(b[arm64SP:], c.regs["sp"])
	copy(b[arm64PC:], c.regs["pc"])
	copy(b[arm64State:], c.regs["nzcv"])
	r := b[arm64Records:]
	le.PutUint32(r, fpsimdMagic)
	le.PutUint32(r[4:], fpsimdSize)
	copy(r[8:], c.regs["fpsr"])
	copy(r[12:], c.regs["fpcr"])
	for i, name := range vecRegs {
		copy(r[16+16*i:], c.regs[name])
	}
	// The record behind it is of zeros, which ends them.
	copy(b[next-at:], c.regs["x29"])
	copy(b[next-at+8:], c.regs["x30"])
	back := c.trampoline
	if c.h.flags()&hasRestorer != 0 {
		back = c.h.restorer()
	}
	f := &signalFrame{at, b, map[string][]byte{
		"x0": word(c.info.sig), "sp": word(at), "x29": word(next), "x30": word(back), "pc": word(c.h.address()),
	}}
	if c.h.flags()&withInfo != 0 {
		f.set["x1"], f.set["x2"] = word(at), word(at+arm64Context)
	}
	return f
}

func (k *Kernel) signalFrame(c *context) *signalFrame {
	if k.Arch == loader.ARM64 {
		return arm64SignalFrame(c)
	}
	return amd64SignalFrame(c)
}

// stackPointer is that of registers.
func (k *Kernel) stackPointer(regs map[string][]byte) uint64 {
	if k.Arch == loader.ARM64 {
		return le.Uint64(regs["sp"])
	}
	return le.Uint64(regs["rsp"])
}

// redZone is what functions use below the stack pointer (System V ABI, AMD64 supplement, 3.2.2).
func (k *Kernel) redZone() uint64 {
	if k.Arch == loader.ARM64 {
		return 0
	}
	return amd64RedZone
}

// returned is what a frame holds: registers, the mask, the stack of signals, and what the call
// that was interrupted had returned. False when it is none.
func (k *Kernel) returned(r *Result, sp uint64) (set map[string][]byte, mask uint64, stack []byte, value uint64, ok bool) {
	set = map[string][]byte{}
	if k.Arch == loader.ARM64 {
		b, ok := k.read(r, sp, arm64Records+fpsimdSize)
		if !ok || sp%16 != 0 {
			return nil, 0, nil, 0, false
		}
		b = append([]byte(nil), b...)
		for i, name := range armRegs {
			set[name] = b[arm64Regs0+8*i:][:8]
		}
		set["sp"], set["pc"] = b[arm64SP:][:8], b[arm64PC:][:8]
		set["nzcv"] = le.AppendUint32(nil, le.Uint32(b[arm64State:])&0xf0000000)
		rec := b[arm64Records:]
		if le.Uint32(rec) != fpsimdMagic || le.Uint32(rec[4:]) != fpsimdSize {
			return nil, 0, nil, 0, false // it has to be there
		}
		set["fpsr"], set["fpcr"] = rec[8:12], rec[12:16]
		for i, name := range vecRegs {
			set[name] = rec[16+16*i:][:16]
		}
		return set, le.Uint64(b[arm64Mask:]), b[arm64Context+16:][:24], le.Uint64(set["x0"]), true
	}
	at := sp - 8 // the return address is gone
	b, ok := k.read(r, at, amd64Frame)
	if !ok {
		return nil, 0, nil, 0, false
	}
	b = append([]byte(nil), b...)
	for i, name := range amd64Regs {
		set[name] = b[amd64Regs0+8*i:][:8]
	}
	if fp := le.Uint64(b[amd64Regs0+8*23:]); fp != 0 {
		f, ok := k.read(r, fp, amd64FP)
		if !ok || fp%16 != 0 {
			return nil, 0, nil, 0, false
		}
		amd64LoadFP(append([]byte(nil), f...), set)
	}
	return set, le.Uint64(b[amd64Mask:]), b[amd64Context+16:][:24], le.Uint64(set["rax"]), true
}
