package explore

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"emurace/loader"
)

// libcCalls are the functions of libc that random programs with locks call, by
// pointers that the setup puts into fn.
var libcCalls = []string{
	"pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_unlock", "pthread_mutex_timedlock",
	"pthread_cond_wait", "pthread_cond_signal", "pthread_cond_broadcast",
	"pthread_barrier_init", "pthread_barrier_wait", "pthread_barrier_destroy", "pthread_once",
	"sem_wait", "sem_trywait", "sem_post",
	"pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "pthread_rwlock_tryrdlock", "pthread_rwlock_trywrlock", "pthread_rwlock_unlock",
	"pthread_spin_trylock", "pthread_spin_unlock", "memset", "rand", "free", "malloc", "pthread_self",
}

// lockPrelude has what these programs share: the data, whose state at the end is
// compared, and apart from it everything that is a lock or is made of some.
func lockPrelude() string {
	var b strings.Builder
	for i, name := range libcCalls {
		fmt.Fprintf(&b, "#define %s(...) ((u64 (*)())fn[%d])(__VA_ARGS__)\n", name, i)
	}
	return lll + `
u64 fn[32];
union { u8 b[32]; u64 d[4]; } m __attribute__((aligned(16)));
#define AT(type, i) (*(volatile type *)(m.b + (i)))
` + b.String() + `
struct mutex { u32 lock, count, owner, nusers, kind; u32 rest[7]; } mu[3];
u64 cond[6], barrier[4], semaphore[4], rwlock[7];
u32 spin, control, state, homemade;
const struct { u64 s, ns; } far = { 4000000000u, 0 };
static inline void crash(void) {
	volatile u8 *p;
	asm volatile("" : "=r"(p) : "0"(16));
	*p = 0;
}
void routine(void) { AT(u8, 4)++; }
// What the kinds of mutex are called in glibc's pthread.h: 1 recursive, 2 checked,
// 3 adaptive.
void set(u64 kind) { mu[2].kind = kind; pthread_barrier_init(barrier, 0, 2); }
static inline void wait(u32 *p, u32 v) {
	u32 w = word; // futex is of lll's word only
	(void)w;
#ifdef __x86_64__
	register u64 nr asm("rax") = 202, a asm("rdi") = (u64)p, o asm("rsi") = 128, x asm("rdx") = v, t asm("r10") = 0;
	asm volatile("syscall" : "+r"(nr) : "r"(a), "r"(o), "r"(x), "r"(t) : "rcx", "r11", "memory");
#else
	register u64 a asm("x0") = (u64)p, o asm("x1") = 128, x asm("x2") = v, t asm("x3") = 0, nr asm("x8") = 98;
	asm volatile("svc #0" : "+r"(a) : "r"(nr), "r"(o), "r"(x), "r"(t) : "memory");
#endif
}
static inline void wake(u32 *p, u32 n) {
#ifdef __x86_64__
	register u64 nr asm("rax") = 202, a asm("rdi") = (u64)p, o asm("rsi") = 129, x asm("rdx") = n;
	asm volatile("syscall" : "+r"(nr) : "r"(a), "r"(o), "r"(x) : "rcx", "r11", "memory");
#else
	register u64 a asm("x0") = (u64)p, o asm("x1") = 129, x asm("x2") = n, nr asm("x8") = 98;
	asm volatile("svc #0" : "+r"(a) : "r"(nr), "r"(o), "r"(x) : "memory");
#endif
}
#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define SWAP(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
static inline u32 cas(u32 *p, u32 was, u32 is) {
	__atomic_compare_exchange_n(p, &was, is, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return was;
}
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
u64 whose;
u32 depth;
static inline void own(void) { u64 me = pthread_self(); if (LOAD(&whose) != me) { take(); STORE(&whose, me); } depth++; }
static inline void disown(void) { if (--depth == 0) { STORE(&whose, 0); leave(); } }
` + homemadeLocks
}

// homemadeLocks are locks that somebody could have written. Those marked are wrong in
// some way, or tell more than a lock does.
const homemadeLocks = `
// 0: waits without a mark, always wakes.
static inline u64 take0(void) { while (cas(&homemade, 0, 1)) wait(&homemade, 1); return 0; }
static inline u64 leave0(void) { SWAP(&homemade, 0); wake(&homemade, 1); return 0; }
// 1: counts in vain (wrong: it tells).
static inline u64 take1(void) { u64 n = 0; while (cas(&homemade, 0, 1)) { wait(&homemade, 1); n++; } return n; }
static inline u64 leave1(void) { SWAP(&homemade, 0); wake(&homemade, 1); return 0; }
// 2: nobody wakes (wrong).
static inline u64 take2(void) { while (cas(&homemade, 0, 1)) wait(&homemade, 1); return 0; }
static inline u64 leave2(void) { SWAP(&homemade, 0); return 0; }
// 3: a mark, which who was woken does not renew (wrong with three).
static inline u64 take3(void) {
	while (cas(&homemade, 0, 1)) if (SWAP(&homemade, 2) == 0) break; else { wait(&homemade, 2); }
	return 0;
}
static inline u64 leave3(void) { if (SWAP(&homemade, 0) == 2) wake(&homemade, 1); return 0; }
// 4: looks first (no lock to emurace: it reads the word).
static inline u64 take4(void) {
	for (;;) {
		if (LOAD(&homemade) == 0 && cas(&homemade, 0, 1) == 0) return 0;
		if (cas(&homemade, 1, 2) != 0) wait(&homemade, 2);
	}
}
static inline u64 leave4(void) { SWAP(&homemade, 0); wake(&homemade, 99); return 0; }
// 5: tells whether somebody has waited (wrong: it tells).
static inline u64 take5(void) { if (cas(&homemade, 0, 1)) while (SWAP(&homemade, 2)) wait(&homemade, 2); return 0; }
static inline u64 leave5(void) { u32 was = SWAP(&homemade, 0); if (was == 2) { wake(&homemade, 1); AT(u8, 5)++; } return 0; }
// 6: may wait for a lock that is free (wrong).
static inline u64 take6(void) { while (cas(&homemade, 0, 1)) wait(&homemade, LOAD(&homemade)); return 0; }
static inline u64 leave6(void) { SWAP(&homemade, 0); wake(&homemade, 1); return 0; }
// 7: gives up at the second failure.
static inline u64 take7(void) {
	if (cas(&homemade, 0, 1) == 0) return 0;
	wait(&homemade, 1);
	return cas(&homemade, 0, 1);
}
static inline u64 leave7(void) { SWAP(&homemade, 0); wake(&homemade, 1); return 0; }
// 8: a plain store lets go, everybody is woken.
static inline u64 take8(void) { while (SWAP(&homemade, 1)) wait(&homemade, 1); return 0; }
static inline u64 leave8(void) { *(volatile u32 *)&homemade = 0; wake(&homemade, 99); return 0; }
// 9: woken by one alone, marks always: as glibc's, with an own count of failures that nobody reads.
static inline u64 take9(void) {
	if (cas(&homemade, 0, 1)) { volatile u32 n = 0; while (SWAP(&homemade, 2)) { wait(&homemade, 2); n++; } }
	return 0;
}
static inline u64 leave9(void) { if (SWAP(&homemade, 0) == 2) wake(&homemade, 1); return 0; }
#ifdef __aarch64__
static inline u32 pair(u32 *p, u32 was, u32 is) {
	u32 v, failed;
	asm volatile("0: ldaxr %w0, [%2]\ncmp %w0, %w3\nb.ne 1f\nstxr %w1, %w4, [%2]\ncbnz %w1, 0b\n1:"
		: "=&r"(v), "=&r"(failed) : "r"(p), "r"(was), "r"(is) : "memory", "cc");
	return v;
}
static inline u32 pairs(u32 *p, u32 is) {
	u32 v, failed;
	asm volatile("0: ldaxr %w0, [%2]\nstlxr %w1, %w3, [%2]\ncbnz %w1, 0b" : "=&r"(v), "=&r"(failed) : "r"(p), "r"(is) : "memory");
	return v;
}
// Gives up when the store fails.
static inline u32 weak(u32 *p) {
	u32 v, failed = 1;
	asm volatile("ldaxr %w0, [%2]\ncbnz %w0, 1f\nstxr %w1, %w3, [%2]\n1:" : "=&r"(v), "+&r"(failed) : "r"(p), "r"(1) : "memory");
	return failed;
}
#else
#define pair cas
#define pairs SWAP
#define weak(p) cas(p, 0, 1)
#endif
// 10: exclusives.
static inline u64 take10(void) { if (pair(&homemade, 0, 1)) while (pairs(&homemade, 2)) wait(&homemade, 2); return 0; }
static inline u64 leave10(void) { if (pairs(&homemade, 0) == 2) wake(&homemade, 1); return 0; }
// 11: a weak pair, tried again.
static inline u64 take11(void) { while (weak(&homemade)) if (pairs(&homemade, 2) == 0) break; else wait(&homemade, 2); return 0; }
static inline u64 leave11(void) { if (pairs(&homemade, 0) == 2) wake(&homemade, 99); return 0; }
// 12: gives up at the fifth failure.
static inline u64 take12(void) {
	for (u64 n = 0; n < 5; n++) {
		if (cas(&homemade, 0, 1) == 0) return 0;
		wait(&homemade, 1);
	}
	crash();
	return 1;
}
static inline u64 leave12(void) { SWAP(&homemade, 0); wake(&homemade, 1); return 0; }
`

const homemadeCount = 13

// lockCoder writes the functions of random programs with locks.
type lockCoder struct {
	*rand.Rand
	arch    loader.Arch
	text    *strings.Builder
	budget  int
	kinds   []int // of synchronisation that the program draws from
	mutexes []int // that the program has
	home    int   // the lock that it makes itself
	sec     int   // sections around
}

// program writes the functions f<seed>_<thread> and returns how many threads there are
// and the kind of mutex 2.
func lockProgram(arch loader.Arch, seed uint64, text *strings.Builder) (threads, kind int) {
	g := &lockCoder{Rand: rand.New(rand.NewPCG(seed, 77)), arch: arch, text: text}
	threads = 2
	if g.IntN(4) == 0 {
		threads = 3
	}
	for range 1 + g.IntN(2) {
		g.kinds = append(g.kinds, g.IntN(lockKinds))
		g.mutexes = append(g.mutexes, g.IntN(3))
	}
	g.home = g.IntN(homemadeCount)
	meets := g.IntN(5) == 0 && threads == 2
	kind = g.IntN(4)
	for i := range threads {
		fmt.Fprintf(text, "u64 f%d_%d(void) {\n\tu64 r = 0, v = 0;\n", seed, i)
		for g.budget = 2 + g.IntN(8/threads); g.budget > 0; {
			g.statement()
		}
		if meets {
			g.meet()
		}
		fmt.Fprint(text, "\treturn r;\n}\n")
	}
	return threads, kind
}

const lockKinds = 14

func (g *lockCoder) line(format string, args ...any) {
	fmt.Fprintf(g.text, "\t"+format+" r = 5 * r + v;\n", args...)
}

// data is an access to the data that is compared.
func (g *lockCoder) data() {
	g.budget--
	at := g.IntN(3)
	switch g.IntN(4) {
	case 0:
		g.line("AT(u8, %d) = %d;", at, g.IntN(3))
	case 1:
		g.line("AT(u8, %d)++;", at)
	case 2:
		g.line("if (v == %d) { AT(u8, %d) = 1; }", g.IntN(3), at)
	default:
		g.line("v = AT(u8, %d);", at)
	}
}

func (g *lockCoder) inside() {
	g.sec++
	for range g.IntN(3) {
		if g.sec < 2 && g.IntN(4) == 0 {
			g.sync()
		} else {
			g.data()
		}
	}
	g.sec--
}

func (g *lockCoder) statement() {
	if g.IntN(3) == 0 {
		g.data()
		return
	}
	g.sync()
}

func (g *lockCoder) section(take, leave string, tells bool) {
	if tells {
		g.line("v = %s; if (v == 0) {", take)
	} else {
		g.line("v = %s; {", take)
	}
	g.inside()
	g.line("v = %s; }", leave)
}

func (g *lockCoder) sync() {
	g.budget -= 2
	n := g.mutexes[g.IntN(len(g.mutexes))]
	lock := fmt.Sprintf("pthread_mutex_lock(&mu[%d])", n)
	unlock := fmt.Sprintf("pthread_mutex_unlock(&mu[%d])", n)
	switch g.kinds[g.IntN(len(g.kinds))] {
	case 0, 1:
		g.section(lock, unlock, true)
	case 2:
		g.section(fmt.Sprintf("pthread_mutex_trylock(&mu[%d])", n), unlock, true)
	case 3:
		g.section(fmt.Sprintf("pthread_mutex_timedlock(&mu[%d], &far)", n), unlock, true)
	case 4:
		g.line("v = pthread_once(&control, routine);")
	case 5:
		if g.IntN(2) == 0 {
			g.line("%s; while (AT(u8, 6) == 0) { pthread_cond_wait(cond, &mu[%d]); } v = AT(u8, 6); AT(u8, 6) = %d; %s;", lock, n, g.IntN(2), unlock)
		} else {
			g.line("%s; AT(u8, 6)++; pthread_cond_%s(cond); %s;", lock, []string{"signal", "broadcast"}[g.IntN(2)], unlock)
		}
	case 6:
		switch g.IntN(4) {
		case 0:
			g.line("v = sem_wait(semaphore);")
		case 1:
			g.line("v = sem_trywait(semaphore);")
		default:
			g.line("v = sem_post(semaphore);")
		}
	case 7:
		if g.IntN(2) == 0 {
			g.section("pthread_rwlock_tryrdlock(rwlock)", "pthread_rwlock_unlock(rwlock)", true)
		} else {
			g.section("pthread_rwlock_trywrlock(rwlock)", "pthread_rwlock_unlock(rwlock)", true)
		}
	case 8:
		g.section("pthread_spin_trylock(&spin)", "pthread_spin_unlock(&spin)", true)
	case 9:
		g.section("(take(), 0)", "(leave(), 0)", false)
	case 10, 11:
		g.section("(own(), 0)", "(disown(), 0)", false)
		if g.IntN(8) == 0 {
			// Whose it is is used for something else.
			g.line("%s", []string{"v = LOAD(&whose) != 0;", "v = LOAD(&whose) == pthread_self();", "STORE(&whose, 5);", "if (LOAD(&whose) == 5) { take(); leave(); v = 3; } else { take(); v = AT(u8, 0); leave(); }"}[g.IntN(4)])
		}
	default:
		g.section(fmt.Sprintf("take%d()", g.home), fmt.Sprintf("leave%d()", g.home), false)
		if g.IntN(8) == 0 {
			// The word is used as something else.
			g.line("%s", []string{"v = LOAD(&homemade);", "SWAP(&homemade, 0);", "v = cas(&homemade, 0, 0);", "v = weak(&homemade);"}[g.IntN(4)])
		}
	}
}

// meet has both threads meet at a barrier, which one of them may then use for something
// else.
func (g *lockCoder) meet() {
	g.line("v = pthread_barrier_wait(barrier);")
	switch g.IntN(3) {
	case 0:
		g.line("if ((int)v == -1) { pthread_barrier_destroy(barrier); }")
	case 1:
		g.line("if ((int)v == -1) { memset(barrier, 0xff, 32); }")
	}
}
