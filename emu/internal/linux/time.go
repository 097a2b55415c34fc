package linux

// System calls about time: reading clocks, and sleeping.

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

// clockKind says what a clock of clock_gettime counts: the time of day, or what has passed
// since the start, which processor time is too.
func clockKind(id uint64) (real, ok bool) {
	switch id {
	case 0, 5, 11: // REALTIME, REALTIME_COARSE, TAI
		return true, true
	case 1, 2, 3, 4, 6, 7: // MONOTONIC and its kin, CPU time
		return false, true
	}
	return false, false
}

func sysClockGettime(k *Kernel, c *Call, r *Result) (uint64, error) {
	real, ok := clockKind(c.Args[0])
	if !ok {
		return fail(EINVAL)
	}
	t := k.clock(r).read(real)
	return k.put(r, c.Args[1], twoWords(t/second, t%second))
}

func sysClockGetres(k *Kernel, c *Call, r *Result) (uint64, error) {
	if _, ok := clockKind(c.Args[0]); !ok {
		return fail(EINVAL)
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[1], twoWords(0, 1))
}

func sysGettimeofday(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[0] != 0 {
		t := k.clock(r).read(true)
		if v, err := k.put(r, c.Args[0], twoWords(t/second, t%second/1000)); err != nil || v != 0 {
			return v, err
		}
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[1], make([]byte, 8)) // no time zone
}

func sysTime(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.clock(r).read(true) / second
	if c.Args[0] != 0 {
		if v, err := k.put(r, c.Args[0], le.AppendUint64(nil, t)); err != nil || v != 0 {
			return v, err
		}
	}
	return t, nil
}

// sleep makes the thread wait until a time, at once over when that is past.
func (k *Kernel) sleep(r *Result, addr uint64, absolute, real bool) (uint64, error) {
	t, errno := k.timespec(r, addr)
	if errno != 0 {
		return fail(errno)
	}
	now := k.clock(r).now()
	deadline := deadlineOf(t, now, absolute, real)
	if r.again.Is { // a signal that came to nothing has ended the wait
		deadline = r.again.Until
	}
	if deadline > now {
		k.waiters(r).sleep(deadline)
	}
	return 0, nil
}

// deadlineOf is when a time has come on the monotonic clock, which shows now: so far from
// now on, or a time of that clock or of the time of day.
func deadlineOf(t, now uint64, absolute, real bool) uint64 {
	switch {
	case !absolute:
		return now + t
	case real:
		return t - min(t, bootTime)
	}
	return t
}

func sysNanosleep(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.sleep(r, c.Args[0], false, false)
}

func sysClockNanosleep(k *Kernel, c *Call, r *Result) (uint64, error) {
	const threadTime, raw, realCoarse, monotonicCoarse, absolute = 3, 4, 5, 6, 1
	real, ok := clockKind(c.Args[0])
	switch id := c.Args[0]; {
	case !ok || id == threadTime:
		return fail(EINVAL)
	case id == raw || id == realCoarse || id == monotonicCoarse: // only to be read
		return fail(EOPNOTSUPP)
	}
	return k.sleep(r, c.Args[2], c.Args[1]&absolute != 0, real)
}

// sysClockSettime: an ordinary user cannot set the time of day, and nobody the other
// clocks.
func sysClockSettime(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[0] != 0 {
		return fail(EINVAL)
	}
	if _, errno := k.timespec(r, c.Args[1]); errno != 0 {
		return fail(errno)
	}
	return fail(EPERM)
}

func sysSettimeofday(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[0] != 0 {
		b, ok := k.read(r, c.Args[0], 16)
		if !ok {
			return fail(EFAULT)
		}
		if us := int64(le.Uint64(b[8:])); us < 0 || us > second/1000 {
			return fail(EINVAL)
		}
	}
	if c.Args[1] != 0 {
		if _, ok := k.read(r, c.Args[1], 8); !ok {
			return fail(EFAULT)
		}
	}
	return fail(EPERM)
}
