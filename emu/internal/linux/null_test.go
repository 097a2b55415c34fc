package linux

import "testing"

// TestNull: /dev/null can be opened in every way, is always at its end and takes
// everything.
func TestNull(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		name := k.str(NullDevice)
		const readOnly, writeOnly, readWrite = 0, 1, 2
		r := uint64(k.do("openat", cwd, name, readOnly))
		w := uint64(k.do("openat", cwd, name, writeOnly|oCreat|oTrunc, 0o666))
		rw := uint64(k.do("openat", cwd, k.str("dev/null"), readWrite))
		if r != 3 || w != 4 || rw != 5 {
			t.Fatalf("descriptors %d, %d, %d", r, w, rw)
		}
		b := k.put([]byte("text"))
		iov := k.put(twoWords(b, 4))
		for _, c := range []struct {
			name string
			args []uint64
			want int64
		}{
			{"read", []uint64{r, b, 4}, 0},
			{"read", []uint64{rw, b, 4}, 0},
			{"read", []uint64{w, b, 4}, errno(EBADF)},
			{"pread64", []uint64{rw, b, 4, 100}, 0},
			{"write", []uint64{r, b, 4}, errno(EBADF)},
			{"write", []uint64{w, b, 4}, 4},
			{"write", []uint64{rw, unmapped, 9}, 9},
			{"writev", []uint64{rw, iov, 1}, 4},
			{"lseek", []uint64{rw, 7, 0}, 0},
			{"fcntl", []uint64{r, 3}, readOnly},
			{"fcntl", []uint64{w, 3}, writeOnly},
			{"fcntl", []uint64{rw, 3}, readWrite},
			{"ioctl", []uint64{rw, 0x5401}, errno(ENOTTY)},
			{"mmap", []uint64{0, 4096, 1, 2, rw, 0}, errno(ENODEV)},
			{"faccessat", []uint64{cwd, name, 6}, 0},
			{"faccessat", []uint64{cwd, name, 1}, errno(EACCES)},
			{"readlinkat", []uint64{cwd, name, b, 4}, errno(EINVAL)},
			{"openat", []uint64{cwd, name, oCreat | oExcl}, errno(EEXIST)},
			{"openat", []uint64{cwd, name, k.directoryFlag()}, errno(ENOTDIR)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s%x: %d, want %d", c.name, c.args, got, c.want)
			}
		}
		if len(k.State().Output()) != 0 {
			t.Errorf("output %v", k.State().Output())
		}
		at := map[string]uint64{"arm64": 32, "amd64": 40}[k.Arch.String()]
		for what, stat := range map[string]func(buf uint64) int64{
			"fstat":         func(buf uint64) int64 { return k.do("fstat", rw, buf) },
			"by path":       func(buf uint64) int64 { return k.do("newfstatat", cwd, name, buf, 0) },
			"by descriptor": func(buf uint64) int64 { return k.do("newfstatat", rw, k.str(""), buf, atEmpty) },
		} {
			buf := k.room(144)
			v := stat(buf)
			if m := k.word32(buf + at - 16); v != 0 || m != typeChar|0o666 || k.word(buf+at) != 0x103 {
				t.Errorf("%s: %d, mode %o, device %#x", what, v, m, k.word(buf+at))
			}
		}
		big := k.room(256)
		if v := k.do("statx", cwd, name, 0, 0x7ff, big); v != 0 || k.word32(big+128) != 1 || k.word32(big+132) != 3 {
			t.Errorf("statx: %d, device %d:%d", v, k.word32(big+128), k.word32(big+132))
		}
	})
}

// TestOpenToWrite: what can be opened to be written or made, and each refusal with Linux's
// number.
func TestOpenToWrite(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		for _, c := range []struct {
			name  string
			flags uint64
			want  int64
		}{
			{"/etc/motd", oTrunc, 3},
			{"/etc/motd", oCreat, 4},
			{"/etc/motd", oCreat | oExcl, errno(EEXIST)},
			{"/etc", oCreat, errno(EISDIR)},
			{"/etc", 2, errno(EISDIR)},
			{"/etc/new", oCreat | 2, 5},
			{"/etc/newer/", oCreat | 2, errno(EISDIR)},
			{"/none/new", oCreat | 2, errno(ENOENT)},
			{"/etc/motd/new", oCreat | 2, errno(ENOTDIR)},
			{"/loop", oCreat, errno(ELOOP)},
			{"/etc", oTmpfile | k.directoryFlag() | 2, errno(EOPNOTSUPP)},
			{"/proc/new", oCreat | 2, errno(EACCES)},
		} {
			if got := k.do("openat", cwd, k.str(c.name), c.flags, 0o644); got != c.want {
				t.Errorf("%s, flags %#o: %d, want %d", c.name, c.flags, got, c.want)
			}
		}
	})
}
