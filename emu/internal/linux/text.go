package linux

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"emurace/loader"
)

// How system calls are shown: name, arguments and result as strace shows them. To show
// one reads memory as a debugger does, and is no use of anything by the guest.

// arguments says what the arguments of calls are, a letter each:
//
//	d int   u unsigned   x flags, in hex   o mode, in octal   p address   s text
//	D folder of a path   b as many bytes as the next argument says
//	O flags of open   P protection   M flags of mmap   A advice of madvise
//	F operation of futex   C clock   W whence   S signal   H what to do with a mask of signals
//
// Those that are not here have none that says anything, or are shown as six numbers.
var arguments = map[string]string{
	"alarm": "u", "getitimer": "dp", "pause": "", "rt_sigpending": "pu", "rt_sigreturn": "", "rt_sigsuspend": "pu", "rt_sigtimedwait": "pppu", "setitimer": "dpp",
	"accept": "dpp", "accept4": "dppx", "bind": "dpu", "connect": "dpu", "epoll_create": "d", "epoll_create1": "x", "epoll_ctl": "dddp",
	"epoll_pwait": "dpddp", "epoll_pwait2": "dpdpp", "epoll_wait": "dpdd", "eventfd": "u", "eventfd2": "ux", "getpeername": "dpp",
	"getsockname": "dpp", "getsockopt": "dddpp", "listen": "dd", "pipe": "p", "pipe2": "pO", "poll": "pud", "ppoll": "puppu",
	"pselect6": "dpppp", "recvfrom": "dpuxpp", "recvmsg": "dpx", "select": "dpppp", "sendmmsg": "dpux", "sendmsg": "dpx", "sendto": "dbuxpu",
	"setsockopt": "dddpu", "shutdown": "dd", "socketpair": "dxdp", "timerfd_create": "Cx", "timerfd_gettime": "dp", "timerfd_settime": "dxpp",
	"access": "so", "arch_prctl": "xp", "brk": "p", "chdir": "s", "chmod": "so", "chown": "sdd", "clock_getres": "Cp",
	"clock_gettime": "Cp", "clock_nanosleep": "Cxpp", "clock_settime": "Cp", "clone": "xpppp", "clone3": "pu",
	"close": "d", "close_range": "uux", "copy_file_range": "dpdpux", "creat": "so", "dup": "d", "dup2": "dd",
	"dup3": "ddO", "execve": "spp", "execveat": "Dsppx", "exit": "d", "exit_group": "d", "faccessat": "Dso", "faccessat2": "Dsox", "fadvise64": "duud",
	"fallocate": "dxuu", "fchdir": "d", "fchmod": "do", "fchmodat": "Dso", "fchmodat2": "Dsox", "fchown": "ddd",
	"fchownat": "Dsddx", "fcntl": "ddx", "fdatasync": "d", "fgetxattr": "dspu", "flistxattr": "dpu", "flock": "dx",
	"fremovexattr": "ds", "fsetxattr": "dspux", "fstat": "dp", "fstatfs": "dp", "fsync": "d", "ftruncate": "du",
	"futex": "pFdppd", "getcpu": "pp", "getcwd": "pu", "getdents64": "dpu", "getegid": "", "geteuid": "",
	"getgid": "", "getgroups": "dp", "getpgid": "d", "getpgrp": "", "getpid": "", "getppid": "", "getrandom": "pux",
	"getresgid": "ppp", "getresuid": "ppp", "getrlimit": "dp", "getrusage": "dp", "getsid": "d", "gettid": "",
	"gettimeofday": "pp", "getuid": "", "getxattr": "sspu", "ioctl": "dxp", "kill": "dS", "lchown": "sdd",
	"lgetxattr": "sspu", "link": "ss", "linkat": "DsDsx", "listxattr": "spu", "llistxattr": "spu",
	"lremovexattr": "ss", "lseek": "ddW", "lsetxattr": "sspux", "lstat": "sp", "madvise": "puA", "membarrier": "dxd",
	"memfd_create": "sx", "mkdir": "so", "mkdirat": "Dso", "mmap": "puPMdx", "mprotect": "puP", "mremap": "puuxp",
	"msync": "pux", "munmap": "pu", "nanosleep": "pp", "newfstatat": "Dspx", "open": "sOo", "openat": "DsOo",
	"personality": "x", "prctl": "dxxxx", "pread64": "dpuu", "preadv": "dpuu", "prlimit64": "ddpp",
	"pwrite64": "dbuu", "pwritev": "dpuu", "read": "dpu", "readlink": "spu", "readlinkat": "Dspu", "readv": "dpu",
	"removexattr": "ss", "rename": "ss", "renameat": "DsDs", "renameat2": "DsDsx", "rmdir": "s", "rseq": "puxx",
	"rt_sigaction": "Sppu", "rt_sigprocmask": "Hppu", "rt_sigqueueinfo": "dSp", "rt_tgsigqueueinfo": "ddSp",
	"sched_getaffinity": "dup", "sched_getparam": "dp", "sched_getscheduler": "d", "sched_setaffinity": "dup",
	"sched_yield": "", "sendfile": "ddpu", "set_robust_list": "pu", "set_tid_address": "p", "setfsgid": "d",
	"setfsuid": "d", "setgid": "d", "setgroups": "dp", "setpgid": "dd", "setregid": "dd", "setresgid": "ddd",
	"setresuid": "ddd", "setreuid": "dd", "setsid": "", "settimeofday": "pp", "setuid": "d", "setxattr": "sspux",
	"sigaltstack": "pp", "socket": "dxd", "stat": "sp", "statfs": "sp", "statx": "Dsxxp", "symlink": "ss",
	"symlinkat": "sDs", "sync": "", "syncfs": "d", "sysinfo": "p", "tgkill": "ddS", "time": "p", "times": "p",
	"tkill": "dS", "truncate": "su", "umask": "o", "uname": "p", "unlink": "s", "unlinkat": "Dsx",
	"utimensat": "Dspx", "write": "dbu", "writev": "dpu",
}

// mostShown bounds a text that is shown, in bytes: strace shows 32.
const mostShown = 64

// Text is the call as strace shows it, up to its result.
func (k *Kernel) Text(c Call) string {
	name, ok := CallName(k.Arch, c.Number)
	if !ok {
		name = fmt.Sprintf("syscall_%#x", c.Number)
	}
	kinds, ok := arguments[name]
	if !ok {
		kinds = "xxxxxx"
	}
	texts := make([]string, len(kinds))
	for i, kind := range kinds {
		size := uint64(0)
		if i+1 < len(c.Args) {
			size = c.Args[i+1]
		}
		texts[i] = k.argument(kind, c.Args[i], size)
	}
	if strings.HasSuffix(kinds, "Oo") && c.Args[len(kinds)-2]&oCreat == 0 {
		texts = texts[:len(texts)-1] // there is a mode only for a file that may be made
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}

// argument shows one argument; size is the next one.
func (k *Kernel) argument(kind rune, v, size uint64) string {
	switch kind {
	case 'd':
		return strconv.Itoa(int(int32(v)))
	case 'u':
		return strconv.FormatUint(v, 10)
	case 'o':
		return fmt.Sprintf("%#o", v)
	case 'p':
		if v == 0 {
			return "NULL"
		}
	case 's', 'b':
		return k.quoted(v, size, kind == 's')
	case 'D':
		if int32(v) == unix.AT_FDCWD {
			return "AT_FDCWD"
		}
		return strconv.Itoa(int(int32(v)))
	case 'O':
		return k.openFlags(v)
	case 'P':
		return flags(v, "PROT_NONE", []flagName{{1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"}})
	case 'M':
		return flags(v, "0", mapFlags)
	case 'A':
		return oneOf(v, map[uint64]string{0: "MADV_NORMAL", 3: "MADV_WILLNEED", 4: "MADV_DONTNEED", 8: "MADV_FREE", 14: "MADV_HUGEPAGE"})
	case 'F':
		return futexText(v)
	case 'C':
		return oneOf(v, map[uint64]string{0: "CLOCK_REALTIME", 1: "CLOCK_MONOTONIC", 2: "CLOCK_PROCESS_CPUTIME_ID", 3: "CLOCK_THREAD_CPUTIME_ID",
			4: "CLOCK_MONOTONIC_RAW", 5: "CLOCK_REALTIME_COARSE", 6: "CLOCK_MONOTONIC_COARSE", 7: "CLOCK_BOOTTIME"})
	case 'W':
		return oneOf(v, map[uint64]string{0: "SEEK_SET", 1: "SEEK_CUR", 2: "SEEK_END"})
	case 'H':
		return oneOf(v, map[uint64]string{0: "SIG_BLOCK", 1: "SIG_UNBLOCK", 2: "SIG_SETMASK"})
	case 'S':
		if name := unix.SignalName(syscall.Signal(int32(v))); name != "" {
			return name
		}
		return strconv.Itoa(int(int32(v)))
	}
	return fmt.Sprintf("%#x", v)
}

// quoted shows text of the guest's: up to its end, or size bytes.
func (k *Kernel) quoted(addr, size uint64, ends bool) string {
	if addr == 0 {
		return "NULL"
	}
	most := uint64(mostShown)
	if !ends {
		most = min(most, size)
	}
	var text []byte
	cut := true
	for uint64(len(text)) < most {
		at := addr + uint64(len(text))
		n := min(most-uint64(len(text)), loader.PageSize-at%loader.PageSize)
		part := k.peek(at, n)
		if part == nil && len(text) == 0 {
			return fmt.Sprintf("%#x", addr)
		} else if part == nil {
			break
		}
		text = append(text, part...)
		if end := bytes.IndexByte(text, 0); ends && end >= 0 {
			text, cut = text[:end], false
			break
		}
	}
	if !ends {
		cut = uint64(len(text)) < size
	}
	if cut {
		return strconv.Quote(string(text)) + "..."
	}
	return strconv.Quote(string(text))
}

type flagName struct {
	bit  uint64
	name string
}

// mapFlags are of include/uapi/asm-generic/mman-common.h and mman.h.
var mapFlags = []flagName{{0x01, "MAP_SHARED"}, {0x02, "MAP_PRIVATE"}, {0x10, "MAP_FIXED"}, {0x20, "MAP_ANONYMOUS"},
	{0x800, "MAP_DENYWRITE"}, {0x4000, "MAP_NORESERVE"}, {0x8000, "MAP_POPULATE"}, {0x20000, "MAP_STACK"}, {0x100000, "MAP_FIXED_NOREPLACE"}}

// flags shows bits by their names, and what is left in hex.
func flags(v uint64, none string, names []flagName) string {
	var list []string
	for _, f := range names {
		if v&f.bit == f.bit {
			list = append(list, f.name)
			v &^= f.bit
		}
	}
	if v != 0 {
		list = append(list, fmt.Sprintf("%#x", v))
	}
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, "|")
}

func oneOf(v uint64, names map[uint64]string) string {
	if name, ok := names[v]; ok {
		return name
	}
	return fmt.Sprintf("%#x", v)
}

// openFlags shows flags of include/uapi/asm-generic/fcntl.h.
func (k *Kernel) openFlags(v uint64) string {
	access := [...]string{"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"}[v&oAccmode]
	rest := flags(v&^oAccmode, "", []flagName{{oCreat, "O_CREAT"}, {0o200, "O_EXCL"}, {oTrunc, "O_TRUNC"}, {0o2000, "O_APPEND"},
		{0o4000, "O_NONBLOCK"}, {k.directoryFlag(), "O_DIRECTORY"}, {0o2000000, "O_CLOEXEC"}})
	if rest != "" {
		return access + "|" + rest
	}
	return access
}

// futexText shows an operation of include/uapi/linux/futex.h.
func futexText(v uint64) string {
	names := []string{"FUTEX_WAIT", "FUTEX_WAKE", "FUTEX_FD", "FUTEX_REQUEUE", "FUTEX_CMP_REQUEUE", "FUTEX_WAKE_OP", "FUTEX_LOCK_PI",
		"FUTEX_UNLOCK_PI", "FUTEX_TRYLOCK_PI", "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET", "FUTEX_WAIT_REQUEUE_PI", "FUTEX_CMP_REQUEUE_PI",
		"FUTEX_LOCK_PI2"}
	op := v & 127
	if op >= uint64(len(names)) {
		return fmt.Sprintf("%#x", v)
	}
	name := names[op]
	if v&128 != 0 {
		name += "_PRIVATE"
	}
	if rest := flags(v&^255, "", []flagName{{256, "FUTEX_CLOCK_REALTIME"}}); rest != "" {
		name += "|" + rest
	}
	return name
}

// Text is what became of a call, as strace shows it behind the call.
func (r Result) Text() string {
	switch r.Effect {
	case Blocks:
		return "<unfinished ...>"
	case ThreadEnds, Exits:
		return "= ?"
	case Dies:
		return "= ? killed by " + unix.SignalName(syscall.Signal(r.Signal))
	case Exceeds:
		return "= ? over a limit"
	case Returns: // with what, says every call in its own way
	}
	return ResultText(r.Name, r.Value)
}

// ResultText is a result as strace shows it.
func ResultText(name string, v uint64) string {
	if e := -int64(v); e > 0 && e < 4096 {
		errno := syscall.Errno(e)
		if name := unix.ErrnoName(errno); name != "" {
			return fmt.Sprintf("= -1 %s (%s)", name, errno.Error())
		}
		return fmt.Sprintf("= %d", int64(v))
	}
	switch name {
	case "brk", "mmap", "mremap":
		return fmt.Sprintf("= %#x", v)
	}
	return fmt.Sprintf("= %d", int64(v))
}
