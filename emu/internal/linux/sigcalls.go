package linux

import "emurace/loader"

// System calls that wait for signals, and the return from handlers.

func sysRtSigreturn(k *Kernel, c *Call, r *Result) (uint64, error) {
	const sigsegv = 11
	regs, err := k.Threads.Registers(c.Thread)
	if err != nil {
		return 0, err
	}
	set, mask, stack, value, ok := k.returned(r, k.stackPointer(regs))
	if !ok {
		k.tasks(r).endAll(Dies)
		r.Signal = sigsegv
		return 0, nil
	}
	if err := k.Threads.SetRegisters(c.Thread, set); err != nil {
		return 0, err
	}
	s := k.signals(r)
	mask &^= never
	if before := s.mask(); mask != before {
		s.setMask(mask)
		defer k.deliver(r, before&^mask)
	}
	t := k.tasks(r)
	if now := [24]byte(stack); usable(now) { // restore_altstack; the flag that it is in use is no part of it
		le.PutUint32(now[8:], le.Uint32(now[8:])&^1)
		if now != t.altStack() {
			t.setAltStack(now)
		}
	}
	return value, nil
}

// withMask makes a call while the thread blocks other signals, if it names any: what is then
// pending and not blocked ends its wait.
func (k *Kernel) withMask(r *Result, addr, size uint64, p patience, call func(patience) (uint64, error)) (uint64, error) {
	if addr == 0 {
		return call(p)
	}
	if size != 8 {
		return fail(EINVAL)
	}
	b, ok := k.read(r, addr, 8)
	if !ok {
		return fail(EFAULT)
	}
	s := k.signals(r)
	s.borrowMask(le.Uint64(b) &^ never)
	ready := k.unblocked(r)
	if ready {
		p.refuses = true
	}
	v, err := call(p)
	switch {
	case r.Effect != Returns:
		return v, err
	case ready && v == 0: // the handler's return brings the mask back
		return fail(EINTR)
	}
	s.giveBack()
	return v, err
}

// unblocked tells whether a handler is to run for a signal that the thread no longer blocks.
func (k *Kernel) unblocked(r *Result) bool {
	s := k.signals(r)
	k.deliver(r, ^s.mask())
	return s.pending(false)&^s.mask() != 0
}

func sysRtSigsuspend(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.withMask(r, c.Args[0], c.Args[1], forever, func(p patience) (uint64, error) {
		if r.Effect == Returns && !p.refuses {
			k.waiters(r).awaitSignal(0, forever)
		}
		return 0, nil
	})
}

func sysPause(k *Kernel, _ *Call, r *Result) (uint64, error) {
	k.waiters(r).awaitSignal(0, forever)
	return 0, nil
}

func sysRtSigpending(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[1] > 8 {
		return fail(EINVAL)
	}
	s := k.signals(r)
	b := word((s.pending(false) | s.pending(true)) & s.mask())
	return k.put(r, c.Args[0], b[:c.Args[1]])
}

func sysRtSigtimedwait(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[3] != 8 {
		return fail(EINVAL)
	}
	b, ok := k.read(r, c.Args[0], 8)
	if !ok {
		return fail(EFAULT)
	}
	set := le.Uint64(b) &^ never
	p, errno := k.timeout(r, c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	s := k.signals(r)
	for _, all := range []bool{false, true} {
		ready := s.pending(all) & set
		if ready == 0 {
			continue
		}
		v := s.take(all, lowest(ready))
		if c.Args[1] != 0 {
			b := make([]byte, 128)
			copy(b, v.data[:])
			if w, err := k.put(r, c.Args[1], b); err != nil || w != 0 {
				return w, err
			}
		}
		return v.sig, nil
	}
	if p.refuses {
		return fail(EAGAIN)
	}
	k.waiters(r).awaitSignal(set, p)
	return 0, nil
}

func sysSigaltstack(k *Kernel, c *Call, r *Result) (uint64, error) {
	const disabled, disarms = 2, 1 << 31
	least := map[loader.Arch]uint64{loader.ARM64: 5120, loader.AMD64: 2048}[k.Arch] // MINSIGSTKSZ
	regs, err := k.Threads.Registers(c.Thread)
	if err != nil {
		return 0, err
	}
	t := k.tasks(r)
	before := t.altStack()
	shown, sp := before, k.stackPointer(regs)
	if !k.Plain {
		shown = shownStack(before, sp)
	}
	if c.Args[0] != 0 {
		b, ok := k.read(r, c.Args[0], 24)
		if !ok {
			return fail(EFAULT)
		}
		now := [24]byte(b)
		flags := le.Uint32(b[8:])
		switch {
		case on(before, sp):
			return fail(EPERM)
		case flags&^(disabled|disarms|1) != 0:
			return fail(EINVAL)
		case flags&disabled == 0 && le.Uint64(b[16:]) < least && !k.Plain:
			return fail(ENOMEM)
		}
		if flags&disarms != 0 {
			r.Missing = "a stack for handlers that is disarmed while one runs"
		}
		t.setAltStack(now)
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[1], shown[:])
}
