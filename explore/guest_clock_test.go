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

// clockPrelude is operations that look at clocks, and such as order threads: accesses,
// atomic ones that may fail, waits and wake-ups.
const clockPrelude = `
#ifdef __aarch64__
enum { GETTIME = 113, TIMES = 153, USAGE = 165, FUTEX = 98, NANOSLEEP = 101, CLOCK_NANOSLEEP = 115 };
static long sys(long n, long a, long b, long c, long d) {
	register long x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c, x3 asm("x3") = d;
	asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
u64 counts(u64 n) { u64 v; asm volatile("mrs %0, cntvct_el0" : "=r"(v)); return v; }
#else
enum { GETTIME = 228, TIMES = 100, USAGE = 98, FUTEX = 202, NANOSLEEP = 35, CLOCK_NANOSLEEP = 230 };
static long sys(long n, long a, long b, long c, long d) {
	register long r10 asm("r10") = d;
	asm volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return n;
}
u64 counts(u64 n) { u32 lo, hi; asm volatile("rdtsc" : "=a"(lo), "=d"(hi)); return (u64)hi << 32 | lo; }
#endif
u64 shared[4];
u32 word;

u64 idle(u64 n) { return 0; }
u64 reads_clock(u64 n) { u64 t[2]; sys(GETTIME, n & 1, (long)t, 0, 0); return t[0] * 1000000000 + t[1]; }
u64 works(u64 n) { u64 x = 0; for (volatile int i = 0; i < 9 * (int)n; i++) x += i; return x; }
u64 puts(u64 n) { *(volatile u8 *)&shared[n & 1] = n; return 0; }
u64 gets(u64 n) { return *(volatile u32 *)&shared[n & 1]; }
u64 adds(u64 n) { return __atomic_fetch_add(&shared[2], n, __ATOMIC_SEQ_CST); }
u64 tries(u64 n) { u32 was = n & 1; __atomic_compare_exchange_n(&word, &was, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); return was; }
u64 wakes(u64 n) { return sys(FUTEX, (long)&word, 1, 1, 0); }
u64 waits(u64 n) { return sys(FUTEX, (long)&word, 0, n, 0); }
`

var clockOps = []string{"reads_clock", "reads_clock", "counts", "works", "works", "puts", "gets", "adds", "tries", "wakes", "waits"}

// drawOps is what a thread calls: some of the operations, each with a number below 4.
// The first call is fixed when the race begins.
func drawOps(r *rand.Rand, ops []string) string {
	text := "idle 0"
	for range 3 + r.IntN(4) {
		text += fmt.Sprintf("; %s %d", ops[r.IntN(len(ops))], r.IntN(4))
	}
	return text
}

// clocks is what threads have read of their clocks and what these show at the end,
// with all that the calls have returned.
func (g *guest) clocks(t *testing.T) string {
	text := g.end()
	for i := range g.s.Threads() {
		text += fmt.Sprint(" ", g.clock(t, i))
	}
	return text
}

func (g *guest) clock(t *testing.T, thread int) uint64 {
	t.Helper()
	v, err := g.s.Process().Clock(g.s.MachineThread(thread))
	must(t, err)
	return v
}

// A thread's clock follows from the class of the run: it is the same however
// independent events change places, whether events are wanted or not, and after
// rewinds; and it does not go backwards from an event to one that comes behind it.
func TestClocksFollowClasses(t *testing.T) {
	count, orders := 60, 6
	if testing.Short() {
		count = 12
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 1)
		moved := 0
		for i := range count {
			r := rand.New(rand.NewPCG(seed+uint64(i), 4))
			p := program{source: clockPrelude, threads: []string{drawOps(r, clockOps), drawOps(r, clockOps), drawOps(r, clockOps)}}
			g := p.start(t, sys)
			o := g.drawRun(t, r)
			want := g.clocks(t)
			for range orders {
				threads, ran := o.shuffled(r)
				if !slices.IsSorted(threads) {
					moved++
				}
				g.s.WantEvents(r.IntN(2) == 0)
				must(t, g.s.Restart())
				for k, thread := range threads {
					if r.IntN(4) == 0 {
						g.strayFrom(t, r)
					}
					n, err := g.s.Run(thread, ran[k])
					must(t, err)
					if n != ran[k] {
						t.Fatalf("seed %d: thread %d ran %d instructions, not %d", seed+uint64(i), thread, n, ran[k])
					}
				}
				if got := g.clocks(t); got != want {
					t.Fatalf("seed %d: %q: in the order %v\n%s\nand first\n%s", seed+uint64(i), p.threads, threads, got, want)
				}
			}
		}
		if moved == 0 {
			t.Error("nothing has changed places")
		}
	})
}

// drawRun is a run in which any thread goes next, with events that are all known.
func (g *guest) drawRun(t *testing.T, r *rand.Rand) *order {
	t.Helper()
	first := r.Uint64()
	for range 100 {
		known := g.s.Grown()
		r := rand.New(rand.NewPCG(first, 5))
		must(t, g.s.Restart())
		o := newOrder(g.s.Threads())
		var after []uint64 // the clock of each event's thread behind it
		for _, over := g.s.Outcome(); !over; _, over = g.s.Outcome() {
			can := enabled(g.s)
			thread := can.first()
			for n := r.IntN(can.len()); n > 0; n-- {
				can = can.less(only(can.first()))
				thread = can.first()
			}
			e, err := g.s.RunEvent(thread)
			must(t, err)
			o.add(newEvent(e))
			after = append(after, g.clock(t, thread))
			n := len(after) - 1
			for k := range n {
				if o.before(k, n) && after[k] > after[n] {
					t.Fatalf("event %d has the clock %d, and %d behind it %d", k, after[k], n, after[n])
				}
			}
		}
		if g.s.Grown() == known {
			return &o
		}
	}
	t.Fatal("there is no end to what is learned")
	return nil
}

// shuffled is the threads of the run's events in another order of the same class, and
// how many instructions each has.
func (r *order) shuffled(random *rand.Rand) (threads []int, ran []uint64) {
	left := make([]int, len(r.events))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		k := random.IntN(len(left))
		for slices.ContainsFunc(left[:k], func(i int) bool { return r.before(i, left[k]) }) {
			k = random.IntN(len(left))
		}
		e := r.events[left[k]]
		threads, ran = append(threads, e.Thread), append(ran, e.Ran)
		left = slices.Delete(left, k, k+1)
	}
	return threads, ran
}

// strayFrom runs something else from here and comes back.
func (g *guest) strayFrom(t *testing.T, r *rand.Rand) {
	t.Helper()
	mark, err := g.s.Mark()
	must(t, err)
	defer mark.Drop()
	for range 3 {
		_, err := g.s.Run(r.IntN(g.s.Threads()), 1+r.Uint64N(30))
		must(t, err)
	}
	must(t, mark.Rewind())
}

// timedOps are operations that wait with deadlines, or sleep, and such as look at clocks or
// let others go on.
var timedOps = []string{"sleeps", "sleeps", "sleeps_until", "waits_until", "waits_for", "wakes", "requeues", "reads_clock", "counts", "ticks_of", "uses", "puts", "gets", "works"}

// timedPrelude has them, with deadlines that are close together, far apart, equal and
// past.
const timedPrelude = clockPrelude + `
static u64 *in(u64 *t, u64 ns) { t[0] = ns / 1000000000; t[1] = ns % 1000000000; return t; }
static u64 lengths[4] = {40, 1000, 1000, 5000000000};
static u64 moments[4] = {1000000000, 7000000000, 7000000000, 9000000000};
u32 other;
u64 sleeps(u64 n) { u64 t[2]; return sys(NANOSLEEP, (long)in(t, lengths[n]), 0, 0, 0); }
u64 sleeps_until(u64 n) { u64 t[2]; return sys(CLOCK_NANOSLEEP, 1, 1, (long)in(t, moments[n]), 0); }
u64 waits_for(u64 n) { u64 t[2]; return sys(FUTEX, (long)&word, 0, 0, (long)in(t, lengths[n])); }
static long until(u32 *at, u64 ns) {
	u64 t[2];
	in(t, ns);
#ifdef __aarch64__
	register long x8 asm("x8") = FUTEX, x0 asm("x0") = (long)at, x1 asm("x1") = 9, x2 asm("x2") = 0, x3 asm("x3") = (long)t, x4 asm("x4") = 0, x5 asm("x5") = -1;
	asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
	register long r10 asm("r10") = (long)t, r8 asm("r8") = 0, r9 asm("r9") = 0xffffffff;
	long n = FUTEX;
	asm volatile("syscall" : "+a"(n) : "D"(at), "S"(9), "d"(0), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return n;
#endif
}
u64 waits_until(u64 n) { return until(n & 1 ? &word : &other, moments[n]); }
u64 requeues(u64 n) {
#ifdef __aarch64__
	register long x8 asm("x8") = FUTEX, x0 asm("x0") = (long)&word, x1 asm("x1") = 3, x2 asm("x2") = n & 1, x3 asm("x3") = 1, x4 asm("x4") = (long)&other;
	asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
#else
	register long r10 asm("r10") = 1, r8 asm("r8") = (long)&other;
	long r = FUTEX;
	asm volatile("syscall" : "+a"(r) : "D"(&word), "S"(3), "d"(n & 1), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return r;
#endif
}
u64 ticks_of(u64 n) { u64 b[4]; return sys(TIMES, n & 1 ? (long)b : 0, 0, 0, 0); }
u64 uses(u64 n) { u64 b[18] = {0}; sys(USAGE, 0, (long)b, 0, 0); return b[1]; }
`

// Whatever comes out when time passes at any moment, and threads change places at any
// instruction, also comes out of one of the search's runs; and the other way round.
func TestTimePassesAnywhere(t *testing.T) {
	const most = 3000 // runs of a search
	count, drawn := 60, 150
	if testing.Short() {
		count = 10
	}
	if *programs > 0 {
		count = int(*programs)
	}
	for _, mode := range []scenario.Timeouts{scenario.AnyTime, scenario.WhenIdle} {
		t.Run(string(mode), func(t *testing.T) {
			eachArch(t, func(t *testing.T, sys *emu.System) {
				seed, n := seedsOf(testseed.Of(t, 1), uint64(count), sys.Arch)
				count := int(n)
				several, skipped := 0, 0
				for i := range count {
					r := rand.New(rand.NewPCG(seed+uint64(i), 6))
					p := program{source: timedPrelude, threads: []string{drawTimed(r), drawTimed(r)}}
					if r.IntN(3) == 0 {
						p.threads = append(p.threads, "idle 0; "+fmt.Sprintf("%s %d", timedOps[r.IntN(len(timedOps))], r.IntN(4)))
					}
					g := p.start(t, sys)
					g.s.Plan().Timeouts = mode
					known := map[string]bool{}
					if f := exploredUpTo(t, g, most, func() { known[g.clocks(t)] = true }); f.traces == most {
						skipped++
						continue
					}
					if len(known) > 1 {
						several++
					}
					g.s.WantEvents(false)
					for k := range drawn {
						s := g.anywhere(t, r, k%2 == 0)
						if end := g.clocks(t); !known[end] {
							t.Fatalf("seed %d: %q: with %v\n%s\nwhich no run of the search has come to, only\n%s", seed+uint64(i), p.threads, s, end, strings.Join(slices.Sorted(maps.Keys(known)), "\n"))
						}
					}
				}
				least := count / 3
				if mode == scenario.WhenIdle {
					least = count / 20
				}
				if several < least {
					t.Errorf("only %d of %d programs can come out in more than one way, and %d were skipped", several, count, skipped)
				}
			})
		})
	}
}

// drawTimed is what a thread calls, one to three of timedOps.
func drawTimed(r *rand.Rand) string {
	text := "idle 0"
	for range 1 + r.IntN(3) {
		text += fmt.Sprintf("; %s %d", timedOps[r.IntN(len(timedOps))], r.IntN(4))
	}
	return text
}

// anywhere runs the race with turns that end anywhere, or only where a thread cannot go
// on, drawn at random.
func (g *guest) anywhere(t *testing.T, r *rand.Rand, whole bool) scenario.Schedule {
	t.Helper()
	must(t, g.s.Restart())
	var s scenario.Schedule
	for _, over := g.s.Outcome(); !over; _, over = g.s.Outcome() {
		thread, n := r.IntN(g.s.Schedulable()), uint64(0)
		if !whole {
			n = 1 + r.Uint64N(60)
		}
		if g.s.IsClock(thread) {
			n = 1
		}
		ran, err := g.s.Run(thread, n)
		must(t, err)
		s = append(s, scenario.Slice{Thread: thread, N: ran})
	}
	return s
}
