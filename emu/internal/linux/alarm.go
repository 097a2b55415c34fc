package linux

// The timer that sends SIGALRM: alarm and setitimer, kernel/time/itimer.c.

const (
	itimerReal = 0
	sigalrm    = 14
)

// micros is struct itimerval as a timer that begins now.
func (k *Kernel) micros(r *Result, addr uint64) (t timer, errno Errno) {
	b, ok := k.read(r, addr, 32)
	if !ok {
		return t, EFAULT
	}
	var ns [2]uint64
	for i := range ns {
		sec, usec := int64(le.Uint64(b[16*i:])), int64(le.Uint64(b[16*i+8:]))
		if sec < 0 || usec < 0 || usec >= 1_000_000 {
			return t, EINVAL
		}
		const longest = 1 << 32
		ns[i] = uint64(min(sec, longest))*second + uint64(usec)*1000
	}
	if ns[1] != 0 {
		t.due, t.every = k.clock(r).now()+ns[1], ns[0]
	}
	return t, 0
}

func microsText(t timer, now uint64) []byte {
	left := uint64(0)
	if t.due != 0 {
		left = max(t.due-min(now, t.due), 1000)
	}
	return append(twoWords(t.every/second, t.every%second/1000), twoWords(left/second, left%second/1000)...)
}

func sysSetitimer(k *Kernel, c *Call, r *Result) (uint64, error) {
	if errno := k.itimer(r, c.Args[0]); errno != 0 {
		return fail(errno)
	}
	var t timer
	if c.Args[1] != 0 {
		var errno Errno
		if t, errno = k.micros(r, c.Args[1]); errno != 0 {
			return fail(errno)
		}
	}
	now := k.clock(r).now()
	before := k.signals(r).setAlarm(t)
	if c.Args[2] == 0 {
		return 0, nil
	}
	return k.put(r, c.Args[2], microsText(before, now))
}

// itimer refuses the timers of processor time.
func (k *Kernel) itimer(r *Result, which uint64) Errno {
	if which == 1 || which == 2 {
		r.Missing = "a timer of processor time"
	}
	if which != itimerReal {
		return EINVAL
	}
	return 0
}

func sysGetitimer(k *Kernel, c *Call, r *Result) (uint64, error) {
	if errno := k.itimer(r, c.Args[0]); errno != 0 {
		return fail(errno)
	}
	return k.put(r, c.Args[1], microsText(k.signals(r).alarm(), k.clock(r).now()))
}

func sysAlarm(k *Kernel, c *Call, r *Result) (uint64, error) {
	now := k.clock(r).now()
	var t timer
	if sec := c.Args[0] & 0xffffffff; sec != 0 {
		t.due = now + sec*second
	}
	before := k.signals(r).setAlarm(t)
	if before.due == 0 {
		return 0, nil
	}
	return max((before.due-min(now, before.due)+second/2)/second, 1), nil
}

// ring sends the signal of a timer that is due.
func (k *Kernel) ring(r *Result, now uint64) error {
	s := k.signals(r)
	t := s.alarm()
	n, rest := t.expired(now)
	if n == 0 {
		return nil
	}
	s.setAlarm(rest)
	_, err := k.kill(FirstTID, infoOf(sigalrm, codeKernel), r, true)
	return err
}
