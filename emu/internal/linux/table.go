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
	{"access", -1, 21, Supported, "", sysAccess},
	{"arch_prctl", -1, 158, Partly, "ARCH_SET_FS", sysArchPrctl},
	{"brk", 214, 12, Supported, "", sysBrk},
	{"clock_getres", 114, 229, Supported, "virtual clock", sysClockGetres},
	{"clock_gettime", 113, 228, Supported, "virtual clock: a nanosecond an instruction of the thread, and of what comes before", sysClockGettime},
	{"clock_nanosleep", 115, 230, Partly, "nothing interrupts it; processor time counts as the monotonic clock", sysClockNanosleep},
	{"clock_settime", 112, 227, Partly, "EPERM: the user is an ordinary one", sysClockSettime},
	{"clone", 220, 56, Partly, "threads only", sysClone},
	{"clone3", 435, 435, Partly, "threads only", sysClone3},
	{"close", 57, 3, Supported, "", sysClose},
	{"dup", 23, 32, Supported, "", sysDup},
	{"dup2", -1, 33, Supported, "", sysDup2},
	{"dup3", 24, 292, Supported, "", sysDup3},
	{"exit", 93, 60, Supported, "", sysExit},
	{"exit_group", 94, 231, Supported, "", sysExitGroup},
	{"faccessat", 48, 269, Supported, "", sysFaccessat},
	{"faccessat2", 439, 439, Partly, "flags are ignored", sysFaccessat},
	{"fcntl", 25, 72, Partly, "F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL", sysFcntl},
	{"fstat", 80, 5, Supported, "", sysFstat},
	{"futex", 98, 202, Partly, "WAIT, WAKE, their BITSET forms, REQUEUE, CMP_REQUEUE", sysFutex},
	{"getcpu", 168, 309, Supported, "the first processor", sysGetcpu},
	{"getcwd", 17, 79, Supported, "always /", sysGetcwd},
	{"getegid", 177, 108, Supported, "", sysGetuid},
	{"geteuid", 175, 107, Supported, "", sysGetuid},
	{"getgid", 176, 104, Supported, "", sysGetuid},
	{"getpid", 172, 39, Supported, "", sysGetpid},
	{"getppid", 173, 110, Supported, "", sysGetppid},
	{"getrandom", 278, 318, Supported, "seeded", sysGetrandom},
	{"getrlimit", 163, 97, Supported, "", sysGetrlimit},
	{"getrusage", 165, 98, Partly, "user time, a nanosecond an instruction of the thread, and of what comes before", sysGetrusage},
	{"gettid", 178, 186, Supported, "", sysGettid},
	{"gettimeofday", 169, 96, Supported, "virtual clock", sysGettimeofday},
	{"getuid", 174, 102, Supported, "", sysGetuid},
	{"ioctl", 29, 16, Partly, "nothing is a terminal", sysIoctl},
	{"kill", 129, 62, Partly, "ends the process, waits or is ignored; handlers are not run", sysKill},
	{"lseek", 62, 8, Supported, "", sysLseek},
	{"lstat", -1, 6, Supported, "", sysLstat},
	{"madvise", 233, 28, Partly, "MADV_DONTNEED; other advice is accepted", sysMadvise},
	{"membarrier", 283, 324, Absent, "", nil},
	{"mmap", 222, 9, Partly, "private mappings; shared ones are private too", sysMmap},
	{"mprotect", 226, 10, Supported, "", sysMprotect},
	{"mremap", 216, 25, Partly, "MREMAP_MAYMOVE", sysMremap},
	{"munmap", 215, 11, Supported, "", sysMunmap},
	{"nanosleep", 101, 35, Supported, "nothing interrupts it", sysNanosleep},
	{"newfstatat", 79, 262, Supported, "", sysNewfstatat},
	{"open", -1, 2, Partly, "for reading; /dev/null for writing too", sysOpen},
	{"openat", 56, 257, Partly, "for reading; /dev/null for writing too", sysOpenat},
	{"prctl", 167, 157, Partly, "accepted without effect", sysOK},
	{"pread64", 67, 17, Supported, "", sysPread},
	{"prlimit64", 261, 302, Partly, "reading", sysPrlimit64},
	{"read", 63, 0, Supported, "standard input is empty", sysRead},
	{"readlink", -1, 89, Supported, "", sysReadlink},
	{"readlinkat", 78, 267, Supported, "", sysReadlinkat},
	{"rseq", 293, 334, Absent, "", nil},
	{"rt_sigaction", 134, 13, Partly, "recorded; handlers are not run", sysRtSigaction},
	{"rt_sigprocmask", 135, 14, Partly, "pending signals are delivered; handlers are not run", sysRtSigprocmask},
	{"rt_sigqueueinfo", 138, 129, Partly, "as kill", sysRtSigqueueinfo},
	{"rt_tgsigqueueinfo", 240, 297, Partly, "as tgkill", sysRtTgsigqueueinfo},
	{"sched_getaffinity", 123, 204, Supported, "two processors", sysSchedGetaffinity},
	{"sched_getparam", 121, 143, Supported, "", sysSchedGetparam},
	{"sched_getscheduler", 120, 145, Supported, "always SCHED_OTHER", sysSchedGetscheduler},
	{"sched_yield", 124, 24, Supported, "", sysSchedYield},
	{"set_robust_list", 99, 273, Partly, "nobody inherits a priority", sysSetRobustList},
	{"set_tid_address", 96, 218, Supported, "", sysSetTidAddress},
	{"settimeofday", 170, 164, Partly, "EPERM: the user is an ordinary one", sysSettimeofday},
	{"sigaltstack", 132, 131, Partly, "recorded", sysSigaltstack},
	{"socket", 198, 41, Partly, "EAFNOSUPPORT: there is no network", sysSocket},
	{"stat", -1, 4, Supported, "", sysStat},
	{"statx", 291, 332, Supported, "", sysStatx},
	{"sysinfo", 179, 99, Supported, "", sysSysinfo},
	{"tgkill", 131, 234, Partly, "ends the process, waits or is ignored; handlers are not run", sysTgkill},
	{"time", -1, 201, Supported, "virtual clock", sysTime},
	{"times", 153, 100, Partly, "as getrusage", sysTimes},
	{"tkill", 130, 200, Partly, "ends the process, waits or is ignored; handlers are not run", sysTkill},
	{"uname", 160, 63, Supported, "", sysUname},
	{"write", 64, 1, Partly, "standard output and error, /dev/null", sysWrite},
	{"writev", 66, 20, Partly, "standard output and error, /dev/null", sysWritev},
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
