package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"emurace/loader"
)

// Flags of open and the *at calls, include/uapi/asm-generic/fcntl.h and
// include/uapi/linux/fcntl.h.
const (
	oAccmode   = 3
	oCreat     = 0o100
	oExcl      = 0o200
	oTrunc     = 0o1000
	oCloexec   = 0o2000000
	atFdcwd    = -100
	atEmpty    = 0x1000
	atNofollow = 0x100
)

// NullDevice is the path of the one device there is. Nothing else can be written to
// but standard output and error.
const NullDevice = "/dev/null"

// info describes what is at an absolute guest path.
func (k *Kernel) info(p string, follow bool) (FileInfo, Errno) {
	if p == NullDevice {
		return FileInfo{Null: true}, 0
	}
	info, err := k.Files.Info(p, follow)
	if err != nil {
		return FileInfo{}, fsErrno(err)
	}
	return info, 0
}

// fsErrno turns an error of the file source into the number Linux would give.
func fsErrno(err error) Errno {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return EACCES
	case errors.Is(err, fs.ErrInvalid):
		return EINVAL
	}
	return ENOENT
}

// path resolves a path argument of an *at call to an absolute guest path.
func (k *Kernel) path(r *Result, dirfd int, addr uint64) (string, Errno) {
	name, errno := k.cstring(r, addr)
	if errno != 0 {
		return "", errno
	}
	if name == "" {
		return "", ENOENT
	}
	if name[0] == '/' {
		return path.Clean(name), 0
	}
	if dirfd == atFdcwd {
		return path.Join("/", name), 0
	}
	f, ok := k.descriptors(r).get(dirfd)
	if !ok {
		return "", EBADF
	}
	if f.kind != fdDir {
		return "", ENOTDIR
	}
	return path.Join(f.path, name), 0
}

func sysOpenat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.open(r, int(int32(c.Args[0])), c.Args[1], c.Args[2])
}

func sysOpen(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.open(r, atFdcwd, c.Args[0], c.Args[1])
}

func (k *Kernel) open(r *Result, dirfd int, name, flags uint64) (uint64, error) {
	p, errno := k.path(r, dirfd, name)
	if errno != 0 {
		return fail(errno)
	}
	info, errno := k.info(p, true)
	if errno != 0 {
		if flags&oCreat != 0 {
			return fail(k.uncreatable(p, errno))
		}
		return fail(errno)
	}
	if flags&(oCreat|oExcl) == oCreat|oExcl {
		return fail(EEXIST)
	}
	kind := fdFile
	if info.Null {
		if flags&k.directoryFlag() != 0 {
			return fail(ENOTDIR)
		}
		return k.install(r, FD{Kind: fdNull, Path: p, Flags: flags})
	}
	if info.Dir && flags&(oAccmode|oCreat) != 0 {
		return fail(EISDIR)
	}
	if flags&(oAccmode|oTrunc) != 0 {
		return fail(EROFS)
	}
	if info.Dir {
		kind = fdDir
	} else if flags&k.directoryFlag() != 0 {
		return fail(ENOTDIR)
	} else if _, err := k.Files.File(p); err != nil {
		return fail(fsErrno(err))
	}
	return k.install(r, FD{Kind: kind, Path: p, Flags: flags})
}

// uncreatable is why a file that is not there cannot be made: above all else, its
// folder has to be there.
func (k *Kernel) uncreatable(p string, why Errno) Errno {
	dir, errno := k.info(path.Dir(p), true)
	switch {
	case errno != 0:
		return errno
	case !dir.Dir:
		return ENOTDIR
	case why == ENOENT:
		return EROFS
	}
	return why
}

// directoryFlag is O_DIRECTORY: arm64 swaps two flags of the generic set
// (arch/arm64/include/uapi/asm/fcntl.h).
func (k *Kernel) directoryFlag() uint64 {
	if k.Arch == loader.ARM64 {
		return 0o40000
	}
	return 0o200000
}

func (k *Kernel) install(r *Result, f FD) (uint64, error) {
	d := k.descriptors(r)
	n, ok := d.lowest(0)
	if !ok {
		return fail(EMFILE)
	}
	d.set(n, f)
	return uint64(n), nil
}

func sysClose(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	f.close()
	return 0, nil
}

func sysRead(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	if f.kind != fdFile {
		return k.readAt(r, f, c.Args[1], c.Args[2], 0)
	}
	at := f.offset()
	v, err := k.readAt(r, f, c.Args[1], c.Args[2], at)
	if err == nil && int64(v) > 0 {
		f.seek(at + int64(v))
	}
	return v, err
}

func sysPread(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	if int64(c.Args[3]) < 0 {
		return fail(EINVAL)
	}
	return k.readAt(r, f, c.Args[1], c.Args[2], int64(c.Args[3]))
}

func (k *Kernel) readAt(r *Result, f file, addr, size uint64, at int64) (uint64, error) {
	switch f.kind {
	case fdInput:
		return 0, nil
	case fdNull:
		if f.flags&oAccmode == 1 { // O_WRONLY
			return fail(EBADF)
		}
		return 0, nil
	case fdDir:
		return fail(EISDIR)
	case fdFile:
	default:
		return fail(EBADF)
	}
	data, err := k.Files.File(f.path)
	if err != nil {
		return fail(fsErrno(err))
	}
	if at >= int64(len(data)) {
		return 0, nil
	}
	data = data[at:]
	data = data[:min(uint64(len(data)), size)]
	ok, err := k.write(r, addr, data)
	if err != nil || ok {
		return uint64(len(data)), err
	}
	return fail(EFAULT)
}

func sysLseek(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	if f.kind == fdNull {
		return 0, nil // null_lseek of drivers/char/mem.c
	}
	if f.kind != fdFile {
		return fail(ESPIPE)
	}
	data, err := k.Files.File(f.path)
	if err != nil {
		return fail(fsErrno(err))
	}
	var base int64
	switch c.Args[2] { // SEEK_SET, SEEK_CUR, SEEK_END
	case 0:
	case 1:
		base = f.offset()
	case 2:
		base = int64(len(data))
	default:
		return fail(EINVAL)
	}
	to := base + int64(c.Args[1])
	if to < 0 {
		return fail(EINVAL)
	}
	f.seek(to)
	return uint64(to), nil
}

func sysWrite(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.writeOut(r, int(int32(c.Args[0])), c.Args[1], c.Args[2])
}

// writeOut keeps what is written to standard output and error, up to the
// limit; what is beyond is accepted and forgotten, as a terminal would.
func (k *Kernel) writeOut(r *Result, n int, addr, size uint64) (uint64, error) {
	f, ok := k.descriptors(r).get(n)
	null := f.kind == fdNull && f.flags&oAccmode != 0
	if !ok || f.kind != fdOutput && f.kind != fdError && !null {
		return fail(EBADF)
	}
	size = min(size, 0x7ffff000) // MAX_RW_COUNT
	if null {
		return size, nil // unread, as write_null of drivers/char/mem.c has it
	}
	out, fd := k.output(r), 1
	if f.kind == fdError {
		fd = 2
	}
	if k.Print != nil {
		passed := out.pass(fd, addr, size)
		if passed == 0 && size > 0 {
			return fail(EFAULT)
		}
		return passed, nil
	}
	b, ok := k.readUpTo(r, addr, size, out.room())
	if !ok {
		return fail(EFAULT)
	}
	if size > 0 {
		out.add(fd, b, size)
	}
	return size, nil
}

// maxIov is UIO_MAXIOV of include/uapi/linux/uio.h.
const maxIov = 1024

func sysWritev(k *Kernel, c *Call, r *Result) (uint64, error) {
	count := c.Args[2]
	if count > maxIov {
		return fail(EINVAL)
	}
	total := uint64(0)
	for i := range count {
		iov, ok := k.read(r, c.Args[1]+16*i, 16)
		if !ok {
			return fail(EFAULT)
		}
		v, err := k.writeOut(r, int(int32(c.Args[0])), le.Uint64(iov), le.Uint64(iov[8:]))
		if err != nil || int64(v) < 0 {
			if total > 0 && err == nil {
				break // as far as it went
			}
			return v, err
		}
		total += v
	}
	return total, nil
}

func sysReadlinkat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.readlink(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], c.Args[3])
}

func sysReadlink(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.readlink(r, atFdcwd, c.Args[0], c.Args[1], c.Args[2])
}

func (k *Kernel) readlink(r *Result, dirfd int, name, buf, size uint64) (uint64, error) {
	p, errno := k.path(r, dirfd, name)
	if errno != 0 {
		return fail(errno)
	}
	info, errno := k.info(p, false)
	if errno != 0 {
		return fail(errno)
	}
	if !info.Symlink || int64(size) <= 0 {
		return fail(EINVAL)
	}
	target, err := k.Files.Readlink(p)
	if err != nil {
		return fail(fsErrno(err))
	}
	b := []byte(target)[:min(uint64(len(target)), size)]
	ok, err := k.write(r, buf, b)
	if err != nil || ok {
		return uint64(len(b)), err
	}
	return fail(EFAULT)
}

func sysGetcwd(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[1] < 2 {
		return fail(ERANGE)
	}
	if v, err := k.put(r, c.Args[0], []byte("/\x00")); err != nil || v != 0 {
		return v, err
	}
	return 2, nil
}

func sysFaccessat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.access(r, int(int32(c.Args[0])), c.Args[1], c.Args[2])
}

func sysAccess(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.access(r, atFdcwd, c.Args[0], c.Args[1])
}

func (k *Kernel) access(r *Result, dirfd int, name, want uint64) (uint64, error) {
	info, _, errno := k.stat(r, dirfd, name, 0)
	switch {
	case errno != 0:
		return fail(errno)
	case info.Null && want&1 == 0:
		return 0, nil
	case want&2 != 0: // W_OK
		return fail(EROFS)
	case want&1 != 0 && !info.Exec && !info.Dir: // X_OK
		return fail(EACCES)
	}
	return 0, nil
}

// sysFcntl serves F_DUPFD and F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL and F_SETFL.
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
	case 1:
		if f.flags&oCloexec != 0 {
			return 1, nil
		}
		return 0, nil
	case 2:
		// FD_CLOEXEC is the only flag of a descriptor.
		f.setFlags(f.flags&^oCloexec | c.Args[2]&1*oCloexec)
		return 0, nil
	case 4:
		return 0, nil
	case 3:
		if f.kind == fdOutput || f.kind == fdError {
			return 1, nil // O_WRONLY
		}
		return f.flags & oAccmode, nil
	}
	if fcntlKnown(c.Args[1]) {
		r.Missing = fmt.Sprintf("fcntl operation %d", c.Args[1])
	}
	return fail(EINVAL)
}

// fcntlKnown tells whether Linux has an operation of fcntl: include/uapi/asm-generic/fcntl.h
// has the low numbers, include/uapi/linux/fcntl.h those from 1024 on.
func fcntlKnown(op uint64) bool { return op <= 17 || op >= 36 && op <= 38 || op >= 1024 && op <= 1040 }

func sysIoctl(k *Kernel, c *Call, r *Result) (uint64, error) {
	if _, ok := k.descriptors(r).get(int(int32(c.Args[0]))); !ok {
		return fail(EBADF)
	}
	return fail(ENOTTY)
}
