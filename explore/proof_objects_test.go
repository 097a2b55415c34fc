package explore

// objectArgs are arguments of calls on what threads wait for: 20 and 21 are a pipe, 22 an eventfd,
// 23 an epoll, 24 and 25 a pair of sockets, 26 a timer.
var objectArgs = map[string]func(w *proofWriter) string{
	"object": func(w *proofWriter) string { return w.one("20", "21", "22", "24", "25", "26", "20", "22", "-1") },
	"sock":   func(w *proofWriter) string { return w.one("24", "24", "25", "25", "20") },
	"how":    func(w *proofWriter) string { return w.one("1", "1", "2", "3") },
	"wait":   func(w *proofWriter) string { return w.one("0", "64") },
	"never":  func(w *proofWriter) string { return w.one("0", "-1") },
	"polled": func(w *proofWriter) string { return w.one("polls", "polls + 1") },
}

// objectRows has the calls on these, and those that wait for signals.
func objectRows() []callRow {
	var rows []callRow
	theme := "objects"
	row := func(name, needs string, args ...string) { rows = append(rows, callRow{theme, name, needs, args}) }
	for range 2 {
		row("read", "", "20", "mine", "2")
		row("write", "", "21", "path", "1")
		row("read", "", "22", "mine", "8")
		row("write", "", "22", "one + 1", "8")
		row("sendto", "", "sock", "path", "few", "0x4000", "0", "0")
		row("recvfrom", "", "sock", "mine", "few", "wait", "0", "0")
		row("epoll_ctl", "", "23", "how", "object", "event")
		row("epoll_pwait", "", "23", "mine", "2", "0", "0")
		row("ppoll", "time", "polled", "2", "nowait", "0")
		row("close", "", "object")
	}
	row("pipe", "", "mine")
	row("pipe2", "", "mine", "0")
	row("eventfd", "", "bit")
	row("eventfd2", "", "bit", "0")
	row("socketpair", "", "1", "1", "0", "mine")
	row("epoll_create", "", "1")
	row("epoll_create1", "", "0")
	row("epoll_wait", "", "23", "mine", "1", "never")
	row("epoll_pwait", "", "23", "mine", "2", "-1", "0")
	row("epoll_pwait2", "time", "23", "mine", "2", "soon", "0")
	row("poll", "", "polled", "2", "never")
	row("ppoll", "time", "polled", "2", "soon", "0")
	row("select", "time", "27", "sets", "0", "0", "0")
	row("pselect6", "time", "27", "sets", "0", "0", "soon", "0")
	row("dup3", "", "object", "21", "0")
	row("sendmsg", "", "sock", "head", "0x4000")
	row("sendmmsg", "", "sock", "head", "1", "0x4000")
	row("recvmsg", "", "sock", "head", "0x40")
	row("shutdown", "", "sock", "few")
	row("getsockopt", "", "sock", "1", "few", "mine", "iov + 1")
	row("setsockopt", "", "sock", "1", "few", "page", "4")
	row("getsockname", "", "sock", "mine", "iov + 1")
	row("getpeername", "", "sock", "mine", "iov + 1")
	for _, name := range []string{"bind", "connect"} {
		row(name, "", "sock", "path", "4")
	}
	row("listen", "", "sock", "1")
	row("accept", "", "sock", "0", "0")
	row("accept4", "", "sock", "0", "0", "0")
	row("timerfd_create", "", "1", "0")
	row("timerfd_settime", "time", "26", "0", "when", "0")
	row("timerfd_gettime", "time", "26", "mine")
	row("read", "time", "26", "mine", "8")

	theme = "handlers"
	for range 3 {
		row("rt_sigaction", "signals", "10", "action", "0", "8")
		row("tgkill", "signals", "1000", "task", "10")
		row("kill", "signals", "1000", "10")
	}
	row("rt_sigprocmask", "signals", "bit", "blocks", "0", "8")
	row("rt_sigpending", "signals", "mine", "8")
	row("rt_sigtimedwait", "signals", "blocks", "mine", "0", "8")
	row("rt_sigtimedwait", "time", "blocks", "mine", "soon", "8")
	row("rt_sigsuspend", "signals", "blocks", "8")
	row("rt_sigsuspend", "signals", "page + 1024", "8")
	row("pause", "signals")
	row("nanosleep", "time", "time", "mine")
	row("read", "signals", "20", "mine", "2")
	row("write", "", "21", "path", "1")
	row("futex", "signals", "word", "0", "0")
	row("alarm", "time", "bit")
	row("setitimer", "time", "0", "when", "0")
	row("getitimer", "time", "0", "mine")
	row("rt_sigreturn", "signals")
	row("execve", "", "path", "0", "0")
	row("execveat", "", "-100", "path", "0", "0", "0")
	return rows
}
