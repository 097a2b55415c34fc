package linux

// Which calls are drawn beside which.

// fruitless are calls that have no way to succeed.
var fruitless = map[string]bool{"ioctl": true, "execve": true, "execveat": true, "clock_settime": true, "settimeofday": true, "setsid": true, "setgroups": true,
	"getxattr": true, "lgetxattr": true, "fgetxattr": true, "setxattr": true, "lsetxattr": true, "fsetxattr": true,
	"removexattr": true, "lremovexattr": true, "fremovexattr": true}

// signaling are those that have to do with signals that wait.
var signaling = []string{"rt_sigprocmask", "rt_sigprocmask", "rt_sigprocmask", "rt_sigaction", "kill", "tgkill", "tgkill", "tkill", "exit"}

// groups are calls that have to do with each other.
var groups = [][]string{
	{"openat", "openat", "close", "close", "dup", "dup3", "fcntl", "lseek", "read", "pread64", "fstat", "mmap"},
	{"openat", "close", "dup", "lseek", "read"},
	{"lseek", "read"},
	{"mmap", "mmap", "munmap", "mprotect", "mremap", "madvise", "brk"},
	{"mmap", "munmap", "mprotect", "mremap", "madvise", "read", "write", "getcwd", "uname", "stat", "statx"},
	{"nanosleep", "clock_nanosleep", "clock_gettime", "gettimeofday", "time", "times", "sysinfo", "getrusage", "futex"},
	{"clone", "clone", "clone3", "exit", "kill", "tkill", "tgkill", "sched_getparam", "sched_getscheduler"},
	{"clone", "exit", "tgkill", "sched_getscheduler"},
	{"rt_sigaction", "rt_sigaction", "kill", "tgkill"},
	{"rt_sigaction", "tkill"},
	signaling,
	{"rt_sigprocmask", "tkill", "kill"},
	{"futex"},
	{"futex"},
	{"futex", "futex", "exit", "set_tid_address"},
	{"brk"},
	{"getrandom", "read", "write", "writev"},
	{"write", "writev"},
	{"write", "munmap", "mprotect"},
	{"getrandom"},
	naming, naming,
	{"chdir", "getcwd"}, {"chdir", "openat", "mkdirat"}, {"mmap", "pwrite64", "munmap"}, {"flock"},
	{"pwrite64", "pread64"}, {"pwrite64", "pread64"}, {"write", "pread64"}, {"ftruncate", "fstat", "pread64", "fallocate"},
	{"openat", "close", "unlinkat", "linkat", "write", "fstat", "memfd_create", "close_range"},
	{"write", "pwrite64", "read", "pread64", "ftruncate", "truncate", "fstat", "lseek", "readv", "preadv", "pwritev", "fallocate"},
	{"mmap", "mmap", "munmap", "write", "pread64", "ftruncate", "msync", "mremap", "madvise", "fallocate"},
	{"chdir", "fchdir", "getcwd", "openat", "newfstatat", "renameat", "mkdirat", "unlinkat"},
	{"umask", "umask", "mkdirat", "openat"},
	{"flock", "flock", "flock", "close", "dup3"},
	{"fchmodat", "fchmod", "openat", "faccessat", "newfstatat", "utimensat", "truncate", "mkdirat"},
	{"getdents64", "symlinkat", "mkdirat"},
	{"getdents64", "symlinkat", "openat"},
	{"fchmod", "fstat"},
	{"getdents64", "getdents64", "mkdirat", "unlinkat", "renameat", "lseek", "linkat"},
	waitingCalls, waitingCalls,
	{"socket", "bind", "listen", "connect", "accept4", "getsockname", "sendto", "recvfrom", "shutdown", "close"},
	{"bind", "connect", "connect", "close", "sendto"},
	{"bind", "bind", "connect"},
	{"alarm", "setitimer", "getitimer"}, {"alarm", "setitimer"},
	{"rt_sigaction", "kill", "kill", "tgkill", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigpending"},
}

// waitingCalls are those on descriptors that threads wait for.
var waitingCalls = []string{"read", "read", "write", "write", "ppoll", "pselect6", "epoll_pwait", "epoll_ctl", "close", "dup", "sendto",
	"recvfrom", "timerfd_settime", "shutdown", "pipe2", "eventfd2"}

// naming are the calls that make, take away and look for names.
var naming = []string{"openat", "mkdirat", "unlinkat", "renameat", "renameat2", "linkat", "symlinkat", "readlinkat", "newfstatat", "getdents64", "unlinkat", "openat"}

// handled are calls that have to do with handlers.
var handled = []string{"kill", "tgkill", "tkill", "rt_sigprocmask", "rt_sigaction", "rt_sigsuspend", "read", "futex", "getpid"}

// onMapped are calls on a file that is mapped, and those that write to its memory.
var onMapped = []string{"getrandom", "getrandom", "pread64", "pread64", "pwrite64", "ftruncate", "munmap", "read"}

// stateful are the calls that change what others see, for histories.
var stateful = []string{
	"brk", "clone", "clone3", "clock_nanosleep", "close", "dup", "dup3", "exit", "fcntl", "futex", "futex", "futex", "futex", "futex",
	"futex", "getrandom", "lseek", "madvise", "mmap", "mmap", "mprotect", "mremap", "munmap", "nanosleep", "openat", "read", "rt_sigaction", "rt_sigaction",
	"set_tid_address", "write", "write", "mkdirat", "unlinkat", "renameat", "linkat", "symlinkat", "pwrite64", "ftruncate", "openat", "chdir", "umask", "fchmodat",
	"getdents64", "memfd_create", "flock", "write", "read", "socket", "connect", "accept4", "epoll_ctl", "sendto", "ppoll", "epoll_pwait", "close",
}

// timed are calls that the clock has to do with.
var timed = []string{"nanosleep", "clock_nanosleep", "clock_gettime", "futex", "futex", "times"}

// unseen are calls that change what mostly their thread sees: any
// thread may make them before.
var unseen = []string{"rt_sigprocmask", "set_tid_address", "sigaltstack"}
