package linux

import (
	"fmt"
	"math/bits"
)

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

// deliver has the calling thread get the first of the signals that are pending for it or
// for the process and that it has just unblocked, if there is one: those that are ignored
// are only taken away.
func (k *Kernel) deliver(r *Result, unblocked uint64) {
	if unblocked == 0 {
		return
	}
	s := k.signals(r)
	for _, all := range []bool{false, true} {
		for ready := s.pending(all) & unblocked; ready != 0 && r.Effect == Returns; ready &= ready - 1 {
			s.take(all, ready&-ready)
			k.act(uint64(bits.TrailingZeros64(ready))+1, r)
		}
	}
}

func sysTgkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.tgkill(c.Args[0], c.Args[1], c.Args[2], r)
}

func sysTkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.tgkill(FirstTID, c.Args[0], c.Args[1], r)
}

func (k *Kernel) tgkill(pid, tid, sig uint64, r *Result) (uint64, error) {
	if int32(pid) <= 0 || int32(tid) <= 0 {
		return fail(EINVAL)
	}
	if int32(pid) != FirstTID || !k.tasks(r).there(int(int32(tid))) {
		return fail(ESRCH)
	}
	return k.kill(int(int32(tid)), sig, r, false)
}

// sysKill knows one process, which is there as long as one of its threads is.
func sysKill(k *Kernel, c *Call, r *Result) (uint64, error) {
	pid := int32(c.Args[0])
	if pid <= 0 {
		r.Missing = "kill of a group of processes"
	}
	if pid != FirstTID {
		return fail(ESRCH)
	}
	return k.kill(FirstTID, c.Args[1], r, true)
}

// siginfo is the size of siginfo_t, of which only who handles the signal sees more than
// the number.
const siginfo = 128

func sysRtSigqueueinfo(k *Kernel, c *Call, r *Result) (uint64, error) {
	if _, ok := k.read(r, c.Args[2], siginfo); !ok {
		return fail(EFAULT)
	}
	return sysKill(k, c, r)
}

func sysRtTgsigqueueinfo(k *Kernel, c *Call, r *Result) (uint64, error) {
	if _, ok := k.read(r, c.Args[3], siginfo); !ok {
		return fail(EFAULT)
	}
	return sysTgkill(k, c, r)
}

// kill sends a signal to a thread, or to all, of which any may get it. Where those block
// it, it stays pending until one no longer does, also one that is ignored by then.
func (k *Kernel) kill(tid int, sig uint64, r *Result, all bool) (uint64, error) {
	switch {
	case sig > MaxSignal:
		return fail(EINVAL)
	case sig == 0:
		return 0, nil
	}
	s := k.signals(r)
	if never&bit(sig) == 0 && s.blocked(tid, sig, all) {
		s.handler(int(sig)) // one that ignores it takes it away
		s.setPending(tid, sig, all)
		return 0, nil
	}
	k.act(sig, r)
	return 0, nil
}

// act ends the process unless the signal is ignored: handlers are recorded but never
// run. That one would have been is told as missing.
func (k *Kernel) act(sig uint64, r *Result) {
	h, handled := k.signals(r).handler(int(sig))
	if h.ignores(sig) {
		return
	}
	if handled && le.Uint64(h[:]) != byDefault {
		r.Missing = fmt.Sprintf("the handler of signal %d", sig)
	}
	k.tasks(r).endAll(Dies)
	r.Signal = int(sig)
}
