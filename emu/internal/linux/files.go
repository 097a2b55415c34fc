package linux

import "emurace/loader"

// Flags of open and the *at calls, include/uapi/asm-generic/fcntl.h and
// include/uapi/linux/fcntl.h. Those that differ by architecture are functions below.
const (
	oRdonly    = 0
	oWronly    = 1
	oRdwr      = 2
	oAccmode   = 3
	oCreat     = 0o100
	oExcl      = 0o200
	oTrunc     = 0o1000
	oAppend    = 0o2000
	oNonblock  = 0o4000
	oCloexec   = 0o2000000
	oPath      = 0o10000000
	oTmpfile   = 0o20000000
	atFdcwd    = -100
	atEmpty    = 0x1000
	atNofollow = 0x100
	atFollow   = 0x400
	atRemove   = 0x200
)

// directoryFlag is O_DIRECTORY: arm64 swaps flags of the generic set
// (arch/arm64/include/uapi/asm/fcntl.h).
func (k *Kernel) directoryFlag() uint64 {
	if k.Arch == loader.ARM64 {
		return 0o40000
	}
	return 0o200000
}

// nofollowFlag is O_NOFOLLOW.
func (k *Kernel) nofollowFlag() uint64 {
	if k.Arch == loader.ARM64 {
		return 0o100000
	}
	return 0o400000
}

// packsEvents tells whether struct epoll_event has no room between its parts.
func (k *Kernel) packsEvents() bool { return k.Arch == loader.AMD64 }

func sysOpenat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.open(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], c.Args[3])
}

func sysOpen(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.open(r, atFdcwd, c.Args[0], c.Args[1], c.Args[2])
}

func sysCreat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.open(r, atFdcwd, c.Args[0], oCreat|oWronly|oTrunc, c.Args[1])
}

func (k *Kernel) open(r *Result, dirfd int, name, flags, mode uint64) (uint64, error) {
	if flags&oTmpfile != 0 {
		return fail(EOPNOTSUPP)
	}
	if flags&oPath != 0 {
		flags &= oPath | oCloexec | k.directoryFlag() | k.nofollowFlag()
	}
	h := following(flags&k.nofollowFlag() == 0)
	if flags&oCreat != 0 {
		if h |= creating; flags&oExcl != 0 {
			h = lastName | creating
		}
	}
	p, errno := k.find(r, dirfd, name, h)
	switch {
	case errno != 0:
		return fail(errno)
	case !p.there && flags&oCreat == 0:
		return fail(p.missing())
	case !p.there:
		return k.openNew(r, p, flags, mode)
	case flags&(oCreat|oExcl) == oCreat|oExcl:
		return fail(EEXIST)
	}
	if errno := k.openable(r, p, flags); errno != 0 {
		return fail(errno)
	}
	kind := fdFile
	if is, ok := k.reportAt(p.node.id); ok && is == nodeFile && flags&oPath == 0 {
		return k.openReport(r, p.node.id, k.shown(r, p), flags)
	}
	switch {
	case flags&oPath != 0 && p.node.kind != nodeDir:
		kind = fdPath
	case p.node.kind == nodeDir:
		kind = fdDir
	case p.node.kind != nodeFile:
		kind = map[nodeKind]fdKind{nodeNull: fdNull, nodeZero: fdZero, nodeFull: fdFull, nodeRandom: fdRandom}[p.node.kind]
	case flags&oTrunc != 0:
		if errno := k.resize(r, p.node.id, 0); errno != 0 {
			return fail(errno)
		}
	}
	return k.install(r, FD{Kind: kind, Path: k.shown(r, p), Flags: flags, Node: p.node.id})
}

// openable is why something that is there cannot be opened, in the order of do_open and
// may_open of fs/namei.c.
func (k *Kernel) openable(r *Result, p place, flags uint64) Errno {
	dir := p.node.kind == nodeDir
	switch {
	case dir && flags&(oAccmode|oCreat) != 0:
		return EISDIR
	case !dir && flags&k.directoryFlag() != 0:
		return ENOTDIR
	case flags&oPath != 0:
		return 0
	case p.node.kind == nodeLink || p.node.kind == nodeOpen:
		return ELOOP
	case dir && flags&oTrunc != 0:
		return EISDIR
	}
	want := map[uint64]uint32{oRdonly: 4, oWronly: 2, oRdwr: 6, oAccmode: 6}[flags&oAccmode]
	if flags&oTrunc != 0 {
		want |= 2
	}
	if !k.tree(r).may(p.node, want) {
		return EACCES
	}
	if p.node.kind != nodeFile {
		return 0
	}
	_, errno := k.base(k.tree(r).look(p.node.id))
	return errno
}

// openNew makes the file that is opened.
func (k *Kernel) openNew(r *Result, p place, flags, mode uint64) (uint64, error) {
	t := k.tree(r)
	if errno := t.canMake(p); errno != 0 {
		return fail(errno)
	}
	if _, ok := k.descriptors(r).lowest(0); !ok {
		return fail(EMFILE)
	}
	n := t.add(inode{kind: nodeFile, mode: uint32(mode) & 0o7777 &^ t.umask(), links: 1})
	t.setEntry(p.dir, p.name, n.id)
	shown, _ := t.pathTo(p)
	return k.install(r, FD{Kind: fdFile, Path: shown, Flags: flags, Node: n.id})
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

// base is what a file of the sysroot's holds that a file goes back to.
func (k *Kernel) base(i *inode) ([]byte, Errno) {
	if i.base == "" || i.shows == 0 {
		return nil, 0
	}
	data, err := k.Files.File(i.base)
	if err != nil {
		return nil, fsErrno(err)
	}
	return data, 0
}

func sysClose(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	f.close()
	return 0, nil
}

func sysCloseRange(k *Kernel, c *Call, r *Result) (uint64, error) {
	const unshare, cloexec = 2, 4
	first, last, flags := c.Args[0]&0xffffffff, c.Args[1]&0xffffffff, c.Args[2]
	if flags&^(unshare|cloexec) != 0 || first > last {
		return fail(EINVAL)
	}
	d := k.descriptors(r)
	for _, n := range d.numbers() {
		if f, ok := d.get(n); ok && uint64(n) >= first && uint64(n) <= last {
			if flags&cloexec != 0 {
				f.setFlags(f.flags | oCloexec)
			} else {
				f.close()
			}
		}
	}
	return 0, nil
}

func sysLseek(k *Kernel, c *Call, r *Result) (uint64, error) {
	const set, current, end, data, hole = 0, 1, 2, 3, 4
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok || f.flags&oPath != 0 {
		return fail(EBADF)
	}
	if f.kind.device() {
		return 0, nil // null_lseek of drivers/char/mem.c
	}
	if f.kind != fdFile && f.kind != fdDir {
		return fail(ESPIPE)
	}
	to := int64(c.Args[1])
	switch c.Args[2] {
	case set:
	case current:
		to += f.offset()
	case end:
		if f.kind == fdFile {
			to += k.tree(r).content(f.node).size
		} else {
			to = -1 // a listing has no end before it is read
		}
	case data, hole: // one piece of data, with a hole behind its end
		size := k.tree(r).content(f.node).size
		if to < 0 || to >= size {
			return fail(ENXIO)
		}
		if c.Args[2] == hole {
			to = size
		}
	default:
		return fail(EINVAL)
	}
	if to < 0 {
		return fail(EINVAL)
	}
	if f.kind == fdDir {
		l := f.listing()
		if to == 0 {
			l = nil // it is read anew
		}
		f.list(l, to)
	} else {
		f.seek(to)
	}
	return uint64(to), nil
}
