package explore

import (
	"fmt"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/scenario"
)

// Two programs that studies of concurrency testing use, written afresh: reorder
// and twostage of SCTBench (Thomson, Donaldson and Betts, Concurrency Testing
// Using Controlled Schedulers, TOPC 2016). The published ones have a main thread
// that creates the others one after the other. Here all stand at the start when
// the race begins; with a gate each, main lets them go one by one.
const benchSource = `
typedef int lock_fn(void *);
typedef long syscall_fn(long, ...);

volatile int a, b, data1, data2;
int gate[64];
_Alignas(16) char m1[64], m2[64]; /* pthread_mutex_t, all zero as PTHREAD_MUTEX_INITIALIZER is */

#ifdef __aarch64__
enum { SYS_futex = 98 };
#else
enum { SYS_futex = 202 };
#endif
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 };

static void await(long n, syscall_fn *sys)
{
	if (n)
		while (!__atomic_load_n(&gate[n], __ATOMIC_RELAXED))
			sys(SYS_futex, &gate[n], FUTEX_WAIT, 0, 0);
}

void open_gates(long n, syscall_fn *sys)
{
	for (long i = 1; i <= n; i++) {
		__atomic_store_n(&gate[i], 1, __ATOMIC_RELAXED);
		sys(SYS_futex, &gate[i], FUTEX_WAKE, 1);
	}
}

void set(int *nowhere, long n, syscall_fn *sys)
{
	await(n, sys);
	a = 1;
	b = -1;
}

void check(int *nowhere, long n, syscall_fn *sys)
{
	await(n, sys);
	if (!((a == 0 && b == 0) || (a == 1 && b == -1)))
		*(volatile int *)nowhere = 1;
}

void put(int *nowhere, long n, syscall_fn *sys, lock_fn *lock, lock_fn *unlock)
{
	await(n, sys);
	lock(m1);
	data1 = 1;
	unlock(m1);
	lock(m2);
	data2 = data1 + 1;
	unlock(m2);
}

void compare(int *nowhere, long n, syscall_fn *sys, lock_fn *lock, lock_fn *unlock)
{
	await(n, sys);
	lock(m1);
	int seen = data1;
	unlock(m1);
	if (seen == 0)
		return;
	lock(m2);
	int then = data2;
	unlock(m2);
	if (then != seen + 1)
		*(volatile int *)nowhere = 1;
}
`

// bench is one of the programs with its number of threads, as SCTBench counts
// them: without main.
type bench struct {
	name  string
	funcs []string // what each thread runs
	gated bool
}

// reorderOf is n-1 threads that set and one that checks.
func reorderOf(n int) bench {
	b := bench{name: fmt.Sprintf("reorder_%d", n)}
	for range n - 1 {
		b.funcs = append(b.funcs, "set")
	}
	b.funcs = append(b.funcs, "check")
	return b
}

// twostageOf is n/2 threads that put and as many that compare.
func twostageOf(n int) bench {
	b := bench{name: fmt.Sprintf("twostage_%d", n)}
	for i := range n {
		b.funcs = append(b.funcs, []string{"put", "compare"}[i/(n/2)])
	}
	return b
}

// behindGates is the same with a main thread that lets the others go.
func (b bench) behindGates() bench {
	b.name += "/gated"
	b.gated = true
	return b
}

// starter makes sessions of the program.
func (b bench) starter(t testing.TB, sys *emu.System) func() (*scenario.Session, error) {
	code := guestcode.Build(t, sys.Arch, benchSource)
	return func() (*scenario.Session, error) { return scenario.Start(sys, b.plan(code), 1) }
}

func (b bench) plan(code guestcode.Code) *scenario.Plan {
	var base uint64
	libc := map[string]uint64{"syscall": 0, "pthread_mutex_lock": 0, "pthread_mutex_unlock": 0}
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		for name := range libc {
			if libc[name], err = u.Lookup(name); err != nil {
				return err
			}
		}
		base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
		return err
	}}
	add := func(fn string, args func() []uint64) {
		name := fmt.Sprint(fn, len(plan.Threads))
		if len(plan.Threads) == 0 {
			name = scenario.Main
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: called(func() scenario.Calls {
			call := scenario.Call{Func: fn, Addr: base + code.Symbols[fn]}
			for _, v := range args() {
				call.Args = append(call.Args, scenario.Int(v))
			}
			return scenario.Calls{call}
		})})
	}
	if b.gated {
		add("open_gates", func() []uint64 { return []uint64{uint64(len(b.funcs)), libc["syscall"]} })
	}
	for i, fn := range b.funcs {
		gate := uint64(0)
		if b.gated {
			gate = uint64(i + 1)
		}
		const nowhere = 8
		add(fn, func() []uint64 {
			return []uint64{nowhere, gate, libc["syscall"], libc["pthread_mutex_lock"], libc["pthread_mutex_unlock"]}
		})
	}
	return plan
}
