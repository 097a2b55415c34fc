package core

import (
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestSignals: what Linux says of each way to die, siginfo included. The guest
// really dies in these ways.
func TestSignals(t *testing.T) {
	const source = `
		#ifdef __aarch64__
		#define TGKILL register long x0 asm("x0") = 1000, x1 asm("x1") = 1000, x2 asm("x2") = 10, x8 asm("x8") = 131; \
			asm volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory")
		#define KILL register long x0 asm("x0") = 1000, x1 asm("x1") = 15, x8 asm("x8") = 129; \
			asm volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x8) : "memory")
		#define ILLEGAL asm volatile("udf 0")
		#define BREAK asm volatile("brk 0")
		#define DIVIDE
		#else
		#define TGKILL long rax = 234; asm volatile("syscall" : "+a"(rax) : "D"(1000L), "S"(1000L), "d"(10L) : "rcx", "r11", "memory")
		#define KILL long rax = 62; asm volatile("syscall" : "+a"(rax) : "D"(1000L), "S"(15L) : "rcx", "r11", "memory")
		#define ILLEGAL asm volatile("ud2")
		#define BREAK asm volatile("int3")
		#define DIVIDE asm volatile("xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx", "edx")
		#endif
		void fault(long a) { *(volatile char *)a; }
		void tgkill_(long a) { TGKILL; }
		void kill_(long a) { KILL; }
		void illegal(long a) { ILLEGAL; }
		void breakpoint(long a) { BREAK; }
		void divide(long a) { DIVIDE; }`
	type died struct {
		number, code int
		addr         uint64 // or atPC
	}
	const atPC = 1
	cases := []struct {
		function string
		arg      uint64
		arm64    died
		amd64    died
	}{
		{"fault", 0x220, died{11, 1, 0x220}, died{11, 1, 0x220}},
		{"fault", 1 << 50, died{11, 1, 1 << 50}, died{11, 0x80, 0}}, // #GP on amd64
		{"fault", 0xffff_8000_0000_0000, died{11, 1, 0xffff_8000_0000_0000}, died{11, 1, 0xffff_8000_0000_0000}},
		{"tgkill_", 0, died{10, -6, 0}, died{10, -6, 0}},
		{"kill_", 0, died{15, 0, 0}, died{15, 0, 0}},
		{"illegal", 0, died{4, 1, atPC}, died{4, 2, atPC}},
		{"breakpoint", 0, died{5, 1, atPC}, died{5, 0x80, 0}},
		{"divide", 0, died{}, died{8, 1, atPC}},
	}
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		code := guestcode.Build(t, arch, source)
		for _, c := range cases {
			want := c.arm64
			if arch == loader.AMD64 {
				want = c.amd64
			}
			var at uint64
			s := start(t, arch, &scenario.Plan{
				Setup: func(u *scenario.Setup) error {
					base, err := u.Code(code.Bytes, uint64(len(code.Bytes)))
					at = base + code.Symbols[c.function]
					return err
				},
				Threads: []scenario.Thread{
					{Name: scenario.Main, Body: scenario.Calls{}},
					{Name: "other", Body: later(func() scenario.Call {
						return scenario.Call{Func: c.function, Addr: at, Args: []scenario.Arg{scenario.Int(c.arg)}}
					})},
				},
			})
			_, err := s.Run(1, 1000)
			must(t, err)
			p, end := of(t, s, 0), s.Process().End()
			got := died{p.Signal.Number, p.Signal.Code, p.Signal.Addr}
			if want.addr == atPC {
				want.addr = end.PC
			}
			if got != want {
				t.Errorf("%s(%#x), %v: %+v, want %+v", c.function, c.arg, end, got, want)
			}
			if (end != nil) != (want.number != 0) || end != nil && p.Threads[0].ID != 1001 {
				t.Errorf("%s: %v, thread %d first", c.function, end, p.Threads[0].ID)
			}
			info := p.Signal.info()
			if sent := c.function == "kill_" || c.function == "tgkill_"; sent && (le.Uint32(info[16:]) != 1000 || le.Uint32(info[20:]) != 1000) {
				t.Errorf("%s: sent by %x", c.function, info[16:24])
			}
		}
	})
}

// later is a body of one call that is not known before the setup has run.
type later func() scenario.Call

func (f later) Next(results []uint64) (scenario.Call, bool, error) {
	return f(), len(results) == 0, nil
}

// TestForbidden: a page that is there and forbids the access.
func TestForbidden(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		var fn uint64
		s := start(t, arch, &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) { fn, err = u.Lookup("memset"); return err },
			Threads: []scenario.Thread{{Name: scenario.Main, Body: later(func() scenario.Call {
				return scenario.Call{Func: "memset", Args: []scenario.Arg{scenario.Int(fn), scenario.Int(0), scenario.Int(1)}}
			})}},
		})
		_, err := s.Run(0, 1000)
		must(t, err)
		if got, want := of(t, s, -1).Signal, (Signal{Siginfo: emu.Siginfo{Number: 11, Code: 2, Addr: fn}}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
