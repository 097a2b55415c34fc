package linux

import (
	"hash/fnv"

	"emurace/loader"
)

// stat describes a descriptor or a path.
func (k *Kernel) stat(r *Result, dirfd int, name, flags uint64) (FileInfo, string, Errno) {
	if flags&atEmpty != 0 {
		if s, errno := k.cstring(r, name); errno == 0 && s == "" {
			f, ok := k.descriptors(r).get(dirfd)
			switch {
			case !ok:
				return FileInfo{}, "", EBADF
			case f.path != "":
				info, errno := k.info(f.path, true)
				return info, f.path, errno
			}
			return FileInfo{Size: -1}, "", 0
		}
	}
	p, errno := k.path(r, dirfd, name)
	if errno != 0 {
		return FileInfo{}, "", errno
	}
	info, errno := k.info(p, flags&atNofollow == 0)
	return info, p, errno
}

// Mode bits of include/uapi/linux/stat.h.
const (
	modeChar = 0o020620
	modeNull = 0o020666
	modeDir  = 0o040755
	modeFile = 0o100644
	modeExec = 0o100755
	modeLink = 0o120777
)

func mode(i FileInfo) uint32 {
	switch {
	case i.Size < 0:
		return modeChar // a standard stream, shown as a terminal
	case i.Null:
		return modeNull
	case i.Dir:
		return modeDir
	case i.Symlink:
		return modeLink
	case i.Exec:
		return modeExec
	}
	return modeFile
}

// device is st_rdev: that of /dev/null is 1:3 (Documentation/admin-guide/devices.txt).
func device(i FileInfo) uint64 {
	if i.Null {
		return 1<<8 | 3
	}
	return 0
}

// inode numbers files by their path: ld.so compares device and inode to see
// whether a library is loaded already.
func inode(p string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(p)) // a hash never fails to write
	return h.Sum64() >> 1
}

const blockSize = 4096

// statBytes is struct stat: arch/x86/include/uapi/asm/stat.h for amd64 (144
// bytes), include/uapi/asm-generic/stat.h for arm64 (128 bytes).
func (k *Kernel) statBytes(i FileInfo, p string) []byte {
	size := uint64(max(i.Size, 0))
	b := make([]byte, 144)
	le.PutUint64(b, 1) // st_dev
	le.PutUint64(b[8:], inode(p))
	if k.Arch == loader.AMD64 {
		le.PutUint64(b[16:], 1) // st_nlink
		le.PutUint32(b[24:], mode(i))
		le.PutUint64(b[40:], device(i))
		le.PutUint64(b[48:], size)
		le.PutUint64(b[56:], blockSize)
		le.PutUint64(b[64:], (size+511)/512)
		return b
	}
	le.PutUint32(b[16:], mode(i))
	le.PutUint32(b[20:], 1) // st_nlink
	le.PutUint64(b[32:], device(i))
	le.PutUint64(b[48:], size)
	le.PutUint32(b[56:], blockSize)
	le.PutUint64(b[64:], (size+511)/512)
	return b[:128]
}

func (k *Kernel) putStat(r *Result, dirfd int, name, buf, flags uint64) (uint64, error) {
	info, p, errno := k.stat(r, dirfd, name, flags)
	if errno != 0 {
		return fail(errno)
	}
	return k.put(r, buf, k.statBytes(info, p))
}

func sysNewfstatat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.putStat(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], c.Args[3])
}

func sysStat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.putStat(r, atFdcwd, c.Args[0], c.Args[1], 0)
}

func sysLstat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.putStat(r, atFdcwd, c.Args[0], c.Args[1], atNofollow)
}

func sysFstat(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	info := FileInfo{Size: -1}
	if f.path != "" {
		var errno Errno
		if info, errno = k.info(f.path, true); errno != 0 {
			return fail(errno)
		}
	}
	return k.put(r, c.Args[1], k.statBytes(info, f.path))
}

// sysStatx fills struct statx of include/uapi/linux/stat.h (256 bytes).
func sysStatx(k *Kernel, c *Call, r *Result) (uint64, error) {
	info, p, errno := k.stat(r, int(int32(c.Args[0])), c.Args[1], c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	size := uint64(max(info.Size, 0))
	b := make([]byte, 256)
	le.PutUint32(b, 0x7ff) // STATX_BASIC_STATS
	le.PutUint32(b[4:], blockSize)
	le.PutUint32(b[16:], 1) // stx_nlink
	le.PutUint16(b[28:], uint16(mode(info)))
	le.PutUint64(b[32:], inode(p))
	le.PutUint64(b[40:], size)
	le.PutUint64(b[48:], (size+511)/512)
	le.PutUint32(b[128:], uint32(device(info)>>8))   // stx_rdev_major
	le.PutUint32(b[132:], uint32(device(info)&0xff)) // stx_rdev_minor
	le.PutUint32(b[140:], 1)                         // stx_dev_minor
	return k.put(r, c.Args[4], b)
}
