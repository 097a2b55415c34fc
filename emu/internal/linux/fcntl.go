package linux

import "fmt"

// Operations of fcntl, include/uapi/asm-generic/fcntl.h.
const (
	fGetfd     = 1
	fSetfd     = 2
	fGetfl     = 3
	fSetfl     = 4
	fGetlk     = 5
	fSetlk     = 6
	fSetlkw    = 7
	fOfdGetlk  = 36
	fOfdSetlk  = 37
	fOfdSetlkw = 38

	fSetPipeSize = 1031
	fGetPipeSize = 1032
)

// statusFlags are those of an open file that F_SETFL changes here.
const statusFlags = oAppend | oNonblock

func sysFcntl(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	switch c.Args[1] {
	case fDupfd:
		return k.dup(r, c.Args[0], c.Args[2], 0)
	case fDupfdCloexec:
		return k.dup(r, c.Args[0], c.Args[2], oCloexec)
	case fGetfd:
		return f.flags & oCloexec / oCloexec, nil
	case fSetfd:
		// FD_CLOEXEC is the only flag of a descriptor.
		f.setFlags(f.flags&^oCloexec | c.Args[2]&1*oCloexec)
		return 0, nil
	case fGetfl:
		if f.kind == fdOutput || f.kind == fdError {
			return oWronly | f.flags&statusFlags, nil
		}
		return f.flags &^ (oCreat | oExcl | oTrunc | oCloexec), nil
	case fSetfl:
		if f.flags&oPath != 0 {
			return fail(EBADF)
		}
		if flags := f.flags&^statusFlags | c.Args[2]&statusFlags; flags != f.flags {
			f.setStatus(flags)
		}
		return 0, nil
	case fGetPipeSize, fSetPipeSize:
		return k.pipeSize(r, f, c.Args[1], c.Args[2])
	case fGetlk, fSetlk, fSetlkw, fOfdGetlk, fOfdSetlk, fOfdSetlkw:
		return k.lock(r, f, c.Args[1], c.Args[2])
	}
	if fcntlKnown(c.Args[1]) {
		r.Missing = fmt.Sprintf("fcntl operation %d", c.Args[1])
	}
	return fail(EINVAL)
}

// fcntlKnown tells whether Linux has an operation of fcntl: include/uapi/asm-generic/fcntl.h
// has the low numbers, include/uapi/linux/fcntl.h those from 1024 on.
func fcntlKnown(op uint64) bool { return op <= 17 || op >= 36 && op <= 38 || op >= 1024 && op <= 1040 }

// lock takes, releases or asks for a lock of struct flock. A process is not in its own way,
// and there is no other.
func (k *Kernel) lock(r *Result, f file, op, addr uint64) (uint64, error) {
	const read, write, unlock = 0, 1, 2
	if f.flags&oPath != 0 {
		return fail(EBADF)
	}
	b, ok := k.read(r, addr, 32)
	if !ok {
		return fail(EFAULT)
	}
	kind := le.Uint16(b)
	switch {
	case kind > unlock || le.Uint16(b[2:]) > 2:
		return fail(EINVAL)
	case op == fGetlk || op == fOfdGetlk:
		if kind == unlock {
			return fail(EINVAL)
		}
		return k.put(r, addr, le.AppendUint16(nil, unlock))
	case kind == read && !f.readable() && f.kind == fdFile, kind == write && !f.writable() && f.kind == fdFile:
		return fail(EBADF)
	}
	if op >= fOfdGetlk && kind == write {
		r.Missing = "a lock of an open file that keeps another one out"
	}
	return 0, nil
}

// sysFlock takes a lock of an open file, fs/locks.c. To wait until another open file of the
// process lets it go is not there.
func sysFlock(k *Kernel, c *Call, r *Result) (uint64, error) {
	const nonblock, unlock = 4, 8
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok || f.flags&oPath != 0 {
		return fail(EBADF)
	}
	want := lockNone
	switch c.Args[1] &^ nonblock {
	case uint64(lockShared), uint64(lockExclusive):
		want = lockKind(c.Args[1] &^ nonblock)
	case unlock:
	default:
		return fail(EINVAL)
	}
	if f.node == "" {
		return 0, nil // of a standard stream, which has one open file
	}
	if other := f.locked(); want != lockNone && other != lockNone && max(want, other) == lockExclusive {
		if c.Args[1]&nonblock == 0 {
			r.Missing = "flock that waits"
		}
		return fail(EAGAIN)
	}
	f.lock(want)
	return 0, nil
}

// sysFsync has nothing to do: what is written is written.
func sysFsync(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	switch {
	case !ok || f.flags&oPath != 0:
		return fail(EBADF)
	case f.kind != fdFile && f.kind != fdDir:
		return fail(EINVAL)
	}
	return 0, nil
}

// sysFadvise64 takes all advice.
func sysFadvise64(k *Kernel, c *Call, r *Result) (uint64, error) {
	const most = 5
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	switch {
	case !ok || f.flags&oPath != 0:
		return fail(EBADF)
	case f.node == "":
		return fail(ESPIPE)
	case int64(c.Args[2]) < 0 || c.Args[3] > most:
		return fail(EINVAL)
	}
	return 0, nil
}

// sysMsync has nothing to do: what is stored in a shared mapping is the file's at once.
func sysMsync(k *Kernel, c *Call, r *Result) (uint64, error) {
	const async, invalidate, sync = 1, 2, 4
	addr, size, flags := c.Args[0], pageUp(c.Args[1]), c.Args[2]
	switch {
	case addr%blockSize != 0 || flags&^(async|invalidate|sync) != 0 || flags&async != 0 && flags&sync != 0:
		return fail(EINVAL)
	case addr+size < addr || size < c.Args[1]:
		return fail(ENOMEM)
	case size > 0 && !k.mappings(r).covered(addr, addr+size):
		return fail(ENOMEM)
	}
	return 0, nil
}

// sysMemfdCreate makes a file without a name, mm/memfd.c.
func sysMemfdCreate(k *Kernel, c *Call, r *Result) (uint64, error) {
	const cloexec, sealing, longest = 1, 2, 249
	name, errno := k.cstring(r, c.Args[0])
	switch {
	case c.Args[1]&^(cloexec|sealing) != 0:
		return fail(EINVAL) // pages of other sizes too
	case errno == ENAMETOOLONG || errno == 0 && len(name) > longest:
		return fail(EINVAL)
	case errno != 0:
		return fail(errno)
	}
	if _, ok := k.descriptors(r).lowest(0); !ok {
		return fail(EMFILE)
	}
	n := k.tree(r).add(inode{kind: nodeFile, mode: 0o777})
	return k.install(r, FD{Kind: fdFile, Path: "/memfd:" + name + " (deleted)", Flags: oRdwr | c.Args[1]&cloexec*oCloexec, Node: n.id})
}

// sysSyncfs is sysFsync of all there is.
func sysSyncfs(k *Kernel, c *Call, r *Result) (uint64, error) {
	if f, ok := k.descriptors(r).get(int(int32(c.Args[0]))); !ok || f.flags&oPath != 0 {
		return fail(EBADF)
	}
	return 0, nil
}

func sysIoctl(k *Kernel, c *Call, r *Result) (uint64, error) {
	// FIONCLEX, FIOCLEX, FIONREAD and FIONBIO, include/uapi/asm-generic/ioctls.h.
	const nclex, clex, nread, nbio = 0x5450, 0x5451, 0x541b, 0x5421
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	switch c.Args[1] {
	case clex:
		f.setFlags(f.flags | oCloexec)
	case nclex:
		f.setFlags(f.flags &^ oCloexec)
	case nbio, nread:
		return k.streamIoctl(r, f, c.Args[1] == nbio, c.Args[2])
	default:
		return fail(ENOTTY)
	}
	return 0, nil
}

// streamIoctl is FIONBIO, which has the calls on a pipe or a socket wait or not, and FIONREAD,
// which tells what there is to read.
func (k *Kernel) streamIoctl(r *Result, f file, waits bool, addr uint64) (uint64, error) {
	switch {
	case !f.kind.waitable():
		return fail(ENOTTY)
	case waits:
		b, ok := k.read(r, addr, 4)
		if !ok {
			return fail(EFAULT)
		}
		flags := f.flags &^ oNonblock
		if le.Uint32(b) != 0 {
			flags |= oNonblock
		}
		if flags != f.flags {
			f.setStatus(flags)
		}
		return 0, nil
	case f.kind == fdSocket:
		return k.unread(r, f, addr)
	case f.kind == fdPipeIn || f.kind == fdPipeOut:
		return k.put(r, addr, le.AppendUint32(nil, uint32(k.objects(r).get(f.object).size)))
	}
	return fail(ENOTTY)
}

// pipeSize tells what a pipe holds, which cannot be changed.
func (k *Kernel) pipeSize(r *Result, f file, op, want uint64) (uint64, error) {
	const size = pipePages * blockSize
	if f.kind != fdPipeIn && f.kind != fdPipeOut {
		return fail(EBADF)
	}
	if op == fSetPipeSize && (want > size || want <= size/2) {
		r.Missing = "a pipe of another size"
		return fail(EPERM)
	}
	return size, nil
}
