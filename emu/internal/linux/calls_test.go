package linux

import "testing"

// TestFileCalls: what calls about files return where Linux has something to refuse or to
// tell, beyond what random calls are compared with.
func TestFileCalls(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		buf := k.room(256)
		lock := k.put([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		iov := k.put(append(twoWords(buf, 3), twoWords(unmapped, 3)...))
		k.calls(
			call{"openat", []any{cwd, "/tmp/f", oCreat | oRdwr | oAppend, 0o600}, 3},
			call{"openat", []any{cwd, "/tmp/f", 0}, 4},
			call{"openat", []any{cwd, "/tmp", 0}, 5},
			call{"openat", []any{cwd, "/tmp/f", oPath}, 6},
			call{"openat", []any{cwd, "/bin/link", oPath | k.nofollowFlag()}, 7},
			call{"openat", []any{cwd, "/bin/link", k.nofollowFlag()}, errno(ELOOP)},
			call{"write", []any{3, "abc", 3}, 3},
			call{"pwrite64", []any{3, "def", 3, 0}, 3}, // O_APPEND counts
			call{"lseek", []any{3, 0, 1}, 3},
			call{"fcntl", []any{3, fGetfl}, oRdwr | oAppend},
			call{"fcntl", []any{3, fSetfl, 0}, 0},
			call{"pwrite64", []any{3, "x", 1, 0}, 1},
			call{"pread64", []any{4, buf, 10, 0}, 6},
			call{"writev", []any{3, iov, 2}, 3}, // as far as it went
			call{"readv", []any{4, iov, 1}, 3},
			call{"preadv", []any{4, iov, 2, 0}, 3},
			call{"preadv", []any{4, iov, 2, -1}, errno(EINVAL)},
			call{"preadv", []any{1, iov, 1, 0}, errno(EBADF)},
			call{"pwritev", []any{1, iov, 1, 0}, errno(ESPIPE)},
			call{"readv", []any{4, iov, 1025}, errno(EINVAL)},
			call{"readv", []any{4, unmapped, 1}, errno(EFAULT)},
			call{"write", []any{4, "x", 1}, errno(EBADF)},
			call{"write", []any{5, "x", 1}, errno(EBADF)},
			call{"read", []any{6, buf, 1}, errno(EBADF)},
			call{"lseek", []any{6, 0, 0}, errno(EBADF)},
			call{"fchmod", []any{6, 0o644}, errno(EBADF)},
			call{"readlinkat", []any{7, "", buf, 10}, 4},
			call{"readlinkat", []any{3, "", buf, 10}, errno(ENOENT)},
			call{"readlinkat", []any{77, "", buf, 10}, errno(EBADF)},
			call{"lseek", []any{3, 4, 3}, 4}, // SEEK_DATA
			call{"lseek", []any{3, 0, 4}, 6}, // SEEK_HOLE
			call{"lseek", []any{3, 6, 3}, errno(ENXIO)},
			call{"fcntl", []any{3, fSetlk, lock}, 0},
			call{"fcntl", []any{4, fSetlk, lock}, errno(EBADF)},
			call{"fcntl", []any{3, fGetlk, lock}, 0},
			call{"fcntl", []any{3, fGetlk, lock}, errno(EINVAL)}, // F_UNLCK now
			call{"fcntl", []any{3, fSetlk, unmapped}, errno(EFAULT)},
			call{"flock", []any{3, 5}, 0}, call{"flock", []any{4, 5}, 0}, call{"flock", []any{4, 6}, errno(EAGAIN)}, call{"flock", []any{3, 8}, 0},
			call{"flock", []any{4, 6}, 0}, call{"flock", []any{3, 5}, errno(EAGAIN)}, call{"flock", []any{4, 1}, 0}, call{"flock", []any{4, 8}, 0}, call{"flock", []any{1, 2}, 0},
			call{"flock", []any{3, 6}, 0}, call{"dup", []any{3}, 8}, call{"flock", []any{8, 6}, 0}, call{"close", []any{8}, 0}, call{"flock", []any{4, 5}, errno(EAGAIN)},
			call{"flock", []any{3, 3}, errno(EINVAL)}, call{"flock", []any{77, 2}, errno(EBADF)},
			call{"fsync", []any{3}, 0}, call{"fdatasync", []any{5}, 0}, call{"fsync", []any{1}, errno(EINVAL)}, call{"fsync", []any{6}, errno(EBADF)},
			call{"sync", nil, 0}, call{"syncfs", []any{5}, 0},
			call{"fadvise64", []any{3, 0, 0, 4}, 0}, call{"fadvise64", []any{1, 0, 0, 4}, errno(ESPIPE)}, call{"fadvise64", []any{3, 0, 0, 6}, errno(EINVAL)},
			call{"statfs", []any{"/tmp", buf}, 0}, call{"fstatfs", []any{3, buf}, 0}, call{"statfs", []any{"/none", buf}, errno(ENOENT)},
			call{"getxattr", []any{"/tmp/f", "user.x", buf, 10}, errno(EOPNOTSUPP)}, call{"fgetxattr", []any{77, "user.x", buf, 10}, errno(EBADF)},
			call{"listxattr", []any{"/tmp/f", buf, 10}, 0}, call{"llistxattr", []any{"/bin/link", buf, 10}, 0}, call{"listxattr", []any{"/none", buf, 10}, errno(ENOENT)},
			call{"truncate", []any{"/tmp/f", 2}, 0}, call{"truncate", []any{"/tmp", 2}, errno(EISDIR)}, call{"truncate", []any{"/dev/null", 2}, errno(EINVAL)},
			call{"truncate", []any{"/tmp/f", -1}, errno(EINVAL)}, call{"ftruncate", []any{4, 0}, errno(EINVAL)}, call{"ftruncate", []any{6, 0}, errno(EBADF)},
			call{"fchmodat", []any{cwd, "/tmp/f", 0}, 0}, call{"openat", []any{cwd, "/tmp/f", 0}, errno(EACCES)}, call{"openat", []any{cwd, "/tmp/f", oPath}, 8},
			call{"faccessat", []any{cwd, "/tmp/f", 4}, errno(EACCES)}, call{"faccessat", []any{cwd, "/tmp/f", 0}, 0}, call{"faccessat", []any{cwd, "/tmp/f", 8}, errno(EINVAL)},
			call{"truncate", []any{"/tmp/f", 2}, errno(EACCES)}, call{"fchmodat", []any{cwd, "/tmp", 0o555}, 0},
			call{"openat", []any{5, "g", oCreat, 0o644}, errno(EACCES)}, call{"mkdirat", []any{5, "g", 0o755}, errno(EACCES)}, call{"unlinkat", []any{5, "f", 0}, errno(EACCES)},
			call{"renameat", []any{5, "f", cwd, "/etc/f"}, errno(EACCES)}, call{"fchmodat", []any{cwd, "/tmp", 0o755}, 0},
			call{"faccessat2", []any{6, "", 4, atEmpty}, errno(EACCES)}, call{"faccessat2", []any{6, "", 4, 1}, errno(EINVAL)},
			call{"linkat", []any{6, "", 5, "h", atEmpty}, 0}, call{"linkat", []any{6, "", 5, "h", 1}, errno(EINVAL)},
			call{"renameat2", []any{5, "f", 5, "h", 2}, errno(EINVAL)}, call{"renameat2", []any{5, "f", 5, "h", 3}, errno(EINVAL)},
			call{"unlinkat", []any{5, "f", 1}, errno(EINVAL)},
			call{"openat", []any{cwd, "/tmp/f\x00junk", 0}, errno(EACCES)}, // a name ends at NUL
			call{"close_range", []any{4, 5, 4}, 0}, call{"fcntl", []any{4, fGetfd}, 1}, call{"close_range", []any{4, 5}, 0}, call{"fcntl", []any{4, fGetfd}, errno(EBADF)},
			call{"close_range", []any{5, 4}, errno(EINVAL)}, call{"close_range", []any{5, 6, 1}, errno(EINVAL)},
			call{"memfd_create", []any{"x", 16}, errno(EINVAL)}, call{"memfd_create", []any{unmapped, 0}, errno(EFAULT)},
			call{"ioctl", []any{3, 0x5451}, 0}, call{"fcntl", []any{3, fGetfd}, 1},
		)
	})
}

func TestIdentity(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		buf, one := k.put(make([]byte, 64)), k.put(twoWords(1, 0))
		k.calls(
			call{"getpgid", []any{0}, FirstTID}, call{"getpgid", []any{FirstTID}, FirstTID}, call{"getpgid", []any{1}, errno(ESRCH)},
			call{"getsid", []any{0}, 1}, call{"setpgid", []any{0, 0}, 0}, call{"setpgid", []any{0, FirstTID}, 0}, call{"setpgid", []any{0, 5}, errno(EPERM)},
			call{"setpgid", []any{1, 0}, errno(ESRCH)}, call{"setpgid", []any{0, -1}, errno(EINVAL)}, call{"setsid", nil, errno(EPERM)},
			call{"getgroups", []any{0, 0}, 1}, call{"getgroups", []any{4, buf}, 1}, call{"getgroups", []any{-1, buf}, errno(EINVAL)}, call{"getgroups", []any{1, unmapped}, errno(EFAULT)},
			call{"setgroups", []any{0, 0}, errno(EPERM)},
			call{"setuid", []any{UserID}, 0}, call{"setuid", []any{0}, errno(EPERM)}, call{"setuid", []any{-1}, errno(EINVAL)},
			call{"setresgid", []any{-1, UserID, -1}, 0}, call{"setresuid", []any{UserID, UserID, 0}, errno(EPERM)}, call{"setfsuid", []any{0}, UserID},
			call{"getresuid", []any{buf, buf + 4, buf + 8}, 0}, call{"getresgid", []any{buf, buf + 4, unmapped}, errno(EFAULT)},
			call{"personality", []any{0xffffffff}, 0}, call{"personality", []any{8}, errno(EINVAL)},
			call{"sched_setaffinity", []any{0, 8, one}, 0}, call{"sched_setaffinity", []any{0, 8, buf + 32}, errno(EINVAL)}, call{"sched_setaffinity", []any{5, 8, one}, errno(ESRCH)},
			call{"prctl", []any{prGetName, buf}, 0},
		)
		if string(k.mem.View(buf, 2)) != "\x00\x00" {
			t.Errorf("without a program the name is %q", k.mem.View(buf, 16))
		}
		k.Exe = "/usr/bin/a-rather-long-name"
		k.calls(call{"prctl", []any{prGetName, buf}, 0})
		if string(k.mem.View(buf, 16)) != "a-rather-long-n\x00" {
			t.Errorf("the name is %q", k.mem.View(buf, 16))
		}
		k.calls(call{"prctl", []any{prSetName, "worker-of-some-kind"}, 0}, call{"prctl", []any{prGetName, buf}, 0})
		if string(k.mem.View(buf, 16)) != "worker-of-some-\x00" {
			t.Errorf("the name is %q", k.mem.View(buf, 16))
		}
		k.spawn(1)
		k.at(1, "prctl", prGetName, buf)
		if string(k.mem.View(buf, 6)) != "worker" {
			t.Errorf("a new thread's name is %q", k.mem.View(buf, 16))
		}
	})
}
