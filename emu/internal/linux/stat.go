package linux

import (
	"crypto/sha256"
	"hash/fnv"

	"emurace/loader"
)

// What kind of file something is, in its mode: include/uapi/linux/stat.h.
const (
	typePipe = 0o010000
	typeChar = 0o020000
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
	typeSock = 0o140000
)

func typeBits(kind nodeKind) uint32 {
	switch kind {
	case nodeDir:
		return typeDir
	case nodeFile:
		return typeFile
	case nodeLink, nodeOpen:
		return typeLink
	case nodeSocket:
		return typeSock
	case nodeNull, nodeZero, nodeFull, nodeRandom:
	}
	return typeChar
}

// device is st_rdev, by Documentation/admin-guide/devices.txt.
func device(kind nodeKind) uint64 {
	minors := map[nodeKind]uint64{nodeNull: 3, nodeZero: 5, nodeFull: 7, nodeRandom: 9}
	if minor, ok := minors[kind]; ok {
		return 1<<8 | minor
	}
	return 0
}

// number is a file's inode number, which follows from what it is told apart by: ld.so
// compares device and number to see whether a library is loaded already. A plain kernel
// numbers the sysroot's files by the path that they are asked for.
func (k *Kernel) number(id, shown string) uint64 {
	if (id == "" || id[0] == '/') && k.Plain {
		h := fnv.New64a()
		h.Write([]byte(shown)) // a hash never fails to write
		return h.Sum64() >> 1
	}
	sum := sha256.Sum256([]byte(id))
	return le.Uint64(sum[:]) >> 1
}

const blockSize = 4096

// stat is what is told of a file.
type stat struct {
	ino, device  uint64
	mode         uint32
	links        uint32
	user         uint32
	size, blocks uint64
	atime, mtime fileTime
}

// stat looks at what is at a place, of which a standard stream is a terminal's like.
func (k *Kernel) stat(r *Result, p place) stat {
	id := p.node.id
	shown := ""
	if k.Plain && id != "" && !p.node.made() {
		shown = k.shown(r, p) // nobody else asks for it
	}
	s := stat{ino: k.number(id, shown), links: 1, mode: typeChar | 0o620}
	if !k.Plain {
		s.user, s.atime, s.mtime = UserID, fileTime{sec: FileTime}, fileTime{sec: FileTime}
	}
	if p.open.waitable() {
		s.ino, s.mode = inodeOf(p.object), 0o600
		switch p.open {
		case fdPipeIn, fdPipeOut:
			s.mode |= typePipe
		case fdSocket:
			s.mode = typeSock | 0o777
		default: // anonymous, fs/anon_inodes.c
		}
	}
	if id == "" {
		return s
	}
	s.mode, s.device = typeBits(p.node.kind)|0o777, device(p.node.kind)
	if p.node.kind == nodeOpen {
		return s
	}
	t := k.tree(r)
	i := t.attributes(id)
	s.mode, s.links = typeBits(i.kind)|i.mode, uint32(i.links)
	if p.node.kind == nodeFile {
		i = t.content(id)
	}
	s.size = uint64(i.size)
	s.blocks = (s.size + 511) / 512
	if i.pages.n > 0 && i.base == "" {
		s.blocks = uint64(i.pages.n) * blockSize / 512
	}
	if !k.Plain || p.node.made() || i.mtime != (fileTime{sec: FileTime}) {
		s.user, s.atime, s.mtime = UserID, i.atime, i.mtime
	}
	return s
}

// statBytes is struct stat: arch/x86/include/uapi/asm/stat.h for amd64 (144
// bytes), include/uapi/asm-generic/stat.h for arm64 (128 bytes).
func (k *Kernel) statBytes(s stat) []byte {
	b := make([]byte, 144)
	le.PutUint64(b, 1) // st_dev
	le.PutUint64(b[8:], s.ino)
	le.PutUint64(b[48:], s.size)
	le.PutUint64(b[64:], s.blocks)
	for n, t := range []fileTime{s.atime, s.mtime, s.mtime} {
		le.PutUint64(b[72+16*n:], uint64(t.sec))
		le.PutUint64(b[80+16*n:], uint64(t.nsec))
	}
	if k.Arch == loader.AMD64 {
		le.PutUint64(b[16:], uint64(s.links))
		le.PutUint32(b[24:], s.mode)
		le.PutUint32(b[28:], s.user)
		le.PutUint32(b[32:], s.user) // of the group
		le.PutUint64(b[40:], s.device)
		le.PutUint64(b[56:], blockSize)
		return b
	}
	le.PutUint32(b[16:], s.mode)
	le.PutUint32(b[20:], s.links)
	le.PutUint32(b[24:], s.user)
	le.PutUint32(b[28:], s.user)
	le.PutUint64(b[32:], s.device)
	le.PutUint32(b[56:], blockSize)
	return b[:128]
}

func (k *Kernel) putStat(r *Result, dirfd int, name, buf, flags uint64) (uint64, error) {
	p, errno := k.existingOr(r, dirfd, name, following(flags&atNofollow == 0), flags&atEmpty != 0)
	if errno != 0 {
		return fail(errno)
	}
	return k.put(r, buf, k.statBytes(k.stat(r, p)))
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
	p, errno := k.openPlace(r, int(int32(c.Args[0])))
	if errno != 0 {
		return fail(errno)
	}
	return k.put(r, c.Args[1], k.statBytes(k.stat(r, p)))
}

// sysStatx fills struct statx of include/uapi/linux/stat.h (256 bytes).
func sysStatx(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.existingOr(r, int(int32(c.Args[0])), c.Args[1], following(c.Args[2]&atNofollow == 0), c.Args[2]&atEmpty != 0)
	if errno != 0 {
		return fail(errno)
	}
	s := k.stat(r, p)
	b := make([]byte, 256)
	le.PutUint32(b, 0x7ff) // STATX_BASIC_STATS
	le.PutUint32(b[4:], blockSize)
	le.PutUint32(b[16:], s.links)
	le.PutUint32(b[20:], s.user)
	le.PutUint32(b[24:], s.user)
	le.PutUint16(b[28:], uint16(s.mode))
	le.PutUint64(b[32:], s.ino)
	le.PutUint64(b[40:], s.size)
	le.PutUint64(b[48:], s.blocks)
	// stx_atime, stx_ctime and stx_mtime; stx_btime is between the first two.
	for at, t := range map[int]fileTime{64: s.atime, 96: s.mtime, 112: s.mtime} {
		le.PutUint64(b[at:], uint64(t.sec))
		le.PutUint32(b[at+8:], uint32(t.nsec))
	}
	le.PutUint32(b[128:], uint32(s.device>>8))   // stx_rdev_major
	le.PutUint32(b[132:], uint32(s.device&0xff)) // stx_rdev_minor
	le.PutUint32(b[140:], 1)                     // stx_dev_minor
	return k.put(r, c.Args[4], b)
}

func sysStatfs(k *Kernel, c *Call, r *Result) (uint64, error) {
	if _, errno := k.existing(r, atFdcwd, c.Args[0], follow); errno != 0 {
		return fail(errno)
	}
	return k.put(r, c.Args[1], statfsBytes())
}

func sysFstatfs(k *Kernel, c *Call, r *Result) (uint64, error) {
	if _, ok := k.descriptors(r).get(int(int32(c.Args[0]))); !ok {
		return fail(EBADF)
	}
	return k.put(r, c.Args[1], statfsBytes())
}

// statfsBytes is struct statfs of include/uapi/asm-generic/statfs.h: a tmpfs that is always
// half full. How full it is would keep all writes in order.
func statfsBytes() []byte {
	const tmpfs = 0x01021994
	b := make([]byte, 120)
	for i, v := range []uint64{tmpfs, blockSize, MaxFilePages, MaxFilePages / 2, MaxFilePages / 2, MaxFiles, MaxFiles / 2} {
		le.PutUint64(b[8*i:], v)
	}
	le.PutUint64(b[64:], nameMax)
	le.PutUint64(b[72:], blockSize) // f_frsize
	return b
}
