package linux

// The process's accounts: what it has used, where it runs and with what rights. All
// of it follows from the virtual clock, or is a constant.

// sysGetcpu tells that every thread runs on the first processor: there is one that
// runs at a time.
func sysGetcpu(k *Kernel, c *Call, r *Result) (uint64, error) {
	for _, addr := range c.Args[:2] {
		if addr == 0 {
			continue
		}
		if v, err := k.put(r, addr, make([]byte, 4)); err != nil || v != 0 {
			return v, err
		}
	}
	return 0, nil
}

// used is the processor time of the process in nanoseconds: one an instruction, as
// on the virtual clock, without what was slept.
func (k *Kernel) used() uint64 { return k.Memory.Steps() }

// sysGetrusage fills struct rusage of include/uapi/linux/resource.h: user time, and
// no other use of anything.
func sysGetrusage(k *Kernel, c *Call, r *Result) (uint64, error) {
	const self, children, thread = 0, -1, 1
	b := make([]byte, 144)
	switch int32(c.Args[0]) {
	case self, thread: // what a thread alone has used is not counted
		copy(b, twoWords(k.used()/second, k.used()%second/1000))
	case children: // there are none
	default:
		return fail(EINVAL)
	}
	return k.put(r, c.Args[1], b)
}

// ticks is USER_HZ: times counts hundredths of a second.
const ticks = second / 100

func sysTimes(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[0] != 0 {
		b := append(twoWords(k.used()/ticks, 0), twoWords(0, 0)...)
		if v, err := k.put(r, c.Args[0], b); err != nil || v != 0 {
			return v, err
		}
	}
	return k.monotonic() / ticks, nil
}

// thread tells whether a thread of that number is there; 0 is the caller.
func (k *Kernel) thread(tid uint64) bool {
	for _, t := range k.s.Tasks {
		if t.TID == int(int32(tid)) && (t.Status == Runnable || t.Status == Blocked) {
			return true
		}
	}
	return int32(tid) == 0
}

// sysSchedGetscheduler: every thread has SCHED_OTHER, which is 0.
func sysSchedGetscheduler(k *Kernel, c *Call, _ *Result) (uint64, error) {
	switch {
	case int32(c.Args[0]) < 0:
		return fail(EINVAL)
	case !k.thread(c.Args[0]):
		return fail(ESRCH)
	}
	return 0, nil
}

// sysSchedGetparam fills struct sched_param: the priority, 0 for SCHED_OTHER.
func sysSchedGetparam(k *Kernel, c *Call, r *Result) (uint64, error) {
	if v, err := sysSchedGetscheduler(k, c, r); err != nil || v != 0 {
		return v, err
	}
	return k.put(r, c.Args[1], make([]byte, 4))
}

// sysSocket: there is no network, of any family.
func sysSocket(*Kernel, *Call, *Result) (uint64, error) { return fail(EAFNOSUPPORT) }
