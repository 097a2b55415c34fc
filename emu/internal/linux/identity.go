package linux

// Who the process is: one user, the leader of a group of its own in a session of its
// parent's. None of it changes, as there is nobody else to be.

// parentID is the process that has started this one.
const parentID = 1

// ownProcess tells whether a number is the process's, or 0, which stands for it.
func ownProcess(pid uint64) bool { return uint32(pid) == 0 || uint32(pid) == FirstTID }

func sysGetpgid(_ *Kernel, c *Call, _ *Result) (uint64, error) {
	if !ownProcess(c.Args[0]) {
		return fail(ESRCH)
	}
	return FirstTID, nil
}

func sysGetpgrp(*Kernel, *Call, *Result) (uint64, error) { return FirstTID, nil }

func sysGetsid(_ *Kernel, c *Call, _ *Result) (uint64, error) {
	if !ownProcess(c.Args[0]) {
		return fail(ESRCH)
	}
	return parentID, nil
}

// sysSetpgid lets the process have the group that it has.
func sysSetpgid(_ *Kernel, c *Call, _ *Result) (uint64, error) {
	switch {
	case int32(c.Args[1]) < 0:
		return fail(EINVAL)
	case !ownProcess(c.Args[0]):
		return fail(ESRCH)
	case !ownProcess(c.Args[1]):
		return fail(EPERM)
	}
	return 0, nil
}

// sysSetsid is refused to the leader of a group, as setsid(2) has it.
func sysSetsid(*Kernel, *Call, *Result) (uint64, error) { return fail(EPERM) }

// sysGetgroups tells of one group, the user's.
func sysGetgroups(k *Kernel, c *Call, r *Result) (uint64, error) {
	switch n := int32(c.Args[0]); {
	case n < 0:
		return fail(EINVAL)
	case n == 0:
		return 1, nil
	}
	if v, err := k.put(r, c.Args[1], le.AppendUint32(nil, UserID)); err != nil || v != 0 {
		return v, err
	}
	return 1, nil
}

func sysSetgroups(*Kernel, *Call, *Result) (uint64, error) { return fail(EPERM) }

// setID is a call that sets so many IDs. One ID has to be named, of several each can be -1.
func setID(n int) func(*Kernel, *Call, *Result) (uint64, error) {
	return func(_ *Kernel, c *Call, _ *Result) (uint64, error) {
		for _, id := range c.Args[:n] {
			switch {
			case n == 1 && uint32(id) == ^uint32(0):
				return fail(EINVAL)
			case !ownID(id):
				return fail(EPERM)
			}
		}
		return 0, nil
	}
}

func sysGetresuid(k *Kernel, c *Call, r *Result) (uint64, error) {
	for _, addr := range c.Args[:3] {
		if v, err := k.put(r, addr, le.AppendUint32(nil, UserID)); err != nil || v != 0 {
			return v, err
		}
	}
	return 0, nil
}

// sysSetfsid returns what the ID was, whatever is asked for.
func sysSetfsid(*Kernel, *Call, *Result) (uint64, error) { return UserID, nil }

// sysPersonality has Linux's own personality only.
func sysPersonality(_ *Kernel, c *Call, r *Result) (uint64, error) {
	const asks, noRandomize = 0xffffffff, 0x0040000
	if p := c.Args[0] & 0xffffffff; p != asks && p&^noRandomize != 0 {
		r.Missing = "another personality"
		return fail(EINVAL)
	}
	return 0, nil
}

// sysSchedSetaffinity takes any set of processors that has one of the two that there are.
// Only one thread runs at a time, so that it makes no difference to anybody.
func sysSchedSetaffinity(k *Kernel, c *Call, r *Result) (uint64, error) {
	const both = 3
	if tid := int(int32(c.Args[0])); tid != 0 && !k.tasks(r).there(tid) {
		return fail(ESRCH)
	}
	if c.Args[1] == 0 {
		return fail(EINVAL)
	}
	b, ok := k.read(r, c.Args[2], min(c.Args[1], 128))
	switch {
	case !ok:
		return fail(EFAULT)
	case b[0]&both == 0:
		return fail(EINVAL)
	}
	return 0, nil
}

// Operations of prctl, include/uapi/linux/prctl.h.
const (
	prSetName = 15
	prGetName = 16
)

// sysPrctl keeps the names of threads, and accepts all else without effect.
func sysPrctl(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.tasks(r)
	switch c.Args[0] {
	case prSetName:
		text, errno := k.shortString(r, c.Args[1], 15)
		if errno != 0 {
			return fail(errno)
		}
		var name [16]byte
		copy(name[:], text)
		t.setNameOf(t.self(), name)
	case prGetName:
		var name [16]byte
		copy(name[:], k.comm(r, t.self()))
		return k.put(r, c.Args[1], name[:])
	}
	return 0, nil
}
