package linux

import (
	"fmt"

	"emurace/loader"
)

// Flags of clone, include/uapi/linux/sched.h.
const (
	cloneVM            = 0x100
	cloneFS            = 0x200
	cloneFiles         = 0x400
	cloneSighand       = 0x800
	cloneVfork         = 0x4000
	cloneThread        = 0x10000
	cloneSettls        = 0x80000
	cloneParentSettid  = 0x100000
	cloneChildCleartid = 0x200000
	cloneChildSettid   = 0x1000000
	threadFlags        = cloneVM | cloneFS | cloneFiles | cloneSighand | cloneThread
)

// MoreThreads is what is missing where a process has made as many threads as it can here.
// A call fails then as on a Linux that has come to its limit, which is a higher one.
const MoreThreads = "clone of one more thread"

type cloneArgs struct {
	flags, stack, tls, parentTID, childTID uint64
}

// sysClone takes its arguments in the order that kernels with
// CONFIG_CLONE_BACKWARDS (arm64) use, or in x86's.
func sysClone(k *Kernel, c *Call, r *Result) (uint64, error) {
	a := cloneArgs{flags: c.Args[0], stack: c.Args[1], parentTID: c.Args[2], tls: c.Args[3], childTID: c.Args[4]}
	if k.Arch == loader.AMD64 {
		a.childTID, a.tls = c.Args[3], c.Args[4]
	}
	return k.clone(c, r, a)
}

// sysClone3 reads struct clone_args of include/uapi/linux/sched.h.
func sysClone3(k *Kernel, c *Call, r *Result) (uint64, error) {
	const version0 = 64 // CLONE_ARGS_SIZE_VER0
	if c.Args[1] < version0 {
		return fail(EINVAL)
	}
	b, ok := k.read(r, c.Args[0], version0)
	if !ok {
		return fail(EFAULT)
	}
	word := func(i int) uint64 { return le.Uint64(b[8*i:]) }
	return k.clone(c, r, cloneArgs{flags: word(0), childTID: word(2), parentTID: word(3), stack: word(5) + word(6), tls: word(7)})
}

func (k *Kernel) clone(c *Call, r *Result, a cloneArgs) (uint64, error) {
	// A second process has no place in one machine: only threads are made.
	if a.flags&threadFlags != threadFlags {
		r.Missing = secondProcess(a)
		return fail(ENOSYS)
	}
	t := k.tasks(r)
	slot, tid, ok := t.next()
	if !ok {
		r.Missing = MoreThreads
		return fail(EAGAIN)
	}
	var word [4]byte
	le.PutUint32(word[:], uint32(tid))
	for _, w := range []struct{ flag, addr uint64 }{{cloneParentSettid, a.parentTID}, {cloneChildSettid, a.childTID}} {
		if a.flags&w.flag == 0 {
			continue
		}
		if v, err := k.put(r, w.addr, word[:]); err != nil || v != 0 {
			return v, err
		}
	}
	clearTID := uint64(0)
	if a.flags&cloneChildCleartid != 0 {
		clearTID = a.childTID
	}
	t.add(tid, clearTID)
	return uint64(tid), k.Threads.Clone(slot, c.Thread, a.stack, a.tls, a.flags&cloneSettls != 0)
}

// secondProcess is what a call is called by that would make another process.
func secondProcess(a cloneArgs) string {
	switch {
	case a.flags&cloneVM == 0:
		return "fork"
	case a.flags&cloneVfork != 0 && a.stack != 0:
		return "posix_spawn" // as it is in glibc and musl, and system and popen by it
	case a.flags&cloneVfork != 0:
		return "vfork"
	}
	return "clone of a process"
}

// sysExecve names the program that is not run: a process has one, from its beginning to its end.
func sysExecve(k *Kernel, c *Call, r *Result) (uint64, error) { return k.exec(r, c.Args[0]) }

func sysExecveat(k *Kernel, c *Call, r *Result) (uint64, error) { return k.exec(r, c.Args[1]) }

func (k *Kernel) exec(r *Result, addr uint64) (uint64, error) {
	path, errno := k.cstring(r, addr)
	if errno != 0 {
		return fail(errno)
	}
	r.Missing = "execve of " + path
	return fail(ENOSYS)
}

// sysExit ends one thread: its robust mutexes are let go, its clear-tid word is zeroed and
// whoever waits there, as pthread_join does, is woken. The last thread ends the process.
func sysExit(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.tasks(r)
	if err := k.letGoRobust(r); err != nil {
		return 0, err
	}
	if addr := t.clearTID(); addr != 0 {
		if _, err := k.write(r, addr, make([]byte, 4)); err != nil {
			return 0, err
		}
		if _, err := k.waiters(r).wake(addr, 1, matchAny); err != nil {
			return 0, err
		}
	}
	if !t.endSelf() {
		k.Threads.Drop(c.Thread)
		r.Effect = ThreadEnds
		return 0, nil
	}
	return sysExitGroup(k, c, r)
}

func sysExitGroup(k *Kernel, c *Call, r *Result) (uint64, error) {
	k.tasks(r).endAll(Exits)
	r.Code = int(c.Args[0] & 0xff)
	return 0, nil
}

func sysSetTidAddress(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.tasks(r)
	t.setClearTID(c.Args[0])
	return uint64(t.self()), nil
}

func sysGettid(k *Kernel, _ *Call, r *Result) (uint64, error) {
	return uint64(k.tasks(r).self()), nil
}

func sysGetpid(*Kernel, *Call, *Result) (uint64, error)  { return FirstTID, nil }
func sysGetppid(*Kernel, *Call, *Result) (uint64, error) { return 1, nil }

// UserID is the identity of the process, an ordinary user.
const UserID = 1000

func sysGetuid(*Kernel, *Call, *Result) (uint64, error) { return UserID, nil }

// sysArchPrctl serves ARCH_SET_FS of arch/x86/include/uapi/asm/prctl.h. Operations of
// newer processors get the error that a kernel without them gives.
func sysArchPrctl(k *Kernel, c *Call, r *Result) (uint64, error) {
	const setGS, setFS, getFS, getGS = 0x1001, 0x1002, 0x1003, 0x1004
	switch c.Args[0] {
	case setFS:
		return 0, k.Threads.SetTLS(c.Thread, c.Args[1])
	case setGS, getFS, getGS:
		r.Missing = fmt.Sprintf("arch_prctl operation %#x", c.Args[0])
	}
	return fail(EINVAL)
}

func sysSchedYield(*Kernel, *Call, *Result) (uint64, error) { return 0, nil }

// sysSchedGetaffinity shows two processors, so that nothing optimises for one.
func sysSchedGetaffinity(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[1] < 8 {
		return fail(EINVAL)
	}
	if v, err := k.put(r, c.Args[2], []byte{3, 0, 0, 0, 0, 0, 0, 0}); err != nil || v != 0 {
		return v, err
	}
	return 8, nil
}
