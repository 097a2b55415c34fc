package explore

// fileArgs are arguments of calls that make and change files.
var fileArgs = map[string]func(w *proofWriter) string{
	"made":    func(w *proofWriter) string { return w.one("path", `"/n"`, `"/n"`, `"/d"`, `"/d/n"`, `"n"`) },
	"folder":  func(w *proofWriter) string { return w.one(`"/d"`, `"/d"`, `"/tmp"`, `"/"`) },
	"opening": func(w *proofWriter) string { return w.one("0", "2", "0102", "0102", "0302", "01002", "02002") },
	"mode":    func(w *proofWriter) string { return w.one("0644", "0755", "0") },
	"user":    func(w *proofWriter) string { return w.one("1000", "1000", "-1", "0") },
	"written": func(w *proofWriter) string { return w.one("3", "4", "4", "5") },
}

// fileRows has the calls about files beyond those that only read.
func fileRows() []callRow {
	var rows []callRow
	theme := ""
	row := func(name string, args ...string) { rows = append(rows, callRow{theme, name, "", args}) }

	theme = "names"
	row("open", "made", "opening", "mode")
	row("openat", "dir", "made", "opening", "mode")
	row("openat", "dir", "made", "opening", "mode")
	row("creat", "made", "mode")
	row("mkdir", "made", "mode")
	row("mkdirat", "dir", "made", "mode")
	row("rmdir", "made")
	row("unlink", "made")
	row("unlinkat", "dir", "made", "0")
	row("unlinkat", "dir", "made", "0x200")
	row("rename", "made", "made")
	row("renameat", "dir", "made", "dir", "made")
	row("renameat2", "dir", "made", "dir", "made", "bit")
	row("link", "made", "made")
	row("linkat", "dir", "made", "dir", "made", "0")
	row("symlink", "made", "made")
	row("symlinkat", "made", "dir", "made")
	row("chdir", "folder")
	row("fchdir", "fd")
	row("getcwd", "buffer", "8")
	row("getdents64", "written", "mine", "64")
	row("newfstatat", "dir", "made", "mine", "0")
	row("umask", "mode")
	row("chmod", "made", "mode")
	row("fchmodat", "dir", "made", "mode")
	row("fchmodat2", "dir", "made", "mode", "0")
	row("chown", "made", "user", "user")
	row("lchown", "made", "user", "user")
	row("fchownat", "dir", "made", "user", "user", "0")
	row("utimensat", "dir", "made", "0", "0")
	row("statfs", "made", "mine")

	theme = "contents"
	row("openat", "-100", "made", "opening", "mode")
	row("openat", "-100", `"/n"`, "0102", "0644")
	row("memfd_create", "path", "bit")
	row("close_range", "few", "few", "0")
	row("write", "written", "given", "few")
	row("pwrite64", "written", "given", "few", "few")
	row("pwritev", "written", "iov", "bit", "few")
	row("read", "written", "buffer", "few")
	row("readv", "fd", "iov", "bit")
	row("preadv", "fd", "iov", "bit", "few")
	row("truncate", "made", "few")
	row("ftruncate", "written", "few")
	row("fallocate", "written", "few", "few", "few")
	row("fstat", "written", "mine")
	row("lseek", "written", "few", "few")
	row("fchmod", "written", "mode")
	row("fchown", "written", "user", "user")
	row("fstatfs", "fd", "mine")
	row("mmap", "0", "4096", "3", "1", "written", "0")
	row("msync", "page", "4096", "bit")
	for _, name := range []string{"fsync", "fdatasync", "syncfs"} {
		row(name, "fd")
	}
	row("sync")
	row("flock", "fd", "few")
	row("fadvise64", "fd", "0", "0", "few")
	row("copy_file_range", "fd", "0", "fd", "0", "few", "0")
	row("sendfile", "fd", "fd", "0", "few")

	theme = "identity"
	for _, prefix := range []string{"", "l", "f"} {
		what := "made"
		if prefix == "f" {
			what = "fd"
		}
		row(prefix+"getxattr", what, "path", "buffer", "8")
		row(prefix+"setxattr", what, "path", "given", "few", "0")
		row(prefix+"listxattr", what, "buffer", "8")
		row(prefix+"removexattr", what, "path")
	}
	for _, name := range []string{"getpgrp", "setsid"} {
		row(name)
	}
	for _, name := range []string{"getpgid", "getsid"} {
		row(name, "task")
	}
	row("setpgid", "task", "task")
	row("getgroups", "few", "buffer")
	row("setgroups", "few", "given")
	for _, name := range []string{"setuid", "setgid", "setfsuid", "setfsgid"} {
		row(name, "user")
	}
	for _, name := range []string{"setreuid", "setregid"} {
		row(name, "user", "user")
	}
	for _, name := range []string{"setresuid", "setresgid"} {
		row(name, "user", "user", "user")
	}
	for _, name := range []string{"getresuid", "getresgid"} {
		row(name, "mine", "buffer", "mine")
	}
	row("personality", "few")
	row("sched_setaffinity", "0", "8", "given")
	return rows
}
