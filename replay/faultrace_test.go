package replay

import (
	"math/rand/v2"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/scenario"
)

// faultCode is what the threads of a random program do: they put values into the cells of a page in
// all the ways that there are, and take what is in one for an address.
const faultCode = `
typedef unsigned long u64; typedef unsigned u32; typedef unsigned short u16; typedef unsigned char u8;
#ifdef __aarch64__
static inline long call(long n, long a, long b, long c) {
	register long x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c;
	asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory"); return x0; }
enum { READ = 63, WRITE = 64, GETRANDOM = 278, CLOCK = 113, TGKILL = 131, GETPID = 172, GETTID = 178 };
#define SAVED register u64 v asm("x20")
#else
static inline long call(long n, long a, long b, long c) {
	asm volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory"); return n; }
enum { READ = 0, WRITE = 1, GETRANDOM = 318, CLOCK = 228, TGKILL = 234, GETPID = 39, GETTID = 186 };
#define SAVED register u64 v asm("rbx")
#endif
volatile u64 *cell;
u64 store8(volatile u8 *p, u64 v) { *p = v; return 0; }
u64 store16(volatile u16 *p, u64 v) { *p = v; return 0; }
u64 store32(volatile u32 *p, u64 v) { *p = v; return 0; }
u64 store64(volatile u64 *p, u64 v) { *p = v; return 0; }
#ifdef __aarch64__
u64 pair(volatile u64 *p, u64 v) { asm volatile("stp %1, %2, [%0]" : : "r"(p), "r"(v), "r"(v + 8) : "memory"); return 0; }
u64 vector(volatile u64 *p, u64 v) { asm volatile("dup v0.2d, %1\n\tstr q0, [%0]" : : "r"(p), "r"(v) : "memory", "v0"); return 0; }
u64 pairs(volatile u64 *p) { u64 a, b; asm volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(p) : "memory"); return *(volatile u64 *)b; }
u64 lanes(volatile u64 *p) { u64 a; asm volatile("ldr q0, [%1]\n\tmov %0, v0.d[0]" : "=r"(a) : "r"(p) : "memory", "v0"); return *(volatile u64 *)a; }
#else
u64 pair(volatile u64 *p, u64 v) { asm volatile("movq %1, %%xmm0\n\tpunpcklqdq %%xmm0, %%xmm0\n\tmovups %%xmm0, (%0)" : : "r"(p), "r"(v) : "memory", "xmm0"); return 0; }
u64 vector(volatile u64 *p, u64 v) { asm volatile("push %1\n\tpop (%0)" : : "r"(p), "r"(v) : "memory"); return 0; }
u64 pairs(volatile u64 *p) { u64 a; asm volatile("movups (%1), %%xmm0\n\tmovq %%xmm0, %0" : "=r"(a) : "r"(p) : "memory", "xmm0"); return *(volatile u64 *)a; }
u64 lanes(volatile u64 *p) { u64 a; asm volatile("push (%1)\n\tpop %0" : "=r"(a) : "r"(p) : "memory"); return *(volatile u64 *)a; }
#endif
u64 swap(volatile u64 *p, u64 v) { return __atomic_exchange_n(p, v, 5); }
u64 compare(volatile u64 *p, u64 v) { u64 old = 0; return __atomic_compare_exchange_n(p, &old, v, 0, 5, 5); }
u64 add(volatile u64 *p, u64 v) { *p += v; return 0; }
u64 or(volatile u64 *p, u64 v) { __atomic_fetch_or(p, v & 0xff, 5); return 0; }
u64 copy(volatile u8 *p, volatile u8 *q, u64 n) { for (u64 i = 0; i < n; i++) p[i] = q[i]; return 0; }
u64 random_(void *p, u64 n) { return call(GETRANDOM, (long)p, n & 31, 0); }
u64 clock(void *p) { return call(CLOCK, 0, (long)p, 0); }
u64 put(void *p, u64 n, u64 fd) { return call(WRITE, fd, (long)p, 1 + (n & 15)); }
u64 get(void *p, u64 n, u64 fd) { return call(READ, fd, (long)p, 1 + (n & 15)); }
u64 signal_(u64 n) { return call(TGKILL, call(GETPID, 0, 0, 0), call(GETTID, 0, 0, 0), n); }
u64 handler(void) { *cell = *cell + 1; SAVED = 5; asm volatile("" : "+r"(v)); return v; }
#ifdef __aarch64__
asm(".global spoil\n.type spoil, %function\nspoil: mov x20, #5\n\tmov x3, #6\n\tret");
#else
asm(".global spoil\n.type spoil, %function\nspoil: mov $5, %ebx\n\tmov $6, %r8d\n\tret");
#endif
u64 plain(volatile u64 *p) { return *(volatile u64 *)*p; }
u64 spill(volatile u64 *p) { volatile u64 v = *p; asm volatile("" : : : "memory"); return *(volatile u64 *)v; }
u64 saved(volatile u64 *p, u64 n) { SAVED = *p; asm volatile("" : "+r"(v)); signal_(n & 1 ? 10 : 12); asm volatile("" : "+r"(v)); return *(volatile u64 *)v; }
u64 half(volatile u32 *p) { return *(volatile u64 *)(p[0] | (u64)p[1] << 32); }
u64 low(volatile u64 *p) { return *(volatile u64 *)(u64)(u32)*p; }
u64 word(volatile u32 *p) { return *(volatile u64 *)(u64)*p; }
u64 sign(volatile int *p) { return *(volatile u64 *)(long)*p; }
u64 writes(volatile u64 *p) { *(volatile u64 *)*p = 1; return 0; }
u64 jump(volatile u64 *p) { return ((u64 (*)(void))*p)(); }
u64 kernel(volatile u64 *p, u64 v, u64 in, u64 out) { u64 a = 0; call(WRITE, out, (long)p, 8); call(READ, in, (long)&a, 8); asm volatile("" : "+m"(a)); return *(volatile u64 *)a; }
u64 result(volatile u64 *p) { return *(volatile u64 *)call(GETTID, (long)p, 0, 0); }
u64 local(void) { u64 t[2]; call(CLOCK, 0, (long)t, 0); asm volatile("" : "+m"(t)); return *(volatile u64 *)t[1]; }
`

// Where the cells are, and a file's worth of pages behind them.
const (
	faultPage  = 0x20000000
	faultPages = 3
	faultCells = 6
)

// faultRace is threads that do such things at random.
func faultRace(t *testing.T, arch loader.Arch, r *rand.Rand) (plan *scenario.Plan, handlers func() []uint64) {
	code := guestcode.Build(t, arch, faultCode)
	var base, in, out uint64
	plan = &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if base, err = u.Code(code.Bytes, uint64(len(code.Bytes))); err != nil {
			return err
		}
		calls := []scenario.Call{
			{Func: "mmap", Args: []scenario.Arg{scenario.Int(faultPage), scenario.Int(faultPages * loader.PageSize), scenario.Int(3), scenario.Int(0x32), scenario.Int(^uint64(0)), scenario.Int(0)}},
			{Func: "pipe", Args: []scenario.Arg{scenario.Int(faultPage)}},
			{Func: "signal", Args: []scenario.Arg{scenario.Int(10), scenario.Int(base + code.Symbols["handler"])}},
			{Func: "signal", Args: []scenario.Arg{scenario.Int(12), scenario.Int(base + code.Symbols["spoil"])}},
		}
		for i, c := range calls {
			if _, err := u.Call(scenario.Main, c.Func, c.Args...); err != nil {
				return err
			}
			if i == 1 {
				b, _ := u.Read(faultPage, 8)
				in, out = uint64(b[0]), uint64(b[4])
			}
		}
		cell := make([]byte, 8)
		for i := range cell {
			cell[i] = byte(uint64(faultPage) >> (8 * i))
		}
		if err := u.Write(base+code.Symbols["cell"], cell); err != nil {
			return err
		}
		for i := range uint64(faultCells) {
			if err := u.Write(faultPage+8*i, cell); err != nil {
				return err
			}
		}
		return nil
	}}
	for i := range 2 + r.IntN(2) {
		var calls []func() scenario.Call
		for n := 2 + r.IntN(6); len(calls) < n; {
			calls = append(calls, faultCall(r, func(name string) uint64 { return base + code.Symbols[name] }, &in, &out))
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: []string{scenario.Main, "second", "third"}[i], Body: late(func() (list scenario.Calls) {
			for _, c := range calls {
				list = append(list, c())
			}
			return list
		})})
	}
	return plan, func() []uint64 { return []uint64{base + code.Symbols["handler"], base + code.Symbols["spoil"]} }
}

// faultCall is one of them.
func faultCall(r *rand.Rand, at func(string) uint64, in, out *uint64) func() scenario.Call {
	cell := uint64(faultPage) + 8*uint64(r.IntN(faultCells))
	odd := cell + uint64(r.IntN(8))*uint64(r.IntN(2))
	value := []uint64{0, 0x660, faultPage + 8*uint64(r.IntN(8)), r.Uint64(), r.Uint64() >> 40, 0xffffffff80000010, faultPage + loader.PageSize, faultPage + 2*loader.PageSize + 64}[r.IntN(8)]
	page := uint64(faultPage) + loader.PageSize*uint64(r.IntN(faultPages))*uint64(r.IntN(2))
	guest := func(name string, args ...uint64) func() scenario.Call {
		return func() scenario.Call {
			c := scenario.Call{Func: name, Addr: at(name)}
			for _, a := range args {
				c.Args = append(c.Args, scenario.Int(a))
			}
			if name == "put" || name == "kernel" {
				c.Args = append(c.Args[:2:2], scenario.Int(*out))
			}
			if name == "get" {
				c.Args = append(c.Args[:2:2], scenario.Int(*in))
			}
			if name == "kernel" {
				c.Args = append(c.Args[:2:2], scenario.Int(*in), scenario.Int(*out))
			}
			return c
		}
	}
	libc := func(name string, args ...uint64) func() scenario.Call {
		return func() scenario.Call {
			c := scenario.Call{Func: name}
			for _, a := range args {
				c.Args = append(c.Args, scenario.Int(a))
			}
			return c
		}
	}
	switch n := r.IntN(34); n {
	case 0, 1, 2, 3:
		return guest([]string{"store8", "store16", "store32", "store64"}[n], odd, value)
	case 4, 5, 6, 7, 8:
		return guest([]string{"pair", "vector", "swap", "compare", "or"}[n-4], cell, value)
	case 9:
		return guest("add", cell, value)
	case 10:
		return guest("copy", odd, cell+8, uint64(1+r.IntN(20)))
	case 11:
		return libc("memcpy", odd, cell+16, uint64(1+r.IntN(40)))
	case 12:
		return libc("memset", odd, value&0xff, uint64(1+r.IntN(40)))
	case 13:
		return guest("random_", odd, uint64(1+r.IntN(31)))
	case 14:
		return guest("clock", cell)
	case 15:
		return guest("put", odd, uint64(r.IntN(16)))
	case 16:
		return guest("get", odd, uint64(r.IntN(16)))
	case 17:
		return guest("signal_", 10+2*uint64(r.IntN(2)))
	case 18:
		return libc("madvise", page, loader.PageSize, 4)
	case 19:
		return libc("munmap", page, loader.PageSize)
	case 20:
		return libc("mmap", page, loader.PageSize, 3, 0x32, ^uint64(0), 0)
	case 21:
		return libc("mprotect", page, loader.PageSize, uint64(r.IntN(4)))
	case 22:
		return libc("mremap", faultPage+loader.PageSize, loader.PageSize, 2*loader.PageSize, 1)
	case 23:
		return func() scenario.Call {
			return scenario.Call{Func: "strcpy", Args: []scenario.Arg{scenario.Int(odd), scenario.Str("an address"[:value&7])}}
		}
	default:
		return guest([]string{"plain", "spill", "saved", "half", "low", "word", "sign", "writes", "jump", "kernel", "result", "local", "pairs", "lanes"}[(n-24)*14/10%14], cell, value)
	}
}

// spared is what the threads of a race do that is not to die: no such call takes a cell for an address
// or the first page away.
func spared(calls scenario.Calls) (list scenario.Calls) {
	deadly := []string{"plain", "spill", "saved", "half", "low", "word", "sign", "writes", "jump", "kernel", "result", "local", "pairs", "lanes"}
	for _, c := range calls {
		switch {
		case slices.Contains(deadly, c.Func):
			c = scenario.Call{Func: emu.RoutinePrefix + "load64", Args: c.Args[:min(1, len(c.Args))]}
			if len(c.Args) == 0 {
				continue
			}
		case c.Func == "munmap" || c.Func == "mprotect":
			c = scenario.Call{Func: "madvise", Args: []scenario.Arg{c.Args[0], c.Args[1], scenario.Int(4)}}
		case c.Func == "get" || c.Func == "put":
			continue // which may wait for ever
		}
		list = append(list, c)
	}
	return list
}

// randomRun runs threads for a few instructions each until the race is over, some instructions in
// two steps.
func randomRun(t *testing.T, s *scenario.Session, r *rand.Rand) (schedule scenario.Schedule) {
	t.Helper()
	must(t, s.Restart())
	for n := 0; n < 20000; n++ {
		if _, over := s.Outcome(); over {
			break
		}
		i := r.IntN(s.Threads())
		if !s.Runnable(i) {
			continue
		}
		sl := scenario.Slice{Thread: i, N: uint64(1 + r.IntN([]int{2, 12}[r.IntN(2)])), Half: r.IntN(2) == 0}
		ran, err := s.RunSlice(sl)
		must(t, err)
		if ran > 0 {
			schedule = append(schedule, scenario.Slice{Thread: i, N: ran, Half: sl.Half && s.Holds(i)})
		}
		if _, over := s.Outcome(); over {
			schedule = append(schedule, scenario.Slice{Thread: i})
		}
	}
	return schedule
}
