package linux

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

// cwd is AT_FDCWD as an argument.
const cwd = minus1 - 99

func TestOpen(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		directory := uint64(0o200000)
		if k.Arch == loader.ARM64 {
			directory = 0o40000
		}
		etc := k.do("openat", cwd, k.str("/etc"), directory)
		motd := k.do("openat", cwd, k.str("/etc/motd"), 0)
		if etc != 3 || motd != 4 {
			t.Fatalf("descriptors %d and %d", etc, motd)
		}
		long := "/" + strings.Repeat("x", 4094)
		for _, c := range []struct {
			what  string
			dir   uint64
			name  uint64
			flags uint64
			want  int64
		}{
			{"relative to a folder", 3, k.str("motd"), 0, 5},
			{"one too many", cwd, k.str("/etc/motd"), 0, errno(EMFILE)},
			{"missing", cwd, k.str("/etc/nothing"), 0, errno(ENOENT)},
			{"empty", cwd, k.str(""), 0, errno(ENOENT)},
			{"to write, one too many", cwd, k.str("/etc/motd"), 1, errno(EMFILE)},
			{"to create, one too many", cwd, k.str("/etc/new"), 0o101, errno(EMFILE)},
			{"relative to a file", 4, k.str("motd"), 0, errno(ENOTDIR)},
			{"relative to nothing", 99, k.str("motd"), 0, errno(EBADF)},
			{"a file as a folder", cwd, k.str("/etc/motd"), directory, errno(ENOTDIR)},
			{"a loop of links", cwd, k.str("/loop"), 0, errno(ELOOP)},
			{"name unmapped", cwd, unmapped, 0, errno(EFAULT)},
			{"name at the very end", cwd, minus1, 0, errno(EFAULT)},
			{"name without end", cwd, area + areaSize - 1, 0, errno(EFAULT)},
			{"name of the greatest length", cwd, k.str(long), 0, errno(ENAMETOOLONG)},
			{"path of the greatest length", cwd, k.str(strings.Repeat("/x", 2047)), 0, errno(ENOENT)},
			{"name too long", cwd, k.str(long + "x"), 0, errno(ENAMETOOLONG)},
		} {
			if c.what == "name without end" {
				if err := k.mem.Store(0, c.name, []byte{'x'}); err != nil {
					t.Fatal(err)
				}
			}
			if got := k.do("openat", c.dir, c.name, c.flags); got != c.want {
				t.Errorf("%s: %d, want %d", c.what, got, c.want)
			}
		}
		if k.has("open") {
			k.do("close", 5)
			if got := k.do("open", k.str("/bin/link"), 0); got != 5 {
				t.Errorf("open: %d", got)
			}
		}
		// The lowest free descriptor is next.
		k.do("close", 3)
		if got := k.do("openat", cwd, k.str("bin/../etc/./motd"), 0); got != 3 {
			t.Errorf("open after close: %d", got)
		}
		for _, fd := range []uint64{77, minus1, 1 << 31} {
			if got := k.do("close", fd); got != errno(EBADF) {
				t.Errorf("close(%d): %d", int64(fd), got)
			}
		}
	})
}

func TestRead(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		const text = "welcome to the fake\n"
		fd := uint64(k.do("openat", cwd, k.str("/etc/motd"), 0))
		buf := k.room(64)
		got := ""
		for {
			n := k.do("read", fd, buf, 7)
			if n <= 0 {
				break
			}
			got += string(k.mem.View(buf, uint64(n)))
		}
		if got != text {
			t.Errorf("read %q", got)
		}
		dir := uint64(k.do("openat", cwd, k.str("/etc"), 0))
		for _, c := range []struct {
			name string
			args []uint64
			want int64
		}{
			{"pread64", []uint64{fd, buf, 7, 3}, 7},
			{"pread64", []uint64{fd, buf, 100, 18}, 2},
			{"pread64", []uint64{fd, buf, 100, 1 << 40}, 0},
			{"pread64", []uint64{fd, buf, 1, minus1}, errno(EINVAL)},
			{"pread64", []uint64{fd, unmapped, 1, 0}, errno(EFAULT)},
			{"pread64", []uint64{fd, buf, minus1, 0}, int64(len(text))},
			{"lseek", []uint64{fd, 4, 0}, 4},
			{"lseek", []uint64{fd, 2, 1}, 6},
			{"lseek", []uint64{fd, minus1 - 2, 2}, int64(len(text)) - 3},
			{"lseek", []uint64{fd, minus1, 0}, errno(EINVAL)},
			{"lseek", []uint64{fd, 1<<63 - 1, 1}, errno(EINVAL)},
			{"lseek", []uint64{fd, 0, 9}, errno(EINVAL)},
			{"lseek", []uint64{1, 0, 0}, errno(ESPIPE)},
			{"lseek", []uint64{55, 0, 0}, errno(EBADF)},
			{"lseek", []uint64{fd, 1 << 62, 0}, 1 << 62},
			{"read", []uint64{fd, buf, 1}, 0},
			{"read", []uint64{dir, buf, 1}, errno(EISDIR)},
			{"read", []uint64{0, buf, 1}, 0},
			{"read", []uint64{1, buf, 1}, errno(EBADF)},
			{"read", []uint64{55, buf, 1}, errno(EBADF)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s%d: %d, want %d", c.name, c.args, got, c.want)
			}
		}
		// Read-only memory is no place to read into.
		ro := uint64(k.do("mmap", 0, page, 1, anon, minus1, 0))
		if got := k.do("pread64", fd, ro, 1, 0); got != errno(EFAULT) {
			t.Errorf("read into read-only memory: %d", got)
		}
	})
}

func TestWrite(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		text := k.str("hello, world")
		iov := k.put(slices.Concat(twoWords(text, 5), twoWords(0, 0), twoWords(text+7, 5), twoWords(unmapped, 5)))
		fd := uint64(k.do("openat", cwd, k.str("/etc/motd"), 0))
		for _, c := range []struct {
			name string
			args []uint64
			want int64
		}{
			{"write", []uint64{1, text, 5}, 5},
			{"write", []uint64{2, text + 5, 2}, 2},
			{"write", []uint64{1, text, 0}, 0},
			{"write", []uint64{1, unmapped, 1}, errno(EFAULT)},
			{"write", []uint64{1, text, 1 << 40}, errno(EFAULT)},
			{"write", []uint64{0, text, 1}, errno(EBADF)},
			{"write", []uint64{fd, text, 1}, errno(EBADF)},
			{"write", []uint64{99, text, 1}, errno(EBADF)},
			{"writev", []uint64{1, iov, 3}, 10},
			{"writev", []uint64{1, iov, 4}, 10}, // as far as it went
			{"writev", []uint64{1, iov + 48, 1}, errno(EFAULT)},
			{"writev", []uint64{1, iov, 1025}, errno(EINVAL)},
			{"writev", []uint64{1, unmapped, 1}, errno(EFAULT)},
			{"writev", []uint64{0, iov, 1}, errno(EBADF)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s%d: %d, want %d", c.name, c.args, got, c.want)
			}
		}
		said := ""
		for _, o := range k.State().Output() {
			said += fmt.Sprintf("%d:%s ", o.FD, o.Data)
		}
		if want := "1:hello 2:,  1:hello 1:world 1:hello 1:world "; said != want {
			t.Errorf("said %q, want %q", said, want)
		}
		// Output beyond the limit of 100 bytes is accepted and forgotten.
		for range 30 {
			if n := k.do("write", 1, text, 12); n != 12 {
				t.Fatalf("write: %d", n)
			}
		}
		total := 0
		for _, o := range k.State().Output() {
			total += len(o.Data)
		}
		if total != 100 {
			t.Errorf("%d bytes are kept", total)
		}
	})
}

func TestStat(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		buf := k.room(256)
		modeAt, nlinkAt, sizeAt := uint64(24), uint64(16), uint64(48)
		if k.Arch == loader.ARM64 {
			modeAt, nlinkAt = 16, 20
		}
		fd := uint64(k.do("openat", cwd, k.str("/bin/prog"), 0))
		inodes := map[uint64]string{}
		for _, c := range []struct {
			what string
			name string
			args []uint64
			mode uint32
			size uint64
		}{
			{"a file", "newfstatat", []uint64{cwd, k.str("/etc/motd"), buf, 0}, typeFile | 0o644, 20},
			{"a folder", "newfstatat", []uint64{cwd, k.str("/etc"), buf, 0}, typeDir | 0o755, 4096},
			{"a program", "newfstatat", []uint64{cwd, k.str("/bin/prog"), buf, 0}, typeFile | 0o755, 4},
			{"through a link", "newfstatat", []uint64{cwd, k.str("/bin/link"), buf, 0}, typeFile | 0o755, 4},
			{"a link", "newfstatat", []uint64{cwd, k.str("/bin/link"), buf, atNofollow}, typeLink | 0o777, 4},
			{"a descriptor", "newfstatat", []uint64{fd, k.str(""), buf, atEmpty}, typeFile | 0o755, 4},
			{"a descriptor", "fstat", []uint64{fd, buf}, typeFile | 0o755, 4},
			{"standard output", "fstat", []uint64{1, buf}, typeChar | 0o620, 0},
			{"standard input", "newfstatat", []uint64{0, k.str(""), buf, atEmpty}, typeChar | 0o620, 0},
		} {
			clear(k.mem.View(buf, 256))
			if got := k.do(c.name, c.args...); got != 0 {
				t.Errorf("%s: %s: %d", c.name, c.what, got)
			}
			if mode, size, nlink := k.word32(buf+modeAt), k.word(buf+sizeAt), k.word32(buf+nlinkAt); mode != c.mode || size != c.size || nlink != 1 {
				t.Errorf("%s: %s: mode %o, size %d, %d links; want %o, %d", c.name, c.what, mode, size, nlink, c.mode, c.size)
			}
			if c.mode == typeFile|0o644 || c.mode == typeDir|0o755 {
				inodes[k.word(buf+8)] = c.what
			}
		}
		if len(inodes) != 2 {
			t.Errorf("inodes %v", inodes)
		}
		// statx of the same, and the calls that only one architecture has.
		if got := k.do("statx", cwd, k.str("/etc/motd"), 0, 0x7ff, buf); got != 0 || k.word(buf+40) != 20 || k.word32(buf+28)&0xffff != typeFile|0o644 {
			t.Errorf("statx: %d, size %d, mode %o", got, k.word(buf+40), k.word32(buf+28)&0xffff)
		}
		for _, name := range []string{"stat", "lstat"} {
			want := map[string]uint32{"stat": typeFile | 0o755, "lstat": typeLink | 0o777}[name]
			if k.has(name) && (k.do(name, k.str("/bin/link"), buf) != 0 || k.word32(buf+modeAt) != want) {
				t.Errorf("%s: mode %o", name, k.word32(buf+modeAt))
			}
		}
		for what, c := range map[string]struct {
			name string
			args []uint64
			want int64
		}{
			"missing":             {"newfstatat", []uint64{cwd, k.str("/no"), buf, 0}, errno(ENOENT)},
			"nowhere to put it":   {"newfstatat", []uint64{cwd, k.str("/etc"), unmapped, 0}, errno(EFAULT)},
			"no descriptor":       {"newfstatat", []uint64{77, k.str(""), buf, atEmpty}, errno(EBADF)},
			"empty without flag":  {"newfstatat", []uint64{1, k.str(""), buf, 0}, errno(ENOENT)},
			"fstat of nothing":    {"fstat", []uint64{77, buf}, errno(EBADF)},
			"statx of nothing":    {"statx", []uint64{cwd, k.str("/no"), 0, 0, buf}, errno(ENOENT)},
			"access":              {"faccessat", []uint64{cwd, k.str("/etc/motd"), 4}, 0},
			"access to write":     {"faccessat", []uint64{cwd, k.str("/etc/motd"), 2}, 0},
			"access to run":       {"faccessat", []uint64{cwd, k.str("/etc/motd"), 1}, errno(EACCES)},
			"access to run it":    {"faccessat", []uint64{cwd, k.str("/bin/link"), 1}, 0},
			"access to a folder":  {"faccessat2", []uint64{cwd, k.str("/etc"), 1}, 0},
			"access to nothing":   {"faccessat", []uint64{cwd, k.str("/no"), 0}, errno(ENOENT)},
			"readlink":            {"readlinkat", []uint64{cwd, k.str("/bin/link"), buf, 100}, 4},
			"readlink, cut":       {"readlinkat", []uint64{cwd, k.str("/bin/link"), buf, 2}, 2},
			"readlink of a file":  {"readlinkat", []uint64{cwd, k.str("/etc/motd"), buf, 100}, errno(EINVAL)},
			"readlink of nothing": {"readlinkat", []uint64{cwd, k.str("/no"), buf, 100}, errno(ENOENT)},
			"readlink into none":  {"readlinkat", []uint64{cwd, k.str("/bin/link"), buf, 0}, errno(EINVAL)},
			"readlink, unmapped":  {"readlinkat", []uint64{cwd, k.str("/bin/link"), unmapped, 9}, errno(EFAULT)},
			"getcwd":              {"getcwd", []uint64{buf, 100}, 2},
			"getcwd, too short":   {"getcwd", []uint64{buf, 1}, errno(ERANGE)},
			"getcwd, unmapped":    {"getcwd", []uint64{unmapped, 100}, errno(EFAULT)},
			"fcntl F_GETFL":       {"fcntl", []uint64{1, 3}, 1},
			"fcntl F_GETFD":       {"fcntl", []uint64{fd, 1}, 0},
			"fcntl of nothing":    {"fcntl", []uint64{77, 3}, errno(EBADF)},
			"fcntl, unknown":      {"fcntl", []uint64{1, 1033}, errno(EINVAL)},
			"ioctl":               {"ioctl", []uint64{1, 0x5401}, errno(ENOTTY)},
			"ioctl of nothing":    {"ioctl", []uint64{77, 0x5401}, errno(EBADF)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s: %d, want %d", what, got, c.want)
			}
		}
	})
}

// TestReadSeesSnapshots: going back to a snapshot brings descriptors and output
// back, and what is written after that leaves the snapshot alone.
func TestReadSeesSnapshots(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		fd := uint64(k.do("openat", cwd, k.str("/etc/motd"), 0))
		buf, text := k.room(64), k.str("text")
		k.do("write", 1, text, 4)
		k.do("read", fd, buf, 3)
		s := k.Snapshot()
		for round := range 3 {
			k.do("read", fd, buf, 4)
			if got := k.mem.View(buf, 4); !bytes.Equal(got, []byte("come")) {
				t.Errorf("round %d: read %q", round, got)
			}
			k.do("write", 2, text+uint64(round), 1)
			k.do("close", fd)
			k.spawn(1)
			if len(s.Output()) != 1 || s.FDs[fd].Offset != 3 || s.Status(1) != None {
				t.Fatalf("round %d: the snapshot changed: %+v", round, s)
			}
			if len(k.State().Output()) != 2 || k.State().Output()[1].Data[0] != "tex"[round] {
				t.Errorf("round %d: output %+v", round, k.State().Output())
			}
			k.Restore(s)
			k.threads.alive = map[int]bool{0: true}
		}
	})
}

// What is printed beyond the limit is not read, but has to be readable: a call looks at
// each page of it.
func TestOutputLimitReads(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		limit := uint64(k.Limits.Output)
		for _, c := range []struct {
			addr, size uint64
			want       []fakeUse
		}{
			{area + 8, limit - 2, []fakeUse{{area + 8, limit - 2, false}}},
			{area + page - 1, 2 + page, []fakeUse{{area + page - 1, 2, false}, {area + 2*page, 1, false}}},
			{area + 8, 8, []fakeUse{{area + 8, 1, false}}},
			{area + 8, 3 * page, []fakeUse{{area + 8, 1, false}, {area + page, 1, false}, {area + 2*page, 1, false}, {area + 3*page, 1, false}}},
			{area + page, page, []fakeUse{{area + page, 1, false}}},
			{area, 0, nil},
		} {
			k.mem.uses = nil
			if v := k.do("write", 1, c.addr, c.size); v != int64(c.size) || !slices.Equal(k.mem.uses, c.want) {
				t.Errorf("%d bytes at %#x: %d, looked at %v; want %v", c.size, c.addr, v, k.mem.uses, c.want)
			}
		}
	})
}
