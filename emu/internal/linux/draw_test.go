package linux

import (
	"fmt"
	"math/rand/v2"

	"emurace/loader"
)

// Calls at random for TestIndependentCallsCommute. All are about the same few threads,
// descriptors, bytes, pages and signals, so that they matter to each other.

// Where the drawn calls have their memory: a page of paths, one of words and structures,
// and two pages that come and go.
const (
	drawnPaths = area
	drawnMade  = drawnPaths + 8*32 // names in a folder that is written to
	drawnWords = area + loader.PageSize
	drawnTimes = drawnWords + 64   // two struct timespec
	drawnIov   = drawnWords + 96   // two struct iovec
	drawnClone = drawnWords + 128  // struct clone_args
	drawnMasks = drawnWords + 216  // two sets of signals: of 10 and 17, and of all
	drawnRoom  = drawnWords + 256  // for what calls write, of any size
	drawnPolls = drawnWords + 2048 // three struct pollfd
	drawnSets  = drawnPolls + 64   // of descriptors
	drawnEvent = drawnSets + 64    // a struct epoll_event
	drawnAddrs = drawnEvent + 64   // two addresses, 32 bytes each
	drawnHead  = drawnAddrs + 64   // a struct msghdr
	drawnSizes = drawnHead + 64    // of addresses
	drawnCount = drawnSizes + 16   // what is added to an eventfd
	drawnAct   = drawnCount + 16   // a struct sigaction
	drawnPages = area + 2*loader.PageSize
	drawnSize  = 4 * loader.PageSize // of all that
)

// drawnComm is the name of thread 1.
const drawnComm = "/proc/self/task/1001/comm"

var drawnTexts = []string{"/etc/motd", "/etc/big", "", "/bin/link", "/etc", NullDevice, "motd", "/none",
	"/tmp/a", "/tmp/b", "/tmp/d", "/tmp/d/c", "/tmp", "a", "d/../b", "/tmp/l", "/proc/self/fd/6", "/dev/zero", "/etc/new",
	"/proc/self/maps", "/proc/self/status", "/proc/self/task", "/proc/self/comm", "/proc/self/task/1001", drawnComm}

// prepare puts in place what drawn calls are about: threads 1 to 3, files and memory.
func (f *fixture) prepare() {
	write := func(addr uint64, words ...uint64) {
		for i, w := range words {
			le.PutUint64(f.mem.View(addr+8*uint64(i), 8), w)
		}
	}
	for i, name := range drawnTexts {
		copy(f.mem.View(drawnPaths+uint64(32*i), 32), name)
	}
	write(drawnTimes, 0, 500, 3, 7)
	write(drawnIov, drawnWords, 3, drawnPages, 2)
	write(drawnMasks, bit(10)|bit(17), ^uint64(0))
	write(drawnClone, threadFlags|cloneParentSettid|cloneChildCleartid, 0, drawnWords+8, drawnWords, 0, 0, 0, 0)
	f.spawn(3)
	f.do("openat", cwd, drawnPaths, 0)
	f.do("dup", 3)
	f.do("openat", cwd, drawnPaths+32, 0)
	f.do("openat", cwd, drawnMade, oCreat|oRdwr, 0o644)
	f.do("write", 6, drawnPaths, 5)
	f.do("openat", cwd, drawnMade+4*32, 0)
	f.do("mkdirat", cwd, drawnMade+2*32, 0o755)
	f.do("symlinkat", drawnMade+32, cwd, drawnMade+7*32)
	f.prepareObjects(write)
	f.mem.uses = nil
}

// prepareObjects makes what threads wait for: a pipe is 8 and 9, an eventfd 10, an epoll 11,
// which looks at these, a pair of sockets 12 and 13, a timer 14, a socket that
// listens 15, and three that do
// nothing 16 to 18; 19 names a thread.
func (f *fixture) prepareObjects(write func(addr uint64, words ...uint64)) {
	write(drawnPolls, 8|1<<32, 10|4<<32, 12|5<<32)
	write(drawnSets, 1<<8|1<<10|1<<12)
	write(drawnEvent, 1|uint64(epollOnce)<<1, 7)
	write(drawnAddrs, 1|'x'<<24)
	write(drawnAddrs+32, 2|80<<24|127<<32|1<<56)
	write(drawnHead, 0, 0, drawnIov, 2)
	write(drawnSizes, 16)
	write(drawnCount, 1)
	write(drawnAct, area, hasRestorer, area)
	f.do("pipe2", drawnRoom, 0)
	f.do("eventfd2", 0, 0)
	f.do("epoll_create1", 0)
	for _, fd := range []uint64{8, 10, 12} {
		f.do("epoll_ctl", 11, 1, fd, drawnEvent)
	}
	f.do("socketpair", afUnix, ofStream, 0, drawnRoom)
	f.do("timerfd_create", 1, 0)
	f.do("socket", afUnix, ofStream, 0)
	f.do("bind", 15, drawnAddrs, 5)
	f.do("listen", 15, 1)
	f.do("socket", afUnix, ofStream, 0)
	f.do("socket", afInet, ofDgram, 0)
	f.do("socket", afUnix, ofStream, 0)
	f.do("openat", cwd, drawnPaths+32*uint64(len(drawnTexts)-1), oWronly)
}

// drawer draws arguments.
type drawer struct {
	*rand.Rand
	arch loader.Arch
}

func (r drawer) of(list ...uint64) uint64 { return list[r.IntN(len(list))] }

func (r drawer) flags(list ...uint64) (all uint64) {
	for _, f := range list {
		all |= f * uint64(r.IntN(2))
	}
	return all
}

func (r drawer) fd() uint64 { return r.of(3, 3, 3, 4, 4, 5, 5, 6, 6, 6, 7, 8, 9, 1, 2, 0, minus1) }
func (r drawer) name() uint64 {
	return drawnPaths + 32*r.of(0, 0, 0, 1, r.Uint64N(uint64(len(drawnTexts))))
}
func (r drawer) object() uint64 {
	return r.of(8, 8, 9, 9, 10, 10, 11, 12, 12, 13, 13, 14, 15, 16, 19, 19, r.fd())
}
func (r drawer) sock() uint64    { return r.of(12, 12, 13, 13, 15, 16, 16, 17, 18, r.object()) }
func (r drawer) address() uint64 { return drawnAddrs + 32*r.Uint64N(2) }
func (r drawer) made() uint64 {
	return r.of(drawnMade+32*r.Uint64N(4), drawnMade+32*r.Uint64N(11), r.name())
}
func (r drawer) dir() uint64    { return r.of(cwd, cwd, 7, r.fd()) }
func (r drawer) file() uint64   { return r.of(6, 6, 7, r.fd()) }
func (r drawer) mode() uint64   { return r.of(0o644, 0o755, 0o755, 0, 0o200) }
func (r drawer) page() uint64   { return drawnPages + loader.PageSize*r.Uint64N(2) }
func (r drawer) pages() uint64  { return loader.PageSize * r.of(1, 1, 2) }
func (r drawer) size() uint64   { return r.Uint64N(9) }
func (r drawer) signal() uint64 { return r.of(0, 9, 10, 10, 10, 10, 17, 17, 17, 99) }
func (r drawer) tid() uint64    { return FirstTID + r.of(0, 1, 1, 2, 2, 3, 4, 4, 5) }
func (r drawer) word() uint64   { return drawnWords + 4*r.of(0, 0, 0, 1, 2) }
func (r drawer) time() uint64   { return drawnTimes + 16*r.Uint64N(2) }
func (r drawer) clock() uint64  { return r.of(0, 1, 1, 99) }

// in is an address to read from, with little in it or a structure; out is one to write to.
func (r drawer) in() uint64 {
	return r.of(drawnWords, drawnWords+4, drawnTimes, drawnIov, drawnPages, drawnPages+loader.PageSize-4, drawnPages+loader.PageSize-4)
}

func (r drawer) out() uint64 {
	return r.of(drawnRoom, drawnRoom, drawnRoom+512, drawnRoom+512, drawnWords, drawnPaths+4, drawnPages, drawnPages+loader.PageSize-4)
}

// maybe is an address or none.
func (r drawer) maybe(addr uint64) uint64 { return r.of(0, addr) }

func (r drawer) futex() []uint64 {
	private := r.of(0, 128)
	switch op := r.of(futexWait, futexWait, futexWait, futexWake, futexWake, futexRequeue, futexRequeue, futexCmpRequeue, futexWaitBitset, futexWakeBitset, 6); op {
	case futexRequeue, futexCmpRequeue:
		return []uint64{r.word(), op | private, r.Uint64N(2), r.Uint64N(3), r.word(), r.of(0, 0, 1)}
	default:
		return []uint64{r.word(), op | private, r.of(0, 0, 1), r.maybe(r.time()), 0, r.of(1, 2, 3)}
	}
}

func (r drawer) clone() []uint64 {
	flags := r.of(threadFlags, threadFlags, threadFlags, 17) |
		r.flags(cloneSettls, cloneParentSettid, cloneChildCleartid, cloneChildSettid)
	args := []uint64{flags, r.Uint64N(9) * 16, r.word(), 77, r.word()}
	if r.arch == loader.AMD64 {
		args[3], args[4] = args[4], args[3]
	}
	return args
}

func (r drawer) mmap() []uint64 {
	const copied, fixed, anonymous = 2, mapFixed, mapAnonymous
	prot := r.of(0, 1, 3)
	return [][]uint64{
		{0, r.pages(), prot, copied | anonymous, minus1, 0},
		{r.page(), r.pages(), prot, copied | anonymous, minus1, 0},
		{r.page(), loader.PageSize, prot, copied | anonymous | fixed, minus1, 0},
		{r.page(), loader.PageSize, prot, copied | anonymous | mapFixedNoreplace, minus1, 0},
		{0, r.pages(), prot, copied, r.fd(), loader.PageSize * r.Uint64N(2)},
		{heapBase + loader.PageSize, loader.PageSize, prot, copied | anonymous | fixed, minus1, 0},
		{r.of(0, r.page()), loader.PageSize, prot, 1, r.of(6, r.fd()), 0},
		{0, loader.PageSize, prot, 1 | anonymous, minus1, 0},
	}[r.IntN(8)]
}

func (r drawer) sigprocmask() []uint64 {
	set := r.of(drawnMasks, drawnMasks, drawnMasks+8, r.in())
	return []uint64{r.of(0, 0, 1, 2, 3), r.maybe(set), r.maybe(r.out()), 8}
}

// draws has arguments for each call of the table.
var draws = map[string]func(r drawer) []uint64{
	"chdir":        func(r drawer) []uint64 { return []uint64{r.of(drawnMade+4*32, drawnMade+2*32, r.made())} },
	"chmod":        func(r drawer) []uint64 { return []uint64{r.made(), r.mode()} },
	"chown":        func(r drawer) []uint64 { return []uint64{r.made(), UserID, UserID} },
	"close_range":  func(r drawer) []uint64 { return []uint64{r.of(3, 5, 8), r.of(4, 6, minus1), r.of(0, 4)} },
	"creat":        func(r drawer) []uint64 { return []uint64{r.made(), r.mode()} },
	"fadvise64":    func(r drawer) []uint64 { return []uint64{r.fd(), 0, 0, r.of(0, 4, 9)} },
	"fallocate":    func(r drawer) []uint64 { return []uint64{r.file(), r.of(0, 1, 3, 16), r.Uint64N(9), r.Uint64N(9)} },
	"fchdir":       func(r drawer) []uint64 { return []uint64{r.of(7, r.fd())} },
	"fchmod":       func(r drawer) []uint64 { return []uint64{r.file(), r.mode()} },
	"fchmodat":     func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.mode()} },
	"fchmodat2":    func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.mode(), r.of(0, atNofollow)} },
	"fchown":       func(r drawer) []uint64 { return []uint64{r.file(), UserID, minus1} },
	"fchownat":     func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), UserID, minus1, 0} },
	"fdatasync":    func(r drawer) []uint64 { return []uint64{r.file()} },
	"fgetxattr":    func(r drawer) []uint64 { return []uint64{r.file(), r.name(), r.out(), 8} },
	"flistxattr":   func(r drawer) []uint64 { return []uint64{r.file(), r.out(), 8} },
	"flock":        func(r drawer) []uint64 { return []uint64{r.file(), r.of(1, 2, 8)} },
	"fremovexattr": func(r drawer) []uint64 { return []uint64{r.file(), r.name()} },
	"fsetxattr":    func(r drawer) []uint64 { return []uint64{r.file(), r.name(), r.in(), 4, 0} },
	"fstatfs":      func(r drawer) []uint64 { return []uint64{r.fd(), r.out()} },
	"fsync":        func(r drawer) []uint64 { return []uint64{r.file()} },
	"ftruncate":    func(r drawer) []uint64 { return []uint64{r.file(), r.Uint64N(9)} },
	"getdents64":   func(r drawer) []uint64 { return []uint64{r.of(7, 7, r.fd()), r.out(), r.of(24, 200, 200)} },
	"getgroups":    func(r drawer) []uint64 { return []uint64{r.of(0, 1, 4), r.out()} },
	"getpgid":      func(r drawer) []uint64 { return []uint64{r.of(0, r.tid())} },
	"getpgrp":      none,
	"getresgid":    func(r drawer) []uint64 { return []uint64{r.out(), r.out(), r.out()} },
	"getresuid":    func(r drawer) []uint64 { return []uint64{r.out(), r.out(), r.out()} },
	"getsid":       func(r drawer) []uint64 { return []uint64{r.of(0, r.tid())} },
	"getxattr":     func(r drawer) []uint64 { return []uint64{r.made(), r.name(), r.out(), 8} },
	"lchown":       func(r drawer) []uint64 { return []uint64{r.made(), UserID, UserID} },
	"lgetxattr":    func(r drawer) []uint64 { return []uint64{r.made(), r.name(), r.out(), 8} },
	"link": func(r drawer) []uint64 {
		return []uint64{r.of(drawnMade, r.made()), r.of(drawnMade+32, drawnMade+10*32, r.made())}
	},
	"linkat":       func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.dir(), r.made(), r.of(0, atFollow)} },
	"listxattr":    func(r drawer) []uint64 { return []uint64{r.made(), r.out(), 8} },
	"llistxattr":   func(r drawer) []uint64 { return []uint64{r.made(), r.out(), 8} },
	"lremovexattr": func(r drawer) []uint64 { return []uint64{r.made(), r.name()} },
	"lsetxattr":    func(r drawer) []uint64 { return []uint64{r.made(), r.name(), r.in(), 4, 0} },
	"memfd_create": func(r drawer) []uint64 { return []uint64{r.name(), r.of(0, 1, 2)} },
	"mkdir":        func(r drawer) []uint64 { return []uint64{r.made(), r.mode()} },
	"mkdirat":      func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.mode()} },
	"msync":        func(r drawer) []uint64 { return []uint64{r.page(), r.pages(), r.of(1, 4)} },
	"personality":  func(r drawer) []uint64 { return []uint64{r.of(0xffffffff, 0, 8)} },
	"preadv":       func(r drawer) []uint64 { return []uint64{r.file(), drawnIov, r.Uint64N(3), r.Uint64N(4)} },
	"pwrite64": func(r drawer) []uint64 {
		return []uint64{r.file(), r.of(drawnMade, drawnMade, r.in()), 1 + r.size(), r.Uint64N(4)}
	},
	"pwritev":           func(r drawer) []uint64 { return []uint64{r.file(), drawnIov, r.Uint64N(3), r.Uint64N(9)} },
	"readv":             func(r drawer) []uint64 { return []uint64{r.of(3, 4, r.fd()), drawnIov, r.Uint64N(3)} },
	"removexattr":       func(r drawer) []uint64 { return []uint64{r.made(), r.name()} },
	"rename":            func(r drawer) []uint64 { return []uint64{r.made(), r.made()} },
	"renameat":          func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.dir(), r.made()} },
	"renameat2":         func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.dir(), r.made(), r.of(0, 0, 1, 2)} },
	"rmdir":             func(r drawer) []uint64 { return []uint64{r.of(drawnMade+2*32, r.made())} },
	"sched_setaffinity": func(r drawer) []uint64 { return []uint64{r.of(0, r.tid()), 8, r.of(drawnMasks+8, r.in())} },
	"setfsgid":          func(r drawer) []uint64 { return []uint64{UserID} },
	"setfsuid":          func(r drawer) []uint64 { return []uint64{UserID} },
	"setgid":            func(r drawer) []uint64 { return []uint64{r.of(UserID, 0)} },
	"setgroups":         func(r drawer) []uint64 { return []uint64{1, r.in()} },
	"setpgid":           func(r drawer) []uint64 { return []uint64{r.of(0, r.tid()), r.of(0, r.tid())} },
	"setregid":          func(r drawer) []uint64 { return []uint64{r.of(UserID, 0), minus1} },
	"setresgid":         func(r drawer) []uint64 { return []uint64{UserID, r.of(UserID, 0), minus1} },
	"setresuid":         func(r drawer) []uint64 { return []uint64{UserID, r.of(UserID, 0), minus1} },
	"setreuid":          func(r drawer) []uint64 { return []uint64{r.of(UserID, 0), minus1} },
	"setsid":            none,
	"setuid":            func(r drawer) []uint64 { return []uint64{r.of(UserID, 0)} },
	"setxattr":          func(r drawer) []uint64 { return []uint64{r.made(), r.name(), r.in(), 4, 0} },
	"statfs":            func(r drawer) []uint64 { return []uint64{r.made(), r.out()} },
	"symlink":           func(r drawer) []uint64 { return []uint64{r.made(), r.made()} },
	"symlinkat":         func(r drawer) []uint64 { return []uint64{r.made(), r.dir(), r.made()} },
	"sync":              none,
	"syncfs":            func(r drawer) []uint64 { return []uint64{r.fd()} },
	"truncate":          func(r drawer) []uint64 { return []uint64{r.made(), r.Uint64N(9)} },
	"umask":             func(r drawer) []uint64 { return []uint64{r.of(0o022, 0o077, 0)} },
	"unlink":            func(r drawer) []uint64 { return []uint64{r.made()} },
	"unlinkat":          func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.of(0, 0, atRemove)} },
	"utimensat":         func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.of(0, drawnTimes), 0} },
	"access":            func(r drawer) []uint64 { return []uint64{r.made(), r.of(0, 4, 4, r.Uint64N(8))} },
	"arch_prctl":        func(r drawer) []uint64 { return []uint64{r.of(0x1002, 0x1002, 0x1003), r.Uint64()} },
	"brk":               func(r drawer) []uint64 { return []uint64{r.of(0, heapBase+loader.PageSize*r.Uint64N(3)+r.Uint64N(9))} },
	"clock_getres":      func(r drawer) []uint64 { return []uint64{r.clock(), r.maybe(r.out())} },
	"clock_gettime":     func(r drawer) []uint64 { return []uint64{r.clock(), r.out()} },
	"clock_nanosleep":   func(r drawer) []uint64 { return []uint64{r.clock(), r.Uint64N(2), r.of(r.time(), r.in()), 0} },
	"clock_settime":     func(r drawer) []uint64 { return []uint64{r.clock(), r.of(r.time(), r.in())} },
	"clone":             drawer.clone,
	"clone3":            func(r drawer) []uint64 { return []uint64{r.of(drawnClone, drawnClone, r.in()), r.of(64, 88, 8)} },
	"close":             func(r drawer) []uint64 { return []uint64{r.of(r.fd(), r.object())} },
	"dup":               func(r drawer) []uint64 { return []uint64{r.fd()} },
	"dup2":              func(r drawer) []uint64 { return []uint64{r.fd(), r.fd()} },
	"dup3":              func(r drawer) []uint64 { return []uint64{r.fd(), r.fd(), r.of(0, oCloexec)} },
	"exit":              func(r drawer) []uint64 { return []uint64{r.Uint64N(3)} },
	"exit_group":        func(r drawer) []uint64 { return []uint64{r.Uint64N(3)} },
	"faccessat":         func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.of(0, 4, 4, r.Uint64N(8))} },
	"faccessat2":        func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.of(0, 4, 4, r.Uint64N(8)), 0} },
	"fcntl": func(r drawer) []uint64 {
		return []uint64{r.fd(), r.of(0, 1, 2, 3, 4, 8, fGetlk, fSetlk, fDupfdCloexec), r.of(r.Uint64N(8), oAppend, r.in())}
	},
	"fstat":        func(r drawer) []uint64 { return []uint64{r.fd(), r.out()} },
	"futex":        drawer.futex,
	"getcpu":       func(r drawer) []uint64 { return []uint64{r.maybe(r.out()), r.maybe(r.out())} },
	"getcwd":       func(r drawer) []uint64 { return []uint64{r.out(), r.of(1, 3, 5, 9)} },
	"getegid":      none,
	"geteuid":      none,
	"getgid":       none,
	"getpid":       none,
	"getppid":      none,
	"getrandom":    func(r drawer) []uint64 { return []uint64{r.out(), r.of(0, 4, 40), 0} },
	"getrlimit":    func(r drawer) []uint64 { return []uint64{r.of(3, 7, 99), r.maybe(r.out())} },
	"getrusage":    func(r drawer) []uint64 { return []uint64{r.of(0, 1, 5, minus1), r.out()} },
	"gettid":       none,
	"gettimeofday": func(r drawer) []uint64 { return []uint64{r.maybe(r.out())} },
	"getuid":       none,
	"ioctl":        func(r drawer) []uint64 { return []uint64{r.fd(), 0x5401, r.out()} },
	"kill":         func(r drawer) []uint64 { return []uint64{r.tid(), r.signal()} },
	"lseek":        func(r drawer) []uint64 { return []uint64{r.fd(), r.Uint64N(4), r.of(0, 1, 2, 2)} },
	"lstat":        func(r drawer) []uint64 { return []uint64{r.made(), r.out()} },
	"madvise":      func(r drawer) []uint64 { return []uint64{r.page(), r.pages(), r.of(madvDontneed, madvDontneed, 3)} },
	"mmap":         drawer.mmap,
	"mprotect":     func(r drawer) []uint64 { return []uint64{r.page(), r.pages(), r.of(0, 1, 3)} },
	"mremap":       func(r drawer) []uint64 { return []uint64{r.page(), r.pages(), r.pages(), r.of(0, 1, 1, 2)} },
	"munmap":       func(r drawer) []uint64 { return []uint64{r.page(), r.pages()} },
	"nanosleep":    func(r drawer) []uint64 { return []uint64{r.of(r.time(), r.in()), 0} },
	"newfstatat":   func(r drawer) []uint64 { return []uint64{r.dir(), r.made(), r.out(), r.flags(atEmpty, atNofollow)} },
	"open": func(r drawer) []uint64 {
		return []uint64{r.made(), r.of(0, 0, 2, oCreat, oCloexec, oCreat|oRdwr, oCreat|oExcl, oTrunc|oRdwr, oAppend|oRdwr, oPath), r.mode()}
	},
	"openat": func(r drawer) []uint64 {
		return []uint64{r.dir(), r.made(), r.of(0, 0, 2, oCreat, oCloexec, oCreat|oRdwr, oCreat|oExcl, oTrunc|oRdwr, oAppend|oRdwr, oPath), r.mode()}
	},
	"prctl":      func(r drawer) []uint64 { return []uint64{r.of(15, 16, 4), r.in()} },
	"pread64":    func(r drawer) []uint64 { return []uint64{r.of(6, r.fd()), r.out(), r.size(), r.Uint64N(4)} },
	"prlimit64":  func(r drawer) []uint64 { return []uint64{0, r.of(3, 7, 99), r.of(0, 0, r.in()), r.maybe(r.out())} },
	"read":       func(r drawer) []uint64 { return []uint64{r.of(r.fd(), r.object()), r.out(), r.of(r.size(), 8)} },
	"readlink":   func(r drawer) []uint64 { return []uint64{r.of(drawnPaths+96, r.made()), r.out(), r.size()} },
	"readlinkat": func(r drawer) []uint64 { return []uint64{r.dir(), r.of(drawnPaths+96, r.made()), r.out(), r.size()} },
	"rt_sigaction": func(r drawer) []uint64 {
		return []uint64{r.signal(), r.of(drawnAct, r.maybe(r.in())), r.maybe(r.out()), 8}
	},
	"rt_sigprocmask": drawer.sigprocmask,
	"rt_sigqueueinfo": func(r drawer) []uint64 {
		return []uint64{r.of(FirstTID, FirstTID, r.tid()), r.signal(), r.of(r.in(), drawnTimes)}
	},
	"rt_tgsigqueueinfo":  func(r drawer) []uint64 { return []uint64{FirstTID, r.tid(), r.signal(), r.of(r.in(), drawnTimes)} },
	"sched_getaffinity":  func(r drawer) []uint64 { return []uint64{0, r.of(8, 128, 4), r.out()} },
	"sched_getparam":     func(r drawer) []uint64 { return []uint64{r.of(0, r.tid()), r.out()} },
	"sched_getscheduler": func(r drawer) []uint64 { return []uint64{r.of(0, r.tid(), r.tid(), minus1)} },
	"sched_yield":        none,
	"set_robust_list":    func(r drawer) []uint64 { return []uint64{r.in(), 24} },
	"set_tid_address":    func(r drawer) []uint64 { return []uint64{r.word()} },
	"settimeofday":       func(r drawer) []uint64 { return []uint64{r.of(r.time(), r.in()), 0} },
	"sigaltstack":        func(r drawer) []uint64 { return []uint64{r.maybe(r.in()), r.maybe(r.out())} },
	"stat":               func(r drawer) []uint64 { return []uint64{r.made(), r.out()} },
	"statx": func(r drawer) []uint64 {
		return []uint64{r.dir(), r.made(), r.flags(atEmpty, atNofollow), 0x7ff, r.out()}
	},
	"sysinfo": func(r drawer) []uint64 { return []uint64{r.out()} },
	"tgkill":  func(r drawer) []uint64 { return []uint64{FirstTID, r.tid(), r.signal()} },
	"time":    func(r drawer) []uint64 { return []uint64{r.maybe(r.out())} },
	"times":   func(r drawer) []uint64 { return []uint64{r.maybe(r.out())} },
	"tkill":   func(r drawer) []uint64 { return []uint64{r.tid(), r.signal()} },
	"uname":   func(r drawer) []uint64 { return []uint64{r.out()} },
	"write": func(r drawer) []uint64 {
		return []uint64{r.of(1, 1, 2, r.fd(), r.object(), r.object()), r.of(r.in(), drawnCount), r.of(r.size(), 8, 60, 60)}
	},
	"writev": func(r drawer) []uint64 { return []uint64{r.of(1, 2, r.fd()), r.of(drawnIov, r.in()), r.Uint64N(3)} },
}

func init() {
	for _, more := range []map[string]func(drawer) []uint64{drawsOfObjects, drawsOfSignals} {
		for name, draw := range more {
			draws[name] = draw
		}
	}
}

// drawsOfSignals are those of what waits for signals.
var drawsOfSignals = map[string]func(drawer) []uint64{
	"execve":        func(r drawer) []uint64 { return []uint64{r.name(), 0, 0} },
	"execveat":      func(r drawer) []uint64 { return []uint64{r.dir(), r.name(), 0, 0, 0} },
	"alarm":         func(r drawer) []uint64 { return []uint64{r.of(0, 1)} },
	"getitimer":     func(r drawer) []uint64 { return []uint64{r.of(0, 0, 3), r.out()} },
	"pause":         none,
	"rt_sigpending": func(r drawer) []uint64 { return []uint64{r.out(), r.of(8, 8, 9)} },
	"rt_sigreturn":  none,
	"rt_sigsuspend": func(r drawer) []uint64 { return []uint64{drawnMasks + 8*r.Uint64N(2), r.of(8, 8, 4)} },
	"rt_sigtimedwait": func(r drawer) []uint64 {
		return []uint64{drawnMasks + 8*r.Uint64N(2), r.maybe(r.out()), r.maybe(r.time()), 8}
	},
	"setitimer": func(r drawer) []uint64 {
		return []uint64{r.of(0, 0, 3), r.of(drawnTimes, r.maybe(r.in())), r.maybe(r.out())}
	},
}

// drawsOfObjects are those of what threads wait for.
var drawsOfObjects = map[string]func(drawer) []uint64{
	"accept": func(r drawer) []uint64 { return []uint64{r.of(15, 15, r.sock()), r.maybe(r.out()), drawnSizes} },
	"accept4": func(r drawer) []uint64 {
		return []uint64{r.of(15, 15, r.sock()), r.maybe(r.out()), drawnSizes, r.of(0, oCloexec)}
	},
	"bind": func(r drawer) []uint64 {
		return []uint64{r.of(16, 18, 17, r.sock()), r.of(drawnAddrs, r.address()), r.of(2, 4, 4, 5, 16)}
	},
	"connect": func(r drawer) []uint64 {
		return []uint64{r.of(16, 18, r.sock()), r.of(drawnAddrs, r.address()), r.of(4, 5, 5, 5, 16)}
	},
	"epoll_create":  func(r drawer) []uint64 { return []uint64{r.of(0, 1, 1)} },
	"epoll_create1": func(r drawer) []uint64 { return []uint64{r.of(0, 0, 1)} },
	"epoll_ctl": func(r drawer) []uint64 {
		return []uint64{r.of(11, 11, 11, r.object()), r.of(1, 2, 3), r.object(), drawnEvent}
	},
	"epoll_pwait": drawer.epoll,
	"epoll_pwait2": func(r drawer) []uint64 {
		return []uint64{r.of(11, 11, r.object()), r.out(), r.of(1, 2, 0), r.maybe(r.time()), 0}
	},
	"epoll_wait":  drawer.epoll,
	"eventfd":     func(r drawer) []uint64 { return []uint64{r.of(0, 1)} },
	"eventfd2":    func(r drawer) []uint64 { return []uint64{r.of(0, 1), r.of(0, 1, oNonblock)} },
	"getpeername": func(r drawer) []uint64 { return []uint64{r.sock(), r.out(), drawnSizes} },
	"getsockname": func(r drawer) []uint64 { return []uint64{r.sock(), r.out(), drawnSizes} },
	"getsockopt":  func(r drawer) []uint64 { return []uint64{r.sock(), 1, r.of(optType, optError, 2), r.out(), drawnSizes} },
	"listen":      func(r drawer) []uint64 { return []uint64{r.of(15, 15, r.sock()), r.of(0, 1)} },
	"pipe":        func(r drawer) []uint64 { return []uint64{r.out()} },
	"pipe2":       func(r drawer) []uint64 { return []uint64{r.out(), r.of(0, oNonblock, oCloexec)} },
	"poll": func(r drawer) []uint64 {
		return []uint64{drawnPolls + 8*r.Uint64N(2), r.Uint64N(3), r.of(0, 1, minus1)}
	},
	"ppoll": func(r drawer) []uint64 {
		return []uint64{drawnPolls + 8*r.Uint64N(2), r.Uint64N(3), r.maybe(r.time()), 0}
	},
	"pselect6": func(r drawer) []uint64 { return []uint64{r.of(9, 11, 13), drawnSets, 0, 0, r.maybe(r.time()), 0} },
	"recvfrom": func(r drawer) []uint64 {
		return []uint64{r.sock(), r.out(), r.size(), r.of(0, msgDontwait, msgPeek), 0, 0}
	},
	"recvmsg":  func(r drawer) []uint64 { return []uint64{r.sock(), drawnHead, r.of(0, msgDontwait)} },
	"select":   func(r drawer) []uint64 { return []uint64{r.of(9, 11, 13), drawnSets, 0, 0, r.maybe(r.time())} },
	"sendmmsg": func(r drawer) []uint64 { return []uint64{r.sock(), drawnHead, 1, msgNosignal} },
	"sendmsg":  func(r drawer) []uint64 { return []uint64{r.sock(), drawnHead, msgNosignal} },
	"sendto": func(r drawer) []uint64 {
		return []uint64{r.sock(), r.in(), r.size(), r.of(msgNosignal, msgDontwait), r.maybe(r.address()), 5}
	},
	"setsockopt": func(r drawer) []uint64 { return []uint64{r.sock(), 1, r.of(2, 9, optError), r.in(), 4} },
	"shutdown":   func(r drawer) []uint64 { return []uint64{r.of(12, 13, r.sock()), r.Uint64N(4)} },
	"socket": func(r drawer) []uint64 {
		return []uint64{r.of(afUnix, afUnix, afInet, 99), r.of(ofStream, ofStream, ofDgram), 0}
	},
	"socketpair":      func(r drawer) []uint64 { return []uint64{afUnix, r.of(ofStream, ofDgram, ofPackets), 0, r.out()} },
	"timerfd_create":  func(r drawer) []uint64 { return []uint64{r.of(0, 1, 99), r.of(0, oNonblock)} },
	"timerfd_gettime": func(r drawer) []uint64 { return []uint64{r.of(14, 14, r.object()), r.out()} },
	"timerfd_settime": func(r drawer) []uint64 {
		return []uint64{r.of(14, 14, r.object()), r.Uint64N(2), drawnTimes, r.maybe(r.out())}
	},
}

func (r drawer) epoll() []uint64 {
	return []uint64{r.of(11, 11, r.object()), r.out(), r.of(1, 2, 0), r.of(0, 1, minus1), 0}
}

func none(drawer) []uint64 { return nil }

// drawnCall is a call of a thread's.
type drawnCall struct {
	thread int
	name   string
	args   []uint64
}

func (c drawnCall) String() string { return fmt.Sprintf("%d: %s%x", c.thread, c.name, c.args) }

// clockMoves is a call that is none: the clock is moved on.
const clockMoves = "(clock)"

// call draws a call out of some.
func (r drawer) call(thread int, names []string) drawnCall {
	name := names[r.IntN(len(names))]
	return drawnCall{thread, name, draws[name](r)}
}

// rows are the names of all calls that the fixture's architecture has and the kernel does.
func (f *fixture) rows() (names []string) {
	for _, c := range calls {
		if f.has(c.name) && c.do != nil {
			names = append(names, c.name)
		}
	}
	return names
}

// pair draws a history of threads 0 and 3, and two calls of threads 1 and 2 after it: the
// given one with any other, or two that have to do with each other.
func (r drawer) pair(row string, rows []string) (before []drawnCall, pair [2]drawnCall) {
	for range r.IntN(8) {
		c := r.call(3*r.IntN(2), stateful)
		if r.IntN(4) == 0 {
			c = r.call(r.IntN(4), unseen)
		}
		before = append(before, c)
		if r.IntN(8) == 0 {
			before = append(before, drawnCall{ClockThread, clockMoves, nil})
		}
	}
	if r.IntN(6) == 0 {
		// A signal waits, unless one of the threads that it may be for does not block it.
		for t := range 4 {
			if r.IntN(12) != 0 {
				before = append(before, drawnCall{t, "rt_sigprocmask", []uint64{0, drawnMasks + 8*r.Uint64N(2), 0, 8}})
			}
		}
		for _, name := range []string{"kill", "tkill"} {
			if r.IntN(2) == 0 {
				before = append(before, drawnCall{3 * r.IntN(2), name, []uint64{FirstTID + r.of(0, r.Uint64N(4)), r.of(10, 10, 10, 17)}})
			}
		}
		if r.IntN(3) != 0 {
			return before, [2]drawnCall{r.call(1, signaling), r.call(2, signaling)}
		}
	}
	if r.IntN(80) == 0 { // two want one address, or one looks for the other's; nobody has it yet
		address := []uint64{drawnAddrs, 4}
		two := []string{"bind", "bind", "connect"}[r.IntN(3)]
		return nil, [2]drawnCall{{1, "bind", append([]uint64{16}, address...)}, {2, two, append([]uint64{18}, address...)}}
	}
	if r.IntN(80) == 0 { // two name a thread
		return before, [2]drawnCall{{1, "prctl", []uint64{r.of(prSetName, prGetName), r.out()}}, {2, "write", []uint64{19, r.in(), r.size()}}}
	}
	if r.IntN(10) == 0 { // a signal has a handler
		before = append(before, drawnCall{3 * r.IntN(2), "rt_sigaction", []uint64{10, drawnAct, 0, 8}})
		return before, [2]drawnCall{r.call(1, handled), r.call(2, handled)}
	}
	if r.IntN(12) == 0 { // a file's memory, which calls write to
		before = append(before, drawnCall{3 * r.IntN(2), "mmap", []uint64{drawnPages, loader.PageSize, 3, 1 | mapFixed, 6, 0}})
		return before, [2]drawnCall{r.call(1, onMapped), r.call(2, onMapped)}
	}
	if r.IntN(24) == 0 { // a folder is listed whose names change
		return before, [2]drawnCall{{1, "getdents64", []uint64{7, r.out(), 200}}, r.call(2, naming)}
	}
	if r.IntN(8) == 0 {
		pair = [2]drawnCall{r.call(1, []string{row}), {ClockThread, clockMoves, nil}}
		if r.IntN(2) == 0 {
			pair[0] = r.call(1, timed)
		}
		return before, pair
	}
	if r.IntN(2) == 0 {
		g := groups[r.IntN(len(groups))]
		return before, [2]drawnCall{r.call(1, g), r.call(2, g)}
	}
	pair = [2]drawnCall{r.call(1, []string{row}), r.call(2, rows)}
	if r.IntN(2) == 0 {
		pair[0], pair[1] = pair[1], pair[0]
		pair[0].thread, pair[1].thread = 1, 2
	}
	return before, pair
}
