package emu

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emurace/loader"
)

// syscallNumbers are all the calls of an architecture, and some it has not.
func syscallNumbers(arch loader.Arch) []uint64 {
	numbers := []uint64{9999, 1 << 40, ^uint64(0)}
	for _, c := range SystemCalls(arch) {
		numbers = append(numbers, c.Number)
	}
	return numbers
}

// TestHostileSyscalls lets the guest make system calls with senseless arguments
// through libc's own syscall(), on the real machine: whatever comes, it is the
// guest's problem, and a rewind still takes all of it back.
func TestHostileSyscalls(t *testing.T) {
	count := 3000
	if testing.Short() {
		count = 300
	}
	each(t, func(t *testing.T, p *process) {
		r := randomness(t)
		worker := p.spawn("worker")
		syscall, numbers := p.fn("syscall"), syscallNumbers(p.Arch())
		anywhere := p.call(0, "mmap", 0, 8*loader.PageSize, 7, 0x22, ^uint64(0), 0)
		interesting := []uint64{0, 1, 2, 3, 8, 64, 4095, 4096, 1 << 12, 1 << 20, 1 << 31, 1<<32 - 1, 1 << 40, 1 << 46, 1 << 47, 1 << 63, ^uint64(0), ^uint64(4095),
			anywhere, anywhere + loader.PageSize, anywhere + 8*loader.PageSize - 4, p.rodata(), stackTop - 8, p.sp(0), p.str("/etc/passwd"), p.str("../../../../etc/passwd"), 0x22, 0x32, 0x100022, 0x10f00}
		base := p.mark()
		was := p.snapshot()
		slowest := time.Duration(0)
		for i := range count {
			args := []uint64{numbers[r.IntN(len(numbers))]}
			for range 5 {
				if r.IntN(8) == 0 {
					args = append(args, r.Uint64())
				} else {
					args = append(args, interesting[r.IntN(len(interesting))])
				}
			}
			n := r.IntN(2) * worker
			if !p.Idle(n) || p.End() != nil {
				p.rewind(base)
			}
			if err := p.Begin(n, syscall, "syscall", args...); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if _, err := p.Run(n, 1000); err != nil {
				t.Fatalf("syscall %x: %v", args, err)
			}
			if d := time.Since(begin); d > slowest {
				slowest = d
				if d > 2*time.Second {
					t.Errorf("syscall %x took %v", args, d)
				}
			}
			if i%100 == 99 {
				p.checkPageTable()
				p.rewind(base)
				for _, d := range was.differences(p.snapshot()) {
					t.Fatalf("after %d calls, rewinding left: %s", i+1, d)
				}
			}
		}
		t.Logf("the slowest call took %v; not there: %v", slowest, p.unknownSyscalls())
	})
}

// TestHugeMappings: mappings of the greatest size cost what is used of them,
// not what they claim.
func TestHugeMappings(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		begin := time.Now()
		const size = 40 << 30
		start := p.mark()
		addr := p.call(0, "mmap", 0, size, 3, 0x22, ^uint64(0), 0)
		if int64(addr) < 0 {
			t.Fatalf("mmap: %d", int64(addr))
		}
		p.call(0, "memset", addr+size-100, 0xaa, 100)
		p.call(0, "memset", addr, 0xbb, 100)
		moved := p.call(0, "mremap", addr, size/4, size/2, 1)
		if v := p.word(addr + size - 8); v != 0xaaaaaaaaaaaaaaaa {
			t.Errorf("the last word is %#x", v)
		}
		if int64(moved) > 0 && p.word(moved) != 0xbbbbbbbbbbbbbbbb {
			t.Errorf("the first word moved to %#x is %#x", moved, p.word(moved))
		}
		if _, err := p.Digest(0); err != nil {
			t.Fatal(err)
		}
		if rc := p.call(0, "munmap", addr, size); rc != 0 {
			t.Errorf("munmap: %d", int64(rc))
		}
		p.rewind(start)
		if d := time.Since(begin); d > 5*time.Second { // it takes a tenth of one
			t.Errorf("it all took %v", d)
		}
	})
}

// TestNoHostFiles: whatever path the guest opens, it sees the sysroot only, and whatever it
// writes, the host's files stay as they are.
func TestNoHostFiles(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, p *process) {
		const createWrite = 0o101
		made := filepath.Join(t.TempDir(), "made")
		for _, name := range []string{secret, "/../../../../../.." + secret, "/proc/self/exe", "/proc/self/environ", "/dev/sda", "/etc/passwd", strings.Repeat("../", 50) + secret[1:]} {
			if fd := int32(p.call(0, "open", p.str(name), 0)); fd >= 0 {
				t.Errorf("open %s: descriptor %d", name, fd)
			}
		}
		if fd := int32(p.call(0, "open", p.str(made), createWrite, 0o644)); fd >= 0 {
			t.Errorf("created %s as descriptor %d", made, fd)
		}
		if _, err := os.Lstat(made); err == nil {
			t.Errorf("%s is on the host", made)
		}
		path := "/lib/" + p.Arch().Triplet() + "/libc.so.6"
		host := filepath.Join(p.sys.Root.Dir(), path)
		before, err := os.ReadFile(host)
		must(t, err)
		fd := p.call(0, "open", p.str(path), 2)
		if n := p.call(0, "write", fd, p.str("text"), 4); n != 4 {
			t.Errorf("write to libc.so.6: %d", int64(n))
		}
		if b, err := p.sys.File(path); err != nil || !bytes.Equal(b, before) {
			t.Errorf("what is kept of libc.so.6 is another: %v", err)
		}
		if after, err := os.ReadFile(host); err != nil || !bytes.Equal(after, before) {
			t.Errorf("libc.so.6 is another: %v", err)
		}
	})
}

// unicornAborts tells whether Unicorn's decoder takes the instruction for a
// mistake of its own and ends the whole program. It does so with unallocated
// opcodes of the half-precision classes of Advanced SIMD, "two-register
// miscellaneous" and "three same" (Arm ARM, C4.1.96).
func unicornAborts(w uint32) bool {
	return w&0x8f7e0c00 == 0x0e780800 || w&0x9f60c400 == 0x0e400400
}

// TestNonsenseCode runs random bytes as code: it ends somehow, or runs on, but
// never takes the emulator with it, and a rewind takes all of it back.
func TestNonsenseCode(t *testing.T) {
	count := 1500
	if testing.Short() {
		count = 150
	}
	each(t, func(t *testing.T, p *process) {
		r := randomness(t)
		const size = 2 * loader.PageSize
		area := p.call(0, "mmap", 0, size, 7, 0x22, ^uint64(0), 0)
		libc, _ := p.Libc()
		base := p.mark()
		was := p.snapshot()
		ends := map[StopKind]int{}
		for i := range count {
			code := make([]byte, 256)
			for j := 0; j < len(code); j += 4 {
				w := r.Uint32()
				for p.Arch() == loader.ARM64 && unicornAborts(w) {
					w = r.Uint32()
				}
				le.PutUint32(code[j:], w)
			}
			entry := area
			if i%2 == 0 { // the middle of real instructions, where x86 decodes others
				entry = libc.Lo + 0x30000 + r.Uint64N(0x80000)
				if p.Arch() == loader.ARM64 {
					entry &^= 3
				}
			}
			if err := p.Write(0, area, code); err != nil {
				t.Fatal(err)
			}
			args := []uint64{area + 512, r.Uint64(), area + size - 5, 1 << r.IntN(64)}
			if err := p.Begin(0, entry, "nonsense", args...); err != nil {
				t.Fatal(err)
			}
			s, err := p.Run(0, 2000)
			if err != nil {
				t.Fatalf("code % x: %v", code, err)
			}
			ends[s.Kind]++
			p.rewind(base)
			if i%50 == 49 {
				for _, d := range was.differences(p.snapshot()) {
					t.Fatalf("after %d runs, rewinding left: %s; the last code was % x", i+1, d, code)
				}
			}
		}
		t.Logf("stops %v", ends)
	})
}
