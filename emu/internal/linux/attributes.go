package linux

// Changing what a file is beside its content: permissions, owner, times; and its size.

// existingOr is existing, or with an empty path what a descriptor is of, as AT_EMPTY_PATH
// has it.
func (k *Kernel) existingOr(r *Result, dirfd int, addr uint64, h how, empty bool) (place, Errno) {
	if empty {
		if s, errno := k.cstring(r, addr); errno == 0 && s == "" {
			if dirfd == atFdcwd {
				return k.lookUp(r, dirfd, ".", follow)
			}
			return k.openPlace(r, dirfd)
		}
	}
	return k.existing(r, dirfd, addr, h)
}

// openPlace is the place of what a descriptor is of: for a standard stream, no node.
func (k *Kernel) openPlace(r *Result, fd int) (place, Errno) {
	f, ok := k.descriptors(r).get(fd)
	if !ok {
		return place{}, EBADF
	}
	if f.node == "" {
		return place{there: true, open: f.kind, object: f.object}, 0
	}
	n, ok := k.tree(r).node(f.node)
	if !ok {
		return place{}, ENOENT
	}
	return place{node: n, there: true, from: f.path}, 0
}

// openFile is openPlace of a file that was opened for more than its place.
func (k *Kernel) openFile(r *Result, fd int) (place, Errno) {
	if f, ok := k.descriptors(r).get(fd); !ok || f.flags&oPath != 0 {
		return place{}, EBADF
	}
	return k.openPlace(r, fd)
}

// change changes the attributes of what is at a place.
func (k *Kernel) change(r *Result, p place, errno Errno, f func(*inode)) (uint64, error) {
	switch {
	case errno != 0:
		return fail(errno)
	case p.node.id == "" || p.node.kind == nodeOpen || virtual(p.node.id):
		return fail(EPERM)
	}
	k.tree(r).setAttributes(p.node.id, f)
	return 0, nil
}

func sysFchmodat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.chmod(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], 0)
}

func sysFchmodat2(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[3]&^(atNofollow|atEmpty) != 0 {
		return fail(EINVAL)
	}
	return k.chmod(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], c.Args[3])
}

func sysChmod(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.chmod(r, atFdcwd, c.Args[0], c.Args[1], 0)
}

func (k *Kernel) chmod(r *Result, dirfd int, name, mode, flags uint64) (uint64, error) {
	p, errno := k.existingOr(r, dirfd, name, following(flags&atNofollow == 0), flags&atEmpty != 0)
	if errno == 0 && p.node.kind == nodeLink {
		errno = EOPNOTSUPP
	}
	return k.change(r, p, errno, func(i *inode) { i.mode = uint32(mode) & 0o7777 })
}

func sysFchmod(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.openFile(r, int(int32(c.Args[0])))
	return k.change(r, p, errno, func(i *inode) { i.mode = uint32(c.Args[1]) & 0o7777 })
}

func sysFchownat(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[4]&^(atNofollow|atEmpty) != 0 {
		return fail(EINVAL)
	}
	p, errno := k.existingOr(r, int(int32(c.Args[0])), c.Args[1], following(c.Args[4]&atNofollow == 0), c.Args[4]&atEmpty != 0)
	return k.chown(p, errno, c.Args[2], c.Args[3])
}

func sysChown(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.existing(r, atFdcwd, c.Args[0], follow)
	return k.chown(p, errno, c.Args[1], c.Args[2])
}

func sysLchown(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.existing(r, atFdcwd, c.Args[0], noFollow)
	return k.chown(p, errno, c.Args[1], c.Args[2])
}

func sysFchown(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.openFile(r, int(int32(c.Args[0])))
	return k.chown(p, errno, c.Args[1], c.Args[2])
}

// chown gives a file to who has it, and nobody else may have it.
func (k *Kernel) chown(_ place, errno Errno, user, group uint64) (uint64, error) {
	if errno != 0 {
		return fail(errno)
	}
	if !ownID(user) || !ownID(group) {
		return fail(EPERM)
	}
	return 0, nil
}

// ownID tells whether a number of a user or a group is the process's, or -1, which stands
// for no change.
func ownID(id uint64) bool { return uint32(id) == UserID || uint32(id) == ^uint32(0) }

// Times of utimensat, include/linux/stat.h.
const (
	utimeNow  = 1<<30 - 1
	utimeOmit = 1<<30 - 2
)

func sysUtimensat(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[3]&^(atNofollow|atEmpty) != 0 {
		return fail(EINVAL)
	}
	times := [2]fileTime{{0, utimeNow}, {0, utimeNow}}
	if c.Args[2] != 0 {
		b, ok := k.read(r, c.Args[2], 32)
		if !ok {
			return fail(EFAULT)
		}
		for i := range times {
			times[i] = fileTime{int64(le.Uint64(b[16*i:])), int64(le.Uint64(b[16*i+8:]))}
			if n := times[i].nsec; (n < 0 || n >= second) && n != utimeNow && n != utimeOmit {
				return fail(EINVAL)
			}
		}
	}
	var p place
	var errno Errno
	if c.Args[1] == 0 {
		p, errno = k.openPlace(r, int(int32(c.Args[0])))
	} else {
		p, errno = k.existingOr(r, int(int32(c.Args[0])), c.Args[1], following(c.Args[3]&atNofollow == 0), c.Args[3]&atEmpty != 0)
	}
	if errno == 0 {
		for i := range times {
			if times[i].nsec == utimeNow {
				now := k.clock(r).read(true)
				times[i] = fileTime{int64(now / second), int64(now % second)}
			}
		}
	}
	return k.change(r, p, errno, func(i *inode) {
		if times[0].nsec != utimeOmit {
			i.atime = times[0]
		}
		if times[1].nsec != utimeOmit {
			i.mtime = times[1]
		}
	})
}

func sysUmask(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.tree(r)
	before := t.umask()
	t.setUmask(uint32(c.Args[0]) & 0o777)
	return uint64(before), nil
}

func sysTruncate(k *Kernel, c *Call, r *Result) (uint64, error) {
	size := int64(c.Args[1])
	if size < 0 {
		return fail(EINVAL)
	}
	p, errno := k.existing(r, atFdcwd, c.Args[0], follow)
	switch {
	case errno != 0:
		return fail(errno)
	case p.node.kind == nodeDir:
		return fail(EISDIR)
	case p.node.kind != nodeFile:
		return fail(EINVAL)
	case !k.tree(r).may(p.node, 2):
		return fail(EACCES)
	}
	return k.resized(r, p.node.id, size)
}

func sysFtruncate(k *Kernel, c *Call, r *Result) (uint64, error) {
	size := int64(c.Args[1])
	if size < 0 {
		return fail(EINVAL)
	}
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	switch {
	case !ok || f.kind == fdPath:
		return fail(EBADF)
	case f.kind != fdFile || !f.writable():
		return fail(EINVAL)
	}
	return k.resized(r, f.node, size)
}

func (k *Kernel) resized(r *Result, id string, size int64) (uint64, error) {
	if errno := k.resize(r, id, size); errno != 0 {
		return fail(errno)
	}
	return 0, nil
}

// resize makes a file as long as asked for. Pages that are mapped behind its end stay, which
// on Linux end a thread that looks at them.
func (k *Kernel) resize(r *Result, id string, size int64) Errno {
	if size > maxFileSize {
		return EFBIG
	}
	t, m := k.tree(r), k.mappings(r)
	before := t.content(id).size
	if size == before {
		return 0
	}
	if size < before {
		if m.mapped(id, size) {
			r.Missing = "a file that is cut below where it is mapped"
		}
		// What mappings hold counts as the file's, so it has to go too.
		if err := m.blank(id, size, before); err != nil {
			r.failed = err
			return 0
		}
	}
	t.setContent(id, func(i *inode) { i.resize(size) })
	return 0
}

// sysFallocate makes sure of room, which nothing takes before it is written.
func sysFallocate(k *Kernel, c *Call, r *Result) (uint64, error) {
	const keepSize, punchHole, zeroRange = 1, 2, 16
	mode, at, size := c.Args[1], int64(c.Args[2]), int64(c.Args[3])
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	switch {
	case !ok || f.kind == fdPath:
		return fail(EBADF)
	case at < 0 || size <= 0:
		return fail(EINVAL)
	case mode&^(keepSize|punchHole|zeroRange) != 0 || mode&punchHole != 0 && mode != punchHole|keepSize:
		return fail(EOPNOTSUPP)
	case f.kind != fdFile && !f.writable():
		return fail(EBADF)
	case f.kind == fdInput || f.kind == fdOutput || f.kind == fdError:
		return fail(ESPIPE)
	case f.kind == fdDir:
		return fail(EISDIR)
	case f.kind != fdFile:
		return fail(ENODEV)
	case !f.writable():
		return fail(EBADF)
	case at+size < 0 || at+size > maxFileSize:
		return fail(EFBIG)
	case size > MaxFilePages*blockSize && mode&(punchHole|zeroRange) == 0:
		return fail(ENOSPC)
	}
	t := k.tree(r)
	before := t.content(f.node)
	if mode&(punchHole|zeroRange) != 0 {
		base, errno := k.base(before)
		if errno != 0 {
			return fail(errno)
		}
		if err := k.mappings(r).blank(f.node, at, min(at+size, before.size)); err != nil {
			return 0, err
		}
		t.setContent(f.node, func(i *inode) { i.zero(at, at+size, base) })
	}
	if mode&keepSize == 0 && at+size > before.size {
		return k.resized(r, f.node, at+size)
	}
	return 0, nil
}

func sysFaccessat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.access(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], 0)
}

func sysFaccessat2(k *Kernel, c *Call, r *Result) (uint64, error) {
	const effective = 0x200
	if c.Args[3]&^(effective|atNofollow|atEmpty) != 0 {
		return fail(EINVAL)
	}
	return k.access(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], c.Args[3])
}

func sysAccess(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.access(r, atFdcwd, c.Args[0], c.Args[1], 0)
}

func (k *Kernel) access(r *Result, dirfd int, name, want, flags uint64) (uint64, error) {
	if want&^7 != 0 {
		return fail(EINVAL)
	}
	p, errno := k.existingOr(r, dirfd, name, following(flags&atNofollow == 0), flags&atEmpty != 0)
	if errno != 0 {
		return fail(errno)
	}
	if p.node.id != "" && want != 0 && !k.tree(r).may(p.node, uint32(want)) {
		return fail(EACCES)
	}
	return 0, nil
}
