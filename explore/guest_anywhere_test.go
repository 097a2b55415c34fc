package explore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/scenario"
)

// kernelPrelude is operations that end in the kernel, on what the threads share: a
// few bytes, a page, descriptors and a handler. All of them return what tells their
// orders apart.
const kernelPrelude = `
#ifdef __aarch64__
enum { OPENAT = 56, CLOSE = 57, DUP = 23, DUP3 = 24, FCNTL = 25, LSEEK = 62, READ = 63, WRITE = 64, WRITEV = 66, PREAD = 67, FSTAT = 80,
	NANOSLEEP = 101, SIGACTION = 134, MPROTECT = 226, MUNMAP = 215, GETRANDOM = 278, READLINKAT = 78 };
static long sys(long n, long a, long b, long c, long d) {
	register long x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c, x3 asm("x3") = d;
	asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
enum { OPENAT = 257, CLOSE = 3, DUP = 32, DUP3 = 292, FCNTL = 72, LSEEK = 8, READ = 0, WRITE = 1, WRITEV = 20, PREAD = 17, FSTAT = 5,
	NANOSLEEP = 35, SIGACTION = 13, MPROTECT = 10, MUNMAP = 11, GETRANDOM = 318, READLINKAT = 267 };
static long sys(long n, long a, long b, long c, long d) {
	register long r10 asm("r10") = d;
	asm volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return n;
}
#endif
u64 shared[8] = {0, 999999999};
char path[8] = "/f";
u8 page[4096] __attribute__((aligned(4096)));
typedef struct { u64 at, size; } vec;
vec iov[2];

u64 opens(u64 n) { return sys(OPENAT, -100, (long)path, 0, 0); }
u64 renames(u64 n) { *(volatile u8 *)(path + 1) = "fg"[n & 1]; return 0; }
u64 closes(u64 n) { return sys(CLOSE, 3 + (n & 1), 0, 0, 0); }
u64 dups(u64 n) { return sys(DUP, 3 + (n & 1), 0, 0, 0); }
u64 dups_to(u64 n) { return sys(DUP3, 3, 4 + (n & 1), 0, 0); }
u64 flags(u64 n) { return sys(FCNTL, 3, 1, 0, 0); }
u64 sets_flags(u64 n) { return sys(FCNTL, 3, 2, n & 1, 0); }
u64 seeks(u64 n) { return sys(LSEEK, 3 + (n & 1), 1, 1, 0); }
u64 reads(u64 n) { u8 b = 0; return sys(READ, 3 + (n & 1), (long)&b, 1, 0) << 8 | b; }
u64 reads_in(u64 n) { return sys(READ, 3, (long)shared, 2, 0); }
u64 reads_page(u64 n) { return sys(PREAD, 3, (long)page, 2, 1); }
u64 writes(u64 n) { return sys(WRITE, 1, (long)shared, 2, 0); }
u64 writes_page(u64 n) { return sys(WRITE, 1, (long)page, 1, 0); }
u64 fills(u64 n) { vec *volatile v = iov; v->at = (u64)path; *(volatile u64 *)&v->size = n & 3; return 0; }
u64 writes_all(u64 n) { return sys(WRITEV, 1, (long)iov, 1, 0); }
u64 stats(u64 n) { u64 b[18]; return sys(FSTAT, 3 + (n & 1), (long)b, 0, 0); }
u64 sleeps(u64 n) { return sys(NANOSLEEP, (long)shared, 0, 0, 0); }
u64 puts_late(u64 n) { *(volatile u64 *)(shared + 1) = 1000000000 - (n & 1); return 0; }
u64 puts(u64 n) { *(volatile u8 *)shared = n; return 0; }
u64 gets(u64 n) { return *(volatile u8 *)shared; }
u64 handles(u64 n) { u64 a[4] = {n & 1}, o[4] = {0}; sys(SIGACTION, 10, (long)a, (long)o, 8); return o[0]; }
u64 masks(u64 n) { u64 o[4] = {0}; long r = sys(SIGACTION, 10, (long)(shared + 4), (long)o, 8); return r ? r : o[0]; }
u64 handlers(u64 n) { *(volatile u64 *)(shared + 4) = n & 1; return 0; }
u64 protects(u64 n) { return sys(MPROTECT, (long)page, 4096, n & 1 ? 0 : 3, 0); }
u64 unmaps(u64 n) { return sys(MUNMAP, (long)page, 4096, 0, 0); }
u64 draws(u64 n) { u64 r = 0; sys(GETRANDOM, (long)&r, 8, 0, 0); return r; }
u64 links(u64 n) { u64 b; return sys(READLINKAT, -100, (long)path, (long)&b, 8); }
`

// kernelOps are the functions of kernelPrelude, in groups that share something.
var kernelOps = [][]string{
	{"opens", "opens", "renames", "closes", "dups", "dups_to", "flags", "sets_flags", "seeks", "reads", "stats"},
	{"reads_in", "writes", "puts", "gets", "sleeps", "puts_late", "opens"},
	{"reads_page", "writes_page", "protects", "unmaps", "opens"},
	{"fills", "writes_all", "renames", "opens", "links"},
	{"handles", "masks", "handlers", "draws"},
}

// runOut brings the race to its end: each of the threads, and the clock, as long as it
// can.
func (g *guest) runOut(t *testing.T) {
	t.Helper()
	for {
		for i := range g.s.Schedulable() {
			if _, over := g.s.Outcome(); over {
				return
			}
			_, err := g.s.Run(i, 0)
			must(t, err)
		}
	}
}

// printed tells how a race came out, and what was printed.
func (g *guest) printed() string {
	var b strings.Builder
	b.WriteString(g.visible())
	for _, o := range g.s.Process().Output() {
		fmt.Fprintf(&b, " %d:%q", o.Thread, o.Data)
	}
	return b.String()
}

// libcOps are functions of libc that go through memory in pieces of any size, with the
// widest instructions there are.
var libcOps = [][]string{
	{"memset &page %d 48", "memcpy &page &shared 40", "memcpy &shared &page 64", "memmove &page &shared 33", "memchr &page 2 64", "puts %d"},
	{"memset &page %d 256", "memcpy &iov &page 16", "rawmemchr &page 0", "memcmp &page &shared 9"}, // 256: DC ZVA of arm64
	{"strlen &shared", "puts %d", "strcpy &shared &path", "strncpy &page &path 9", "strchr &shared 102", "renames %d", "strcmp &shared &path"},
	{"strtol &path 0 10", "atoi &shared", "strtok &shared &path", "memccpy &shared &path 103 8", "stpcpy &shared &path", "strnlen &shared 8"},
}

// What system calls and libc's functions read and change is part of what the search
// knows: whatever comes out when threads change places at any instruction also comes
// out of one of its runs. The schedules that it is compared with know nothing of
// events: those in which a thread is left once, anywhere, and some at random.
func TestAnywhere(t *testing.T) {
	for name, groups := range map[string][][]string{"kernel": kernelOps, "libc": libcOps} {
		t.Run(name, func(t *testing.T) { comparedAnywhere(t, groups) })
	}
}

func comparedAnywhere(t *testing.T, groups [][]string) {
	const most = 1000 // runs of a search
	count, drawn := 30, 40
	if testing.Short() {
		count = 2
	}
	if *programs > 0 {
		count = int(*programs)
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 1)
		from, n := seedsOf(0, uint64(count), sys.Arch)
		count := int(n)
		several, skipped := 0, 0
		for i := int(from); i < int(from)+count; i++ {
			r := rand.New(rand.NewPCG(seed+uint64(i), 3))
			p := program{source: kernelPrelude, threads: []string{drawCalls(r, groups[i%len(groups)]), drawCalls(r, groups[i%len(groups)])}}
			known := map[string]bool{}
			g := p.startWith(t, sys, map[string][]byte{"/f": []byte("FILE"), "/g": []byte("OTHER")})
			if f := exploredUpTo(t, g, most, func() { known[g.printed()] = true }); f.traces == most {
				skipped++
				continue
			}
			if len(known) > 1 {
				several++
			}
			g.s.WantEvents(false)
			for _, s := range turnsAnywhere(t, g, r, drawn) {
				must(t, g.s.Restart())
				for _, turn := range s {
					_, err := g.s.Run(turn.Thread, turn.N)
					must(t, err)
				}
				g.runOut(t)
				if end := g.printed(); !known[end] {
					t.Errorf("seed %d: %q: with %v\n%s\nwhich no run of the search has come to, only\n%s", seed+uint64(i), p.threads, s, end, strings.Join(slices.Sorted(maps.Keys(known)), "\n"))
					break
				}
			}
		}
		if several < count/3 {
			t.Errorf("only %d of %d programs can come out in more than one way, and %d were skipped", several, count, skipped)
		}
	})
}

// drawCalls is what a thread calls, two or three of the operations at random. An
// operation without arguments takes a number.
func drawCalls(r *rand.Rand, ops []string) string {
	calls := []string{"flags 0"} // the first is fixed when the race begins
	for range 2 + r.IntN(2) {
		op := ops[r.IntN(len(ops))]
		if !strings.Contains(op, " ") {
			op += " %d"
		}
		calls = append(calls, strings.ReplaceAll(op, "%d", fmt.Sprint(r.IntN(4))))
	}
	return strings.Join(calls, "; ")
}

// turnsAnywhere is schedules of two threads: each that leaves the first thread after some
// number of instructions until the other one is through, and some with many turns.
func turnsAnywhere(t *testing.T, g *guest, r *rand.Rand, drawn int) []scenario.Schedule {
	t.Helper()
	var list []scenario.Schedule
	for first := range 2 {
		must(t, g.s.Restart())
		n, err := g.s.Run(first, 0)
		must(t, err)
		for at := uint64(1); at <= n; at++ {
			list = append(list, scenario.Schedule{{Thread: first, N: at}, {Thread: 1 - first, N: 0}, {Thread: first, N: 0}})
		}
	}
	for range drawn {
		var s scenario.Schedule
		for i := range 12 {
			s = append(s, scenario.Slice{Thread: i % 2, N: 1 + r.Uint64N(40)})
		}
		list = append(list, append(s, scenario.Slice{Thread: 0, N: 0}, scenario.Slice{Thread: 1, N: 0}))
	}
	return list
}
