package explore

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"

	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// routine is machine code that one thread runs: a function of an address in
// zeroed memory that all share, and of the distance from there to an address
// where nothing is mapped.
type routine struct {
	arm64 []uint32
	amd64 []byte
}

func (r routine) of(arch loader.Arch) []byte {
	if arch == loader.AMD64 {
		return r.amd64
	}
	var b []byte
	for _, w := range r.arm64 {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// then is one routine followed by others.
func (r routine) then(more ...routine) routine {
	out := routine{append([]uint32(nil), r.arm64...), bytes.Clone(r.amd64)}
	for _, m := range more {
		out.arm64 = append(out.arm64, m.arm64...)
		out.amd64 = append(out.amd64, m.amd64...)
	}
	return out
}

// Pieces of routines, in the syntax of arm64 and of amd64.
var (
	ret = routine{[]uint32{0xd65f03c0}, []byte{0xc3}} // ret | ret
	nop = routine{[]uint32{0xd503201f}, []byte{0x90}} // nop | nop
	// str x1, [x0] | mov %rsi, (%rdi)
	spoil = routine{[]uint32{0xf9000001}, []byte{0x48, 0x89, 0x37}}
	// str xzr, [x0] | movq $0, (%rdi)
	heal = routine{[]uint32{0xf900001f}, []byte{0x48, 0xc7, 0x07, 0, 0, 0, 0}}
	// ldr x2, [x0]; ldr x3, [x0, x2] | mov (%rdi), %rdx; mov (%rdi,%rdx), %rcx
	follow = routine{[]uint32{0xf9400002, 0xf8626803}, []byte{0x48, 0x8b, 0x17, 0x48, 0x8b, 0x0c, 0x17}}
	// ldr x2, [x0]; ldr x3, [x0]; sub x3, x3, x2; ldr x4, [x0, x3] |
	// mov (%rdi), %rdx; mov (%rdi), %rcx; sub %rdx, %rcx; mov (%rdi,%rcx), %rax
	compareTwo = routine{[]uint32{0xf9400002, 0xf9400003, 0xcb020063, 0xf8636804},
		[]byte{0x48, 0x8b, 0x17, 0x48, 0x8b, 0x0f, 0x48, 0x29, 0xd1, 0x48, 0x8b, 0x04, 0x0f}}
	// 0: ldr x2, [x0]; cbz x2, 0b | 0: cmpq $0, (%rdi); je 0b
	await = routine{[]uint32{0xf9400002, 0xb4ffffe2}, []byte{0x48, 0x83, 0x3f, 0x00, 0x74, 0xfa}}
	// 0: add x5, x5, #1; ldr x2, [x0]; cbz x2, 0b | 0: inc %r10; cmpq $0, (%rdi); je 0b
	counts = routine{[]uint32{0x910004a5, 0xf9400002, 0xb4ffffc2}, []byte{0x49, 0xff, 0xc2, 0x48, 0x83, 0x3f, 0x00, 0x74, 0xf7}}
	// mov x9, x0; mov x8, #98 | mov %rdi, %r9; for lock and unlock
	locker = routine{[]uint32{0xaa0003e9, 0xd2800c48}, []byte{0x49, 0x89, 0xf9}}
)

// lock takes a lock that is a futex word at an offset: an exchange, and
// FUTEX_WAIT as long as that finds a 1.
func lock(offset byte) routine {
	return routine{
		[]uint32{
			0x91000120 | uint32(offset)<<10, // 0: add x0, x9, #offset
			0x5280002a,                      // mov w10, #1
			0xb8ea800b,                      // swpal w10, w11, [x0]
			0x340000cb,                      // cbz w11, 1f
			0xd2800001,                      // mov x1, #0
			0xd2800022,                      // mov x2, #1
			0xd2800003,                      // mov x3, #0
			0xd4000001,                      // svc #0
			0x17fffff8,                      // b 0b; 1:
		},
		[]byte{
			0x49, 0x8d, 0x79, offset, // 0: lea offset(%r9), %rdi
			0xb8, 1, 0, 0, 0, // mov $1, %eax
			0x87, 0x07, // xchg %eax, (%rdi)
			0x85, 0xc0, // test %eax, %eax
			0x74, 0x13, // je 1f
			0xb8, 202, 0, 0, 0, // mov $202, %eax
			0x31, 0xf6, // xor %esi, %esi
			0xba, 1, 0, 0, 0, // mov $1, %edx
			0x45, 0x31, 0xd2, // xor %r10d, %r10d
			0x0f, 0x05, // syscall
			0xeb, 0xde, // jmp 0b; 1:
		},
	}
}

// unlock stores a 0 and makes FUTEX_WAKE wake one thread.
func unlock(offset byte) routine {
	return routine{
		[]uint32{
			0x91000120 | uint32(offset)<<10, // add x0, x9, #offset
			0x889ffc1f,                      // stlr wzr, [x0]
			0xd2800021,                      // mov x1, #1
			0xd2800022,                      // mov x2, #1
			0xd4000001,                      // svc #0
		},
		[]byte{
			0x49, 0x8d, 0x79, offset, // lea offset(%r9), %rdi
			0xc7, 0x07, 0, 0, 0, 0, // movl $0, (%rdi)
			0xb8, 202, 0, 0, 0, // mov $202, %eax
			0xbe, 1, 0, 0, 0, // mov $1, %esi
			0xba, 1, 0, 0, 0, // mov $1, %edx
			0x0f, 0x05, // syscall
		},
	}
}

// straight is n instructions without a branch but the return.
func straight(n int) routine {
	r := routine{}
	for range n - 1 {
		r = r.then(nop)
	}
	return r.then(ret)
}

// Programs that fail in some schedules, two threads each.
var (
	// A reader that looks twice while a writer spoils and heals: two places to
	// die at.
	readers = []routine{spoil.then(nop, heal, ret), follow.then(follow, ret)}
	// A reader that dies only when it sees a change happen between two looks.
	changing = []routine{spoil.then(heal, ret), compareTwo.then(ret)}
	// A deadlock of two locks taken in opposite orders.
	crossed = []routine{
		locker.then(lock(0), lock(4), unlock(4), unlock(0), ret),
		locker.then(lock(4), lock(0), unlock(0), unlock(4), ret),
	}
	// One lock, taken by both for a moment: nothing fails.
	guarded = []routine{
		locker.then(lock(8), nop, unlock(8), ret),
		locker.then(lock(8), unlock(8), ret),
	}
	// A thread that spins until the other has stored something: nothing fails.
	spinning = []routine{await.then(ret), spoil.then(ret)}
	// One that may miss what the other stores for a while, and then spins for ever.
	missing = []routine{await.then(ret), spoil.then(nop, heal, ret)}
	// One that counts while it spins: no round is like another, and a run in which
	// the other one gets no turn comes to no end.
	counting = []routine{counts.then(ret), spoil.then(ret)}
)

// called is a Body whose calls are known only when Setup has run.
type called func() scenario.Calls

// calledOnce is one whose calls stay the same: they are made once, since Next is asked
// for each call of each schedule.
func calledOnce(calls func() scenario.Calls) called { return sync.OnceValue(calls) }

func (c called) Next(results []uint64) (scenario.Call, bool, error) { return c().Next(results) }

// names are those of racing threads.
var names = []string{scenario.Main, "second", "third", "fourth"}

// planOf is a race of one routine a thread.
func planOf(arch loader.Arch, routines []routine) *scenario.Plan {
	const size, sharedAt = 8192, 4096
	var mapping uint64
	plan := &scenario.Plan{}
	var code []byte
	for i, r := range routines {
		offset := uint64(len(code))
		code = append(code, r.of(arch)...)
		for len(code)%16 != 0 {
			code = append(code, nop.amd64...)
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: names[i], Body: calledOnce(func() scenario.Calls {
			shared := mapping + sharedAt
			const bad = 0x10
			return scenario.Calls{{Func: names[i], Addr: mapping + offset, Args: []scenario.Arg{scenario.Int(shared), scenario.Int(bad - shared)}}}
		})})
	}
	plan.Setup = func(u *scenario.Setup) (err error) {
		mapping, err = u.Code(code, size)
		return err
	}
	return plan
}

// mutexes is the race of two of glibc's mutexes locked in opposite orders.
func mutexes(loader.Arch) *scenario.Plan {
	var locks [2]uint64
	body := func(first, second int) scenario.Body {
		return calledOnce(func() scenario.Calls {
			var c scenario.Calls
			for _, step := range []struct {
				fn   string
				lock int
			}{{"lock", first}, {"lock", second}, {"unlock", second}, {"unlock", first}} {
				c = append(c, scenario.Call{Func: "pthread_mutex_" + step.fn, Args: []scenario.Arg{scenario.Int(locks[step.lock])}})
			}
			return c
		})
	}
	return &scenario.Plan{
		Threads: []scenario.Thread{{Name: scenario.Main, Body: body(0, 1)}, {Name: "second", Body: body(1, 0)}},
		Setup: func(u *scenario.Setup) (err error) {
			for i := range locks {
				if locks[i], err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(64)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// starter makes sessions of a plan that is made anew for each.
func starter(sys *emu.System, plan func(loader.Arch) *scenario.Plan) func() (*scenario.Session, error) {
	return func() (*scenario.Session, error) {
		s, err := scenario.Start(sys, plan(sys.Arch), 1)
		if err == nil {
			s.Limit = 2000 // far more than any of these programs needs
		}
		return s, err
	}
}

func codeStarter(sys *emu.System, routines ...routine) func() (*scenario.Session, error) {
	return starter(sys, func(arch loader.Arch) *scenario.Plan { return planOf(arch, routines) })
}

// inShort tells whether a test of many rows runs row i: all of them, but with -short
// only every n-th.
func inShort(i, n int) bool { return !testing.Short() || i%n == 0 }

// inTurn is inShort of a test that runs on both architectures: the cases take turns on them,
// unless all are wanted.
func inTurn(i, n int, arch loader.Arch) bool { return inShort(i, n) && thorough.Turn(i, arch) }

// seedsOf are the seeds that a random test runs on an architecture, of so many from one on:
// with -programs all.
func seedsOf(first, count uint64, arch loader.Arch) (from, n uint64) {
	if *programs > 0 {
		return first, count
	}
	return thorough.Seeds(first, count, arch)
}

// eachArch runs a test on Debian 12's glibc for both guest architectures, with
// -short for arm64 only.
func eachArch(t *testing.T, test func(t *testing.T, sys *emu.System)) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if testing.Short() && arch != loader.ARM64 {
			continue
		}
		t.Run(arch.String(), func(t *testing.T) { test(t, system(t, arch)) })
	}
}

func system(t testing.TB, arch loader.Arch) *emu.System {
	t.Helper()
	return systemOf(t, "debian:bookworm", arch, 0)
}

// systemOf is opened once for all tests, and stays open: reading and parsing the
// libraries takes longer than many a test.
func systemOf(t testing.TB, spec string, arch loader.Arch, libc loader.Libc) *emu.System {
	t.Helper()
	type key struct {
		dir  string
		arch loader.Arch
		libc loader.Libc
	}
	k := key{testroot.Dir(t, spec, arch.String()), arch, libc}
	open, _ := systems.LoadOrStore(k, sync.OnceValues(func() (*emu.System, error) { return emu.OpenLibc(k.dir, arch, libc) }))
	sys, err := open.(func() (*emu.System, error))()
	must(t, err)
	return sys
}

// systems has a func() (*emu.System, error) for each that was asked for.
var systems sync.Map

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
