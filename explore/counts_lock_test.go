package explore

import (
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// lll is glibc's low-level lock (lll_lock and lll_unlock of its
// nptl/lowlevellock.h and .c), written anew with the same accesses: the word is
// 0 when free, 1 when taken and 2 when somebody may wait.
const lll = `
u32 word;
static void futex(u64 op, u64 value) {
#ifdef __x86_64__
	register u64 nr asm("rax") = 202, p asm("rdi") = (u64)&word, o asm("rsi") = op, v asm("rdx") = value, t asm("r10") = 0;
	asm volatile("syscall" : "+r"(nr) : "r"(p), "r"(o), "r"(v), "r"(t) : "rcx", "r11", "memory");
#else
	register u64 p asm("x0") = (u64)&word, o asm("x1") = op, v asm("x2") = value, t asm("x3") = 0, nr asm("x8") = 98;
	asm volatile("svc #0" : "+r"(p) : "r"(nr), "r"(o), "r"(v), "r"(t) : "memory");
#endif
}
enum { WAIT = 128, WAKE = 129 };
static inline void take(void) {
	u32 zero = 0;
	if (!__atomic_compare_exchange_n(&word, &zero, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&word, __ATOMIC_RELAXED) == 2)
			futex(WAIT, 2);
		while (__atomic_exchange_n(&word, 2, __ATOMIC_ACQUIRE) != 0)
			futex(WAIT, 2);
	}
}
static inline void leave(void) {
	if (__atomic_exchange_n(&word, 0, __ATOMIC_RELEASE) > 1)
		futex(WAKE, 1);
}
void section(void) {
	take();
	leave();
}
`

const (
	mutexes2     = "u64 m[8], n[8];"         // more than a pthread_mutex_t each
	recursive    = "u64 m[8] = { 0, 0, 1 };" // the kind is at byte 16
	mutexSection = "pthread_mutex_lock &m;pthread_mutex_unlock &m"
)

// Locks as they are, instruction by instruction. Two threads with one section
// each have 12 traces, with pthread_mutex_lock as with the bare lock in it: the
// mutex's other fields are only touched under the lock, and its kind is only
// read.
//
// Three threads have 4146 when every atomic exchange counts as a write. Here an
// atomic instruction that puts back what it has read counts as a read, not only
// a failed compare-and-swap but also the exchange by which a second waiter
// stores a 2 over a 2. Two of those commute, and what is left is 4050.
func TestLockCounts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, c := range []struct {
			program
			want, exchangesWrite uint64
		}{
			{program{"lll_lock, 2 threads", lll, times(2, "section")}, 12, 12},
			{program{"lll_lock, 3 threads", lll, times(3, "section")}, 4050, 4146},
			{program{"pthread_mutex, 2 threads", mutexes2, times(2, mutexSection)}, 12, 12},
			{program{"pthread_mutex, 3 threads", mutexes2, times(3, mutexSection)}, 4050, 4146},
		} {
			if testing.Short() && c.want > 100 || !inTurn(i, 1, sys.Arch) {
				continue
			}
			g := c.start(t, sys)
			search, oracle := explored(t, g), sleepSets(t, g)
			if search.traces != c.want || oracle.traces != c.want || search.kinds[scenario.OK] != c.want {
				t.Errorf("%s: %v, the oracle %v, want %d traces", c.name, search.kinds, oracle.kinds, c.want)
			}
			if !sameWays(search.ends, oracle.ends) {
				t.Errorf("%s: the search comes out in %d ways, the oracle in %d", c.name, len(search.ends), len(oracle.ends))
			}
			g.exchangesWrite = true
			if coarse := sleepSets(t, g); coarse.traces != c.exchangesWrite {
				t.Errorf("%s: %d traces when exchanges write, want %d", c.name, coarse.traces, c.exchangesWrite)
			}
		}
	})
}

// Locks as one thing each, raw and abstract counts from the same oracle.
func TestAbstractLockCounts(t *testing.T) {
	twice := mutexSection + ";" + mutexSection
	nested := "pthread_mutex_lock &m;" + mutexSection + ";pthread_mutex_unlock &m"
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, c := range []struct {
			program
			want, deadlocks uint64
		}{
			{program{"2 threads, a section each", mutexes2, times(2, mutexSection)}, 2, 0},
			{program{"3 threads, a section each", mutexes2, times(3, mutexSection)}, 6, 0},
			{program{"4 threads, a section each", mutexes2, times(4, mutexSection)}, 24, 0},
			{program{"2 threads, two sections each", mutexes2, times(2, twice)}, 6, 0},
			{program{"2 threads, two sections each of a recursive lock", recursive, times(2, twice)}, 6, 0},
			{program{"2 threads, a section in a section of a recursive lock", recursive, times(2, nested)}, 2, 0},
			{program{"the bare lock, 3 threads", lll, times(3, "section")}, 6, 0},
			{program{"ABBA", mutexes2, abba}, 3, 1},
		} {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			g := c.start(t, sys)
			g.s.AbstractLocks(true)
			search, oracle := explored(t, g), sleepSets(t, g)
			if search.traces != c.want || search.kinds[scenario.Deadlock] != c.deadlocks {
				t.Errorf("%s: %v, want %d traces, %d of them deadlocks", c.name, search.kinds, c.want, c.deadlocks)
			}
			if oracle.traces != c.want || oracle.kinds[scenario.Deadlock] != c.deadlocks {
				t.Errorf("%s: the oracle finds %v, want %d traces, %d of them deadlocks", c.name, oracle.kinds, c.want, c.deadlocks)
			}
			if !sameWays(search.ends, oracle.ends) {
				t.Errorf("%s: the search comes out in %d ways, the oracle in %d", c.name, len(search.ends), len(oracle.ends))
			}
		}
	})
}

// abba are two threads that take two mutexes in opposite orders.
var abba = []string{
	"pthread_mutex_lock &m;pthread_mutex_lock &n;pthread_mutex_unlock &n;pthread_mutex_unlock &m",
	"pthread_mutex_lock &n;pthread_mutex_lock &m;pthread_mutex_unlock &m;pthread_mutex_unlock &n",
}

// Two mutexes taken in opposite orders: all ways through, and the deadlock, in
// which each thread holds one. There is one trace of it, because who waits first
// makes no difference to two different queues.
func TestDeadlock(t *testing.T) {
	deadlocking := program{"ABBA", mutexes2, abba}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		r, err := DPOR(t.Context(), deadlocking.starter(t, sys), Options{KeepGoing: true, Jobs: 2})
		must(t, err)
		if r.Schedules != 61 || r.Failing != 1 || r.Verdict != Failing || !r.Complete || len(r.Findings) != 1 {
			t.Fatalf("%+v, want 61 schedules, one of them failing", r)
		}
		if r.Findings[0].Outcome.Kind != scenario.Deadlock {
			t.Errorf("found %v", r.Findings[0].Outcome)
		}
		g := deadlocking.start(t, sys)
		if oracle := sleepSets(t, g); oracle.traces != 61 || oracle.kinds[scenario.Deadlock] != 1 {
			t.Errorf("the oracle finds %v", oracle.kinds)
		}
		must(t, g.s.Restart())
		must(t, g.s.Play(r.Findings[0].Schedule))
		if o, over := g.s.Outcome(); !over || o.Kind != scenario.Deadlock {
			t.Errorf("played again, %v ends as %v", r.Findings[0].Schedule, o)
		}
	})
}
