package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/scenario"
)

func TestFenceOf(t *testing.T) {
	for _, c := range []struct {
		word uint32
		text string
		want fence
		ok   bool
	}{
		{0xd5033bbf, "dmb ish", fence{loads: true, stores: true}, true},
		{0xd50339bf, "dmb ishld", fence{loads: true}, true},
		{0xd5033abf, "dmb ishst", fence{stores: true}, true},
		{0xd5033fbf, "dmb sy", fence{loads: true, stores: true}, true},
		{0xd5033dbf, "dmb ld", fence{loads: true}, true},
		{0xd50332bf, "dmb oshst", fence{stores: true}, true},
		{0xd5033b9f, "dsb ish", fence{loads: true, stores: true}, true},
		{0xd503379f, "dsb nsh", fence{}, false}, // this processor alone
		{0xd503359f, "dsb nshld", fence{}, false},
		{0xd503309f, "ssbb", fence{}, false},
		{0xd5033fdf, "isb", fence{}, false},
		{0xd503305f, "clrex", fence{}, false},
		{0xd503201f, "nop", fence{}, false},
		{0xd65f03c0, "ret", fence{}, false},
	} {
		if got, ok := fenceOf(c.word); got != c.want || ok != c.ok {
			t.Errorf("%s: %+v, %v, want %+v, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

// Messages by barriers on arm64: one passes data and then sets a flag, two looks at the
// flag and then uses the data. Which barriers make that right follows from the Arm
// manual (B2.3, "barrier-ordered-before"): between one's use of the data and its store
// of the flag, and between two's load of the flag and its use of the data, accesses of
// just these kinds have to be ordered.
func TestFences(t *testing.T) {
	sys := system(t, "bookworm", loader.ARM64)
	orders := func(barrier string, loadBefore, storeBehind bool) bool {
		switch barrier {
		case "ish", "sy":
			return true
		case "ishld":
			return loadBefore
		case "ishst":
			return !loadBefore && storeBehind
		}
		return false
	}
	barriers := []string{"", "ish", "ishld", "ishst", "nsh"}
	for i, first := range barriers {
		for k, second := range barriers {
			if testing.Short() && (i+k)%2 != 0 {
				continue
			}
			for _, reads := range []bool{false, true} { // one reads the data and two writes it, or the reverse
				use := [2]string{"data = 1", "n += data"}
				if reads {
					use[0], use[1] = use[1], use[0]
				}
				barrier := func(name string) string {
					if name == "" {
						return ""
					}
					return fmt.Sprintf(`asm volatile("dmb %s" ::: "memory");`, name)
				}
				source := fmt.Sprintf(`
					volatile int data, flag, own[2];
					int one(void) { int n = 0; %s; own[0] = 1; %s flag = 1; __atomic_fetch_or(&flag, 0, __ATOMIC_RELAXED); return n; }
					int two(void) { int n = 0; if (flag) { %s own[1] = 1; %s; } return n; }`,
					use[0], barrier(first), barrier(second), use[1])
				// One's flag is always a store; two's always a load.
				want := !orders(first, reads, true) || !orders(second, true, reads)
				t.Run(fmt.Sprintf("%q %q %v", first, second, reads), func(t *testing.T) {
					seen := inspectRandomly(t, starter(sys, program(t, loader.ARM64, source, "one", "two")), 40, DataRace)
					if (len(seen) > 0) != want {
						t.Errorf("seeds 0 to 39 give %v; a race is there: %v", seen, want)
					}
				})
			}
		}
	}
}

// fenced is a memory of C11 with fences as the standard has it, slow and plain: of each
// pair of events whether the one happens before the other.
type fenced struct {
	events []fencedEvent
	before [][]bool
}

type fencedEvent struct {
	thread int
	kind   int // 0 a plain write, 1 a plain read, 2 an atomic store, 3 an atomic load, 4 a fence
	place  int
}

// order computes happens-before of a run in the given order, by C11 5.1.2.4 and 7.17.4
// with relaxed atomics and fences that both acquire and release: a fence A comes before
// a fence B if there are a store X behind A and a load Y before B, of one place, and Y
// reads X or what a later store of its release sequence has written. Without operations
// that read and write, that is X alone.
func (f *fenced) order() {
	n := len(f.events)
	f.before = make([][]bool, n)
	for i := range f.before {
		f.before[i] = make([]bool, n)
	}
	reads := make([]int, n) // the store that a load reads
	for i, e := range f.events {
		reads[i] = -1
		for j := range i {
			o := f.events[j]
			f.before[j][i] = f.before[j][i] || o.thread == e.thread
			if e.kind == 3 && o.kind == 2 && o.place == e.place {
				reads[i] = j
			}
		}
	}
	for y, x := range reads {
		for a := range n {
			for b := range n {
				if x >= 0 && f.events[a].kind == 4 && f.events[b].kind == 4 && a < x && y < b &&
					f.events[a].thread == f.events[x].thread && f.events[b].thread == f.events[y].thread {
					f.before[a][b] = true
				}
			}
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				f.before[i][j] = f.before[i][j] || f.before[i][k] && f.before[k][j]
			}
		}
	}
}

func (f *fenced) races() int {
	n := 0
	for j, b := range f.events {
		for i, a := range f.events[:j] {
			if a.kind < 2 && b.kind < 2 && a.kind+b.kind < 2 && a.place == b.place && a.thread != b.thread && !f.before[i][j] {
				n++
			}
		}
	}
	return n
}

// Random orders of plain and atomic accesses and fences, made up as runs: whether there
// is a race is what the standard says, computed another way.
func TestFencesProperty(t *testing.T) {
	const atomics = 0x2000
	first, racy := testseed.Of(t, 1), 0
	const runs = 3000
	for seed := first; seed < first+runs; seed++ {
		random, f := rand.New(rand.NewPCG(seed, 1)), fenced{}
		for range 4 + random.IntN(12) {
			f.events = append(f.events, fencedEvent{random.IntN(3), random.IntN(5), random.IntN(2)})
		}
		f.order()
		r := &run{arch: loader.ARM64, threads: 3, pointer: make([]uint64, 3), text: func(uint64) bool { return false }}
		r.order = func(pc uint64) ordering { return ordering{atomic: pc >= atomics} }
		for i, e := range f.events {
			access := func(step, pc, addr uint64, write bool) {
				kind := emu.LogRead
				if write {
					kind = emu.LogWrite
				}
				r.log = append(r.log, emu.LogEntry{Step: step, PC: pc, Addr: addr, Size: 8, Kind: kind, Thread: uint16(e.thread), Value: step})
			}
			step, pc, own := uint64(3*i+1), uint64(0x1000+i), 0x30000+64*uint64(e.thread)
			switch e.kind {
			case 0, 1:
				access(step, pc, 0x10000+8*uint64(e.place), e.kind == 0)
			case 2, 3:
				access(step, pc+atomics, 0x20000+8*uint64(e.place), e.kind == 2)
			case 4:
				// What lies beside a barrier would be taken for atomic.
				access(step, pc, own, false)
				r.fences = append(r.fences, fence{step: step + 1, thread: e.thread, loads: true, stores: true})
				access(step+2, pc, own+8, true)
			}
		}
		if got, want := len(findRaces(r, heap.New(loader.Glibc))) > 0, f.races() > 0; got != want {
			t.Fatalf("seed %d: %+v: races found: %v, there: %d", seed, f.events, got, f.races())
		}
		if f.races() > 0 {
			racy++
		}
	}
	if racy < runs/10 || racy > runs*9/10 {
		t.Errorf("%d of %d runs have a race", racy, runs)
	}
}

// Fences in a libc that does nothing wrong: what meets at a barrier may destroy it and
// use its memory for something else, what is posted by a semaphore may be read.
func TestMeeting(t *testing.T) {
	var place uint64
	at := func(offset uint64) scenario.Arg { return scenario.Int(place + offset) }
	setup := func(init string, args ...scenario.Arg) func(*scenario.Setup) error {
		return func(u *scenario.Setup) (err error) {
			if place, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(256)); err != nil {
				return err
			}
			_, err = u.Call(scenario.Main, init, append([]scenario.Arg{at(0)}, args...)...)
			return err
		}
	}
	meet := body(func(r []uint64) (scenario.Call, bool) {
		switch {
		case len(r) == 0:
			return call("pthread_barrier_wait", at(0)), true
		case int32(r[0]) != -1:
			return scenario.Call{}, false
		case len(r) == 1:
			return call("pthread_barrier_destroy", at(0)), true
		}
		return call("memset", at(0), scenario.Int(1), scenario.Int(32)), len(r) == 2
	})
	store := func() scenario.Call { return call("memset", at(128), scenario.Int(1), scenario.Int(8)) }
	both := func(calls ...func() scenario.Call) scenario.Body {
		return called(func() (list scenario.Calls) {
			for _, c := range calls {
				list = append(list, c())
			}
			return list
		})
	}
	of := func(fn string) func() scenario.Call { return func() scenario.Call { return call(fn, at(0)) } }
	locked := both(of("pthread_spin_lock"), store, of("pthread_spin_unlock"))
	mutex := both(of("pthread_mutex_lock"), of("pthread_mutex_lock"), store, of("pthread_mutex_unlock"), of("pthread_mutex_unlock"))
	recursive := func(u *scenario.Setup) error {
		if err := setup("pthread_mutexattr_init")(u); err != nil {
			return err
		}
		if _, err := u.Call(scenario.Main, "pthread_mutexattr_settype", at(0), scenario.Int(1)); err != nil {
			return err
		}
		attributes := at(0)
		return setup("pthread_mutex_init", attributes)(u)
	}
	written := both(of("pthread_rwlock_wrlock"), store, of("pthread_rwlock_unlock"))
	for name, c := range map[string]plan{
		"barrier":   calls(setup("pthread_barrier_init", scenario.Int(0), scenario.Int(2)), meet, meet),
		"spin lock": calls(setup("pthread_spin_init", scenario.Int(0)), locked, locked),
		"rwlock":    calls(setup("pthread_rwlock_init", scenario.Int(0)), written, written),
		"recursive": calls(recursive, mutex, mutex),
		"semaphore": calls(setup("sem_init", scenario.Int(0), scenario.Int(0)),
			both(store, of("sem_post")), both(of("sem_wait"), store)),
	} {
		t.Run(name, func(t *testing.T) {
			eachArch(t, func(t *testing.T, arch loader.Arch) {
				for _, suite := range suites() {
					if seen := inspectRandomly(t, starter(system(t, suite, arch), c), 40, DataRace); len(seen) > 0 {
						t.Errorf("%s: %v", suite, seen)
					}
				}
			})
		})
	}
}
