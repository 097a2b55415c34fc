package linux

import (
	"fmt"

	"emurace/loader"
)

// Running handlers. Who sends a signal only notes that its handler is to run; the thread itself
// makes the frame and goes to the handler, before it does anything else. So what that looks at
// and writes is the thread's own, and is noted as the thread's.

func registers(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(prefix, i))
	}
	return list
}

// synchronous are the signals of faults, which come before others.
const synchronous = 1<<(4-1) | 1<<(5-1) | 1<<(7-1) | 1<<(8-1) | 1<<(11-1) | 1<<(31-1)

// Deliver has a thread go to the handler of a signal, for which Interrupted has told that
// there is one. The result is of no system call: it says what was used, and whether the process
// has died of it.
func (k *Kernel) Deliver(thread int) (Result, error) {
	r := Result{thread: thread}
	s := k.signals(&r)
	s.reads(ObjectInterrupts, uint64(s.own().TID))
	ready := s.pending(false) &^ s.mask()
	if first := ready & synchronous; first != 0 {
		ready = first
	}
	if ready == 0 {
		return r, nil
	}
	v := s.take(false, lowest(ready))
	h, _ := s.handler(int(v.sig))
	if !h.runs() {
		k.byDefault(v.sig, h, &r)
		return r, nil
	}
	err := k.toHandler(&r, h, v)
	if err == nil {
		err = r.failed
	}
	return r, err
}

// toHandler makes the frame of a handler and has the thread stand at its beginning.
func (k *Kernel) toHandler(r *Result, h Handler, v info) error {
	const sigsegv = 11
	s, t := k.signals(r), k.tasks(r)
	regs, err := k.Threads.Registers(r.thread)
	if err != nil {
		return err
	}
	sp := k.stackPointer(regs)
	stack := t.altStack()
	c := &context{regs: regs, mask: s.savedMask(), h: h, info: v, sp: sp - k.redZone()}
	top := le.Uint64(stack[:]) + le.Uint64(stack[16:])
	if h.flags()&onStack != 0 && usable(stack) && !on(stack, sp) {
		c.sp = top
	}
	c.stack = shownStack(stack, sp)
	if k.Arch == loader.ARM64 && h.flags()&hasRestorer == 0 {
		if c.trampoline, err = k.trampoline(r); err != nil {
			return err
		}
	}
	f := k.signalFrame(c)
	ok := k.Arch == loader.ARM64 || h.flags()&hasRestorer != 0
	if ok {
		ok, err = k.write(r, f.addr, f.bytes)
	}
	if err != nil {
		return err
	}
	if !ok || h.flags()&onStack != 0 && usable(stack) && on(stack, c.sp) && f.addr < le.Uint64(stack[:]) {
		// force_sigsegv of kernel/signal.c. That it might have a handler on another stack is
		// left out.
		if seg, _ := s.handler(sigsegv); seg.runs() && v.sig != sigsegv {
			r.Missing = "a handler for a signal for which there is no room on the stack"
		}
		k.tasks(r).endAll(Dies)
		r.Signal = sigsegv
		return nil
	}
	s.forgetMask()
	mask := s.mask() | h.mask()
	if h.flags()&noDefer == 0 {
		mask |= bit(v.sig)
	}
	if mask &^= never; mask != s.mask() {
		s.setMask(mask)
	}
	if h.flags()&resetHand != 0 {
		var none Handler
		copy(none[8:], h[8:])
		s.setHandler(int(v.sig), none)
	}
	return k.Threads.SetRegisters(r.thread, f.set)
}

// usable tells whether there is a stack for handlers, and on whether a stack pointer is on it.
func usable(stack [24]byte) bool { return le.Uint64(stack[16:]) != 0 && le.Uint32(stack[8:])&2 == 0 }

func on(stack [24]byte, sp uint64) bool {
	base, size := le.Uint64(stack[:]), le.Uint64(stack[16:])
	return usable(stack) && sp > base && sp-base <= size
}

// shownStack is a stack as sigaltstack tells it: whether it is there, and in use.
func shownStack(stack [24]byte, sp uint64) [24]byte {
	const used, disabled = 1, 2
	switch {
	case !usable(stack):
		stack = [24]byte{}
		stack[8] = disabled
	case on(stack, sp):
		stack[8] |= used
	}
	return stack
}

// trampoline is the address of the code by which a handler returns on arm64, where the C library
// leaves that to the vDSO (arch/arm64/kernel/vdso/sigreturn.S). The page is made when it is first
// needed, where nothing else can be.
func (k *Kernel) trampoline(r *Result) (uint64, error) {
	m := k.mappings(r)
	at := m.list().Top
	if _, ok := m.at(at); ok {
		return at, nil
	}
	code := []byte{0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4} // mov x8, #139; svc #0
	return at, m.set(VMA{Start: at, End: at + loader.PageSize, Prot: loader.ProtRead | loader.ProtExec, Path: "[vdso]"}, []piece{{0, code}})
}

// Fault is a signal of the processor's own that a thread is to get.
type Fault struct {
	Signal, Code int
	Addr         uint64
	Vector       uint64 // x86's number of the exception, and its error code
	ErrorCode    uint64
}

// Faulted has a thread get a signal that an instruction has raised. False when no handler is to
// run, and so the process dies: also where the signal is blocked, force_sig_info_to_task of
// kernel/signal.c.
func (k *Kernel) Faulted(thread int, f Fault) (bool, error) {
	r := Result{thread: thread}
	s := k.signals(&r)
	h, _ := s.handler(f.Signal)
	if !h.runs() || s.mask()&bit(uint64(f.Signal)) != 0 {
		return false, nil
	}
	v := infoOf(uint64(f.Signal), int32(f.Code))
	le.PutUint64(v.data[16:], f.Addr)
	v.fault, v.vector, v.code = true, f.Vector, f.ErrorCode
	s.setPending(k.tasks(&r).self(), v, false)
	return true, nil
}
