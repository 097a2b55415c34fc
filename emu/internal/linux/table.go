package linux

import "emurace/loader"

// Support says how far a system call goes.
type Support uint8

// The degrees of support.
const (
	Unsupported Support = iota // ENOSYS, and named in the result
	Absent                     // ENOSYS without a word: the C library has another way
	Partly                     // see the note
	Supported
)

// String is the word for the documentation.
func (s Support) String() string {
	return [...]string{"unsupported", "absent", "partly", "supported"}[s]
}

type entry struct {
	name         string
	arm64, amd64 int // numbers; -1 where the architecture has no such call
	support      Support
	note         string
	do           func(*Kernel, *Call, *Result) (uint64, error)
}

// calls has the numbers of include/uapi/asm-generic/unistd.h for arm64 and of
// arch/x86/entry/syscalls/syscall_64.tbl for amd64.
var calls = []entry{
	{"accept", 202, 43, Supported, "", sysAccept},
	{"accept4", 242, 288, Supported, "", sysAccept4},
	{"access", -1, 21, Supported, "", sysAccess},
	{"alarm", -1, 37, Supported, "", sysAlarm},
	{"arch_prctl", -1, 158, Partly, "ARCH_SET_FS", sysArchPrctl},
	{"bind", 200, 49, Partly, "AF_UNIX, and AF_INET and AF_INET6 inside the process", sysBind},
	{"brk", 214, 12, Supported, "", sysBrk},
	{"chdir", 49, 80, Supported, "", sysChdir},
	{"chmod", -1, 90, Supported, "", sysChmod},
	{"chown", -1, 92, Partly, "to the user itself; EPERM else", sysChown},
	{"clock_getres", 114, 229, Supported, "virtual clock", sysClockGetres},
	{"clock_gettime", 113, 228, Supported, "virtual clock: a nanosecond an instruction of the thread, and of what comes before", sysClockGettime},
	{"clock_nanosleep", 115, 230, Partly, "processor time counts as the monotonic clock", sysClockNanosleep},
	{"clock_settime", 112, 227, Partly, "EPERM: the user is an ordinary one", sysClockSettime},
	{"clone", 220, 56, Partly, "threads only, 1024 at a time and 65000 in all; ENOSYS for fork, vfork and posix_spawn", sysClone},
	{"clone3", 435, 435, Partly, "threads only, as clone", sysClone3},
	{"close", 57, 3, Supported, "", sysClose},
	{"close_range", 436, 436, Partly, "CLOSE_RANGE_UNSHARE has no effect", sysCloseRange},
	{"connect", 203, 42, Partly, "to sockets of the process", sysConnect},
	{"copy_file_range", 285, 326, Absent, "", nil},
	{"creat", -1, 85, Supported, "what is written stays in the process", sysCreat},
	{"dup", 23, 32, Supported, "", sysDup},
	{"dup2", -1, 33, Supported, "", sysDup2},
	{"dup3", 24, 292, Supported, "", sysDup3},
	{"epoll_create", -1, 213, Supported, "", sysEpollCreate},
	{"epoll_create1", 20, 291, Supported, "", sysEpollCreate1},
	{"epoll_ctl", 21, 233, Supported, "", sysEpollCtl},
	{"epoll_pwait", 22, 281, Supported, "whoever waits is told, not one of them", sysEpollPwait},
	{"epoll_pwait2", 441, 441, Supported, "whoever waits is told, not one of them", sysEpollPwait2},
	{"epoll_wait", -1, 232, Supported, "whoever waits is told, not one of them", sysEpollWait},
	{"eventfd", -1, 284, Supported, "", sysEventfd},
	{"eventfd2", 19, 290, Supported, "", sysEventfd2},
	{"execve", 221, 59, Partly, "ENOSYS: a process has one program", sysExecve},
	{"execveat", 281, 322, Partly, "ENOSYS: a process has one program", sysExecveat},
	{"exit", 93, 60, Supported, "", sysExit},
	{"exit_group", 94, 231, Supported, "", sysExitGroup},
	{"faccessat", 48, 269, Supported, "", sysFaccessat},
	{"faccessat2", 439, 439, Supported, "", sysFaccessat2},
	{"fadvise64", 223, 221, Supported, "", sysFadvise64},
	{"fallocate", 47, 285, Partly, "no collapsing or inserting of ranges; room is not reserved", sysFallocate},
	{"fchdir", 50, 81, Supported, "", sysFchdir},
	{"fchmod", 52, 91, Supported, "", sysFchmod},
	{"fchmodat", 53, 268, Supported, "", sysFchmodat},
	{"fchmodat2", 452, 452, Supported, "", sysFchmodat2},
	{"fchown", 55, 93, Partly, "to the user itself; EPERM else", sysFchown},
	{"fchownat", 54, 260, Partly, "to the user itself; EPERM else", sysFchownat},
	{"fcntl", 25, 72, Partly, "F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETPIPE_SZ, and locks, of which the process's own are in nobody's way", sysFcntl},
	{"fdatasync", 83, 75, Supported, "", sysFsync},
	{"fgetxattr", 10, 193, Partly, "no file has any", xattr(true, follow, EOPNOTSUPP)},
	{"flistxattr", 13, 196, Supported, "no file has any", xattr(true, follow, 0)},
	{"flock", 32, 73, Partly, "it does not wait for another open file of the process", sysFlock},
	{"fremovexattr", 16, 199, Partly, "EOPNOTSUPP", xattr(true, follow, EOPNOTSUPP)},
	{"fsetxattr", 7, 190, Partly, "EOPNOTSUPP", xattr(true, follow, EOPNOTSUPP)},
	{"fstat", 80, 5, Supported, "", sysFstat},
	{"fstatfs", 44, 138, Partly, "a tmpfs, half full", sysFstatfs},
	{"fsync", 82, 74, Supported, "", sysFsync},
	{"ftruncate", 46, 77, Supported, "", sysFtruncate},
	{"futex", 98, 202, Partly, "WAIT, WAKE, their BITSET forms, REQUEUE, CMP_REQUEUE", sysFutex},
	{"getcpu", 168, 309, Supported, "the first processor", sysGetcpu},
	{"getcwd", 17, 79, Supported, "", sysGetcwd},
	{"getdents64", 61, 217, Supported, "", sysGetdents64},
	{"getegid", 177, 108, Supported, "", sysGetuid},
	{"geteuid", 175, 107, Supported, "", sysGetuid},
	{"getgid", 176, 104, Supported, "", sysGetuid},
	{"getgroups", 158, 115, Supported, "", sysGetgroups},
	{"getitimer", 102, 36, Partly, "ITIMER_REAL", sysGetitimer},
	{"getpeername", 205, 52, Supported, "", sysGetpeername},
	{"getpgid", 155, 121, Supported, "", sysGetpgid},
	{"getpgrp", -1, 111, Supported, "", sysGetpgrp},
	{"getpid", 172, 39, Supported, "", sysGetpid},
	{"getppid", 173, 110, Supported, "", sysGetppid},
	{"getrandom", 278, 318, Supported, "seeded", sysGetrandom},
	{"getresgid", 150, 120, Supported, "", sysGetresuid},
	{"getresuid", 148, 118, Supported, "", sysGetresuid},
	{"getrlimit", 163, 97, Supported, "", sysGetrlimit},
	{"getrusage", 165, 98, Partly, "user time, a nanosecond an instruction of the thread, and of what comes before", sysGetrusage},
	{"getsid", 156, 124, Supported, "", sysGetsid},
	{"getsockname", 204, 51, Supported, "", sysGetsockname},
	{"getsockopt", 209, 55, Partly, "SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN, SO_PEERCRED, and what was set", sysGetsockopt},
	{"gettid", 178, 186, Supported, "", sysGettid},
	{"gettimeofday", 169, 96, Supported, "virtual clock", sysGettimeofday},
	{"getuid", 174, 102, Supported, "", sysGetuid},
	{"getxattr", 8, 191, Partly, "no file has any", xattr(false, follow, EOPNOTSUPP)},
	{"ioctl", 29, 16, Partly, "FIOCLEX, FIONCLEX, FIONBIO, FIONREAD of pipes and sockets; nothing is a terminal", sysIoctl},
	{"kill", 129, 62, Partly, "the process itself; a handler runs before the thread that gets it does anything else", sysKill},
	{"lchown", -1, 94, Partly, "to the user itself; EPERM else", sysLchown},
	{"lgetxattr", 9, 192, Partly, "no file has any", xattr(false, noFollow, EOPNOTSUPP)},
	{"link", -1, 86, Supported, "", sysLink},
	{"linkat", 37, 265, Supported, "", sysLinkat},
	{"listen", 201, 50, Supported, "", sysListen},
	{"listxattr", 11, 194, Supported, "no file has any", xattr(false, follow, 0)},
	{"llistxattr", 12, 195, Supported, "no file has any", xattr(false, noFollow, 0)},
	{"lremovexattr", 15, 198, Partly, "EOPNOTSUPP", xattr(false, noFollow, EOPNOTSUPP)},
	{"lseek", 62, 8, Supported, "", sysLseek},
	{"lsetxattr", 6, 189, Partly, "EOPNOTSUPP", xattr(false, noFollow, EOPNOTSUPP)},
	{"lstat", -1, 6, Supported, "", sysLstat},
	{"madvise", 233, 28, Partly, "MADV_DONTNEED; other advice is accepted, but for MADV_REMOVE", sysMadvise},
	{"membarrier", 283, 324, Absent, "", nil},
	{"memfd_create", 279, 319, Partly, "no sealing, no large pages", sysMemfdCreate},
	{"mkdir", -1, 83, Supported, "", sysMkdir},
	{"mkdirat", 34, 258, Supported, "", sysMkdirat},
	{"mmap", 222, 9, Partly, "a file's shared mapping and its other ones do not show each other's stores; no SIGBUS behind a file's end", sysMmap},
	{"mprotect", 226, 10, Supported, "", sysMprotect},
	{"mremap", 216, 25, Partly, "MREMAP_MAYMOVE", sysMremap},
	{"msync", 227, 26, Supported, "", sysMsync},
	{"munmap", 215, 11, Supported, "", sysMunmap},
	{"nanosleep", 101, 35, Supported, "", sysNanosleep},
	{"newfstatat", 79, 262, Supported, "", sysNewfstatat},
	{"open", -1, 2, Partly, "no O_TMPFILE; all files are the user's own, what is written stays in the process, times stand still", sysOpen},
	{"openat", 56, 257, Partly, "no O_TMPFILE; all files are the user's own, what is written stays in the process, times stand still", sysOpenat},
	{"pause", -1, 34, Supported, "", sysPause},
	{"personality", 92, 135, Partly, "PER_LINUX", sysPersonality},
	{"pipe", -1, 22, Supported, "", sysPipe},
	{"pipe2", 59, 293, Partly, "no O_DIRECT", sysPipe2},
	{"poll", -1, 7, Supported, "", sysPoll},
	{"ppoll", 73, 271, Partly, "the timeout stays as it is", sysPpoll},
	{"prctl", 167, 157, Partly, "names of threads; all else is accepted without effect", sysPrctl},
	{"pread64", 67, 17, Supported, "", sysPread},
	{"preadv", 69, 295, Supported, "", sysPreadv},
	{"prlimit64", 261, 302, Partly, "reading", sysPrlimit64},
	{"pselect6", 72, 270, Partly, "the timeout stays as it is", sysPselect6},
	{"pwrite64", 68, 18, Supported, "what is written stays in the process", sysPwrite},
	{"pwritev", 70, 296, Supported, "what is written stays in the process", sysPwritev},
	{"read", 63, 0, Supported, "", sysRead},
	{"readlink", -1, 89, Supported, "", sysReadlink},
	{"readlinkat", 78, 267, Supported, "", sysReadlinkat},
	{"readv", 65, 19, Supported, "", sysReadv},
	{"recvfrom", 207, 45, Partly, "no MSG_OOB, no MSG_ERRQUEUE", sysRecvfrom},
	{"recvmsg", 212, 47, Partly, "no ancillary data", sysRecvmsg},
	{"removexattr", 14, 197, Partly, "EOPNOTSUPP", xattr(false, follow, EOPNOTSUPP)},
	{"rename", -1, 82, Supported, "", sysRename},
	{"renameat", 38, 264, Supported, "", sysRenameat},
	{"renameat2", 276, 316, Partly, "RENAME_NOREPLACE", sysRenameat2},
	{"rmdir", -1, 84, Supported, "", sysRmdir},
	{"rseq", 293, 334, Absent, "", nil},
	{"rt_sigaction", 134, 13, Supported, "", sysRtSigaction},
	{"rt_sigpending", 136, 127, Supported, "", sysRtSigpending},
	{"rt_sigprocmask", 135, 14, Supported, "", sysRtSigprocmask},
	{"rt_sigqueueinfo", 138, 129, Partly, "as kill", sysRtSigqueueinfo},
	{"rt_sigreturn", 139, 15, Supported, "", sysRtSigreturn},
	{"rt_sigsuspend", 133, 130, Supported, "", sysRtSigsuspend},
	{"rt_sigtimedwait", 137, 128, Supported, "", sysRtSigtimedwait},
	{"rt_tgsigqueueinfo", 240, 297, Supported, "as tgkill", sysRtTgsigqueueinfo},
	{"sched_getaffinity", 123, 204, Supported, "two processors", sysSchedGetaffinity},
	{"sched_getparam", 121, 143, Supported, "", sysSchedGetparam},
	{"sched_getscheduler", 120, 145, Supported, "always SCHED_OTHER", sysSchedGetscheduler},
	{"sched_setaffinity", 122, 203, Partly, "accepted without effect", sysSchedSetaffinity},
	{"sched_yield", 124, 24, Supported, "", sysSchedYield},
	{"select", -1, 23, Partly, "the timeout stays as it is", sysSelect},
	{"sendfile", 71, 40, Absent, "", nil},
	{"sendmmsg", 269, 307, Partly, "as sendmsg; only the first message waits", sysSendmmsg},
	{"sendmsg", 211, 46, Partly, "no ancillary data", sysSendmsg},
	{"sendto", 206, 44, Partly, "what cannot be read any more is EPIPE at once, also by TCP", sysSendto},
	{"set_robust_list", 99, 273, Partly, "nobody inherits a priority", sysSetRobustList},
	{"set_tid_address", 96, 218, Supported, "", sysSetTidAddress},
	{"setfsgid", 152, 123, Partly, "accepted without effect", sysSetfsid},
	{"setfsuid", 151, 122, Partly, "accepted without effect", sysSetfsid},
	{"setgid", 144, 106, Partly, "to the user itself; EPERM else", setID(1)},
	{"setgroups", 159, 116, Partly, "EPERM: the user is an ordinary one", sysSetgroups},
	{"setitimer", 103, 38, Partly, "ITIMER_REAL", sysSetitimer},
	{"setpgid", 154, 109, Partly, "to its own group", sysSetpgid},
	{"setregid", 143, 114, Partly, "to the user itself; EPERM else", setID(2)},
	{"setresgid", 149, 119, Partly, "to the user itself; EPERM else", setID(3)},
	{"setresuid", 147, 117, Partly, "to the user itself; EPERM else", setID(3)},
	{"setreuid", 145, 113, Partly, "to the user itself; EPERM else", setID(2)},
	{"setsid", 157, 112, Partly, "EPERM: the process leads a group", sysSetsid},
	{"setsockopt", 208, 54, Partly, "SO_RCVTIMEO and SO_SNDTIMEO; others are kept without effect", sysSetsockopt},
	{"settimeofday", 170, 164, Partly, "EPERM: the user is an ordinary one", sysSettimeofday},
	{"setuid", 146, 105, Partly, "to the user itself; EPERM else", setID(1)},
	{"setxattr", 5, 188, Partly, "EOPNOTSUPP", xattr(false, follow, EOPNOTSUPP)},
	{"shutdown", 210, 48, Partly, "not of datagrams", sysShutdown},
	{"sigaltstack", 132, 131, Partly, "no SS_AUTODISARM", sysSigaltstack},
	{"socket", 198, 41, Partly, "AF_UNIX, and AF_INET and AF_INET6 inside the process; none for scenarios", sysSocket},
	{"socketpair", 199, 53, Partly, "AF_UNIX", sysSocketpair},
	{"stat", -1, 4, Supported, "", sysStat},
	{"statfs", 43, 137, Partly, "a tmpfs, half full", sysStatfs},
	{"statx", 291, 332, Supported, "", sysStatx},
	{"symlink", -1, 88, Supported, "", sysSymlink},
	{"symlinkat", 36, 266, Supported, "", sysSymlinkat},
	{"sync", 81, 162, Supported, "", sysOK},
	{"syncfs", 267, 306, Supported, "", sysSyncfs},
	{"sysinfo", 179, 99, Supported, "", sysSysinfo},
	{"tgkill", 131, 234, Supported, "a handler runs before the thread that gets it does anything else", sysTgkill},
	{"time", -1, 201, Supported, "virtual clock", sysTime},
	{"timerfd_create", 85, 283, Supported, "", sysTimerfdCreate},
	{"timerfd_gettime", 87, 287, Supported, "", sysTimerfdGettime},
	{"timerfd_settime", 86, 286, Supported, "the clock is never set", sysTimerfdSettime},
	{"times", 153, 100, Partly, "as getrusage", sysTimes},
	{"tkill", 130, 200, Supported, "a handler runs before the thread that gets it does anything else", sysTkill},
	{"truncate", 45, 76, Supported, "", sysTruncate},
	{"umask", 166, 95, Supported, "", sysUmask},
	{"uname", 160, 63, Supported, "", sysUname},
	{"unlink", -1, 87, Supported, "", sysUnlink},
	{"unlinkat", 35, 263, Supported, "", sysUnlinkat},
	{"utimensat", 88, 280, Supported, "nothing else changes the time of a file", sysUtimensat},
	{"write", 64, 1, Supported, "what is written stays in the process", sysWrite},
	{"writev", 66, 20, Supported, "what is written stays in the process", sysWritev},
}

func tableFor(arch loader.Arch) map[uint64]*entry {
	t := map[uint64]*entry{}
	for i := range calls {
		n := calls[i].amd64
		if arch == loader.ARM64 {
			n = calls[i].arm64
		}
		if n >= 0 {
			t[uint64(n)] = &calls[i]
		}
	}
	return t
}

// Doc is one row of the table of system calls, for the documentation.
type Doc struct {
	Name         string
	ARM64, AMD64 int // numbers, -1 for none
	Support      Support
	Note         string
}

// Table lists the system calls, by name.
func Table() []Doc {
	docs := make([]Doc, len(calls))
	for i, c := range calls {
		docs[i] = Doc{c.name, c.arm64, c.amd64, c.support, c.note}
	}
	return docs
}
