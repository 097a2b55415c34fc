package emu

import (
	"encoding/hex"
	"slices"
	"testing"

	"emurace/emu/internal/shim"
	"emurace/loader"
)

const vsyscallPage = 0xffffffffff600000

// code makes the bytes a function of the process, in memory that can be run.
func (p *process) code(text string) uint64 {
	p.t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		p.t.Fatal(err)
	}
	at := p.call(0, "mmap", 0, loader.PageSize, 7, 0x22, ^uint64(0), 0)
	if err := p.Write(0, at, b); err != nil {
		p.t.Fatal(err)
	}
	return at
}

// at has a thread call the code at an address, and tells how many instructions that took.
func (p *process) at(fn uint64, args ...uint64) (Stop, uint64) {
	p.t.Helper()
	if err := p.Begin(0, fn, "code", args...); err != nil {
		p.t.Fatal(err)
	}
	s := p.run(0, 1000)
	v, _ := p.Register(0, p.arch.result.Name)
	return s, v
}

// TestVsyscall: the vsyscall page of amd64 answers as Linux does, an instruction a call,
// and shows what system calls show.
func TestVsyscall(t *testing.T) {
	p := boot(t, "bookworm", loader.AMD64)
	base := p.mark()
	buf := p.bytes(make([]byte, 32))

	s, now := p.at(vsyscallPage + 0x400)
	if s.Kind != Returned || s.Ran != 1 {
		t.Fatalf("time: %v", s)
	}
	if want := p.call(0, "time", 0); now == 0 || want-now > 1 {
		t.Errorf("time: %d, the call %d", now, want)
	}
	if s, v := p.at(vsyscallPage+0x400, buf); s.Kind != Returned || v != p.word(buf) || v < now {
		t.Errorf("time with a place for it: %v, %d and %d", s, v, p.word(buf))
	}
	if s, v := p.at(vsyscallPage, buf, buf+16); s.Kind != Returned || v != 0 || p.word(buf) < now || p.word(buf+8) >= 1e6 {
		t.Errorf("gettimeofday: %v, %d, %d.%06d", s, v, p.word(buf), p.word(buf+8))
	}
	if s, v := p.at(vsyscallPage+0x800, buf, 0); s.Kind != Returned || v != 0 || uint32(p.word(buf)) != 0 {
		t.Errorf("getcpu: %v, %d", s, v)
	}
	// A call from code, in one slice and in slices of one instruction.
	caller := p.code("48c7c0000460ff31ffffd089c3c3") // mov $-0x9ffc00,%rax; xor %edi,%edi; call *%rax; mov %eax,%ebx; ret
	once := p.mark()
	s, v := p.at(caller)
	whole := p.digest()
	p.rewind(once)
	if s.Kind != Returned || s.Ran != 6 || v < now {
		t.Fatalf("called: %v, %d", s, v)
	}
	if err := p.Begin(0, caller, "code"); err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); ; n++ {
		s = p.run(0, 1)
		if s.Kind != Budget && !(s.Kind == Returned && n >= 5) {
			t.Fatalf("instruction %d: %v", n, s)
		}
		if s.Kind == Returned {
			break
		}
	}
	if got := p.digest(); got != whole {
		t.Error("in single steps it comes to something else")
	}
	p.rewind(base)
	// What the page does not have, and what may not be used so.
	for _, c := range []struct {
		what string
		fn   uint64
		args []uint64
		addr uint64
		want Access
	}{
		{"beside the functions", vsyscallPage + 3, nil, vsyscallPage + 3, AccessExec},
		{"behind them", vsyscallPage + 0xc00, nil, vsyscallPage + 0xc00, AccessExec},
		{"the page before", vsyscallPage - 0x1000, nil, vsyscallPage - 0x1000, AccessExec},
		{"a place that is not there", vsyscallPage + 0x400, []uint64{8}, 8, AccessWrite},
		{"a place that is read-only", vsyscallPage, []uint64{0, p.rodata()}, p.rodata(), AccessWrite},
		{"a read of the page", p.fn("strlen"), []uint64{vsyscallPage}, vsyscallPage, AccessRead},
	} {
		s, _ := p.at(c.fn, c.args...)
		if s.Kind != Ended || s.End.Kind != EndFault || s.End.Addr != c.addr || s.End.Access != c.want || s.End.PC != c.fn && c.want != AccessRead {
			t.Errorf("%s: %v", c.what, s)
		}
		p.rewind(base)
	}
}

// TestExceptions: what only a kernel may do kills a process by the signal that Linux
// sends, and leaves it as it was.
func TestExceptions(t *testing.T) {
	if !shim.UserMode {
		t.Skip("Unicorn is not patched")
	}
	ps, marks := map[loader.Arch]*process{}, map[loader.Arch]*Mark{}
	for _, arch := range arches {
		ps[arch] = boot(t, "bookworm", arch)
		marks[arch] = ps[arch].mark()
	}
	for _, c := range []struct {
		arch loader.Arch
		text string
		code string
		want string // the end's kind in words, up to its address
	}{
		{loader.ARM64, "msr dbgbvr0_el1, x0", "800010d5", "illegal instruction"},
		{loader.ARM64, "msr dbgbcr0_el1, x0", "a00010d5", "illegal instruction"},
		{loader.ARM64, "mrs x0, cntv_tval_el0", "00e33bd5", "illegal instruction"},
		{loader.ARM64, "mrs x0, cntp_tval_el0", "00e23bd5", "illegal instruction"},
		{loader.ARM64, "mrs x0, cntpct_el0", "20e03bd5", "illegal instruction"},
		{loader.ARM64, "mrs x0, pmccntr_el0", "009d3bd5", "illegal instruction"},
		{loader.ARM64, "mrs x0, midr_el1", "000038d5", "illegal instruction"},
		{loader.ARM64, "mrs x0, rndr", "00243bd5", "illegal instruction"},
		{loader.ARM64, "msr daifset, #2", "df4203d5", "illegal instruction"},
		{loader.ARM64, "dc isw, x0", "407608d5", "illegal instruction"},
		{loader.ARM64, "tlbi vmalle1", "1f8708d5", "illegal instruction"},
		{loader.ARM64, "eret", "e0039fd6", "illegal instruction"},
		{loader.ARM64, "smc #0", "030000d4", "illegal instruction"},
		{loader.ARM64, "an unallocated half-precision instruction", "fb4a794e", "illegal instruction"},
		{loader.ARM64, "fadd v0.8h, v0.8h, v0.8h", "0014404e", "illegal instruction"},
		{loader.ARM64, "add z0.b, z0.b, z0.b", "00002004", "illegal instruction"},
		{loader.ARM64, "brk #1", "200020d4", "breakpoint instruction (SIGTRAP)"},
		{loader.ARM64, "ldxr x0, [sp, 1 more]", "e0070091007c5fc8", "misaligned access (SIGBUS)"},
		{loader.AMD64, "mov %rax, %dr7", "0f23f8", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "mov %dr0, %rax", "0f21c0", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "mov %cr0, %rax", "0f20c0", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "lgdt (%rdi)", "0f0117", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "rdmsr", "0f32", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "rdpmc", "0f33", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "cli", "fa", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "in %dx, %al", "ec", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "outsb", "6e", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "sysenter", "0f34", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "sysretq", "480f07", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "int $14", "cd0e", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "mov $0x18, %eax; mov %eax, %ds", "b8180000008ed8", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "push $0x23; push $0; lretq", "6a236a0048cb", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "push $0x10000; ldmxcsr (%rsp)", "68000001000fae1424", "general protection fault (SIGSEGV)"},
		{loader.AMD64, "vmcall", "0f01c1", "illegal instruction"},
		{loader.AMD64, "lock with a register", "f00fb3d4", "illegal instruction"},
		{loader.AMD64, "rdfsbase %rax", "f3480faec0", "illegal instruction"},
		{loader.AMD64, "vaddps %ymm0, %ymm0, %ymm0", "c5fc58c0", "illegal instruction"},
		{loader.AMD64, "int3", "cc", "breakpoint instruction (SIGTRAP)"},
		{loader.AMD64, "int1", "f1", "debug trap (SIGTRAP)"},
		{loader.AMD64, "the trap flag", "68000100009d90", "debug trap (SIGTRAP)"},
		{loader.AMD64, "div of nothing", "31c9f7f1", "division error (SIGFPE)"},
		{loader.AMD64, "the least number by -1", "31c0ba00000080b9fffffffff7f9", "division error (SIGFPE)"},
	} {
		t.Run(c.text, func(t *testing.T) {
			p := ps[c.arch]
			p.t = t
			p.rewind(marks[c.arch])
			s, _ := p.at(p.code(c.code))
			if s.Kind != Ended {
				t.Fatal(s)
			}
			if got := s.End.String(); len(got) < len(c.want) || got[:len(c.want)] != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestOldCalls: `int 0x80` is a call that is not there, and is told.
func TestOldCalls(t *testing.T) {
	p := boot(t, "bookworm", loader.AMD64)
	s, v := p.at(p.code("b814000000cd80c3")) // mov $20, %eax; int $0x80; ret
	if s.Kind != Returned || s.Ran != 3 || int64(v) != -38 {
		t.Errorf("%v, %d", s, int64(v))
	}
	if names := p.unknownSyscalls(); !slices.Contains(names, "int 0x80, for calls of 32-bit programs") {
		t.Errorf("unknown calls %q", names)
	}
}

// TestDescriptors: what a process may ask of the processor's tables is what Linux tells
// of them, and its own segments can be loaded.
func TestDescriptors(t *testing.T) {
	if !shim.UserMode {
		t.Skip("Unicorn is not patched")
	}
	p := boot(t, "bookworm", loader.AMD64)
	base := p.mark()
	buf := p.bytes(make([]byte, 16))
	for _, c := range []struct {
		text, code string
		want       uint64
	}{
		{"mov %cs, %eax", "8cc8", 0x33},
		{"mov %ss, %eax", "8cd0", 0x2b},
		{"mov %ds, %eax", "8cd8", 0},
		{"smsw %rax", "480f01e0", 0x80050033},
		{"sldt %eax", "0f00c0", 0},
		{"str %eax", "0f00c8", 0x40},
		{"sgdt; its limit and base", "0f0107488b4702", 0xfffffffffffe0000},
		{"sidt", "0f010f488b4702", 0xffffffffffff0000},
		{"lsl of the processor's number", "b87b0000000f03c0", 0},
		{"lar of the kernel's code: not told", "b8070000006a105a0f02c2", 7},
		{"load data segments", "b82b0000008ed88ec08ed08ee031c08ed88ec0", 0},
		{"far return to itself", "488d05060000006a335048cbf44831c0", 0},
		{"xgetbv", "31c90f01d0", 3},
		{"xor %eax, %eax; pushf", "31c09c58", 0x246},
	} {
		p.rewind(base)
		if s, v := p.at(p.code(c.code+"c3"), buf); s.Kind != Returned || v != c.want {
			t.Errorf("%s: %v, %#x, want %#x", c.text, s, v, c.want)
		}
	}
}
