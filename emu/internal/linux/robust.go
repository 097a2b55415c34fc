package linux

// Bits of the word of a robust mutex; include/uapi/linux/futex.h.
const (
	futexWaiters   = 1 << 31
	futexOwnerDied = 1 << 30
	futexTIDMask   = 1<<30 - 1
)

// maxRobust bounds how many mutexes a thread that ends lets go, as Linux does
// (ROBUST_LIST_LIMIT).
const maxRobust = 2048

// sysSetRobustList remembers where a thread lists the robust mutexes that it holds.
func sysSetRobustList(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[1] != 24 { // struct robust_list_head
		return fail(EINVAL)
	}
	k.tasks(r).setRobust(c.Args[0])
	return 0, nil
}

// letGoRobust marks the robust mutexes of a thread that ends, and wakes one of those who
// wait for each: who takes one next is told that its owner is dead. What cannot be read
// ends the list without a word.
func (k *Kernel) letGoRobust(r *Result) error {
	head := k.tasks(r).robust()
	if head == 0 {
		return nil
	}
	b, ok := k.read(r, head, 24)
	if !ok {
		return nil
	}
	entry, offset, pending := le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:])
	for n := 0; entry&^1 != head && n < maxRobust; n++ {
		// The next one is read first, as Linux does: the mutex may be another thread's
		// as soon as it is let go.
		b, ok = k.read(r, entry&^1, 8)
		next := uint64(0)
		if ok {
			next = le.Uint64(b)
		}
		if entry&^1 != pending&^1 {
			if there, err := k.ownerDied(r, entry, offset, false); err != nil || !there {
				return err
			}
		}
		if !ok {
			return nil
		}
		entry = next
	}
	if pending == 0 {
		return nil
	}
	_, err := k.ownerDied(r, pending, offset, true)
	return err
}

// ownerDied lets one mutex go, if it is the thread's; false when there is none. A mutex
// that the thread was about to let go may have no owner by now, and others may not have
// been woken yet.
func (k *Kernel) ownerDied(r *Result, entry, offset uint64, pending bool) (there bool, err error) {
	addr, inherits := entry&^1+offset, entry&1 != 0
	b, ok := k.read(r, addr, 4)
	if !ok {
		return false, nil
	}
	v := le.Uint32(b)
	if pending && !inherits && v == 0 {
		_, err := k.waiters(r).wake(addr, 1, matchAny)
		return true, err
	}
	if int(v&futexTIDMask) != k.tasks(r).self() {
		return true, nil
	}
	if ok, err := k.write(r, addr, le.AppendUint32(nil, v&futexWaiters|futexOwnerDied)); err != nil || !ok {
		return false, err
	}
	if inherits || v&futexWaiters == 0 {
		return true, nil
	}
	_, err = k.waiters(r).wake(addr, 1, matchAny)
	return true, err
}
