package linux

import "fmt"

// Counters that threads wait for: eventfd, fs/eventfd.c, and timers as files, fs/timerfd.c.

// maxCount is what a counter of eventfd can be at most.
const maxCount = ^uint64(0) - 1

func sysEventfd(k *Kernel, c *Call, r *Result) (uint64, error) { return k.eventfd(r, c.Args[0], 0) }

func sysEventfd2(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.eventfd(r, c.Args[0], c.Args[1])
}

func (k *Kernel) eventfd(r *Result, count, flags uint64) (uint64, error) {
	const semaphore = 1
	if flags&^(semaphore|oNonblock|oCloexec) != 0 {
		return fail(EINVAL)
	}
	return k.newObject(r, object{kind: fdEvent, count: uint64(uint32(count)), semaphore: flags&semaphore != 0}, flags&^semaphore, "[eventfd]")
}

// newObject makes an object and a descriptor of it.
func (k *Kernel) newObject(r *Result, v object, flags uint64, name string) (uint64, error) {
	if _, ok := k.descriptors(r).lowest(0); !ok {
		return fail(EMFILE)
	}
	return k.install(r, FD{Kind: v.kind, Flags: oRdwr | flags, Object: k.objects(r).add(v), Path: "anon_inode:" + name})
}

func (k *Kernel) readEvent(r *Result, f file, to []span) (uint64, error) {
	if total(to) < 8 {
		return fail(EINVAL)
	}
	o := k.objects(r)
	v := o.get(f.object)
	value := v.count
	switch {
	case v.count == 0 && !f.waits():
		return fail(EAGAIN)
	case v.count == 0:
		k.waiters(r).await([]watch{{f.object, anyIn, f.n}}, forever, 0, 0, fmt.Sprintf("read of an eventfd (fd %d) that nobody writes", f.n))
		return 0, nil
	case v.semaphore:
		value = 1
	}
	if n, err := k.scatter(r, to, le.AppendUint64(nil, value)); err != nil || n < 8 {
		return negated(EFAULT), err
	}
	o.set(f.object, func(v *object) {
		v.count -= value
		v.changed[1]++
	})
	return 8, k.waiters(r).stir(f.object, anyOut)
}

func (k *Kernel) writeEvent(r *Result, f file, from []span) (uint64, error) {
	if total(from) < 8 {
		return fail(EINVAL)
	}
	b := k.gather(r, from, 0, 8)
	if len(b) < 8 {
		return fail(EFAULT)
	}
	add := le.Uint64(b)
	if add > maxCount {
		return fail(EINVAL)
	}
	o := k.objects(r)
	if count := o.get(f.object).count; add > maxCount-count {
		if !f.waits() {
			return fail(EAGAIN)
		}
		k.waiters(r).await([]watch{{f.object, anyOut, f.n}}, forever, 0, 0, fmt.Sprintf("write to a full eventfd (fd %d) that nobody reads", f.n))
		return 0, nil
	}
	o.set(f.object, func(v *object) {
		v.count += add
		v.changed[0]++
	})
	return 8, k.waiters(r).stir(f.object, anyIn)
}

// timer is when a timer is due, in nanoseconds of the virtual clock.
type timer struct {
	due   uint64 // 0: it is not set
	every uint64 // and then again, 0 for once
	real  bool   // it was set by the time of day
}

// expired is how often it was due up to a time, and the timer behind that.
func (t timer) expired(now uint64) (n uint64, rest timer) {
	switch {
	case t.due == 0 || t.due > now:
		return 0, t
	case t.every == 0:
		return 1, timer{real: t.real}
	}
	n = (now-t.due)/t.every + 1
	t.due += n * t.every
	return n, t
}

// text is struct itimerspec: what is left of it.
func (t timer) text(now uint64) []byte {
	_, t = t.expired(now)
	left := uint64(0)
	if t.due != 0 {
		left = t.due - now
	}
	return append(twoWords(t.every/second, t.every%second), twoWords(left/second, left%second)...)
}

func sysTimerfdCreate(k *Kernel, c *Call, r *Result) (uint64, error) {
	const realtime, monotonic, boottime, realAlarm, bootAlarm = 0, 1, 7, 8, 9
	if c.Args[1]&^(oNonblock|oCloexec) != 0 {
		return fail(EINVAL)
	}
	switch c.Args[0] {
	case realtime, monotonic, boottime:
	case realAlarm, bootAlarm:
		return fail(EPERM)
	default:
		return fail(EINVAL)
	}
	return k.newObject(r, object{kind: fdTimer, timer: timer{real: c.Args[0] == realtime}}, c.Args[1], "[timerfd]")
}

// timerOf is the timer that a descriptor is of.
func (k *Kernel) timerOf(r *Result, fd uint64) (file, timer, Errno) {
	f, ok := k.descriptors(r).get(int(int32(fd)))
	switch {
	case !ok:
		return f, timer{}, EBADF
	case f.kind != fdTimer:
		return f, timer{}, EINVAL
	}
	return f, k.objects(r).get(f.object).timer, 0
}

func sysTimerfdSettime(k *Kernel, c *Call, r *Result) (uint64, error) {
	const absolute, cancels = 1, 2
	if c.Args[1]&^(absolute|cancels) != 0 {
		return fail(EINVAL)
	}
	every, errno := k.timespec(r, c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	first, errno := k.timespec(r, c.Args[2]+16)
	if errno != 0 {
		return fail(errno)
	}
	f, before, errno := k.timerOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	now := k.clock(r).now()
	if c.Args[3] != 0 {
		if v, err := k.put(r, c.Args[3], before.text(now)); err != nil || v != 0 {
			return v, err
		}
	}
	after := timer{real: before.real}
	if first != 0 {
		after.every = every
		after.due = max(1, deadlineOf(first, now, c.Args[1]&absolute != 0, before.real))
	}
	k.objects(r).set(f.object, func(v *object) {
		v.timer = after
		v.changed[0]++
	})
	// Who waits for it looks at it anew.
	return 0, k.waiters(r).stir(f.object, wayIn)
}

func sysTimerfdGettime(k *Kernel, c *Call, r *Result) (uint64, error) {
	_, t, errno := k.timerOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	return k.put(r, c.Args[1], t.text(k.clock(r).now()))
}

func (k *Kernel) readTimer(r *Result, f file, to []span) (uint64, error) {
	if total(to) < 8 {
		return fail(EINVAL)
	}
	t := k.objects(r).get(f.object).timer
	n, rest := t.expired(k.clock(r).now())
	switch {
	case n == 0 && !f.waits():
		return fail(EAGAIN)
	case n == 0:
		k.waiters(r).await([]watch{{f.object, wayIn, f.n}}, forever, t.due, 0, fmt.Sprintf("read of a timer (fd %d) that is not set", f.n))
		return 0, nil
	}
	if n, err := k.scatter(r, to, le.AppendUint64(nil, n)); err != nil || n < 8 {
		return negated(EFAULT), err
	}
	k.objects(r).set(f.object, func(v *object) { v.timer = rest })
	return 8, nil
}
