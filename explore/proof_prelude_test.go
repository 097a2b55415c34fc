package explore

import (
	"fmt"
	"strings"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/scenario"
)

// proofPrelude is what the programs of TestProofs share: a few bytes, locks of each
// kind, a page of data and one of code, slots for blocks, names and times. Each thread
// has words of its own for what the kernel writes to it.
const proofPrelude = `
union { u8 b[64]; u64 d[8]; } m __attribute__((aligned(16)));
#define AT(type, i) (*(volatile type *)(m.b + (i)))
#define FROM(p, type, i) (*(volatile type *)((u8 *)(p) + (i)))
u64 mutex[8], cond[8], sem[8], barrier[8], rwlock[8];
u32 spin, once, flag, tas;
u64 slots[2], stream;
u8 *page, *code, *end;
char path[16] = "/f";
u64 at[2] = {0, 999999999}, soon[2] = {0, 200}, one[2] = {0, 1};
u64 iov[2], nowait[2], when[4] = {0, 0, 0, 300}, sets[1] = {1 << 20 | 1 << 22 | 1 << 24}, head[8], event[2] = {5, 0};
u64 polls[3] = {20 | 1ull << 32, 22 | 5ull << 32, 24 | 1ull << 32}, action[4], blocks[1] = {1 << 9};
u64 own[3][48];
u64 fn[64];

#ifdef __aarch64__
static __attribute__((unused)) u64 sys(u64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
	register u64 x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c, x3 asm("x3") = d, x4 asm("x4") = e, x5 asm("x5") = f;
	asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
asm("returns: mov x8, #139\n\tsvc #0");
static __attribute__((unused)) u64 tls(void) { u64 v; asm("mrs %0, tpidr_el0" : "=r"(v)); return v; }
#define RETURNS(n) (0x52800000u | (u32)(n) << 5)
static __attribute__((unused)) void writes_code(u8 *p, u32 n) { *(volatile u32 *)p = RETURNS(n); }
static __attribute__((unused)) void all_code(u8 *p) { writes_code(p, 1); *(volatile u32 *)(p + 4) = 0xd65f03c0; }
static __attribute__((unused)) u64 loads_pair(u64 *p) {
	u64 a, b;
	asm volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(p) : "memory");
	return a + 3 * b;
}
static __attribute__((unused)) u64 stores_pair(u64 *p, u64 v) { asm volatile("stp %0, %0, [%1]" : : "r"(v), "r"(p) : "memory"); return v; }
#else
static __attribute__((unused)) u64 sys(u64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
	register u64 r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
	asm volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return n;
}
asm("returns: mov $15, %eax\n\tsyscall");
static __attribute__((unused)) u64 tls(void) { u64 v; asm("mov %%fs:0, %0" : "=r"(v)); return v; }
static __attribute__((unused)) void writes_code(u8 *p, u32 n) { *(volatile u8 *)(p + 1) = n; }
static __attribute__((unused)) void all_code(u8 *p) { *(volatile u64 *)p = 0xc300000001b8; }
static __attribute__((unused)) u64 loads_pair(u64 *p) { u64 a = *(volatile u64 *)p; return a + 3 * *(volatile u64 *)(p + 1); }
static __attribute__((unused)) u64 stores_pair(u64 *p, u64 v) { *(volatile u64 *)p = v; return *(volatile u64 *)(p + 1) = v; }
#endif
static __attribute__((unused)) u64 puts_time(u64 *t, u64 n) { *(volatile u64 *)(t + 1) = n; return 0; }
// A handler changes what nobody else does: where between two accesses of its own thread's to
// anything else it runs is not what a search varies.
__attribute__((visibility("hidden"))) void returns(void);
static void hit(int sig) { AT(u8, 60) += sig; }
// What threads run that the programs make.
u64 stores(u64 v) { AT(u8, 0) = v; return 0; }
u64 adds(u64 v) { AT(u32, 0) += v; return v; }
u64 enters(u64 v) { ((u64 (*)(u64))fn[0])((u64)mutex); AT(u8, 1) += v; return ((u64 (*)(u64))fn[1])((u64)mutex); }
u64 inits(void) { return AT(u8, 0)++; }
u64 idle(void) { return tls() & sys(0, 0, 0, 0, 0, 0, 0) & 0; }
`

// proofStage is run before the race, by main.
const proofStage = `
u64 stage(void) {
	page = (u8 *)sys(%[1]d, 0, 4096, 3, 0x22, -1, 0);
	code = (u8 *)sys(%[1]d, 0, 4096, 7, 0x22, -1, 0);
	all_code(code);
	for (int i = 0; i < 64; i++) page[i] = i;
	end = (u8 *)sys(%[2]d, 0, 0, 0, 0, 0, 0);
	iov[0] = (u64)path, iov[1] = 2;
	head[2] = (u64)iov, head[3] = 1;
	action[0] = (u64)hit, action[1] = 0x04000000, action[2] = (u64)returns;
	u32 two[2];
	sys(%[4]d, (u64)two, 0, 0, 0, 0, 0);
	for (int i = 0; i < 2; i++) sys(%[5]d, two[i], 20 + i, 0, 0, 0, 0), sys(%[6]d, two[i], 0, 0, 0, 0, 0);
	u64 fd = sys(%[7]d, 0, 0, 0, 0, 0, 0);
	sys(%[5]d, fd, 22, 0, 0, 0, 0), sys(%[6]d, fd, 0, 0, 0, 0, 0);
	fd = sys(%[8]d, 0, 0, 0, 0, 0, 0);
	sys(%[5]d, fd, 23, 0, 0, 0, 0), sys(%[6]d, fd, 0, 0, 0, 0, 0);
	sys(%[9]d, 23, 1, 20, (u64)event, 0, 0);
	sys(%[10]d, 1, 1, 0, (u64)two, 0, 0);
	for (int i = 0; i < 2; i++) sys(%[5]d, two[i], 24 + i, 0, 0, 0, 0), sys(%[6]d, two[i], 0, 0, 0, 0, 0);
	fd = sys(%[11]d, 1, 0, 0, 0, 0, 0);
	sys(%[5]d, fd, 26, 0, 0, 0, 0), sys(%[6]d, fd, 0, 0, 0, 0, 0);
	return sys(%[3]d, -100, (u64)path, 0, 0, 0, 0);
}
`

// libcNames are the functions of libc that the programs call. The address of each is
// in fn, by its place here.
var libcNames = strings.Fields(`pthread_mutex_lock pthread_mutex_unlock pthread_mutex_trylock pthread_mutex_timedlock
	pthread_cond_wait pthread_cond_signal pthread_cond_broadcast pthread_cond_timedwait pthread_once
	pthread_barrier_init pthread_barrier_wait pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_rwlock_tryrdlock pthread_rwlock_unlock
	pthread_spin_lock pthread_spin_trylock pthread_spin_unlock sem_init sem_post sem_wait sem_trywait sem_timedwait sem_getvalue
	malloc free realloc setenv getenv unsetenv fopen puts putchar fputs fflush fgetc ungetc ftell
	memset memcpy memmove memcmp memchr strlen strcpy strncpy strcmp strchr strtol rand srand strtok getpid time nanosleep usleep sched_yield
	pthread_create pthread_join pthread_detach`)

// proofFiles are those that the programs open.
var proofFiles = map[string][]byte{"/f": []byte("FILE"), "/g": []byte("OTHER")}

// proofSource is the prelude with the programs behind it.
func proofSource(arch loader.Arch, programs string) string {
	n := numbersOf(arch)
	return prelude + proofPrelude + programs + fmt.Sprintf(proofStage, n["mmap"], n["brk"], n["openat"], n["pipe2"], n["dup3"], n["close"],
		n["eventfd2"], n["epoll_create1"], n["epoll_ctl"], n["socketpair"], n["timerfd_create"])
}

// numbersOf are the numbers of an architecture's system calls by their names.
func numbersOf(arch loader.Arch) map[string]uint64 {
	numbers := map[string]uint64{}
	for _, c := range emu.SystemCalls(arch) {
		numbers[c.Name] = c.Number
	}
	return numbers
}

// stageProofs maps the code, tells it where libc's functions are, and sets the stage.
func (g *guest) stageProofs(u *scenario.Setup) (err error) {
	if g.base, err = u.Code(g.code.Bytes, uint64(len(g.code.Bytes))); err != nil {
		return err
	}
	for i, name := range libcNames {
		addr, err := u.Lookup(name)
		if err != nil {
			return err
		}
		if err := u.Write(g.base+g.code.Symbols["fn"]+8*uint64(i), le64(addr)); err != nil {
			return err
		}
	}
	for _, words := range []string{"stage", "pthread_barrier_init &barrier 0 2", "pthread_spin_init &spin 0"} {
		c, err := g.call(strings.Fields(words))
		if err != nil {
			return err
		}
		if _, err := u.Make(scenario.Main, c); err != nil {
			return err
		}
	}
	stream, err := u.Call(scenario.Main, "fopen", scenario.Str("/f"), scenario.Str("r"))
	if err != nil {
		return err
	}
	return u.Write(g.base+g.code.Symbols["stream"], le64(stream))
}

// startProofs is a session of n threads that run the functions of the current program.
func startProofs(sys *emu.System, code guestcode.Code, n int, current *uint64) (*guest, error) {
	g := &guest{arch: sys.Arch, code: code}
	plan := &scenario.Plan{Files: proofFiles, Env: []string{"A=old", "B=b"}, Setup: g.stageProofs}
	for i := range n {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: names[i], Body: called(func() scenario.Calls {
			at := func(name string) uint64 { return g.base + code.Symbols[name] }
			f := fmt.Sprintf("f%d_%d", *current, i)
			// The first call is fixed when the race begins.
			return scenario.Calls{{Func: "idle", Addr: at("idle")}, {Func: f, Addr: at(f)}}
		})})
	}
	s, err := scenario.Start(sys, plan, 1)
	if err != nil {
		return nil, err
	}
	s.Limit = proofLimit
	s.WantEvents(true)
	g.s = s
	g.began = g.words()
	return g, nil
}

// proofLimit is more instructions than any of the programs needs that does not go round
// for ever.
const proofLimit = 60_000
