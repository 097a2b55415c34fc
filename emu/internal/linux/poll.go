package linux

// Waiting for files. None of those that there are ever makes a read or a write wait, so what
// is asked of one is there at once.

// Events of include/uapi/asm-generic/poll.h.
const (
	pollIn     = 0x1
	pollOut    = 0x4
	pollNval   = 0x20
	pollRdnorm = 0x40
	pollWrnorm = 0x100
)

// always are the events of a file that has no way to wait: DEFAULT_POLLMASK of
// include/linux/poll.h.
const always = pollIn | pollOut | pollRdnorm | pollWrnorm

// sizeofPollfd is the size of struct pollfd: a descriptor, and 16 bits each of events that
// are asked for and that are there.
const sizeofPollfd = 8

// sysPoll has a timeout in milliseconds, for ever when it is negative.
func sysPoll(k *Kernel, c *Call, r *Result) (uint64, error) {
	ready, err := k.poll(r, c.Args[0], c.Args[1])
	if err != nil || ready != 0 {
		return ready, err
	}
	if ms := int32(c.Args[2]); ms >= 0 {
		return k.pollWait(r, uint64(ms)*1_000_000)
	}
	return k.pollForever(r)
}

// sysPpoll has it as a struct timespec, for ever when there is none. The mask of signals
// plays no part: a signal interrupts nothing. The time that is left is not written.
func sysPpoll(k *Kernel, c *Call, r *Result) (uint64, error) {
	timeout := uint64(0)
	if c.Args[2] != 0 {
		var errno Errno
		if timeout, errno = k.timespec(r, c.Args[2]); errno != 0 {
			return fail(errno)
		}
	}
	ready, err := k.poll(r, c.Args[0], c.Args[1])
	if err != nil || ready != 0 {
		return ready, err
	}
	if c.Args[2] == 0 {
		return k.pollForever(r)
	}
	return k.pollWait(r, timeout)
}

// poll says of n files which of the events that are asked for are there, and returns how many
// files have any, or an error number.
func (k *Kernel) poll(r *Result, addr, n uint64) (ready uint64, err error) {
	if n = uint64(uint32(n)); n > uint64(k.Limits.Files) {
		return fail(EINVAL)
	}
	for i := range n {
		at := addr + i*sizeofPollfd
		b, ok := k.read(r, at, sizeofPollfd)
		if !ok {
			return fail(EFAULT)
		}
		events := uint16(0)
		if fd := int(int32(le.Uint32(b))); fd >= 0 { // a negative one is passed over
			if f, ok := k.descriptors(r).get(fd); !ok || f.kind == fdPath {
				events = pollNval
			} else {
				events = le.Uint16(b[4:]) & always
			}
		}
		if v, err := k.put(r, at+6, le.AppendUint16(nil, events)); err != nil || v != 0 {
			return v, err
		}
		if events != 0 {
			ready++
		}
	}
	return ready, nil
}

// pollWait lets the time pass in which nothing comes.
func (k *Kernel) pollWait(r *Result, timeout uint64) (uint64, error) {
	if timeout > 0 {
		k.waiters(r).sleep(k.clock(r).now() + timeout)
	}
	return 0, nil
}

// pollForever: only a signal could end that.
func (k *Kernel) pollForever(r *Result) (uint64, error) {
	r.Missing = "poll that waits for ever"
	return 0, nil
}
