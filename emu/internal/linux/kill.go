package linux

import "math/bits"

func sysRtSigaction(k *Kernel, c *Call, r *Result) (uint64, error) {
	sig, act, old := c.Args[0], c.Args[1], c.Args[2]
	// handler, flags, restorer, mask on amd64; arm64 has no restorer in
	// between but the same layout, since its libc defines one.
	if sig == 0 || sig > MaxSignal || c.Args[3] != 8 {
		return fail(EINVAL)
	}
	if act != 0 && never&bit(sig) != 0 {
		return fail(EINVAL)
	}
	var now Handler
	if act != 0 {
		b, ok := k.read(r, act, uint64(len(now)))
		if !ok {
			return fail(EFAULT)
		}
		now = Handler(b)
	}
	s := k.signals(r)
	before, _ := s.handler(int(sig))
	if act != 0 {
		s.setHandler(int(sig), now)
		if now.ignores(sig) {
			s.drop(sig)
		}
	}
	if old == 0 {
		return 0, nil
	}
	return k.put(r, old, before[:])
}

func sysRtSigprocmask(k *Kernel, c *Call, r *Result) (uint64, error) {
	how, set, old := c.Args[0], c.Args[1], c.Args[2]
	if c.Args[3] != 8 {
		return fail(EINVAL)
	}
	s := k.signals(r)
	before := s.mask()
	mask := before
	if set != 0 {
		b, ok := k.read(r, set, 8)
		if !ok {
			return fail(EFAULT)
		}
		v := le.Uint64(b)
		switch how { // SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK
		case 0:
			mask |= v
		case 1:
			mask &^= v
		case 2:
			mask = v
		default:
			return fail(EINVAL)
		}
		mask &^= never
		if mask != before {
			s.setMask(mask)
		}
	}
	if old != 0 {
		if v, err := k.put(r, old, le.AppendUint64(nil, before)); err != nil || v != 0 {
			return v, err
		}
	}
	k.deliver(r, before&^mask)
	return 0, nil
}

// deliver has the calling thread get what is pending for it or for the process and what it has
// just unblocked. What is ignored is only taken away, handlers run when the call is over.
func (k *Kernel) deliver(r *Result, unblocked uint64) {
	if unblocked == 0 {
		return
	}
	s := k.signals(r)
	for ready := s.pending(true) & unblocked; ready != 0; ready &= ready - 1 {
		s.setPending(k.tasks(r).self(), s.take(true, lowest(ready)), false)
	}
	for ready := s.pending(false) & unblocked; ready != 0 && r.Effect == Returns; ready &= ready - 1 {
		if h, _ := s.handler(int(lowest(ready))); !h.runs() {
			k.byDefault(s.take(false, lowest(ready)).sig, h, r)
		}
	}
}

// lowest is the first signal of a set.
func lowest(set uint64) uint64 { return uint64(bits.TrailingZeros64(set)) + 1 }

// signalNumbers are the signals of a set.
func signalNumbers(set uint64) (list []uint64) {
	for ; set != 0; set &= set - 1 {
		list = append(list, lowest(set))
	}
	return list
}

func sysTgkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.tgkill(c.Args[0], c.Args[1], sentBy(c.Args[2], codeTkill), r)
}

func sysTkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.tgkill(FirstTID, c.Args[0], sentBy(c.Args[1], codeTkill), r)
}

func (k *Kernel) tgkill(pid, tid uint64, v info, r *Result) (uint64, error) {
	if int32(pid) <= 0 || int32(tid) <= 0 {
		return fail(EINVAL)
	}
	if int32(pid) != FirstTID || !k.tasks(r).there(int(int32(tid))) {
		return fail(ESRCH)
	}
	return k.kill(int(int32(tid)), v, r, false)
}

// sysKill knows one process, which is there as long as one of its threads is.
func sysKill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.killProcess(c.Args[0], sentBy(c.Args[1], codeUser), r)
}

func (k *Kernel) killProcess(pid uint64, v info, r *Result) (uint64, error) {
	if int32(pid) <= 0 {
		r.Missing = "kill of a group of processes"
	}
	if int32(pid) != FirstTID {
		return fail(ESRCH)
	}
	return k.kill(FirstTID, v, r, true)
}

// given is a signal whose siginfo_t the process gives itself.
func (k *Kernel) given(r *Result, sig, addr uint64) (v info, errno Errno) {
	const size = 128
	b, ok := k.read(r, addr, size)
	if !ok {
		return v, EFAULT
	}
	v.sig = sig
	copy(v.data[:], b)
	le.PutUint32(v.data[:], uint32(sig))
	return v, 0
}

func sysRtSigqueueinfo(k *Kernel, c *Call, r *Result) (uint64, error) {
	v, errno := k.given(r, c.Args[1], c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	return k.killProcess(c.Args[0], v, r)
}

func sysRtTgsigqueueinfo(k *Kernel, c *Call, r *Result) (uint64, error) {
	v, errno := k.given(r, c.Args[2], c.Args[3])
	if errno != 0 {
		return fail(errno)
	}
	return k.tgkill(c.Args[0], c.Args[1], v, r)
}

// kill sends a signal to a thread, or to all, of which the first that does not block it gets
// it. Where all block it, it stays pending until one no longer does, also one that is ignored
// by then. Its handler runs before the thread that gets it does anything else.
func (k *Kernel) kill(tid int, v info, r *Result, all bool) (uint64, error) {
	switch {
	case v.sig > MaxSignal:
		return fail(EINVAL)
	case v.sig == 0:
		return 0, nil
	}
	s := k.signals(r)
	thread, blocked := s.blocked(tid, v.sig, all)
	if never&bit(v.sig) == 0 && (blocked || k.waiters(r).forSignal(tid, v.sig, all)) {
		s.handler(int(v.sig)) // one that ignores it takes it away
		if !s.setPending(tid, v, all) {
			return fail(EAGAIN)
		}
		return 0, k.waiters(r).signalled(tid, v.sig, all)
	}
	h, _ := s.handler(int(v.sig))
	if never&bit(v.sig) != 0 || !h.runs() {
		k.byDefault(v.sig, h, r)
		return 0, nil
	}
	ok, err := s.interrupt(thread, v)
	if !ok {
		return fail(EAGAIN)
	}
	return 0, err
}

// byDefault is what a signal does that has no handler: it ends the process, unless it is ignored.
func (k *Kernel) byDefault(sig uint64, h Handler, r *Result) {
	if h.ignores(sig) {
		return
	}
	k.tasks(r).endAll(Dies)
	r.Signal = int(sig)
}
