package symbolize

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"emurace/emu"
)

// prototypes says what the arguments of functions of the C library are, a letter each:
//
//	s string   d int   l long   u size or other number without a sign   c character
//	x flags, in hex   o mode, in octal   p address   . more, which the others tell of
//
// They are those of ISO C (7.21 to 7.29) and POSIX.1-2024, with glibc's additions. Functions
// without arguments, and those whose floating point numbers come first, need no row: their
// name says as much.
var prototypes = map[string]string{
	// The environment.
	"getenv": "s", "secure_getenv": "s", "setenv": "ssd", "unsetenv": "s", "putenv": "s", "clearenv": "",
	// Memory.
	"malloc": "u", "calloc": "uu", "realloc": "pu", "reallocarray": "puu", "free": "p", "aligned_alloc": "uu", "posix_memalign": "puu",
	"malloc_trim": "u", "mallopt": "dd",
	// Strings, and numbers in them.
	"strlen": "s", "strnlen": "su", "strcmp": "ss", "strncmp": "ssu", "strcasecmp": "ss", "strncasecmp": "ssu", "strcoll": "ss",
	"strcpy": "ps", "strncpy": "psu", "strcat": "ss", "strncat": "ssu", "stpcpy": "ps", "strdup": "s", "strndup": "su",
	"strchr": "sc", "strrchr": "sc", "strstr": "ss", "strcasestr": "ss", "strpbrk": "ss", "strspn": "ss", "strcspn": "ss",
	"strtok": "ss", "strtok_r": "ssp", "strsep": "ps", "strtol": "spd", "strtoul": "spd", "strtoll": "spd", "strtoull": "spd",
	"strtod": "sp", "strtof": "sp", "atoi": "s", "atol": "s", "atoll": "s", "atof": "s", "strxfrm": "psu",
	"strerror": "d", "strerror_r": "dpu", "strerror_l": "dp", "strsignal": "d",
	// Output and input.
	"printf": "s.", "fprintf": "ps.", "dprintf": "ds.", "sprintf": "ps.", "snprintf": "pus.", "asprintf": "ps.",
	"vprintf": "sp", "vfprintf": "psp", "vsnprintf": "pusp", "puts": "s", "fputs": "sp", "perror": "s", "putchar": "c", "fputc": "cp", "putc": "cp",
	"scanf": "s.", "fscanf": "ps.", "sscanf": "ss.", "fgets": "pdp", "fgetc": "p", "getc": "p", "getline": "ppp",
	"fopen": "ss", "fopen64": "ss", "freopen": "ssp", "fdopen": "ds", "fclose": "p", "fflush": "p", "popen": "ss", "pclose": "p",
	"fread": "puup", "fwrite": "puup", "fseek": "pld", "ftell": "p", "rewind": "p", "setvbuf": "ppdu", "tmpfile": "", "ungetc": "cp",
	// Names that the C library's headers give some of these functions.
	"__isoc23_strtol": "spd", "__isoc23_strtoul": "spd", "__isoc23_strtoll": "spd", "__isoc23_strtoull": "spd",
	"__isoc99_sscanf": "ss.", "__isoc23_sscanf": "ss.", "__isoc99_scanf": "s.", "__isoc23_scanf": "s.", "__isoc99_fscanf": "ps.", "__isoc23_fscanf": "ps.",
	"__printf_chk": "ds.", "__fprintf_chk": "pds.", "__sprintf_chk": "pdus.", "__snprintf_chk": "pudus.", "__strdup": "s", "__xpg_strerror_r": "dpu",
	// Files.
	"open": "sx.", "open64": "sx.", "openat": "dsx.", "creat": "so", "close": "d", "read": "dpu", "write": "dpu", "pread": "dpul", "pwrite": "dpul",
	"lseek": "dld", "access": "sd", "faccessat": "dsdd", "stat": "sp", "lstat": "sp", "fstat": "dp", "stat64": "sp", "lstat64": "sp", "fstatat": "dspx",
	"unlink": "s", "unlinkat": "dsx", "remove": "s", "rename": "ss", "link": "ss", "symlink": "ss", "readlink": "spu", "realpath": "sp",
	"mkdir": "so", "rmdir": "s", "chdir": "s", "fchdir": "d", "chmod": "so", "fchmod": "do", "truncate": "sl", "ftruncate": "dl", "getcwd": "pu",
	"opendir": "s", "readdir": "p", "closedir": "p", "mkstemp": "s", "mkdtemp": "s", "dup": "d", "dup2": "dd", "pipe": "p", "fsync": "d", "flock": "dd",
	"poll": "pud", "mmap": "pudxdl", "munmap": "pu", "mprotect": "pud", "msync": "pux", "shm_open": "sxo", "shm_unlink": "s",
	// Locale, time, and what is looked up in files.
	"setlocale": "ds", "newlocale": "xsp", "uselocale": "p", "nl_langinfo": "d", "gettext": "s", "dgettext": "ss", "dcgettext": "ssd", "bindtextdomain": "ss", "textdomain": "s",
	"localtime": "p", "localtime_r": "pp", "gmtime": "p", "gmtime_r": "pp", "mktime": "p", "asctime": "p", "ctime": "p", "tzset": "", "time": "p",
	"strftime": "pusp", "strptime": "ssp", "getpwnam": "s", "getpwuid": "u", "getgrnam": "s", "getgrgid": "u", "gethostbyname": "s",
	"getaddrinfo": "sspp", "getservbyname": "ss", "iconv_open": "ss", "syslog": "ds.", "openlog": "sdd",
	// Libraries, processes and signals.
	"dlopen": "sx", "dlsym": "ps", "dlclose": "p", "system": "s", "abort": "", "exit": "d", "_exit": "d", "kill": "dd", "raise": "d",
	"usleep": "u", "sleep": "u", "nanosleep": "pp",
	// Threads.
	"pthread_create": "pppp", "pthread_join": "pp", "pthread_detach": "p", "pthread_mutex_lock": "p", "pthread_mutex_trylock": "p", "pthread_mutex_unlock": "p",
	"pthread_cond_wait": "pp", "pthread_cond_timedwait": "ppp", "pthread_cond_signal": "p", "pthread_cond_broadcast": "p",
	"pthread_rwlock_rdlock": "p", "pthread_rwlock_wrlock": "p", "pthread_rwlock_unlock": "p", "pthread_barrier_wait": "p", "pthread_once": "pp",
	"pthread_spin_lock": "p", "pthread_spin_unlock": "p", "pthread_setname_np": "ps", "pthread_kill": "pd", "pthread_cancel": "p", "pthread_exit": "p",
	"sem_wait": "p", "sem_post": "p", "sem_timedwait": "pp", "sem_open": "sx.", "sem_unlink": "s",
}

// Prototype says what the arguments of a function of the C library are, a letter each: s a string, d
// and c signed numbers of 32 bits, l of 64, u, x and o ones without a sign, p an address, . more. It is
// false for a function that is not known.
func Prototype(name string) (string, bool) {
	kinds, ok := prototypes[name]
	return kinds, ok
}

// Strings gives the C strings of a process: s as far as it is within the limit, and whether that is
// all of it.
type Strings interface {
	CString(addr uint64, limit int) (s string, whole bool)
}

// FormatArgument writes an argument of a kind as Prototype has it.
func FormatArgument(m Strings, kind rune, v uint64) string { return argument(m, kind, v) }

// NameCalls has what a process calls of the C library named with its arguments from now on, for
// [Doing], as they are when the call begins. It is for programs: of a scenario's calls
// the arguments are known, and nothing is done.
func NameCalls(m *emu.Process) error {
	if !m.RunsProgram() {
		return nil
	}
	return m.NameCalls(slices.Sorted(maps.Keys(prototypes)), func(c emu.CallEvent) string { return callText(m, c) })
}

// callText writes a call that begins.
func callText(m *emu.Process, c emu.CallEvent) string {
	var args []string
	for i, kind := range prototypes[c.Func] {
		args = append(args, argument(m, kind, c.Args[i]))
	}
	if n := len(args); n > 0 && strings.HasSuffix(prototypes[c.Func], "x.") && c.Args[n-2]&createFlag == 0 {
		args = args[:n-1] // there is a mode only for what may be made
	}
	return emu.FormatCall(c.Func, args...)
}

// createFlag is O_CREAT.
const createFlag = 0o100

// mostShown bounds a string that is shown, in bytes.
const mostShown = 64

// argument writes one argument.
func argument(m Strings, kind rune, v uint64) string {
	switch kind {
	case 'd':
		return strconv.Itoa(int(int32(v)))
	case 'l':
		return strconv.FormatInt(int64(v), 10)
	case 'u':
		return strconv.FormatUint(v, 10)
	case 'o':
		return fmt.Sprintf("%#o", uint32(v))
	case 'c':
		if v := int32(v); v >= ' ' && v <= '~' {
			return strconv.QuoteRune(v)
		}
		return strconv.Itoa(int(int32(v)))
	case 's':
		if s, whole := m.CString(v, mostShown); whole {
			return strconv.Quote(s)
		} else if s != "" {
			return strconv.Quote(s) + "..."
		}
	case 'x':
		return fmt.Sprintf("%#x", uint32(v))
	case '.':
		return "..."
	}
	if v == 0 {
		return "NULL"
	}
	return fmt.Sprintf("%#x", v)
}
