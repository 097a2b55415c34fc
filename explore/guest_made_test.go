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

// madePrelude is functions that make threads by the system call alone, each with a stack
// and a word for its number: CLONE_VM, FS, FILES, SIGHAND and THREAD, and the three by which
// the word holds the number as long as the thread is there.
const madePrelude = `
enum { CLONED = 0x10f00 | 0x100000 | 0x200000 | 0x1000000 };
typedef u64 (*routine)(u64);
u8 stacks[12][512] __attribute__((aligned(16)));
volatile u32 tids[12];
volatile u64 x, y;

static long clones(routine f, u64 arg, u64 slot) {
	u8 *top = stacks[slot] + sizeof stacks[0];
#ifdef __aarch64__
	register long x8 asm("x8") = 220, x0 asm("x0") = CLONED, x1 asm("x1") = (long)top, x2 asm("x2") = (long)(tids + slot);
	register long x3 asm("x3") = 0, x4 asm("x4") = (long)(tids + slot), x9 asm("x9") = (long)f, x10 asm("x10") = (long)arg;
	asm volatile("svc #0\n cbnz x0, 1f\n mov x0, x10\n blr x9\n mov x8, #93\n mov x0, #0\n svc #0\n 1:"
		: "+r"(x0), "+r"(x8) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x9), "r"(x10) : "memory", "x30");
	return x0;
#else
	long n = 56;
	register long r10 asm("r10") = (long)(tids + slot), r8 asm("r8") = 0, r12 asm("r12") = (long)f, r13 asm("r13") = (long)arg;
	asm volatile("syscall\n test %%rax, %%rax\n jnz 1f\n mov %%r13, %%rdi\n call *%%r12\n mov $60, %%eax\n xor %%edi, %%edi\n syscall\n 1:"
		: "+a"(n) : "D"((long)CLONED), "S"(top), "d"(tids + slot), "r"(r10), "r"(r8), "r"(r12), "r"(r13) : "rcx", "r11", "memory");
	return n;
#endif
}

static u64 puts_x(u64 v) { x = v; return 0; }
static u64 adds_x(u64 v) { x = x + v; return 0; }
static u64 puts_deep(u64 v) { clones(puts_x, v, v); return 0; }
static u64 waits(u64 v) { sys(FUTEX, (long)&y, 0, 0, 0); x = v; return 0; }
static u64 sleeps_puts(u64 v) { static const u64 ns[2] = {0, 1000}; sys(NANOSLEEP, (long)ns, 0, 0, 0); x = v; return 0; }
static u64 spins(u64 v) { while (y == 0); x = v; return 0; }

u64 put(u64 v) { x = v; return 0; }
u64 get(u64 v) { return x; }
u64 add(u64 v) { x = x + v; return 0; }
u64 starts(u64 slot, u64 v) { return clones(puts_x, v, slot) > 0; }
u64 starts_adder(u64 slot, u64 v) { return clones(adds_x, v, slot) > 0; }
u64 starts_deep(u64 slot, u64 v) { return clones(puts_deep, v, slot) > 0; }
u64 starts_if(u64 slot, u64 v) { return x == 1 ? clones(puts_x, v, slot) > 0 : 7; }
u64 starts_waiter(u64 slot, u64 v) { return clones(waits, v, slot) > 0; }
u64 starts_sleeper(u64 slot, u64 v) { return clones(sleeps_puts, v, slot) > 0; }
u64 starts_spinner(u64 slot, u64 v) { return clones(spins, v, slot) > 0; }
u64 number(u64 slot, u64 v) { return clones(puts_x, v, slot); }
u64 wakes(u64 v) { y = 1; return sys(FUTEX, (long)&y, 1, 1, 0); }
u64 sets_y(u64 v) { y = 1; return 0; }
u64 joins(u64 slot) {
	for (u32 tid; (tid = tids[slot]) != 0;)
		sys(FUTEX, (long)(tids + slot), 0, tid, 0);
	return x;
}
u64 kills(u64 slot) { return sys(TGKILL, sys(GETPID, 0, 0, 0, 0), tids[slot], 0, 0); }
`

// madeCalls are the numbers of the system calls of madePrelude that kernelPrelude has not.
const madeCalls = `
#ifdef __aarch64__
enum { FUTEX = 98, TGKILL = 131, GETPID = 172 };
#else
enum { FUTEX = 202, TGKILL = 234, GETPID = 39 };
#endif
`

const madeSource = kernelPrelude + madeCalls + madePrelude

// made are programs whose threads make threads, with the number of their traces.
//
// Two clones are in one of two orders, since they give out numbers. What a thread does
// that was made comes behind its clone, and what it does at its end is met by nobody but
// who waits for it. Who waits reads the word for the thread's number, which is 0 behind the
// end, or waits in the kernel, which either finds it as it was or comes too late: three
// ways. Behind it the maker reads what was stored, so that a third store has three places.
func made() []row {
	var rows []row
	add := func(name string, want uint64, threads ...string) {
		rows = append(rows, row{program: program{name, madeSource, threads}, want: want, made: true})
	}
	add("one thread makes one", 1, "starts 0 1")
	add("it stores, its maker reads", 2, "starts 0 1; get 0")
	add("one thread makes two that store", 2, "starts 0 1; starts 1 2")
	add("two threads make one each", 4, "starts 0 1", "starts 1 2")
	add("three threads make one each", 36, "starts 0 1", "starts 1 2", "starts 2 3")
	add("made and joined", 3, "starts 0 1; joins 0")
	add("made and joined beside a store", 9, "starts 0 1; joins 0", "put 2")
	add("made and left alone beside a store", 2, "starts 0 1", "put 2")
	add("a thread made by one that was made", 2, "starts_deep 0 1", "put 2")
	add("made only if another one came first", 2, "starts_if 0 2", "put 1")
	add("made by both only if another one came first", 9, "starts_if 0 2", "starts_if 1 3", "put 1")
	add("it loads and stores, as its maker does", 4, "starts_adder 0 1; add 2")
	add("one that waits for ever", 1, "starts_waiter 0 1")
	return rows
}

// Every count that can be derived by hand.
func TestMadeCounts(t *testing.T) { testRows(t, made()) }

// madeOps are calls of random programs, with OWN for the slot of the call, OTHER for one
// that may be another call's, and VALUE for a value.
var madeOps = [][]string{
	{"starts OWN VALUE", "starts_adder OWN VALUE", "put VALUE", "get 0", "add 1", "joins OTHER", "starts_if OWN VALUE"},
	{"starts_deep OWN 10", "starts_if OWN VALUE", "put 1", "joins OTHER", "number OWN VALUE", "kills OTHER"},
	{"starts_waiter OWN VALUE", "wakes 0", "joins OTHER", "get 0", "starts_spinner OWN VALUE", "sets_y 0"},
	{"starts_sleeper OWN VALUE", "put VALUE", "get 0", "starts OWN VALUE", "joins OTHER"},
}

// drawMade is what two or three threads call, of which one at least makes another one.
func drawMade(r *rand.Rand, ops []string) []string {
	var threads []string
	for i := range 2 + r.IntN(2) {
		var calls []string
		for k := range 1 + r.IntN(2) {
			op := ops[r.IntN(len(ops))]
			if i+k == 0 {
				op = ops[0]
			}
			words := strings.NewReplacer("OWN", fmt.Sprint(2*i+k), "OTHER", fmt.Sprint(r.IntN(4)), "VALUE", fmt.Sprint(1+r.IntN(2)))
			calls = append(calls, words.Replace(op))
		}
		threads = append(threads, strings.Join(calls, "; "))
	}
	return threads
}

// Whatever a race with threads that make threads comes to when threads change places at
// any instruction, it comes to in one of the search's runs; and the search runs as many
// traces as an oracle without any notion of a race.
func TestMadeAnywhere(t *testing.T) {
	const most = 1500 // runs of a search
	count, drawn := 60, 150
	if testing.Short() {
		count, drawn = 8, 60
	}
	if *programs > 0 {
		count = int(*programs)
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 1)
		from, n := seedsOf(0, uint64(count), sys.Arch)
		count := int(n)
		several, skipped, strange := 0, 0, 0
		for i := int(from); i < int(from)+count; i++ {
			r := rand.New(rand.NewPCG(seed+uint64(i), 5))
			p := program{source: madeSource, threads: drawMade(r, madeOps[i%len(madeOps)])}
			g := &guest{}
			if hasTimed(p) && r.IntN(2) == 0 {
				g.timeouts = scenario.WhenIdle
			}
			known := map[string]bool{}
			p.startAs(t, sys, g, nil)
			f := exploredUpTo(t, g, most, func() { known[g.visible()] = true })
			if f.traces == most {
				skipped++
				continue
			}
			if len(known) > 1 {
				several++
			}
			if !g.s.Process().Timed() && !hasTimed(p) && f.traces < 200 {
				if oracle := sleepSets(t, g); oracle.traces != f.traces || !sameWays(oracle.visible, f.visible) {
					t.Errorf("seed %d: %q: the search finds %d traces that come out in %d ways, the oracle %d and %d", seed+uint64(i), p.threads, f.traces, len(f.visible), oracle.traces, len(oracle.visible))
				}
			}
			g.s.WantEvents(false)
			for range drawn {
				schedule := runAnywhere(t, g, r)
				if g.s.Strange() {
					strange++
					t.Errorf("seed %d: %q: with %v a thread is made that the search does not know", seed+uint64(i), p.threads, schedule.Texts(g.s.ScheduleNames()))
				}
				if end := g.visible(); !known[end] {
					t.Errorf("seed %d: %q: with %v\n%s\nwhich no run of the search has come to, only\n%s", seed+uint64(i), p.threads, schedule.Texts(g.s.ScheduleNames()), end, strings.Join(slices.Sorted(maps.Keys(known)), "\n"))
					break
				}
			}
		}
		t.Logf("%d programs, %d of which come out in several ways; %d were skipped", count, several, skipped)
		if several < count/2 || skipped > count/4 {
			t.Errorf("only %d of %d programs can come out in more than one way, and %d were skipped", several, count, skipped)
		}
	})
}

// hasTimed tells whether a thread of a program waits with a deadline: the oracle knows no
// clock.
func hasTimed(p program) bool {
	return slices.ContainsFunc(p.threads, func(s string) bool { return strings.Contains(s, "sleeper") })
}

// runAnywhere runs a schedule that is drawn: slices of any length, of whoever can run, the
// clock too, and then each as long as it can, in an order that is drawn as well.
func runAnywhere(t *testing.T, g *guest, r *rand.Rand) (schedule scenario.Schedule) {
	t.Helper()
	must(t, g.s.Restart())
	play := func(thread int, n uint64) {
		ran, err := g.s.Run(thread, n)
		must(t, err)
		schedule = schedule.Add(thread, ran)
	}
	for range r.IntN(30) {
		can := enabled(g.s)
		if can.empty() {
			return schedule
		}
		thread := pickOf(r, can)
		if g.s.IsClock(thread) {
			play(thread, 1)
			continue
		}
		play(thread, 1+r.Uint64N(40))
	}
	for {
		if _, over := g.s.Outcome(); over {
			return schedule
		}
		play(pickOf(r, enabled(g.s)), 0)
	}
}

// making is a race whose threads are made in certain orders only: the second one makes
// another one when it sees what the first one's has stored, and that one crashes when its
// maker has not gone on. Each has n further accesses to places of their common.
func making(n int) program {
	return program{"making", madeSource + `
volatile u64 common;
static u64 crashes(u64 v) { if (y == 0) *(volatile u32 *)16 = 0; return 0; }
u64 first(u64 n) { clones(puts_x, 1, 0); while (n--) common = n; return 0; }
u64 second(u64 n) { while (n--) common = n; if (x == 1) { clones(crashes, 0, 1); y = 1; } return 0; }`,
		[]string{fmt.Sprintf("first %d", n), fmt.Sprintf("second %d", n)}}
}

// Bounded runs as many schedules as there are, and finds what fails, also where threads
// are made; and dpor comes to the same ends.
func TestMadeBruteForce(t *testing.T) {
	programs := []struct {
		program
		bound int
	}{
		{program{"making", madeSource, []string{"starts_if 0 2", "put 1"}}, 2},
		{making(0), 1},
		{program{"joined", madeSource, []string{"starts 0 1; joins 0", "put 2"}}, 1},
		{program{"deep", madeSource, []string{"starts_deep 0 1", "get 0"}}, 1},
		{program{"waits", madeSource, []string{"starts_waiter 0 1", "wakes 0"}}, 1},
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, p := range programs {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			g := p.start(t, sys)
			ends := explored(t, g)
			made := g.s.Made()
			start := func() (*scenario.Session, error) {
				s, err := p.starter(t, sys)()
				if err == nil {
					err = s.SetMade(made)
				}
				return s, err
			}
			s, err := start()
			must(t, err)
			defer s.Close()
			for bound := range p.bound + 1 {
				want := enumerate(t, s, bound)
				if s.Strange() || !slices.Equal(s.Found(), made) {
					t.Errorf("%s: threads %v are made, and the search knows %v", p.name, s.Found(), made)
				}
				r, err := Bounded(t.Context(), p.starter(t, sys), Options{Preemptions: bound, KeepGoing: true, Jobs: 2})
				must(t, err)
				if err := compare(r, want); err != nil {
					t.Errorf("%s with at most %d preemptions: %v", p.name, bound, err)
				}
				replayAll(t, start, r)
				if err := compareClasses(t, start, bound, want); err != nil {
					t.Errorf("%s with at most %d preemptions: %v", p.name, bound, err)
				}
				if ends.kinds[scenario.Segv] == 0 && r.Failing > 0 {
					t.Errorf("%s: bounded finds %v, and dpor only %v", p.name, r.Findings, ends.kinds)
				}
			}
		}
	})
}

// A thread that was let go and goes on for ever is no livelock of those that are through:
// what comes of it is not known.
func TestMadeEndless(t *testing.T) {
	p := program{"counts", madeSource + `
static u64 counts(u64 v) { for (;;) y = y + v; return 0; }
u64 starts_counter(u64 slot, u64 v) { return clones(counts, v, slot) > 0; }`, []string{"starts_counter 0 1", "get 0"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, search := range map[string]search{"dpor": DPOR, "bounded": Bounded, "pos": sampling(POS)} {
			r, err := search(t.Context(), p.starter(t, sys), Options{KeepGoing: true, Jobs: 1, Schedules: 20})
			must(t, err)
			if r.Verdict != Undecided || r.Failing > 0 || !r.Endless || len(r.Doubts) == 0 || slices.ContainsFunc(r.Doubts, func(d Doubt) bool { return d.Kind != scenario.InstructionLimit }) {
				t.Errorf("%s: %+v", name, r)
			}
		}
	})
}
