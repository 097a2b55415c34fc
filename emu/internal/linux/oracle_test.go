package linux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"emurace/internal/testseed"
	"emurace/loader"
)

// hostFiles are the real kernel's files in a folder of the test, beside the fixture's in one
// of the same name. Both are below as many folders as paths of the test can climb.
type hostFiles struct {
	*rand.Rand
	f          *fixture
	root       int // the host's descriptor of the folder
	guest      uint64
	open       []pairOfFiles
	buf, names uint64
}

type pairOfFiles struct {
	host  int
	guest uint64
	dir   bool
}

const oracleFolder = "p/q/r/root"

func newHostFiles(t *testing.T, arch loader.Arch, seed uint64) *hostFiles {
	t.Helper()
	f := newLimited(t, arch, Limits{Threads: 1, Output: 12, Files: 16})
	h := &hostFiles{Rand: rand.New(rand.NewPCG(seed, 0)), f: f}
	at := "/tmp"
	for part := range strings.SplitSeq(oracleFolder, "/") {
		at += "/" + part
		if v := f.do("mkdirat", cwd, f.str(at), 0o755); v != 0 {
			t.Fatal(v)
		}
	}
	h.guest = uint64(f.do("openat", cwd, f.str(at), 0))
	h.buf, h.names = f.room(16384), f.room(1024)
	dir := filepath.Join(t.TempDir(), oracleFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.root, err = unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(h.root)
		for _, p := range h.open {
			_ = unix.Close(p.host)
		}
	})
	return h
}

func (h *hostFiles) one(list ...string) string { return list[h.IntN(len(list))] }

func (h *hostFiles) flag(list ...int) (all int) {
	for _, f := range list {
		if h.IntN(3) == 0 {
			all |= f
		}
	}
	return all
}

// path is one that climbs at most twice, and out of no folder twice.
func (h *hostFiles) path() string {
	p := h.one("a", "b", "c", "d", "e", "l", "m")
	if h.IntN(2) == 0 {
		return p
	}
	for range h.IntN(3) {
		p += "/" + h.one("a", "b", "c", "d", "l", ".")
	}
	switch h.IntN(12) {
	case 0:
		p += "/"
	case 1:
		p += "/.."
	case 2:
		p = h.one("d", "l") + "/../" + p
	case 3:
		p = h.one(".", "./"+p, "", strings.Repeat("n", 255), strings.Repeat("n", 256))
	}
	return p
}

// text puts a path into the guest's memory, always at one of two places.
func (h *hostFiles) text(n uint64, s string) uint64 {
	copy(h.f.mem.View(h.names+512*n, 512), s+"\x00")
	return h.names + 512*n
}

// came is how a call of the host came out, as the guest's do.
func came(v int, err error) int64 {
	var e syscall.Errno
	if errors.As(err, &e) {
		return -int64(e)
	}
	return int64(v)
}

func (h *hostFiles) file() (pairOfFiles, bool) {
	if len(h.open) == 0 {
		return pairOfFiles{}, false
	}
	return h.open[h.IntN(len(h.open))], true
}

// step makes one call on both sides, and tells what it was and what came of it.
func (h *hostFiles) step() (call string, host, guest int64) {
	f := h.f
	at := func(name string, args ...uint64) int64 { return f.do(name, append([]uint64{h.guest}, args...)...) }
	p, q := h.path(), h.path()
	one, two := h.text(0, p), h.text(1, q)
	what := h.IntN(16)
	if len(h.open) > 6 {
		what = 12
	}
	switch what {
	case 0, 1:
		flags := h.IntN(3) | h.flag(unix.O_CREAT, unix.O_CREAT, unix.O_EXCL, unix.O_TRUNC, unix.O_APPEND, unix.O_NOFOLLOW)
		if flags&unix.O_CREAT == 0 {
			flags |= h.flag(unix.O_DIRECTORY)
			flags &^= unix.O_EXCL // which means nothing then
		}
		theirs := uint64(flags &^ (unix.O_DIRECTORY | unix.O_NOFOLLOW))
		if flags&unix.O_DIRECTORY != 0 {
			theirs |= f.directoryFlag()
		}
		if flags&unix.O_NOFOLLOW != 0 {
			theirs |= f.nofollowFlag()
		}
		fd, err := unix.Openat(h.root, p, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o644)
		host, guest = came(0, err), at("openat", one, theirs, 0o644)
		if guest >= 0 {
			if host >= 0 {
				var st unix.Stat_t
				_ = unix.Fstat(fd, &st)
				h.open = append(h.open, pairOfFiles{fd, uint64(guest), st.Mode&unix.S_IFMT == unix.S_IFDIR})
			}
			guest = 0
		}
		return fmt.Sprintf("openat(%q, %#o)", p, flags), host, guest
	case 2:
		return fmt.Sprintf("mkdirat(%q)", p), came(0, unix.Mkdirat(h.root, p, 0o755)), at("mkdirat", one, 0o755)
	case 3:
		flags := h.flag(unix.AT_REMOVEDIR)
		return fmt.Sprintf("unlinkat(%q, %#x)", p, flags), came(0, unix.Unlinkat(h.root, p, flags)), at("unlinkat", one, uint64(flags))
	case 4, 5:
		flags := h.flag(unix.RENAME_NOREPLACE)
		return fmt.Sprintf("renameat2(%q, %q, %d)", p, q, flags), came(0, unix.Renameat2(h.root, p, h.root, q, uint(flags))),
			at("renameat2", one, h.guest, two, uint64(flags))
	case 6:
		flags := h.flag(unix.AT_SYMLINK_FOLLOW)
		return fmt.Sprintf("linkat(%q, %q, %#x)", p, q, flags), came(0, unix.Linkat(h.root, p, h.root, q, flags)),
			at("linkat", one, h.guest, two, uint64(flags))
	case 7:
		target := h.one("a", "b", "d", "l", "m", "d/a", ".", "a/b", "d/", "./d/../b", "")
		two = h.text(1, target)
		return fmt.Sprintf("symlinkat(%q, %q)", target, p), came(0, unix.Symlinkat(target, h.root, p)), f.do("symlinkat", two, h.guest, one)
	case 8:
		return h.readlink(p, one)
	case 9, 10:
		return h.stat(p, one)
	case 11:
		mode := []uint32{0o700, 0o755, 0o750, 0o777}[h.IntN(4)]
		return fmt.Sprintf("fchmodat(%q, %#o)", p, mode), came(0, unix.Fchmodat(h.root, p, mode, 0)), at("fchmodat", one, uint64(mode))
	case 12:
		if len(h.open) == 0 {
			return "", 0, 0
		}
		i := h.IntN(len(h.open))
		host, guest = came(0, unix.Close(h.open[i].host)), f.do("close", h.open[i].guest)
		h.open = slices.Delete(h.open, i, i+1)
		return fmt.Sprintf("close of file %d", i), host, guest
	}
	file, ok := h.file()
	if !ok {
		return "", 0, 0
	}
	if file.dir {
		return h.list(file)
	}
	return h.transfer(file)
}

func (h *hostFiles) readlink(p string, name uint64) (string, int64, int64) {
	b := make([]byte, 64)
	host := came(unix.Readlinkat(h.root, p, b))
	guest := h.f.do("readlinkat", h.guest, name, h.buf, 64)
	if host > 0 && guest == host && string(b[:host]) != string(h.f.mem.View(h.buf, uint64(host))) {
		guest = -1
	}
	return fmt.Sprintf("readlinkat(%q)", p), host, guest
}

// stat compares mode, links and size, where these are the same on all file systems.
func (h *hostFiles) stat(p string, name uint64) (string, int64, int64) {
	flags := h.flag(unix.AT_SYMLINK_NOFOLLOW)
	var st unix.Stat_t
	host := came(0, unix.Fstatat(h.root, p, &st, flags))
	guest := h.f.do("newfstatat", h.guest, name, h.buf, uint64(flags))
	if host == 0 && guest == 0 {
		mode, links := h.f.word32(h.buf+24), h.f.word(h.buf+16)
		if h.f.Arch == loader.ARM64 {
			mode, links = h.f.word32(h.buf+16), uint64(h.f.word32(h.buf+20))
		}
		host, guest = int64(st.Mode), int64(mode)
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			host, guest = host<<40|int64(st.Nlink)<<32|st.Size, guest<<40|int64(links)<<32|int64(h.f.word(h.buf+48))
		}
	}
	return fmt.Sprintf("fstatat(%q, %#x)", p, flags), host, guest
}

// list compares what is in a folder, read by pieces of a size.
func (h *hostFiles) list(file pairOfFiles) (string, int64, int64) {
	size := []uint64{32, 100, 4096}[h.IntN(3)]
	read := func(next func() ([]byte, int64)) (names []string, end int64) {
		for {
			b, n := next()
			if n <= 0 {
				slices.Sort(names)
				return names, n
			}
			for b = b[:n]; len(b) > 0; b = b[le.Uint16(b[16:]):] {
				name, _, _ := strings.Cut(string(b[19:le.Uint16(b[16:])]), "\x00")
				names = append(names, fmt.Sprint(name, b[18]))
			}
		}
	}
	if _, err := unix.Seek(file.host, 0, 0); err != nil {
		return err.Error(), 1, 0
	}
	h.f.do("lseek", file.guest, 0, 0)
	theirs, host := read(func() ([]byte, int64) {
		b := make([]byte, 4096)
		n, err := unix.Getdents(file.host, b)
		return b, came(n, err)
	})
	ours, guest := read(func() ([]byte, int64) {
		n := h.f.do("getdents64", file.guest, h.buf, size)
		if n == errno(EINVAL) { // for a name that does not fit
			n = h.f.do("getdents64", file.guest, h.buf, 4096)
		}
		return slices.Clone(h.f.mem.View(h.buf, 4096)), n
	})
	if !slices.Equal(theirs, ours) {
		return fmt.Sprintf("getdents64: %q, and here %q", theirs, ours), 0, 1
	}
	return "getdents64", host, guest
}

func (h *hostFiles) transfer(file pairOfFiles) (call string, host, guest int64) {
	f := h.f
	offset := []int64{0, 1, 4090, 4096, 5000, 8191, 12288, -1}[h.IntN(8)]
	size := []int{0, 1, 10, 4096, 9000}[h.IntN(5)]
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(h.IntN(255) + 1)
	}
	read := func(name string, do func() (int, error), args ...uint64) {
		clear(f.mem.View(h.buf, 16384))
		host, guest = came(do()), f.do(name, append([]uint64{file.guest, h.buf, uint64(size)}, args...)...)
		if host > 0 && host == guest && string(b[:host]) != string(f.mem.View(h.buf, uint64(host))) {
			guest = -1
		}
	}
	write := func(name string, do func() (int, error), args ...uint64) {
		copy(f.mem.View(h.buf, 16384), b)
		host, guest = came(do()), f.do(name, append([]uint64{file.guest, h.buf, uint64(size)}, args...)...)
	}
	what := ""
	switch h.IntN(8) {
	case 0:
		what = "read"
		read(what, func() (int, error) { return unix.Read(file.host, b) })
	case 1:
		what = "pread64"
		read(what, func() (int, error) { return unix.Pread(file.host, b, offset) }, uint64(offset))
	case 2, 3:
		what = "write"
		write(what, func() (int, error) { return unix.Write(file.host, b) })
	case 4:
		what = "pwrite64"
		write(what, func() (int, error) { return unix.Pwrite(file.host, b, offset) }, uint64(offset))
	case 5:
		what = "ftruncate"
		host, guest = came(0, unix.Ftruncate(file.host, offset)), f.do(what, file.guest, uint64(offset))
	case 6:
		what = "lseek"
		whence := h.IntN(3)
		n, err := unix.Seek(file.host, offset, whence)
		host, guest = came(int(n), err), f.do(what, file.guest, uint64(offset), uint64(whence))
	case 7:
		what = "fallocate"
		mode := []uint64{0, 1, 3}[h.IntN(3)]
		err := unix.Fallocate(file.host, uint32(mode), offset, int64(size))
		if errors.Is(err, unix.EOPNOTSUPP) {
			return "", 0, 0
		}
		host, guest = came(0, err), f.do(what, file.guest, mode, uint64(offset), uint64(size))
	}
	return fmt.Sprintf("%s of file %d, at %d, %d bytes", what, file.guest, offset, size), host, guest
}

// TestFilesAsHost: random calls about files come to what they come to on a real Linux, in
// results, errors, and what is then in files and folders. Permissions that keep the user out
// are not drawn, as the tests may be run by root.
func TestFilesAsHost(t *testing.T) {
	runs, steps := 60, 400
	if testing.Short() {
		runs = 8
	}
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) {
			seed := testseed.Of(t, 0)
			calls, succeeded := map[string]int{}, map[string]int{}
			for run := range uint64(runs) {
				h := newHostFiles(t, arch, seed+run)
				var history []string
				for range steps {
					call, host, guest := h.step()
					history = append(history, call)
					name, _, _ := strings.Cut(strings.Fields(call + " .")[0], "(")
					if calls[name]++; host >= 0 {
						succeeded[name]++
					}
					if host != guest && call != "" {
						t.Fatalf("seed %d: after %d calls\n%s\n%d on the host, %d here", seed+run, len(history),
							strings.Join(history[max(0, len(history)-25):], "\n"), host, guest)
					}
					h.f.mem.uses = nil
				}
			}
			for name, n := range calls {
				if succeeded[name] < n/100 {
					t.Errorf("%s: of %d times %d succeeded", name, n, succeeded[name])
				}
			}
		})
	}
}
