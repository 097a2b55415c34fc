package explore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testseed"
	"emurace/scenario"
)

// symbol is a place: the first instruction of a function of the program.
type symbol string

func (p symbol) String() string { return string(p) }

func (p symbol) Find(s *scenario.Session, _ bool) ([]uint64, error) {
	mod := s.Process().Program()
	for _, sym := range mod.Image.Symbols() {
		if sym.Name == string(p) && sym.Function() {
			return []uint64{mod.Base + sym.Addr}, nil
		}
	}
	return nil, fmt.Errorf("no %s", string(p))
}

// windowPrelude is a program of two threads with a window that is a few instructions long. The
// status with which main ends tells what it has seen, and what there is at the end.
const windowPrelude = `
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#ifdef __aarch64__
enum { FUTEX = 98, EXIT = 94 };
static long sys(long n, long a, long b, long c, long d) {
	register long x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c, x3 asm("x3") = d;
	asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
enum { FUTEX = 202, EXIT = 231 };
static long sys(long n, long a, long b, long c, long d) {
	register long r10 asm("r10") = d;
	asm volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return n;
}
#endif
static volatile int v[3];
static int ready, over, never;
__attribute__((noinline)) void begin(void) { asm volatile(""); }
__attribute__((noinline)) void end(void) { asm volatile(""); }
static inline __attribute__((always_inline)) int first(void) { int r = 0; FIRST; end(); FIRST_TAIL; return r; }
static inline __attribute__((always_inline)) int second(void) { int r = 0; SECOND; end(); SECOND_TAIL; return r; }
static int seen;
static void *work(void *a) {
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	begin();
	seen = second();
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	sys(FUTEX, (long)&over, 1, 1, 0);
	for (;;)
		sys(FUTEX, (long)&never, 0, 0, 0);
	return a;
}
int main(void) {
	pthread_t t;
	pthread_create(&t, 0, work, 0);
	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		sched_yield();
	int r = first();
	while (WAITS && !__atomic_load_n(&over, __ATOMIC_SEQ_CST))
		sys(FUTEX, (long)&over, 0, 0, 0);
	r = r * 3 + v[0] + 5 * v[1] + 7 * v[2] + WAITS * 11 * seen;
	return sys(EXIT, (r % 251 + 251) % 251, 0, 0, 0);
}
`

// statements are what the threads do; %d is a variable or a number.
var statements = []string{"v[%d] = %d", "v[%d] += %d", "r += v[%d] << %d", "if (v[%d]) v[%d]++", "if (!v[%d]) r += %d", "r ^= v[%d] + %d"}

func drawStatements(r *rand.Rand, most int) string {
	var list []string
	for range r.IntN(most + 1) {
		list = append(list, fmt.Sprintf(statements[r.IntN(len(statements))], r.IntN(3), r.IntN(3)))
	}
	if len(list) == 0 {
		return "(void)r"
	}
	return strings.Join(list, "; ")
}

// windowed begins sessions of a program with a window.
func windowed(t *testing.T, sys *emu.System, from, to *scenario.Bound, defines ...string) func() (*scenario.Session, error) {
	t.Helper()
	file := guestcode.Program(t, sys.Arch, windowPrelude, append(defines, "-O1", "-static")...)
	return func() (*scenario.Session, error) {
		s, err := scenario.Start(sys, &scenario.Plan{
			Files:    map[string][]byte{"/program": file},
			Threads:  []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
			Endings:  []scenario.Ending{{Kind: scenario.Exit, Code: 252}}, // each status is told apart
			Timeouts: scenario.WhenDue,
			Program:  &scenario.Program{Path: "/program", Argv: []string{"program"}, From: from, To: to},
		}, 1)
		if err == nil {
			s.Limit = 10_000_000
		}
		return s, err
	}
}

// sites are the ways to fail of a result.
func sites(r *Result) map[site]bool {
	list := map[site]bool{}
	for _, f := range r.Findings {
		list[siteOf(f.Outcome)] = true
	}
	return list
}

// drawnAnywhere runs schedules that change threads at any instruction, and what comes behind.
func drawnAnywhere(t *testing.T, s *scenario.Session, r *rand.Rand, count int) map[site]bool {
	t.Helper()
	list := map[site]bool{}
	for range count {
		must(t, s.Restart())
		for {
			o, over := s.Outcome()
			if over {
				list[siteOf(o)] = true
				break
			}
			can := enabled(s)
			if can.len() != 1 && s.Closed() {
				t.Fatalf("behind the window %d threads can run", can.len())
			}
			_, err := s.Run(pickOf(r, can), 1+r.Uint64N(12))
			must(t, err)
		}
	}
	return list
}

// A window's schedules are all those of its instructions, each with one way to go on: against
// an enumeration, instruction by instruction and without marks, and against schedules that are
// drawn. What a search by events finds, also of what only the instructions behind the window see,
// is what they find; and what fails does so again from its schedule.
func TestWindowBruteForce(t *testing.T) {
	count, bound := uint64(13), 2
	if testing.Short() {
		count, bound = 2, 1
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed, count := seedsOf(testseed.Of(t, 1), count, sys.Arch)
		most := 0
		for i := range count {
			r := rand.New(rand.NewPCG(seed+i, 7))
			defines := []string{
				"-DFIRST=" + drawStatements(r, 4), "-DSECOND=" + drawStatements(r, 5), "-DFIRST_TAIL=" + drawStatements(r, 2),
				"-DSECOND_TAIL=" + drawStatements(r, 2), fmt.Sprintf("-DWAITS=%d", r.IntN(2)),
			}
			to := &scenario.Bound{Place: symbol("end"), Thread: []string{"", scenario.Main, "main.1"}[r.IntN(3)]}
			start := windowed(t, sys, &scenario.Bound{Thread: "main.1", Place: symbol("begin")}, to, defines...)
			what := fmt.Sprintf("seed %d, to %v: %q", seed+i, to, defines)
			s, err := start()
			must(t, err)
			if want := []string{"main", "main.1"}; !slices.Equal(s.Names(), want) || s.Process().LogLen() != 0 {
				t.Fatalf("%s: the race begins with %v, and %d accesses logged", what, s.Names(), s.Process().LogLen())
			}
			brute := enumerate(t, s, bound)
			drawn := drawnAnywhere(t, s, r, 200)
			s.Close()
			b, err := Bounded(t.Context(), start, Options{Preemptions: bound, KeepGoing: true, Jobs: 1})
			must(t, err)
			if err := compare(b, brute); err != nil {
				t.Errorf("%s: bounded: %v", what, err)
			}
			replayAll(t, start, b)
			if err := compareClasses(t, start, bound, brute); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			d, err := DPOR(t.Context(), start, Options{Preemptions: -1, KeepGoing: true, Jobs: 1})
			must(t, err)
			if !d.Complete && !d.Due || d.Closed == 0 {
				t.Errorf("%s: dpor: %+v", what, *d)
			}
			found := sites(d)
			most = max(most, len(found))
			for x := range brute.failing {
				if !found[x] {
					t.Errorf("%s: dpor does not end as %+v, which %d schedules of few preemptions do", what, x, brute.failing[x])
				}
			}
			for x := range drawn {
				if !found[x] {
					t.Errorf("%s: dpor does not end as %+v, which a drawn schedule does", what, x)
				}
			}
			for _, strategy := range []Strategy{POS, Fuzz} {
				p, err := Sample(t.Context(), start, strategy, Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: 100})
				must(t, err)
				for x := range sites(p) {
					if !found[x] {
						t.Errorf("%s: dpor does not end as %+v, which %s does", what, x, strategy)
					}
				}
			}
			if testing.Verbose() {
				t.Logf("seed %d: %d schedules of few preemptions, %d classes, %d ways to end", seed+i, len(brute.failing), d.Schedules, len(found))
			}
			again, err := start()
			must(t, err)
			for _, f := range d.Findings {
				must(t, again.Restart())
				must(t, again.Play(f.Schedule))
				if o, over := again.Outcome(); !over || siteOf(o) != siteOf(f.Outcome) {
					t.Errorf("%s: %v ends as %v, not %v", what, f.Schedule.Texts(again.Names()), o, f.Outcome)
				}
			}
			again.Close()
		}
		if most < 2 || most < 5 && !testing.Short() {
			t.Errorf("the programs end in at most %d ways", most)
		}
	})
}

// What is spoilt in the window shows behind it, one instruction of the other thread at a time:
// also where nobody else in the window looks at it.
func TestWindowTail(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := windowed(t, sys, &scenario.Bound{Thread: "main.1", Place: symbol("begin")}, &scenario.Bound{Thread: scenario.Main, Place: symbol("end")},
			"-DFIRST=(void)r", "-DSECOND=v[0] = 1; v[1] = 1; v[2] = 1", "-DFIRST_TAIL=(void)r", "-DSECOND_TAIL=(void)r", "-DWAITS=0")
		d, err := DPOR(t.Context(), start, Options{Preemptions: -1, KeepGoing: true, Jobs: 2})
		must(t, err)
		codes := map[int]bool{}
		for _, f := range d.Findings {
			codes[f.Outcome.End.Code] = true
		}
		if want := []int{0, 1, 6, 13}; !slices.Equal(slices.Sorted(maps.Keys(codes)), want) || d.Closed != d.Schedules {
			t.Errorf("main ends with %v, want %v: %+v", slices.Sorted(maps.Keys(codes)), want, *d)
		}
		// Cut down, a failure is the same one.
		for _, f := range d.Findings {
			m, err := Minimize(t.Context(), start, f, 0)
			must(t, err)
			if m.Outcome.Kind != f.Outcome.Kind || m.Outcome.End.PC != f.Outcome.End.PC || m.Switches > f.Schedule.Switches() {
				t.Errorf("%v cut down is %v: %v", f.Outcome, m.Outcome, m.Schedule)
			}
		}
	})
}
