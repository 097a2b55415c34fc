package explore

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/guestcode"
	bugs "emurace/internal/programs"
	"emurace/internal/testseed"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// Instructions of amd64 that read and write memory, with a lock prefix and without.
const divisibles = `
union { u8 b[32]; u32 w[8]; u64 d[4]; } m __attribute__((aligned(16)));
u64 stays;
#define M(form, ...) asm volatile(form : "+m"(m.d[0]) : __VA_ARGS__ : "memory", "cc")
u64 add(void) { M("addl $1, %0"); return 0; }
void locked(void) { M("lock addl $1, %0"); }
void nothing(void) { M("orq $0, %0"); }
void swap(u64 v) { asm volatile("xchgq %1, %0" : "+m"(m.d[0]), "+r"(v) : : "memory"); }
u64 store(u64 v) { *(volatile u64 *)m.d = v; return 0; }
void put(u32 i, u8 v) { *(volatile u8 *)(m.b + i) = v; }
u32 pair(u32 i) { return *(volatile unsigned short *)(m.b + i); }
u64 load(void) { return *(volatile u64 *)m.d; }
u32 exchange(u32 v) { asm volatile("xaddl %1, %0" : "+m"(m.w[0]), "+r"(v) : : "memory", "cc"); return v; }
u32 cas(u32 was) { asm volatile("cmpxchgl %2, %0" : "+m"(m.w[0]), "+a"(was) : "r"(9) : "memory", "cc"); return was; }
// From the first eight bytes to the next, and back.
u64 copy(void) { u64 *to = m.d + 1, *from = m.d; asm volatile("movsq" : "+D"(to), "+S"(from) : : "memory"); return 0; }
u64 back(void) { u64 *to = m.d, *from = m.d + 1; asm volatile("movsq" : "+D"(to), "+S"(from) : : "memory"); return 0; }
// Byte by byte.
void copies(u64 n) { u8 *to = m.b + 8, *from = m.b; asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); }
u64 pushed(void) { u64 v; asm volatile("pushq %1\npopq %0" : "=r"(v) : "m"(m.d[0]) : "memory"); return v; }
void popped(u64 v) { asm volatile("pushq %1\npopq %0" : "=m"(m.d[0]) : "r"(v) : "memory"); }
// The same in instructions that do one thing.
u64 addl(void) { u32 v = *(volatile u32 *)m.w; *(volatile u32 *)m.w = v + 1; return 0; }
u64 copyl(void) { u64 v = *(volatile u64 *)m.d; *(volatile u64 *)(m.d + 1) = v; return 0; }
u64 backl(void) { u64 v = *(volatile u64 *)(m.d + 1); *(volatile u64 *)m.d = v; return 0; }
`

// The traces of instructions that read and write memory: without a lock prefix they are
// those of a load and a store, with one those of an atomic step.
func TestHalvesCounts(t *testing.T) {
	sys := system(t, loader.AMD64)
	for i, r := range []row{
		{program: program{"2 threads, an add", divisibles, times(2, "add")}, want: 4},
		{program: program{"3 threads, an add", divisibles, times(3, "add")}, want: 36},
		{program: program{"2 threads, 2 adds", divisibles, times(2, repeated(2, "add"))}, want: 34},
		{program: program{"2 threads, 3 adds", divisibles, times(2, repeated(3, "add"))}, want: 328},
		{program: program{"an add and a load and store", divisibles, []string{"add", "addl"}}, want: 4},
		{program: program{"2 threads, locked", divisibles, times(2, "locked")}, want: 2},
		{program: program{"3 threads, locked", divisibles, times(3, "locked")}, want: 6},
		{program: program{"2 threads, 2 locked", divisibles, times(2, repeated(2, "locked"))}, want: 6},
		{program: program{"2 threads, 3 locked", divisibles, times(2, repeated(3, "locked"))}, want: 20},
		{program: program{"3 threads, 2 locked", divisibles, times(3, repeated(2, "locked"))}, want: 90},
		// The store of a locked one comes before, between or behind.
		{program: program{"an add and a locked one", divisibles, []string{"add", "locked"}}, want: 3},
		{program: program{"an add and a store", divisibles, []string{"add", "store 7"}}, want: 3},
		{program: program{"an add and a load", divisibles, []string{"add", "load"}}, want: 2},
		{program: program{"an add and an xchg", divisibles, []string{"add", "swap 5"}}, want: 3},
		// It writes, though what was there.
		{program: program{"what changes nothing, and a store", divisibles, []string{"nothing", "store 7"}}, want: 3},
		{program: program{"what changes nothing, and a load", divisibles, []string{"nothing", "load"}}, want: 2},
		{program: program{"xadd", divisibles, times(2, "exchange 1")}, want: 4},
		{program: program{"a cmpxchg that fails, and a store", divisibles, []string{"cas 1", "store 7"}}, want: 3},
		{program: program{"cmpxchg", divisibles, times(2, "cas 0")}, want: 4},
		// The two accesses are of different bytes: who is first at either is all.
		{program: program{"movs and a store to where it reads", divisibles, []string{"copy", "store 7"}}, want: 2},
		{program: program{"movs against movs", divisibles, []string{"copy", "back"}}, want: 3},
		{program: program{"the same in two", divisibles, []string{"copyl", "backl"}}, want: 3},
		{program: program{"push and a store", divisibles, []string{"pushed", "store 7"}}, want: 2},
		{program: program{"pop and a load", divisibles, []string{"popped 5", "load"}}, want: 2},
		{program: program{"rep movs and a store to where it reads", divisibles, []string{"copies 2", "put 1 3"}}, want: 2},
		{program: program{"rep movs and a load of where it writes", divisibles, []string{"copies 2", "pair 8"}}, want: 3},
	} {
		if !inShort(i, 4) {
			continue
		}
		t.Run(r.name, func(t *testing.T) { r.checkWithOracle(t, sys) })
	}
}

// Whatever an instruction of two steps can do, the two steps as instructions of their own
// can, and the other way round.
func TestHalvesAsTwoInstructions(t *testing.T) {
	sys := system(t, loader.AMD64)
	for _, p := range [][2][]string{
		{times(2, "add;add"), times(2, "addl;addl")},
		{times(3, "add"), times(3, "addl")},
		{{"add;copy", "back;add"}, {"addl;copyl", "backl;addl"}},
		{{"copy;add", "back", "store 7"}, {"copyl;addl", "backl", "store 7"}},
		{{"add;copy;load", "add;back;load"}, {"addl;copyl;load", "addl;backl;load"}},
	} {
		ones := explored(t, program{"ones", divisibles, p[0]}.start(t, sys))
		twos := explored(t, program{"twos", divisibles, p[1]}.start(t, sys))
		if ones.traces != twos.traces || !sameWays(ones.ends, twos.ends) {
			t.Errorf("%v: %d traces in %d ways; %v: %d in %d", p[0], ones.traces, len(ones.ends), p[1], twos.traces, len(twos.ends))
		}
	}
}

// Random programs come out as they do when every instruction of two steps is written as two:
// one that reads and writes without a lock, or a pair of registers.
func TestRandomHalves(t *testing.T) {
	const batch = 20
	count := uint64(100)
	if testing.Short() {
		count = batch
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed, count := seedsOf(testseed.Of(t, 1), count, sys.Arch)
		divided, traces := 0, uint64(0)
		for first := seed; first < seed+count; first += batch {
			n := min(batch, seed+count-first)
			ones, source := programsOf(t, sys, first, n, false)
			twos, apart := programsOf(t, sys, first, n, true)
			for s := first; s < first+n; s++ {
				if source(s) != apart(s) {
					divided++
				}
				one, two := explored(t, ones(s)), explored(t, twos(s))
				traces += one.traces
				crashes := strings.Contains(source(s), "crash()") // at an address that is another one
				if one.traces != two.traces || len(one.visible) != len(two.visible) || !crashes && !sameWays(one.visible, two.visible) {
					t.Errorf("seed %d: %d traces in %d ways, in two instructions each %d in %d\n%s", s, one.traces, len(one.visible), two.traces, len(two.visible), source(s))
				}
			}
		}
		if t.Logf("%d of %d programs have such instructions; %d traces", divided, count, traces); *programs == 0 && divided < int(count)/2 {
			t.Errorf("only %d of %d programs have instructions that are two steps", divided, count)
		}
	})
}

// boundedHalves are two threads with p and q places to be preempted at.
type boundedHalves struct {
	threads [2]routine
	p, q    uint64
}

// A thread can be preempted in the middle of an instruction: of two threads with p and q
// places for that there are 2 schedules without a preemption, p+q with one, and 2pq with two.
func TestHalvesBounded(t *testing.T) {
	add := routine{amd64: []byte{0x48, 0x83, 0x07, 0x01}}          // addq $1, (%rdi)
	locked := routine{amd64: []byte{0xf0, 0x48, 0x83, 0x07, 0x01}} // lock addq $1, (%rdi)
	checkBounded(t, system(t, loader.AMD64), []boundedHalves{
		{[2]routine{nop.then(add, nop, ret), nop.then(add, nop, ret)}, 4, 4},
		{[2]routine{add.then(add, ret), nop.then(nop, ret)}, 4, 2},
		{[2]routine{locked.then(nop, ret), add.then(ret)}, 2, 2},
		{[2]routine{locked.then(nop, ret), locked.then(ret)}, 2, 1},
	})
}

func checkBounded(t *testing.T, sys *emu.System, cases []boundedHalves) {
	t.Helper()
	for _, c := range cases {
		for jobs := 1; jobs <= 2; jobs++ {
			start := codeStarter(sys, c.threads[:]...)
			last := uint64(0)
			for most, want := range []uint64{2, c.p + c.q, 2 * c.p * c.q} {
				r, err := Bounded(t.Context(), start, Options{Preemptions: most, Jobs: jobs, KeepGoing: true})
				must(t, err)
				if got := r.Schedules - last; got != want || r.Failing > 0 {
					t.Errorf("%v, %d jobs, %d preemptions: %d schedules, want %d; %d fail", c, jobs, most, got, want, r.Failing)
				}
				last = r.Schedules
			}
		}
	}
}

// Where the page of a write is taken away between it and the read, the instruction begins
// again, as on a processor, which is done with an instruction or has not begun it when the
// page goes. So it fails there, or not at all.
func TestHalvesOfLostPages(t *testing.T) {
	const source = `
u8 page[3 * 4096];
#define AT (u8 *)(((u64)page + 4095) & ~4095ull)
static u64 call(u64 nr, u64 a, u64 b, u64 c) {
	register u64 d asm("r10") = 0x32; // private, anonymous, at this address
	register u64 e asm("r8") = -1ull, f asm("r9") = 0;
	asm volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c), "r"(d), "r"(e), "r"(f) : "rcx", "r11", "memory");
	return nr;
}
u64 add(void) { u64 x = 3; asm volatile("xaddq %1, %0" : "+m"(*(u64 *)AT), "+r"(x) : : "cc"); return x; }
u64 forbid(void) { return call(10, (u64)AT, 4096, 1); }
u64 anew(void) { return call(9, (u64)AT, 4096, 3); }
u64 put(void) { *(volatile u64 *)AT = 7; return 0; }
u64 load(void) { return *(volatile u64 *)AT; }
`
	sys := system(t, loader.AMD64)
	for _, c := range []struct {
		threads []string
		ok      uint64 // traces in which it does not fail
	}{
		{[]string{"add", "forbid"}, 1},
		{[]string{"add;load", "anew"}, 4},
		{[]string{"add;load", "put;anew"}, 0},
		{[]string{"add;load", "anew;put"}, 0},
	} {
		g := program{"pages", source, c.threads}.start(t, sys)
		search, every := explored(t, g), everyOrder(t, g, 100_000)
		if every == nil || !sameWays(search.visible, every.visible) || search.traces > every.traces {
			t.Errorf("%v: %+v, in every order %+v", c.threads, search, every)
		}
		if n := search.kinds[scenario.OK]; c.ok != 0 && n != c.ok {
			t.Errorf("%v: %d traces without failure, want %d", c.threads, n, c.ok)
		}
	}
}

// The lost updates of programs that a compiler has made one instruction of, by every strategy.
func TestHalvesOfPrograms(t *testing.T) {
	list, err := bugs.List(filepath.Join("..", "testdata", "programs"))
	must(t, err)
	for _, p := range list {
		if p.Name != "lost_update" && p.Name != "wrong_lock" {
			continue
		}
		for _, fixed := range []bool{false, true} {
			flags, most := []string{"-O2"}, uint64(1000)
			if fixed {
				flags, most = append(flags, p.FixedFlag()), thorough.Of(uint64(250), most)
			}
			file, err := guestcode.Compile(loader.AMD64, p.File, p.Source, flags...)
			must(t, err)
			plan := &scenario.Plan{
				Files: map[string][]byte{"/program": file}, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
				Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenIdle,
				Program: &scenario.Program{Path: "/program", Argv: []string{p.Name}},
			}
			start := func() (*scenario.Session, error) { return scenario.Start(system(t, loader.AMD64), plan, 1) }
			strategies := append(Strategies(), "bounded", "dpor")
			if testing.Short() {
				strategies = []Strategy{POS, "dpor"}
			}
			for _, strategy := range strategies {
				o := Options{Seed: 1, Schedules: most, Preemptions: 1, Jobs: 1}
				var r *Result
				switch strategy {
				case "bounded":
					o.Schedules = 20_000
					r, err = Bounded(t.Context(), start, o)
				case "dpor":
					r, err = DPOR(t.Context(), start, o)
				default:
					r, err = Sample(t.Context(), start, strategy, o)
				}
				must(t, err)
				if (r.Verdict == Failing) == fixed || len(r.Doubts) > 0 {
					t.Errorf("%s, fixed %v, %s: %s after %d schedules, %v", p.Name, fixed, strategy, r.Verdict, r.Schedules, r.Findings)
				}
				if r.Verdict != Failing {
					continue
				}
				half := func(s scenario.Schedule) bool {
					return slices.ContainsFunc(s, func(sl scenario.Slice) bool { return sl.Half })
				}
				known := func() (*scenario.Session, error) {
					s, err := start()
					if err == nil {
						err = s.SetMade(r.Made)
					}
					return s, err
				}
				min, err := Minimize(t.Context(), known, r.Findings[0], time.Minute)
				if err != nil || !half(r.Findings[0].Schedule) || !half(min.Schedule) || len(min.Essential) == 0 {
					t.Errorf("%s, %s: %v, %+v, %v", p.Name, strategy, r.Findings[0].Schedule, min, err)
				}
			}
		}
	}
}
