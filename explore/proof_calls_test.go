package explore

import "fmt"

// drawnArgs are ways to draw an argument of a system call.
var drawnArgs = map[string]func(w *proofWriter) string{
	"fd":     func(w *proofWriter) string { return w.one("3", "3", "4", "1", "5", "-1") },
	"dir":    func(w *proofWriter) string { return w.one("-100", "-100", "3") },
	"path":   func(w *proofWriter) string { return w.one("path", "path", `"/g"`, `"/none"`) },
	"mine":   func(w *proofWriter) string { return w.mine(0) },
	"buffer": func(w *proofWriter) string { return w.one(w.mine(0), w.mine(0), "m.b", "page", "0") },
	"given":  func(w *proofWriter) string { return w.one("m.b", "page", "path", w.mine(0)) },
	"maybe":  func(w *proofWriter) string { return w.one("0", "m.b", w.mine(0)) },
	"word":   func(w *proofWriter) string { return w.one("&flag", "&flag", "m.b + 4") },
	"few":    func(w *proofWriter) string { return w.small(5) },
	"bit":    func(w *proofWriter) string { return w.small(2) },
	"task":   func(w *proofWriter) string { return w.one("1000", "1001", "1002", "own[2][47]") },
	"signal": func(w *proofWriter) string { return w.one("0", "0", "10", "17", "65") },
	"clock":  func(w *proofWriter) string { return w.one("0", "1", "1", "99") },
	"time":   func(w *proofWriter) string { return w.one("at", "soon", "one", "0") },
	"brk":    func(w *proofWriter) string { return w.one("0", "end", "end + 4096") },
	"part":   func(w *proofWriter) string { return w.one("page", "page", "page + 8") },
}

// callRow is a system call with its arguments, each a word of drawnArgs or an expression.
type callRow struct {
	theme, name, needs string
	args               []string
}

// callRows has each row of the kernel's table at least once. The themes are about the
// same descriptors, pages, signals, words or times.
func callRows() []callRow {
	var rows []callRow
	theme := ""
	row := func(name, needs string, args ...string) { rows = append(rows, callRow{theme, name, needs, args}) }

	theme = "files"
	row("access", "", "path", "few")
	row("faccessat", "", "dir", "path", "few")
	row("faccessat2", "", "dir", "path", "few")
	row("open", "", "path", "0")
	row("openat", "", "dir", "path", "0")
	row("openat", "", "dir", "path", "0")
	row("close", "", "fd")
	row("close", "", "fd")
	row("dup", "", "fd")
	row("dup2", "", "fd", "fd")
	row("dup3", "", "fd", "fd", "0")
	row("fcntl", "", "fd", "few", "few")
	row("ioctl", "", "fd", "0x5401", "buffer")
	row("lseek", "", "fd", "few", "few")
	row("read", "", "fd", "buffer", "few")
	row("read", "", "3", "m.b", "few")
	row("pread64", "", "fd", "buffer", "few", "few")
	row("write", "", "fd", "given", "few")
	row("write", "", "1", "given", "few")
	row("writev", "", "fd", "iov", "bit")
	row("fstat", "", "fd", "mine")
	row("stat", "", "path", "mine")
	row("lstat", "", "path", "mine")
	row("newfstatat", "", "dir", "path", "mine", "0")
	row("statx", "", "dir", "path", "0", "0x7ff", "mine")
	row("readlink", "", "path", "buffer", "8")
	row("readlinkat", "", "dir", "path", "buffer", "8")
	row("getcwd", "", "buffer", "8")
	row("socket", "", "2", "1", "0")
	// Standard input is ready, which is descriptor 0; and so no time is waited for.
	row("poll", "", "buffer", "bit", "0")
	row("ppoll", "", "buffer", "bit", "(u64)(u64[2]){0, 0}", "0", "8")

	theme = "memory"
	row("brk", "zeroed", "brk")
	row("mmap", "zeroed", "part", "4096", "few", "0x32", "-1", "0")
	row("mmap", "zeroed", "0", "4096", "1", "2", "fd", "0")
	row("mprotect", "", "part", "4096", "few")
	row("munmap", "", "part", "4096")
	row("mremap", "zeroed", "part", "4096", "8192", "bit")
	row("madvise", "zeroed", "part", "4096", "4")
	row("mprotect", "fetch", "page + 4096", "4096", "few")
	row("munmap", "fetch", "page + 4096", "4096")
	row("mremap", "fetch", "page + 4096", "4096", "4096", "bit")
	row("read", "", "3", "part", "few")
	row("write", "", "1", "part", "few")

	theme = "process"
	for _, name := range []string{"getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "sched_yield", "membarrier", "rseq"} {
		row(name, "")
	}
	row("kill", "signals", "task", "signal")
	row("tkill", "signals", "task", "signal")
	row("tgkill", "signals", "1000", "task", "signal")
	row("rt_sigqueueinfo", "signals", "task", "signal", "page")
	row("rt_tgsigqueueinfo", "signals", "1000", "task", "signal", "page")
	row("rt_sigaction", "signals", "10", "maybe", "mine", "8")
	row("rt_sigaction", "signals", "17", "maybe", "0", "8")
	row("rt_sigprocmask", "signals", "few", "maybe", "buffer", "8")
	row("sigaltstack", "signals", "maybe", "mine")
	row("exit", "exits", "few")
	row("exit_group", "exits", "few")
	row("set_tid_address", "exits", "m.b + 4")
	row("set_robust_list", "", "mine", "24")
	row("clone", "", "few", "0")
	row("clone3", "", "maybe", "64")
	row("arch_prctl", "", "0x1002", "tls()")
	row("arch_prctl", "", "0x1003", "mine")
	row("prctl", "", "few", "few")
	row("getrandom", "", "buffer", "8", "0")
	row("getcpu", "", "mine", "0")
	row("getrlimit", "", "few", "buffer")
	row("prlimit64", "", "0", "few", "0", "buffer")
	row("sched_getaffinity", "", "0", "8", "buffer")
	row("sched_getparam", "", "0", "buffer")
	row("sched_getscheduler", "", "0")
	row("uname", "", "mine")

	theme = "words"
	row("futex", "", "word", "0", "0")
	row("futex", "", "word", "0", "1")
	row("futex", "", "word", "1", "1")
	row("futex", "", "word", "9", "0", "0", "0", "3")
	row("futex", "", "word", "10", "1", "0", "0", "bit")
	row("futex", "", "word", "3", "1", "1", "word")
	row("futex", "", "word", "4", "bit", "1", "word", "0")
	row("futex", "time", "word", "0", "0", "time")
	row("futex", "time", "word", "9", "0", "time", "0", "3")

	theme = "time"
	row("clock_getres", "", "clock", "buffer")
	row("clock_gettime", "time", "clock", "buffer")
	row("clock_nanosleep", "time", "clock", "bit", "time", "0")
	row("clock_settime", "", "clock", "time")
	row("settimeofday", "", "time", "0")
	row("nanosleep", "time", "time", "0")
	row("gettimeofday", "time", "buffer", "0")
	row("time", "time", "buffer")
	row("times", "time", "buffer")
	row("getrusage", "time", "0", "mine")
	row("sysinfo", "time", "mine")
	return append(append(rows, fileRows()...), objectRows()...)
}

// callOps are the operations that are one system call each.
func callOps() []proofOp {
	var ops []proofOp
	for _, row := range callRows() {
		ops = append(ops, proofOp{row.theme, 1, row.needs, func(w *proofWriter) string {
			args := make([]string, len(row.args))
			for i, a := range row.args {
				if draw, ok := drawnArgs[a]; ok {
					a = draw(w)
				} else if draw, ok := fileArgs[a]; ok {
					a = draw(w)
				} else if draw, ok := objectArgs[a]; ok {
					a = draw(w)
				}
				args[i] = a
			}
			return w.sys(row.name, args...)
		}})
	}
	for _, n := range []int{0, 1, 1} {
		ops = append(ops, proofOp{"words", 1, "", text(fmt.Sprintf("*(volatile u32 *)&flag = %d", n))})
	}
	return append(ops, proofOp{"memory", 1, "", numbered("FROM(page, u8, %d)", 9)}, proofOp{"memory", 1, "", numbered("FROM(page, u8, %d) = 2", 9)},
		proofOp{"files", 1, "", numbered(`*(volatile u8 *)(path + 1) = "fg"[%d]`, 2)})
}
