package linux

import (
	"fmt"
	"math/bits"

	"emurace/loader"
)

func twoWords(a, b uint64) []byte {
	return le.AppendUint64(le.AppendUint64(nil, a), b)
}

// sysGetrandom hands out at most 256 bytes at a time, which Linux promises at least.
func sysGetrandom(k *Kernel, c *Call, r *Result) (uint64, error) {
	n := min(c.Args[1], 256)
	var b []byte
	for uint64(len(b)) < n {
		b = append(b, k.random(r).block()...)
	}
	if v, err := k.put(r, c.Args[0], b[:n]); err != nil || v != 0 {
		return v, err
	}
	return n, nil
}

// sysUname fills struct new_utsname: six fields of 65 bytes.
func sysUname(k *Kernel, c *Call, r *Result) (uint64, error) {
	b := make([]byte, 6*65)
	machine := "aarch64"
	if k.Arch == loader.AMD64 {
		machine = "x86_64"
	}
	for i, s := range []string{"Linux", "emurace", "6.1.0", "#1 emurace", machine, "(none)"} {
		copy(b[65*i:], s)
	}
	return k.put(r, c.Args[0], b)
}

// sysPrlimit64 shows an 8 MiB stack and no other limit, and refuses changes, of which
// Linux has most.
func sysPrlimit64(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[2] != 0 {
		r.Missing = "prlimit64 with a new limit"
		return fail(EPERM)
	}
	return k.rlimit(r, c.Args[1], c.Args[3])
}

func sysGetrlimit(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.rlimit(r, c.Args[0], c.Args[1])
}

func (k *Kernel) rlimit(r *Result, resource, buf uint64) (uint64, error) {
	const stack, count, infinity = 3, 16, ^uint64(0)
	if resource >= count {
		return fail(EINVAL)
	}
	if buf == 0 {
		return 0, nil
	}
	soft := infinity
	if resource == stack {
		soft = 8 << 20
	}
	return k.put(r, buf, twoWords(soft, infinity))
}

// sysSysinfo fills struct sysinfo of include/uapi/linux/sysinfo.h: one GiB of
// memory, half of it free.
func sysSysinfo(k *Kernel, c *Call, r *Result) (uint64, error) {
	b := make([]byte, 112)
	le.PutUint64(b, k.clock(r).read(false)/second)
	le.PutUint64(b[32:], 1<<30)
	le.PutUint64(b[40:], 1<<29)
	le.PutUint16(b[80:], 1)
	le.PutUint32(b[104:], 1)
	return k.put(r, c.Args[0], b)
}

func sysRtSigaction(k *Kernel, c *Call, r *Result) (uint64, error) {
	sig, act, old := c.Args[0], c.Args[1], c.Args[2]
	// handler, flags, restorer, mask on amd64; arm64 has no restorer in
	// between but the same layout, since its libc defines one.
	if sig == 0 || sig > MaxSignal || c.Args[3] != 8 {
		return fail(EINVAL)
	}
	if act != 0 && (sig == 9 || sig == 19) {
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
	handlers := k.signals(r)
	before, _ := handlers.handler(int(sig))
	if act != 0 {
		handlers.setHandler(int(sig), now)
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
	t := k.tasks(r)
	mask := t.mask()
	before := mask
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
		t.setMask(mask)
	}
	if old != 0 {
		if v, err := k.put(r, old, le.AppendUint64(nil, before)); err != nil || v != 0 {
			return v, err
		}
	}
	return k.deliver(r)
}

func sysSigaltstack(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.tasks(r)
	before := t.altStack()
	if c.Args[0] != 0 {
		b, ok := k.read(r, c.Args[0], 24)
		if !ok {
			return fail(EFAULT)
		}
		t.setAltStack([24]byte(b))
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[1], before[:])
}

func sysTgkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.signal(int(int32(c.Args[1])), c.Args[2], r)
}

func sysTkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.signal(int(int32(c.Args[0])), c.Args[1], r)
}

// signal is kill of one thread. What the calling thread sends itself while it blocks it
// stays pending until it no longer does: raise blocks all signals on its way, up to 2.33.
func (k *Kernel) signal(tid int, sig uint64, r *Result) (uint64, error) {
	const never = 1<<(9-1) | 1<<(19-1) // SIGKILL and SIGSTOP are never blocked
	t := k.tasks(r)
	if sig != 0 && sig <= MaxSignal && tid == t.self() && (t.mask()&^never)>>(sig-1)&1 != 0 {
		t.setPending(t.pending() | 1<<(sig-1))
		return 0, nil
	}
	return k.kill(tid, sig, r)
}

// deliver has the calling thread get the first of its pending signals that it does not
// block, if there is one: those that are ignored are only taken away.
func (k *Kernel) deliver(r *Result) (uint64, error) {
	t := k.tasks(r)
	for ready := t.pending() &^ t.mask(); ready != 0 && r.Effect == Returns; ready &= ready - 1 {
		t.setPending(t.pending() &^ (ready & -ready))
		if v, err := k.kill(t.self(), uint64(bits.TrailingZeros64(ready))+1, r); err != nil || v != 0 {
			return v, err
		}
	}
	return 0, nil
}

func sysKill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.kill(int(int32(c.Args[0])), c.Args[1], r)
}

// kill ends the process unless the signal is ignored: handlers are recorded but never
// run. That one would have been is told as missing.
func (k *Kernel) kill(tid int, sig uint64, r *Result) (uint64, error) {
	switch {
	case !k.tasks(r).there(tid):
		return fail(ESRCH)
	case sig > MaxSignal:
		return fail(EINVAL)
	case sig == 0:
		return 0, nil
	}
	h, handled := k.signals(r).handler(int(sig))
	const ignore = 1 // SIG_IGN
	if handled && le.Uint64(h[:]) == ignore {
		return 0, nil
	}
	switch sig { // SIGCHLD, SIGCONT, SIGURG and SIGWINCH are ignored by default
	case 17, 18, 23, 28:
		if !handled || le.Uint64(h[:]) == 0 {
			return 0, nil
		}
	}
	const byDefault = 0 // SIG_DFL
	if handled && le.Uint64(h[:]) != byDefault {
		r.Missing = fmt.Sprintf("the handler of signal %d", sig)
	}
	k.tasks(r).endAll(Dies)
	r.Signal = int(sig)
	return 0, nil
}

func sysOK(*Kernel, *Call, *Result) (uint64, error) { return 0, nil }
