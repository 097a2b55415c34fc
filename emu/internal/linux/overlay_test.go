package linux

import (
	"bytes"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// wide is a fixture with room for more descriptors.
func wide(t testing.TB, arch loader.Arch) *fixture {
	return newLimited(t, arch, Limits{Threads: 4, Output: 100, Files: 64})
}

func eachWide(t *testing.T, f func(t *testing.T, k *fixture)) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) { f(t, wide(t, arch)) })
	}
}

// call is a system call with what it is to return; a text among the arguments is put into
// memory.
type call struct {
	name string
	args []any
	want int64
}

func (f *fixture) calls(list ...call) {
	f.t.Helper()
	for _, c := range list {
		from := f.next
		var args []uint64
		for _, a := range c.args {
			switch a := a.(type) {
			case string:
				args = append(args, f.str(a))
			case int:
				args = append(args, uint64(a))
			case int64:
				args = append(args, uint64(a))
			case uint64:
				args = append(args, a)
			default:
				f.t.Fatalf("%s: %T", c.name, a)
			}
		}
		if !f.has(c.name) {
			f.t.Fatalf("no %s", c.name)
		}
		if got := f.do(c.name, args...); got != c.want {
			f.t.Errorf("%s(%v): %d, want %d", c.name, c.args, got, c.want)
		}
		clear(f.mem.View(from, f.next-from))
		f.next = from
	}
}

// list reads a folder, and returns "name/type" of each entry.
func (f *fixture) list(fd int64, size uint64) (names []string) {
	f.t.Helper()
	buf := f.room(4096)
	for at := uint64(0); ; {
		n := f.do("getdents64", uint64(fd), buf, size)
		if n <= 0 {
			if n < 0 {
				f.t.Errorf("getdents64: %d", n)
			}
			return names
		}
		for b := f.mem.View(buf, uint64(n)); len(b) > 0; b = b[le.Uint16(b[16:]):] {
			if at++; le.Uint64(b[8:]) != at || le.Uint64(b) == 0 || le.Uint16(b[16:])%8 != 0 {
				f.t.Errorf("entry %d: position %d, length %d", at, le.Uint64(b[8:]), le.Uint16(b[16:]))
			}
			name, _, _ := strings.Cut(string(b[19:]), "\x00")
			names = append(names, fmt.Sprintf("%s/%d", name, b[18]))
		}
	}
}

func TestGetdents(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		k.calls(call{"openat", []any{cwd, "/etc", 0}, 3}, call{"openat", []any{cwd, "/etc/motd", 0}, 4},
			call{"symlinkat", []any{"motd", cwd, "/etc/link"}, 0}, call{"unlinkat", []any{cwd, "/etc/big", 0}, 0},
			call{"mkdirat", []any{cwd, "/etc/a", 0o755}, 0})
		want := "[./4 ../4 a/4 link/10 motd/8 nested/4]"
		for _, size := range []uint64{32, 64, 1000} {
			k.calls(call{"lseek", []any{3, 0, 0}, 0})
			if got := fmt.Sprint(k.list(3, size)); got != want {
				t.Errorf("by %d bytes: %s, want %s", size, got, want)
			}
		}
		buf := k.room(256)
		// What comes and goes while a folder is read is not seen before it is read anew; who
		// goes back to a position finds the same there.
		k.calls(call{"lseek", []any{3, 0, 0}, 0}, call{"getdents64", []any{3, buf, 48}, 48},
			call{"unlinkat", []any{3, "link", 0}, 0}, call{"mkdirat", []any{3, "b", 0o755}, 0},
			call{"lseek", []any{3, 4, 0}, 4}, call{"getdents64", []any{3, buf, 24}, 24})
		if name := string(k.mem.View(buf+19, 4)); name != "motd" {
			t.Errorf("at 4: %q", name)
		}
		k.calls(call{"lseek", []any{3, 0, 0}, 0})
		if got := fmt.Sprint(k.list(3, 100)); got != "[./4 ../4 a/4 b/4 motd/8 nested/4]" {
			t.Errorf("anew: %s", got)
		}
		k.calls(call{"lseek", []any{3, 0, 0}, 0},
			call{"getdents64", []any{3, buf, 23}, errno(EINVAL)}, call{"getdents64", []any{3, buf, 0}, errno(EINVAL)},
			call{"getdents64", []any{3, unmapped, 100}, errno(EFAULT)}, call{"getdents64", []any{4, buf, 100}, errno(ENOTDIR)},
			call{"getdents64", []any{1, buf, 100}, errno(ENOTDIR)}, call{"getdents64", []any{60, buf, 100}, errno(EBADF)},
			call{"lseek", []any{3, 1 << 40, 0}, 1 << 40}, call{"getdents64", []any{3, buf, 100}, 0},
			call{"openat", []any{cwd, "/etc/a", 0}, 5}, call{"unlinkat", []any{cwd, "/etc/a", atRemove}, 0},
			call{"getdents64", []any{5, buf, 100}, errno(ENOENT)}, call{"openat", []any{5, "x", oCreat | oRdwr, 0o644}, errno(ENOENT)})
		// What is there without a sysroot's doing.
		k.calls(call{"openat", []any{cwd, "/", 0}, 6}, call{"openat", []any{cwd, "/dev", 0}, 7}, call{"openat", []any{cwd, "/tmp", 0}, 8},
			call{"openat", []any{cwd, "/proc/self/fd", 0}, 9})
		for fd, want := range map[int64]string{
			6: "[./4 ../4 bin/4 dev/4 etc/4 loop/10 proc/4 sys/4 tmp/4]", 8: "[./4 ../4]",
			7: "[./4 ../4 fd/10 full/2 null/2 random/2 shm/4 stderr/10 stdin/10 stdout/10 urandom/2 zero/2]",
			9: "[./4 ../4 0/10 1/10 2/10 3/10 4/10 5/10 6/10 7/10 8/10 9/10]",
		} {
			if got := fmt.Sprint(k.list(fd, 512)); got != want {
				t.Errorf("%d: %s, want %s", fd, got, want)
			}
		}
	})
}

func TestWorkingFolder(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		buf := k.room(64)
		in := func(want string) {
			t.Helper()
			if n := k.do("getcwd", buf, 64); string(k.mem.View(buf, uint64(max(n, 1))-1)) != want {
				t.Errorf("getcwd: %d, %q, want %s", n, k.mem.View(buf, 16), want)
			}
		}
		in("/")
		k.calls(call{"chdir", []any{"etc"}, 0})
		in("/etc")
		k.calls(call{"openat", []any{cwd, "motd", 0}, 3}, call{"chdir", []any{"../bin/./../tmp"}, 0}, call{"mkdirat", []any{cwd, "a", 0o755}, 0},
			call{"chdir", []any{"a"}, 0}, call{"mkdirat", []any{cwd, "b", 0o755}, 0}, call{"openat", []any{cwd, "b", 0}, 4}, call{"fchdir", []any{4}, 0})
		in("/tmp/a/b")
		k.calls(call{"renameat", []any{cwd, "/tmp/a", cwd, "/etc/moved"}, 0})
		in("/etc/moved/b")
		k.calls(call{"getcwd", []any{buf, 12}, errno(ERANGE)},
			call{"getcwd", []any{buf, 13}, 13}, call{"chdir", []any{"/none"}, errno(ENOENT)}, call{"chdir", []any{"/etc/motd"}, errno(ENOTDIR)},
			call{"fchdir", []any{3}, errno(ENOTDIR)}, call{"fchdir", []any{77}, errno(EBADF)}, call{"chdir", []any{""}, errno(ENOENT)},
			call{"fchmodat", []any{cwd, "/etc/moved", 0o600}, 0}, call{"chdir", []any{"/etc/moved"}, errno(EACCES)},
			call{"openat", []any{cwd, "/etc/moved/b", 0}, errno(EACCES)}, call{"fchmodat", []any{cwd, "/etc/moved", 0o755}, 0},
			call{"unlinkat", []any{cwd, "/etc/moved/b", atRemove}, 0}, call{"getcwd", []any{buf, 64}, errno(ENOENT)},
			call{"openat", []any{cwd, "x", oCreat, 0o644}, errno(ENOENT)}, call{"chdir", []any{".."}, 0})
		in("/etc/moved")
		if err := k.SetFolder("/bin"); err != nil {
			t.Error(err)
		}
		in("/bin")
		if err := k.SetFolder("/none"); err == nil {
			t.Error("a folder that is not there")
		}
	})
}

// TestStatOfMade: times, owner and permissions of what is made and changed.
func TestStatOfMade(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		buf := k.room(256)
		stat := func(path string) (mode, user uint32, ino, links, size, blocks, atime, mtime uint64) {
			t.Helper()
			k.calls(call{"newfstatat", []any{cwd, path, buf, atNofollow}, 0})
			mode, links, user = k.word32(buf+16), uint64(k.word32(buf+20)), k.word32(buf+24)
			if k.Arch == loader.AMD64 {
				mode, links, user = k.word32(buf+24), k.word(buf+16), k.word32(buf+28)
			}
			return mode, user, k.word(buf + 8), links, k.word(buf + 48), k.word(buf + 64), k.word(buf + 72), k.word(buf + 88)
		}
		times := k.put(slices.Concat(twoWords(5, 6), twoWords(7, 8)))
		omit := k.put(slices.Concat(twoWords(0, utimeOmit), twoWords(9, 0)))
		bad := k.put(slices.Concat(twoWords(0, second), twoWords(0, 0)))
		k.calls(call{"umask", []any{0o027}, 0o022}, call{"openat", []any{cwd, "/tmp/f", oCreat | oRdwr, 0o666}, 3}, call{"umask", []any{0o022}, 0o027},
			call{"linkat", []any{cwd, "/tmp/f", cwd, "/tmp/g", 0}, 0}, call{"write", []any{3, "hello", 5}, 5},
			call{"mkdirat", []any{cwd, "/tmp/d", 0o7777}, 0}, call{"utimensat", []any{cwd, "/tmp/d", times, 0}, 0},
			call{"utimensat", []any{3, 0, omit, 0}, 0}, call{"utimensat", []any{cwd, "/tmp/d", bad, 0}, errno(EINVAL)})
		type got struct {
			mode, user                  uint32
			links, size, blocks, at, mt uint64
		}
		for path, want := range map[string]got{
			"/etc/motd": {typeFile | 0o644, UserID, 1, 20, 1, FileTime, FileTime},
			"/tmp/f":    {typeFile | 0o640, UserID, 2, 5, 8, FileTime, 9},
			"/tmp/g":    {typeFile | 0o640, UserID, 2, 5, 8, FileTime, 9},
			"/tmp/d":    {typeDir | 0o1755, UserID, 1, 4096, 8, 5, 7},
			"/tmp":      {typeDir | 0o1777, UserID, 1, 4096, 8, FileTime, FileTime},
		} {
			mode, user, ino, links, size, blocks, at, mt := stat(path)
			if g := (got{mode, user, links, size, blocks, at, mt}); g != want || ino == 0 {
				t.Errorf("%s: %+v, want %+v", path, g, want)
			}
		}
		k.mem.steps = 5 * second
		k.calls(call{"utimensat", []any{cwd, "/etc/motd", 0, 0}, 0}, call{"fchownat", []any{cwd, "/etc/motd", UserID, -1, 0}, 0},
			call{"fchownat", []any{cwd, "/etc/motd", 0, -1, 0}, errno(EPERM)})
		if _, _, _, _, _, _, at, mt := stat("/etc/motd"); at != FileTime+6 || mt != FileTime+6 {
			t.Errorf("times %d, %d", at, mt)
		}
		_, _, f, _, _, _, _, _ := stat("/tmp/f")
		_, _, g, _, _, _, _, _ := stat("/tmp/g")
		_, _, motd, _, _, _, _, _ := stat("/etc/motd")
		k.calls(call{"renameat", []any{cwd, "/etc/motd", cwd, "/tmp/moved"}, 0})
		if _, _, moved, _, _, _, _, _ := stat("/tmp/moved"); f != g || f == motd || moved != motd {
			t.Errorf("inodes %d, %d, %d, %d", f, g, motd, moved)
		}
		k.calls(call{"statx", []any{cwd, "/tmp/f", 0, 0x7ff, buf}, 0})
		if k.word32(buf+16) != 2 || k.word32(buf+20) != UserID || k.word(buf+32) != f || k.word(buf+112) != 9 {
			t.Errorf("statx: % x", k.mem.View(buf, 128))
		}
	})
}

// TestPlain: a plain kernel tells of the sysroot's files what it told before they had owners
// and times, and of those that the process makes what there is.
func TestPlain(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.Plain = true
		buf := k.room(256)
		k.calls(call{"newfstatat", []any{cwd, "/etc/motd", buf, 0}, 0})
		b := bytes.Clone(k.mem.View(buf, 128))
		var h hash.Hash64 = fnv.New64a()
		h.Write([]byte("/etc/motd"))
		if le.Uint64(b[8:]) != h.Sum64()>>1 || !bytes.Equal(b[72:120], make([]byte, 48)) || le.Uint32(b[28:]) != 0 {
			t.Errorf("% x", b)
		}
		k.calls(call{"openat", []any{cwd, "/etc/new", oCreat, 0o644}, 3}, call{"fstat", []any{3, buf}, 0})
		if k.word(buf+88) != FileTime {
			t.Errorf("a new file is of %d", k.word(buf+88))
		}
	})
}

func TestProc(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		k.Exe = "/bin/prog"
		buf := k.room(64)
		link := func(path, want string) {
			t.Helper()
			if n := k.do("readlinkat", cwd, k.str(path), buf, 64); n < 0 || string(k.mem.View(buf, uint64(n))) != want {
				t.Errorf("%s: %d, %q, want %s", path, n, k.mem.View(buf, 16), want)
			}
		}
		link("/proc/self/exe", "/bin/prog")
		k.calls(call{"openat", []any{cwd, "/proc/self/exe", 0}, 3}, call{"openat", []any{cwd, "/tmp/f", oCreat | oRdwr, 0o644}, 4},
			call{"write", []any{4, "abc", 3}, 3}, call{"unlinkat", []any{cwd, "/tmp/f", 0}, 0})
		link("/proc/self/fd/3", "/proc/self/exe")
		link("/proc/self/fd/4", "/tmp/f")
		link("/dev/fd/1", "pipe:[2]")
		// A file that has no name any more is opened again by its descriptor.
		k.calls(call{"openat", []any{cwd, "/dev/fd/4", 0}, 5}, call{"read", []any{5, buf, 9}, 3}, call{"openat", []any{cwd, "/tmp/f", 0}, errno(ENOENT)},
			call{"openat", []any{cwd, "/proc/self/fd/77", 0}, errno(ENOENT)}, call{"openat", []any{cwd, "/proc/self/fd/03", 0}, errno(ENOENT)},
			call{"openat", []any{cwd, "/proc/self/fd/4/x", 0}, errno(ENOTDIR)}, call{"openat", []any{cwd, "/dev/stdout", 1}, errno(ENXIO)},
			call{"openat", []any{cwd, "/proc/self/map", 0}, errno(ENOENT)}, call{"unlinkat", []any{cwd, "/proc/self/exe", 0}, errno(EACCES)},
			call{"mkdirat", []any{cwd, "/proc/self/fd/4", 0o755}, errno(EEXIST)}, call{"renameat", []any{cwd, "/proc", cwd, "/other"}, errno(EPERM)})
		k.Input = []byte("typed in")
		k.calls(call{"read", []any{0, buf, 5}, 5}, call{"read", []any{0, buf + 5, 50}, 3}, call{"read", []any{0, buf, 50}, 0}, call{"lseek", []any{0, 0, 0}, errno(ESPIPE)})
		if string(k.mem.View(buf, 8)) != "typed in" {
			t.Errorf("read %q", k.mem.View(buf, 8))
		}
	})
}

func TestDevices(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		buf := k.put(bytes.Repeat([]byte{1}, 64))
		k.calls(call{"openat", []any{cwd, "/dev/zero", oRdwr}, 3}, call{"openat", []any{cwd, "/dev/full", oRdwr}, 4}, call{"openat", []any{cwd, "/dev/urandom", 0}, 5},
			call{"read", []any{3, buf, 8}, 8}, call{"write", []any{3, buf, 8}, 8}, call{"read", []any{4, buf + 8, 8}, 8}, call{"write", []any{4, buf, 8}, errno(ENOSPC)},
			call{"read", []any{5, buf + 16, 8}, 8}, call{"write", []any{5, buf, 8}, errno(EBADF)}, call{"getrandom", []any{buf + 24, 8}, 8},
			call{"ftruncate", []any{3, 0}, errno(EINVAL)}, call{"read", []any{5, unmapped, 8}, errno(EFAULT)})
		if b := k.mem.View(buf, 32); !bytes.Equal(b[:16], make([]byte, 16)) || bytes.Equal(b[16:24], make([]byte, 8)) || bytes.Equal(b[16:24], b[24:32]) {
			t.Errorf("% x", b)
		}
	})
}

// TestUnlinkedStays: a file without a name is there as long as it is open or mapped, and
// takes no room after that.
func TestUnlinkedStays(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		buf := k.room(64)
		k.calls(call{"openat", []any{cwd, "/tmp/f", oCreat | oRdwr, 0o644}, 3}, call{"write", []any{3, "abc", 3}, 3}, call{"dup", []any{3}, 4},
			call{"unlinkat", []any{cwd, "/tmp/f", 0}, 0}, call{"openat", []any{cwd, "/tmp/f", oCreat | oExcl | oRdwr, 0o644}, 5},
			call{"close", []any{3}, 0}, call{"pread64", []any{4, buf, 8, 0}, 3}, call{"pread64", []any{5, buf, 8, 0}, 0})
		at := k.do("mmap", 0, page, 1, 1, 4, 0)
		k.calls(call{"close", []any{4}, 0}, call{"madvise", []any{at, page, madvDontneed}, 0})
		if string(k.mem.View(uint64(at), 3)) != "abc" {
			t.Errorf("mapped: %q", k.mem.View(uint64(at), 3))
		}
		if o := k.State().files; o.loose.n != 1 || o.pages != 1 {
			t.Errorf("%d without a name, %d pages", o.loose.n, o.pages)
		}
		k.calls(call{"munmap", []any{at, page}, 0}, call{"close", []any{5}, 0}, call{"unlinkat", []any{cwd, "/tmp/f", 0}, 0})
		if o := k.State().files; o.nodes.n != 0 || o.names.n != 0 || o.loose.n != 0 || o.pages != 0 {
			t.Errorf("left: %+v", o)
		}
	})
}

// TestOverlaySnapshots: going back to a snapshot brings files back, and a snapshot stays.
func TestOverlaySnapshots(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		hashed := func() uint64 {
			h := fnv.New64a()
			k.State().HashFiles(h)
			return h.Sum64()
		}
		begin := hashed()
		if begin != fnv.New64a().Sum64() {
			t.Error("nothing is made, and there is something to hash")
		}
		k.calls(call{"openat", []any{cwd, "/etc/motd", oRdwr}, 3}, call{"openat", []any{cwd, "/tmp/f", oCreat | oRdwr, 0o644}, 4},
			call{"close", []any{4}, 0}, call{"unlinkat", []any{cwd, "/tmp/f", 0}, 0})
		if hashed() != begin {
			t.Error("what was made is gone, and there is something to hash")
		}
		k.calls(call{"write", []any{3, "WELCOME", 7}, 7})
		s, was := k.Snapshot(), hashed()
		buf := k.room(32)
		for range 3 {
			k.calls(call{"write", []any{3, "xx", 2}, 2}, call{"pread64", []any{3, buf, 12, 0}, 12}, call{"renameat", []any{cwd, "/etc/motd", cwd, "/m"}, 0})
			if got := string(k.mem.View(buf, 12)); got != "WELCOMExxo t" || hashed() == was {
				t.Errorf("read %q", got)
			}
			k.Restore(s)
			if hashed() != was {
				t.Error("another state")
			}
		}
	})
}

func TestFileLimits(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		k.calls(call{"openat", []any{cwd, "/tmp/f", oCreat | oRdwr, 0o644}, 3}, call{"ftruncate", []any{3, maxFileSize}, 0},
			call{"ftruncate", []any{3, maxFileSize + 1}, errno(EFBIG)}, call{"pwrite64", []any{3, area, 2, maxFileSize - 1}, 1},
			call{"pwrite64", []any{3, area, 2, maxFileSize}, errno(EFBIG)}, call{"pwrite64", []any{3, area, 2, -1}, errno(EINVAL)},
			call{"fallocate", []any{3, 0, 0, 1 << 39}, errno(ENOSPC)}, call{"fallocate", []any{3, 0, 1 << 40, 1}, errno(EFBIG)},
			call{"fallocate", []any{3, 0, 1 << 62, 1 << 62}, errno(EFBIG)}, call{"fallocate", []any{3, 0, 0, 0}, errno(EINVAL)},
			call{"pread64", []any{3, area + page, page, 1 << 39}, page}, call{"lseek", []any{3, 0, 2}, maxFileSize}, call{"read", []any{3, area, 1}, 0},
			call{"fallocate", []any{3, 3, 0, 1 << 39}, 0}, call{"ftruncate", []any{3, 0}, 0})
		start := k.Snapshot()
		for n := uint64(0); ; n++ {
			r := k.last(t, "pwrite64", 3, area, areaSize, n*areaSize)
			if r.Effect != Returns {
				if want := uint64(MaxFilePages*page/areaSize) - 1; n != want || r.Effect != Exceeds || r.Limit != FileLimit {
					t.Errorf("after %d writes %+v", n, r)
				}
				break
			}
			k.mem.uses = nil
		}
		k.Restore(start)
		name := k.room(32)
		for n := uint64(0); ; n++ {
			copy(k.mem.View(name, 32), fmt.Sprintf("/tmp/%d\x00", n))
			r := k.last(t, "symlinkat", name, cwd, name)
			if r.Effect != Returns {
				if n < MaxFiles/2-8 || n > MaxFiles/2 || r.Limit != FileLimit {
					t.Errorf("after %d names %+v", n, r)
				}
				break
			}
			k.mem.uses = nil
		}
	})
}

// TestContent: random writes, cuts and holes leave a file as they leave a slice of bytes.
func TestContent(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	base := make([]byte, 3*page+100)
	for i := range base {
		base[i] = byte(r.IntN(255) + 1)
	}
	for range 200 {
		c, want := content{size: int64(len(base)), base: "x", shows: int64(len(base))}, bytes.Clone(base)
		for range 30 {
			at, size := r.Int64N(5*page), r.Int64N(2*page)
			switch r.IntN(4) {
			case 0:
				b := bytes.Repeat([]byte{byte(r.IntN(256))}, int(size))
				c.write(b, at, base)
				want = append(want, make([]byte, max(0, at+size-int64(len(want))))...)
				copy(want[at:], b)
			case 1:
				c.resize(at)
				want = append(want, make([]byte, max(0, at-int64(len(want))))...)[:at:at]
			case 2:
				c.zero(at, at+size, base)
				if at < int64(len(want)) {
					clear(want[at:min(at+size, int64(len(want)))])
				}
			case 3:
				got := make([]byte, size)
				for _, p := range c.pieces(at, size, base) {
					copy(got[p.off:], p.data)
				}
				from := min(at, int64(len(want)))
				if part := want[from:min(from+size, int64(len(want)))]; !bytes.Equal(got[:len(part)], part) || !bytes.Equal(got[len(part):], make([]byte, len(got)-len(part))) {
					t.Fatalf("pieces of [%d, +%d) of %d bytes", at, size, len(want))
				}
			}
			got := make([]byte, len(want)+10)
			c.read(got, 0, base)
			if c.size != int64(len(want)) || !bytes.Equal(got[:len(want)], want) {
				t.Fatalf("%d bytes, want %d, or others", c.size, len(want))
			}
		}
	}
}

// TestPmap: it holds what a Go map holds, in order, leaves others as they were, and its shape
// does not depend on the way to it.
func TestPmap(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	var m pmap[string, int]
	want := map[string]int{}
	kept, keptShape := m, m.shape()
	for step := range 3000 {
		key := fmt.Sprint(r.IntN(200))
		if r.IntN(3) == 0 {
			m = m.without(key)
			delete(want, key)
		} else {
			m = m.with(key, step)
			want[key] = step
		}
		if v, ok := m.get(key); ok != (want[key] == step && ok) || ok && v != step || m.n != len(want) {
			t.Fatalf("%s: %d, %v", key, v, ok)
		}
		if step%100 > 0 {
			continue
		}
		least, n := fmt.Sprint(r.IntN(200)), 0
		last := ""
		for k, v := range m.from(least) {
			if k < least || k <= last && last != "" || want[k] != v {
				t.Fatalf("%s after %s, from %s on", k, last, least)
			}
			last = k
			n++
		}
		for k := range want {
			if k >= least {
				n--
			}
		}
		again := pmap[string, int]{}
		for k, v := range want {
			again = again.with(k, v)
		}
		if n != 0 || again.shape() != m.shape() {
			t.Fatalf("%d keys too few, or another shape", n)
		}
		if kept.shape() != keptShape {
			t.Fatal("a map has changed")
		}
		kept, keptShape = m, m.shape()
	}
}

// shape writes a tree down.
func (m pmap[K, V]) shape() string {
	var walk func(*pnode[K, V]) string
	walk = func(n *pnode[K, V]) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprintf("(%s %v=%v %s)", walk(n.left), n.key, n.value, walk(n.right))
	}
	return walk(m.root)
}
