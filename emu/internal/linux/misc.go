package linux

import (
	"crypto/sha256"

	"emurace/loader"
)

const second = 1_000_000_000

// bootTime is the real-time clock, in nanoseconds since 1970, at the virtual
// machine's start: an arbitrary constant, so that runs are equal on any day.
const bootTime = 1_600_000_000 * second

// monotonic is the virtual clock in nanoseconds: one per instruction, and what
// was slept.
func (k *Kernel) monotonic() uint64 { return k.Memory.Steps() + k.s.Sleep + second }

func (k *Kernel) timespec(r *Result, addr uint64) (uint64, Errno) {
	b, ok := k.read(r, addr, 16)
	if !ok {
		return 0, EFAULT
	}
	sec, nsec := int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
	if sec < 0 || nsec < 0 || nsec >= second {
		return 0, EINVAL
	}
	// Far beyond any run, and small enough for sums not to overflow.
	const forever = 1 << 32
	return uint64(min(sec, forever))*second + uint64(nsec), 0
}

func twoWords(a, b uint64) []byte {
	return le.AppendUint64(le.AppendUint64(nil, a), b)
}

func (k *Kernel) clock(id uint64) (uint64, bool) {
	switch id {
	case 0, 5, 11: // REALTIME, REALTIME_COARSE, TAI
		return bootTime + k.monotonic(), true
	case 1, 2, 3, 4, 6, 7: // MONOTONIC and its kin, CPU time
		return k.monotonic(), true
	}
	return 0, false
}

func sysClockGettime(k *Kernel, c *Call, r *Result) (uint64, error) {
	t, ok := k.clock(c.Args[0])
	if !ok {
		return fail(EINVAL)
	}
	return k.put(r, c.Args[1], twoWords(t/second, t%second))
}

func sysClockGetres(k *Kernel, c *Call, r *Result) (uint64, error) {
	if _, ok := k.clock(c.Args[0]); !ok {
		return fail(EINVAL)
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[1], twoWords(0, 1))
}

func sysGettimeofday(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := bootTime + k.monotonic()
	if c.Args[0] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[0], twoWords(t/second, t%second/1000))
}

func sysTime(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := (bootTime + k.monotonic()) / second
	if c.Args[0] != 0 {
		if v, err := k.put(r, c.Args[0], le.AppendUint64(nil, t)); err != nil || v != 0 {
			return v, err
		}
	}
	return t, nil
}

// sleep moves the clock on. The sleeping thread stays runnable: when it goes
// on is the schedule's business, not the clock's.
func (k *Kernel) sleep(r *Result, addr uint64, absolute bool, clock uint64) (uint64, error) {
	t, errno := k.timespec(r, addr)
	if errno != 0 {
		return fail(errno)
	}
	if absolute {
		now, ok := k.clock(clock)
		if !ok {
			return fail(EINVAL)
		}
		t -= min(t, now)
	}
	k.advance(t)
	return 0, nil
}

// advance moves the clock on, up to 146 years in all: with a timeout added, a
// time still fits 64 bits.
func (k *Kernel) advance(ns uint64) {
	const most = 1 << 62
	s := k.mut()
	s.Sleep += min(ns, most-s.Sleep)
}

func sysNanosleep(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.sleep(r, c.Args[0], false, 1)
}

func sysClockNanosleep(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.sleep(r, c.Args[2], c.Args[1]&1 != 0, c.Args[0])
}

// sysGetrandom hands out SHA-256 of seed and a running number.
func sysGetrandom(k *Kernel, c *Call, r *Result) (uint64, error) {
	n := min(c.Args[1], 256)
	var b []byte
	s := k.mut()
	for uint64(len(b)) < n {
		sum := sha256.Sum256(twoWords(k.Seed, s.Random))
		s.Random++
		b = append(b, sum[:]...)
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

// sysPrlimit64 shows an 8 MiB stack and no other limit, and refuses changes.
func sysPrlimit64(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[2] != 0 {
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
	le.PutUint64(b, k.monotonic()/second)
	le.PutUint64(b[32:], 1<<30)
	le.PutUint64(b[40:], 1<<29)
	le.PutUint16(b[80:], 1)
	le.PutUint32(b[104:], 1)
	return k.put(r, c.Args[0], b)
}

// Handler is what rt_sigaction was last given for a signal: struct sigaction
// as the kernel has it.
type Handler [32]byte

// MaxSignal is the highest signal number; 9 and 19 (SIGKILL, SIGSTOP) cannot be handled.
const MaxSignal = 64

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
	before := k.s.Handlers[int(sig)]
	if act != 0 {
		b, ok := k.read(r, act, uint64(len(before)))
		if !ok {
			return fail(EFAULT)
		}
		s := k.mut()
		if s.Handlers == nil {
			s.Handlers = map[int]Handler{}
		}
		s.Handlers[int(sig)] = Handler(b)
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
	mask := k.s.Tasks[c.Thread].SigMask
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
		k.mut().Tasks[c.Thread].SigMask = mask
	}
	if old == 0 {
		return 0, nil
	}
	return k.put(r, old, le.AppendUint64(nil, before))
}

func sysSigaltstack(k *Kernel, c *Call, r *Result) (uint64, error) {
	before := k.s.Tasks[c.Thread].AltStack
	if c.Args[0] != 0 {
		b, ok := k.read(r, c.Args[0], 24)
		if !ok {
			return fail(EFAULT)
		}
		k.mut().Tasks[c.Thread].AltStack = [24]byte(b)
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[1], before[:])
}

func sysTgkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.kill(int(int32(c.Args[1])), c.Args[2], r)
}

func sysTkill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.kill(int(int32(c.Args[0])), c.Args[1], r)
}

func sysKill(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.kill(int(int32(c.Args[0])), c.Args[1], r)
}

// kill ends the process unless the signal is ignored: handlers are recorded
// but never run, which the result's signal makes plain.
func (k *Kernel) kill(tid int, sig uint64, r *Result) (uint64, error) {
	found := false
	for _, t := range k.s.Tasks {
		found = found || t.TID == tid && (t.Status == Runnable || t.Status == Blocked)
	}
	switch {
	case !found:
		return fail(ESRCH)
	case sig > MaxSignal:
		return fail(EINVAL)
	case sig == 0:
		return 0, nil
	}
	h, handled := k.s.Handlers[int(sig)]
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
	k.mut().Exited = true
	r.Effect, r.Signal = Dies, int(sig)
	return 0, nil
}

func sysOK(*Kernel, *Call, *Result) (uint64, error) { return 0, nil }
