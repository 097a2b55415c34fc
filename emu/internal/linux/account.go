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

// sysGetrusage fills struct rusage of include/uapi/linux/resource.h: user time, and
// no other use of anything.
func sysGetrusage(k *Kernel, c *Call, r *Result) (uint64, error) {
	const self, children, thread = 0, -1, 1
	b := make([]byte, 144)
	switch int32(c.Args[0]) {
	case self, thread: // what a thread alone has used is not counted
		used := k.clock(r).used()
		copy(b, twoWords(used/second, used%second/1000))
	case children: // there are none
	default:
		return fail(EINVAL)
	}
	return k.put(r, c.Args[1], b)
}

// ticks is USER_HZ: times counts hundredths of a second.
const ticks = second / 100

func sysTimes(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.clock(r)
	if c.Args[0] != 0 {
		b := append(twoWords(t.used()/ticks, 0), twoWords(0, 0)...)
		if v, err := k.put(r, c.Args[0], b); err != nil || v != 0 {
			return v, err
		}
	}
	return t.now() / ticks, nil
}

// sysSchedGetscheduler: every thread has SCHED_OTHER, which is 0.
func sysSchedGetscheduler(k *Kernel, c *Call, r *Result) (uint64, error) {
	const caller = 0
	switch tid := int(int32(c.Args[0])); {
	case tid < 0:
		return fail(EINVAL)
	case tid != caller && !k.tasks(r).there(tid):
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
