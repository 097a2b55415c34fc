package emu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/emu/internal/linux"
	"emurace/internal/testroot"
	"emurace/loader"
)

// bootMusl boots a process on Debian bookworm's musl.
func bootMusl(t testing.TB, arch loader.Arch, env ...string) *process {
	t.Helper()
	sys, err := OpenLibc(testroot.Dir(t, "debian:bookworm/musl", arch.String()), arch, loader.Musl)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{System: sys, Env: env, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if err := sys.Close(); err != nil {
			t.Error(err)
		}
	})
	return &process{Machine: m, t: t, fns: map[string]uint64{}}
}

// eachMusl runs a test on musl of each architecture.
func eachMusl(t *testing.T, f func(t *testing.T, p *process)) {
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) { f(t, bootMusl(t, arch, "HOME=/nowhere", "LANG=C")) })
	}
}

// The dynamic linker is the libc, and stands alone; main is idle in main.
func TestMuslBoot(t *testing.T) {
	eachMusl(t, func(t *testing.T, p *process) {
		if pc, err := p.PC(0); err != nil || pc != p.main || !p.Idle(0) {
			t.Errorf("pc %#x, %v; main is %#x", pc, err, p.main)
		}
		libc, ok := p.Libc()
		linker, found := p.Linker()
		if !ok || !found || libc != linker || len(p.Modules()) != 1 || filepath.Base(libc.Path) != "libc.so" {
			t.Fatalf("libc %+v, linker %+v", libc, linker)
		}
		if got := p.Program().Image.Interp; got != loader.Musl.Interp(p.Arch()) {
			t.Errorf("the program's interpreter is %s", got)
		}
		if v, musl := libc.Image.MuslVersion(); v != "1.2.3" || !musl {
			t.Errorf("version %q, %v", v, musl)
		}
		if p.output() != "" || len(p.unknownSyscalls()) != 0 {
			t.Errorf("it said %q; unknown system calls: %v", p.output(), p.unknownSyscalls())
		}
		if home := p.text(p.call(0, "getenv", p.str("HOME"))); home != "/nowhere" {
			t.Errorf("HOME is %q", home)
		}
		// What __libc_start_main sets up: the name by which the program was called.
		if name := p.text(p.word(p.fn("program_invocation_name"))); name != programPath {
			t.Errorf("the program's name is %q", name)
		}
	})
}

// Names have no versions; what there is not is an error. Calls of what is found work,
// malloc's for blocks of all sizes.
func TestMuslLookup(t *testing.T) {
	eachMusl(t, func(t *testing.T, p *process) {
		libc, _ := p.Libc()
		for _, name := range []string{"getenv", "malloc", "strlen", "environ", "pthread_create"} {
			a, err := p.Lookup(name)
			if err != nil || a < libc.Lo || a >= libc.Hi {
				t.Errorf("%s: %#x, %v", name, a, err)
			}
			if got, off, ok := p.Symbol(a); !ok || off != 0 || strings.TrimLeft(got, "_") != name {
				t.Errorf("%s: its address is that of %q+%d", name, got, off)
			}
		}
		for _, name := range []string{"gnu_get_libc_version", "getenv@GLIBC_2.17", ""} {
			if a, err := p.Lookup(name); err == nil {
				t.Errorf("%q is at %#x", name, a)
			}
		}
		if n := p.call(0, "strlen", p.str("twelve bytes")); n != 12 {
			t.Errorf("strlen: %d", n)
		}
		if n := p.call(0, "atoi", p.str("-17")); int32(n) != -17 {
			t.Errorf("atoi: %d", int32(n))
		}
		for _, size := range []uint64{1, 100, 5000, 100_000, 1 << 20} {
			b := p.call(0, "calloc", 1, size)
			if b = p.call(0, "realloc", b, 2*size); b == 0 || b%16 != 0 {
				t.Fatalf("realloc to %d: %#x", 2*size, b)
			}
			p.call(0, "memset", b, 0x5a, 2*size)
			p.call(0, "free", b)
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}

// Threads are pthread_create's own, with stacks, storage and locks of their own; one
// that returns wakes who joins it. Waiters of a condition variable are handed to its
// mutex by a requeue.
func TestMuslThreads(t *testing.T) {
	eachMusl(t, func(t *testing.T, p *process) {
		threads := []int{0, p.spawn("one"), p.spawn("two")}
		var self, errno, stacks []uint64
		for _, n := range threads {
			self = append(self, p.call(n, "pthread_self"))
			errno = append(errno, p.call(n, "__errno_location"))
			lo, _, _ := p.MappingOf(p.sp(n))
			stacks = append(stacks, lo)
		}
		for _, list := range [][]uint64{self, errno, stacks} {
			slices.Sort(list)
			if len(slices.Compact(list)) != 3 {
				t.Errorf("not three of them: %x", list)
			}
		}
		mutex, cond := p.bytes(make([]byte, 64)), p.bytes(make([]byte, 64))
		for _, n := range threads[1:] {
			p.call(n, "pthread_mutex_lock", mutex)
			p.begin(n, "pthread_cond_wait", cond, mutex)
			if s := p.run(n, 1<<20); s.Kind != Waits {
				t.Fatalf("cond_wait: %v", s)
			}
		}
		p.call(0, "pthread_mutex_lock", mutex)
		p.call(0, "pthread_cond_broadcast", cond)
		p.call(0, "pthread_mutex_unlock", mutex)
		// One waiter holds the mutex at a time, and each lets the next one have it.
		left := threads[1:]
		for range 2 {
			i := slices.IndexFunc(left, func(n int) bool { return p.run(n, 1<<20).Kind == Returned })
			if i < 0 {
				t.Fatalf("nobody of %v has got the mutex", left)
			}
			n := left[i]
			if rc := p.call(0, "pthread_mutex_trylock", mutex); rc != 16 { // EBUSY
				t.Errorf("trylock: %d, while thread %d has the mutex", rc, n)
			}
			p.call(n, "pthread_mutex_unlock", mutex)
			left = slices.Delete(slices.Clone(left), i, i+1)
		}
		if p.End() != nil || len(p.unknownSyscalls()) != 0 {
			t.Errorf("unknown system calls %v, end %v", p.unknownSyscalls(), p.End())
		}
	})
}

func TestMuslJoin(t *testing.T) {
	eachMusl(t, func(t *testing.T, p *process) {
		handle, result := p.bytes(make([]byte, 8)), p.bytes(make([]byte, 8))
		if rc := p.call(0, "pthread_create", handle, 0, p.fn("strlen"), p.str("forty-two bytes are counted by this thread")); rc != 0 {
			t.Fatalf("pthread_create: %d", rc)
		}
		p.begin(0, "pthread_join", p.word(handle), result)
		if s := p.run(0, 1<<20); s.Kind != Waits {
			t.Fatalf("join: %v", s)
		}
		if s := p.run(1, 1<<22); s.Kind != Gone {
			t.Fatalf("the thread: %v", s)
		}
		if rc := p.finish(0); rc != 0 || p.word(result) != 42 {
			t.Errorf("join: %d, the thread returned %d", rc, p.word(result))
		}
		if rc := p.call(0, "close", 12345); int32(rc) != -1 {
			t.Errorf("close: %d", int32(rc))
		}
		if v, _ := p.Read(p.call(0, "__errno_location"), 4); le.Uint32(v) != uint32(linux.EBADF) {
			t.Errorf("errno %v", v)
		}
	})
}

// A folder with musl alone needs no choice; in one with both the choice is glibc,
// and one without either is refused.
func TestMuslFolder(t *testing.T) {
	for _, arch := range tested() {
		both := testroot.Dir(t, "debian:bookworm/musl", arch.String())
		data, err := os.ReadFile(filepath.Join(both, loader.Musl.Interp(arch)))
		if err != nil {
			t.Fatal(err)
		}
		folder := func(name string) string {
			dir := t.TempDir()
			if name = filepath.Join(dir, name); os.MkdirAll(filepath.Dir(name), 0o755) != nil || os.WriteFile(name, data, 0o644) != nil {
				t.Fatal("cannot write " + name)
			}
			return dir
		}
		for _, c := range []struct {
			dir   string
			asked loader.Libc
			want  loader.Libc // 0 for an error
		}{
			{both, 0, loader.Glibc}, {both, loader.Musl, loader.Musl}, {both, loader.Glibc, loader.Glibc},
			{folder(loader.Musl.Interp(arch)), 0, loader.Musl},
			{folder("usr" + loader.Musl.Interp(arch)), 0, loader.Musl},
			{folder(loader.Musl.Interp(arch)), loader.Glibc, 0},
			{folder("other"), 0, 0}, {folder("other"), loader.Musl, 0},
		} {
			sys, err := OpenLibc(c.dir, arch, c.asked)
			if c.want == 0 || err != nil {
				if c.want != 0 || err == nil || !strings.Contains(err.Error(), "no dynamic linker for "+arch.String()) {
					t.Errorf("%+v: %v", c, err)
				}
				continue
			}
			m, err := New(Options{System: sys})
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			if _, musl := libcImage(m).MuslVersion(); sys.Libc != c.want || musl != (c.want == loader.Musl) {
				t.Errorf("%+v: %v, musl %v", c, sys.Libc, musl)
			}
			m.Close()
			if err := sys.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func libcImage(m *Machine) *loader.Image {
	libc, _ := m.Libc()
	return libc.Image
}

// What a system call does to pages counts as written by its thread: who reads them
// must not change places with it.
func TestRemappedIsShared(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		worker := p.spawn("worker")
		const size = 4 * loader.PageSize
		block := p.call(0, "mmap", 0, size, 3, 0x22, ^uint64(0), 0)
		p.WantEvents(true)
		p.begin(0, "strlen", block+loader.PageSize) // a zero: it reads there and ends
		for p.run(0, BootInstructions).Kind != Returned {
		}
		events := func() (list []Counted) {
			p.begin(worker, "munmap", block, size)
			for {
				s := p.run(worker, BootInstructions)
				if s.Event {
					list = append(list, s.Counted...)
				}
				if s.Kind != Budget {
					return list
				}
			}
		}
		list := events()
		if !slices.ContainsFunc(list, func(c Counted) bool { return c.Write && c.Addr >= block+loader.PageSize && c.Addr < block+size }) {
			t.Errorf("munmap has counted %+v, not the bytes read at %#x", list, block+loader.PageSize)
		}
		if slices.ContainsFunc(list, func(c Counted) bool { return c.Addr < block || c.Addr+c.Size > block+size }) {
			t.Errorf("munmap has counted %+v beyond its pages", list)
		}
	})
}
