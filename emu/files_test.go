package emu

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

// bootWith is boot with files of the process's own, and libraries.
func bootWith(t testing.TB, suite string, arch loader.Arch, o Options) *process {
	t.Helper()
	o.System, o.Seed = system(t, suite, arch), 1
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return &process{Machine: m, t: t, fns: map[string]uint64{}}
}

// errno is what the guest's errno of the main thread says.
func (p *process) errno() uint64 {
	p.t.Helper()
	return p.word(p.call(0, "__errno_location")) & 0xffffffff
}

// TestVirtualFiles looks at given files with libc's own functions: one in a folder of
// the sysroot, one in folders that are there only for it, one in the place of the
// sysroot's, one under a link to a folder.
func TestVirtualFiles(t *testing.T) {
	const modeFile, modeDir = 0o100644, 0o040755
	eachSystem(t, func(t *testing.T, p *process) {
		lib := "/lib/" + p.Arch().Triplet()
		p = bootWith(t, strings.Split(t.Name(), "/")[1], p.Arch(), Options{Files: map[string][]byte{
			"/etc/hosts":          []byte("127.0.0.1 localhost\n"),
			"/a/b/c/deep":         []byte("first line\nsecond line\n"),
			"/usr" + lib + "/new": []byte("by another name"),
			"/empty":              nil,
			"/big":                slices.Repeat([]byte("0123456789abcdef"), 1000),
		}})
		stat := p.call(0, "malloc", 256)
		_, hasStat := p.Lookup("stat")
		mode := func(fn, path string) uint32 {
			if hasStat != nil { // before glibc 2.33 stat is an inline function
				v := map[loader.Arch]uint64{loader.ARM64: 0, loader.AMD64: 1}[p.Arch()]
				if int32(p.call(0, "__"+strings.Replace(fn, "stat", "xstat", 1), v, p.str(path), stat)) != 0 {
					return 0
				}
			} else if int32(p.call(0, fn, p.str(path), stat)) != 0 {
				return 0
			}
			at := map[loader.Arch]uint64{loader.ARM64: 16, loader.AMD64: 24}[p.Arch()]
			return uint32(p.word(stat + at))
		}
		for path, want := range map[string]uint32{
			"/etc/hosts": modeFile, "/a/b/c/deep": modeFile, "/usr" + lib + "/new": modeFile, "/empty": modeFile,
			"/a": modeDir, "/a/b/": modeDir, "/etc": modeDir, "/a/b/c/../../b/c/deep": modeFile,
			"/a/c": 0, "/etc/passwd-": 0, "/a/b/c/deep/er": 0, "/dev/null": 0o020666,
		} {
			for _, fn := range []string{"stat", "lstat"} {
				if got := mode(fn, path); got != want {
					t.Errorf("%s of %s: mode %o, want %o", fn, path, got, want)
				}
			}
		}
		// In bullseye and bookworm /usr/lib is another folder than /lib; else a link.
		merged := mode("lstat", "/lib")&0o170000 == 0o120000
		if got := mode("stat", lib+"/new"); (got == modeFile) != merged {
			t.Errorf("through a link to the folder: mode %o, merged %v", got, merged)
		}
		const accessWrite, accessExec, accessRead = 2, 1, 4
		for what, want := range map[uint64]uint64{accessRead: 0, accessWrite: 0, accessExec: 13} {
			if rc := p.call(0, "access", p.str("/a/b/c/deep"), what); int32(rc) != 0 && p.errno() != want || int32(rc) == 0 && want != 0 {
				t.Errorf("access %d: %d, errno %d, want %d", what, int32(rc), p.errno(), want)
			}
		}
		if rc := p.call(0, "readlink", p.str("/etc/hosts"), stat, 100); int64(rc) != -1 || p.errno() != 22 {
			t.Errorf("readlink: %d, errno %d", int64(rc), p.errno())
		}
		directory := map[loader.Arch]uint64{loader.ARM64: 0o40000, loader.AMD64: 0o200000}[p.Arch()]
		dir := p.call(0, "open", p.str("/a/b"), directory)
		if fd := p.call(0, "openat", dir, p.str("c/deep"), 0); int32(dir) < 0 || int32(fd) < 0 {
			t.Errorf("open in a folder: %d, %d", int32(dir), int32(fd))
		}
		if fd := p.call(0, "open", p.str("/a/b/c/deep"), 0o301, 0o644); int32(fd) != -1 || p.errno() != 17 {
			t.Errorf("open to make it: %d, errno %d", int32(fd), p.errno())
		}
		if f := p.call(0, "fopen", p.str("/a/b/c/new"), p.str("w")); f == 0 || p.call(0, "fclose", f) != 0 {
			t.Errorf("fopen to write: %#x, errno %d", f, p.errno())
		}

		f := p.call(0, "fopen", p.str("/a/b/c/deep"), p.str("r"))
		line := p.call(0, "malloc", 100)
		var got []string
		for p.call(0, "fgets", line, 100, f) != 0 {
			got = append(got, p.text(line))
		}
		p.call(0, "fclose", f)
		if fmt.Sprint(got) != "[first line\n second line\n]" {
			t.Errorf("fgets: %q", got)
		}
		const readable, private = 1, 2
		fd := p.call(0, "open", p.str("/big"), 0)
		at := p.call(0, "mmap", 0, 12000, readable, private, fd, 4096)
		if b, ok := p.Read(at, 16); !ok || string(b) != "0123456789abcdef" {
			t.Errorf("mmap: %q, %v", b, ok)
		}
		if b, ok := p.Read(at+12000-96, 96); !ok || string(b) != strings.Repeat("\x00", 96) {
			t.Errorf("behind the end of what is mapped: %q, %v", b, ok)
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}

// TestVirtualFilesRefused: what cannot be a file is an error that names it.
func TestVirtualFilesRefused(t *testing.T) {
	sys := system(t, "trixie", loader.ARM64)
	many := map[string][]byte{}
	for i := range maxVirtualFiles + 1 {
		many[fmt.Sprintf("/f%d", i)] = nil
	}
	large := make([]byte, maxVirtualBytes/2+1)
	for _, c := range []struct {
		files map[string][]byte
		want  string
	}{
		{map[string][]byte{"": nil}, `"": not an absolute path`},
		{map[string][]byte{"etc/hosts": nil}, `"etc/hosts": not an absolute path`},
		{map[string][]byte{"/a/../b": nil}, "not an absolute path in its shortest form"},
		{map[string][]byte{"/a/": nil}, "not an absolute path in its shortest form"},
		{map[string][]byte{"/": nil}, "not an absolute path in its shortest form"},
		{map[string][]byte{"/a\x00b": nil}, "contains NUL"},
		{map[string][]byte{"/" + strings.Repeat("x", maxVirtualPath): nil}, "1025 bytes"},
		{map[string][]byte{"/usr": nil}, "is a folder"},
		{map[string][]byte{"/a": nil, "/a/b": nil}, "/a is a file"},
		{map[string][]byte{"/a/b": nil, "/a-": nil, "/a": nil, "/a/b/c": nil}, `"/a/b": /a is a file`},
		{map[string][]byte{"/etc/ld.so.conf/b": nil, "/etc/ld.so.conf": nil}, "/etc/ld.so.conf is a file"},
		{map[string][]byte{"/lib/x": nil, "/usr/lib/x": nil}, "given twice"},
		{map[string][]byte{"/dev/null": nil}, "something else"},
		{map[string][]byte{programPath: nil}, "something else"},
		{many, "257, at most 256"},
		{map[string][]byte{"/a": large, "/b": large}, `"/b": more than`},
	} {
		m, err := New(Options{System: sys, Files: c.files})
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "files: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %v, want %q", fmt.Sprint(c.files), err, c.want)
		}
	}
}

// TestVirtualFilesAreOfTheMachine: another machine of the same System does not see
// them, and without them a process is the same, bit for bit.
func TestVirtualFilesAreOfTheMachine(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		q := bootWith(t, "bookworm", p.Arch(), Options{Files: map[string][]byte{"/only/here": []byte("x")}})
		if p.digest() != q.digest() {
			t.Error("a file that nobody opens changes the process")
		}
		if fd := q.call(0, "open", q.str("/only/here"), 0); int32(fd) < 0 {
			t.Errorf("open: %d", int32(fd))
		}
		if fd := p.call(0, "open", p.str("/only/here"), 0); int32(fd) != -1 || p.errno() != 2 {
			t.Errorf("open on another machine: %d, errno %d", int32(fd), p.errno())
		}
		if b, ok := q.VirtualFile("/only/../only/here"); !ok || string(b) != "x" {
			t.Errorf("VirtualFile: %q, %v", b, ok)
		}
		if _, ok := q.VirtualFile("/etc"); ok {
			t.Error("VirtualFile of what was not given")
		}
	})
}
