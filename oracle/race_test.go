package oracle

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// siteName is the thread and function of a site; code that no library holds has
// no name.
func siteName(s *scenario.Session, site string) string {
	thread, at, _ := strings.Cut(site, "@")
	pc, err := strconv.ParseUint(at, 0, 64)
	if err != nil {
		return fmt.Sprintf("%s: %v", site, err)
	}
	name, _, ok := s.Process().Symbol(pc)
	if !ok {
		name = "code"
	}
	return thread + ":" + name
}

// What two functions of a program do with variables that they share, and whether
// that is a race.
var programs = []struct {
	name   string
	source string
	races  map[loader.Arch]bool // whether some run has a race; none must have one otherwise
}{
	{"counter", `
		int n;
		void one(void) { for (int i = 0; i < 3; i++) (*(volatile int *)&n)++; }
		void two(void) { one(); }`, both(true)},
	{"atomic counter", `
		int n;
		void one(void) { for (int i = 0; i < 3; i++) __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED); }
		void two(void) { one(); }`, both(false)},
	{"half atomic counter", `
		int n;
		void one(void) { for (int i = 0; i < 3; i++) __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED); }
		#ifdef __x86_64__
		void two(void) { for (int i = 0; i < 3; i++) asm volatile("addl $1, %0" : "+m"(n)); }
		#else
		void two(void) { one(); }
		#endif`, map[loader.Arch]bool{loader.AMD64: true}},
	{"spin lock", `
		int lock; volatile int n;
		static void take(void) { while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)); }
		void one(void) { take(); n++; __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }
		void two(void) { one(); }`, both(false)},
	{"lock by compare and swap", `
		int lock; volatile int n;
		static void take(void) { int free = 0;
			while (!__atomic_compare_exchange_n(&lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) free = 0; }
		void one(void) { take(); n++; __atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE); }
		void two(void) { one(); }`, both(false)},
	{"lock taken without acquire", `
		int lock; volatile int n;
		static void take(void) { while (__atomic_exchange_n(&lock, 1, __ATOMIC_RELAXED)); }
		void one(void) { take(); n++; __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }
		void two(void) { one(); }`, map[loader.Arch]bool{loader.ARM64: true}},
	{"wrong lock", `
		int lock[2]; volatile int n;
		static void add(int *l) { while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE)); n++; __atomic_exchange_n(l, 0, __ATOMIC_RELEASE); }
		void one(void) { add(&lock[0]); }
		void two(void) { add(&lock[1]); }`, both(true)},
	{"message with release and acquire", `
		int flag; volatile int data;
		void one(void) { data = 1; __atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST); }
		int two(void) { return __atomic_load_n(&flag, __ATOMIC_ACQUIRE) ? data : 0; }`, both(false)},
	{"message without acquire", `
		int flag; volatile int data;
		void one(void) { data = 1; __atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST); }
		int two(void) { return __atomic_load_n(&flag, __ATOMIC_RELAXED) ? data : 0; }`, map[loader.Arch]bool{loader.ARM64: true}},
	{"message with fences", `
		int flag; volatile int data;
		void one(void) { data = 1; __atomic_thread_fence(__ATOMIC_RELEASE); __atomic_store_n(&flag, 1, __ATOMIC_RELAXED); }
		int two(void) { if (!__atomic_load_n(&flag, __ATOMIC_RELAXED)) return 0; __atomic_thread_fence(__ATOMIC_ACQUIRE); return data; }`,
		map[loader.Arch]bool{loader.AMD64: true}}, // where fences leave no trace, and nothing tells that the flag is atomic
	{"message without a fence to release", `
		int flag; volatile int data;
		void one(void) { data = 1; __atomic_store_n(&flag, 1, __ATOMIC_RELAXED); }
		int two(void) { if (!__atomic_load_n(&flag, __ATOMIC_RELAXED)) return 0; __atomic_thread_fence(__ATOMIC_ACQUIRE); return data; }`, both(true)},
	{"message without a fence to acquire", `
		int flag; volatile int data;
		void one(void) { data = 1; __atomic_thread_fence(__ATOMIC_RELEASE); __atomic_store_n(&flag, 1, __ATOMIC_RELAXED); }
		int two(void) { return __atomic_load_n(&flag, __ATOMIC_RELAXED) ? data : 0; }`, both(true)},
	{"message with fences after it", `
		int flag; volatile int data;
		void one(void) { __atomic_store_n(&flag, 1, __ATOMIC_RELAXED); __atomic_thread_fence(__ATOMIC_SEQ_CST); data = 1; data = 2; }
		int two(void) { if (!__atomic_load_n(&flag, __ATOMIC_RELAXED)) return 0; __atomic_thread_fence(__ATOMIC_ACQUIRE); return data; }`, both(true)},
	{"an answer with fences", `
		int flag; volatile int data, spare;
		int one(void) { int n = data; spare = n; __atomic_thread_fence(__ATOMIC_RELEASE); __atomic_fetch_add(&flag, 1, __ATOMIC_RELAXED); return n; }
		void two(void) { if (__atomic_fetch_add(&flag, 1, __ATOMIC_RELAXED)) { __atomic_thread_fence(__ATOMIC_ACQUIRE); data = 1; } }`, both(false)},
	{"message through a counter", `
		int flag; volatile int data;
		void one(void) { data = 1; __atomic_thread_fence(__ATOMIC_RELEASE); __atomic_fetch_add(&flag, 1, __ATOMIC_RELAXED); }
		int two(void) { if (!__atomic_fetch_add(&flag, 1, __ATOMIC_RELAXED)) return 0; __atomic_thread_fence(__ATOMIC_ACQUIRE); return data; }`, both(false)},
	{"after you", `
		int wants[2]; volatile int n;
		static void try(int me) {
			__atomic_store_n(&wants[me], 1, __ATOMIC_RELAXED);
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			if (!__atomic_load_n(&wants[1 - me], __ATOMIC_RELAXED)) n++;
		}
		void one(void) { try(0); }
		void two(void) { try(1); }`, map[loader.Arch]bool{loader.AMD64: true}},
	{"message with plain accesses", `
		volatile int flag, data;
		void one(void) { data = 1; flag = 1; }
		int two(void) { return flag ? data : 0; }`, both(true)},
	{"initialised once, checked twice", `
		int ready, lock; volatile int data;
		static int use(void) {
			if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
				while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE));
				if (!__atomic_load_n(&ready, __ATOMIC_RELAXED)) { data = 1; __atomic_exchange_n(&ready, 1, __ATOMIC_RELEASE); }
				__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE);
			}
			return data;
		}
		int one(void) { return use(); }
		int two(void) { return use(); }`, both(false)},
	{"initialised once, checked twice without atomics", `
		volatile int ready, data; int lock;
		static int use(void) {
			if (!ready) {
				while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE));
				if (!ready) { data = 1; ready = 1; }
				__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE);
			}
			return data;
		}
		int one(void) { return use(); }
		int two(void) { return use(); }`, both(true)},
	{"neighbours", `
		volatile char bytes[2];
		void one(void) { bytes[0]++; }
		void two(void) { bytes[1]++; }`, both(false)},
	{"overlap", `
		volatile union { int whole; short halves[2]; } u;
		void one(void) { u.whole = 1; }
		int two(void) { return u.halves[1]; }`, both(true)},
	{"only readers", `
		volatile int n = 5;
		int one(void) { return n; }
		int two(void) { return n; }`, both(false)},
	{"owner of a lock", `
		struct { int lock, count; void *owner; } l; volatile int n;
		void one(void) {
			void *self = __builtin_thread_pointer();
			if (*(void *volatile *)&l.owner != self) {
				while (__atomic_exchange_n(&l.lock, 1, __ATOMIC_ACQUIRE));
				*(void *volatile *)&l.owner = self;
			}
			n++;
			*(void *volatile *)&l.owner = 0;
			__atomic_exchange_n(&l.lock, 0, __ATOMIC_RELEASE);
		}
		void two(void) { one(); }`, both(false)},
}

func both(v bool) map[loader.Arch]bool {
	return map[loader.Arch]bool{loader.ARM64: v, loader.AMD64: v}
}

func TestPrograms(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := system(t, "bookworm", arch)
		for i, c := range programs {
			if testing.Short() && i%4 != 0 {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				seen := inspectRandomly(t, starter(sys, program(t, arch, c.source, "one", "two")), 60)
				if want := c.races[arch]; (len(seen) > 0) != want {
					t.Errorf("seeds 0 to 59 give %v; a race is there: %v", seen, want)
				}
			})
		}
	})
}

// A race is found whatever the run, not only when the two come close.
func TestRaceOfSerialRuns(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := system(t, "bookworm", arch)
		p := begin(t, starter(sys, program(t, arch, programs[0].source, "one", "two")))
		var sites []Problem
		for _, schedule := range []scenario.Schedule{{{Thread: 0}, {Thread: 1}}, {{Thread: 1}, {Thread: 0}}} {
			problems, err := p.inspect(schedule)
			must(t, err)
			if len(problems) == 0 {
				t.Fatalf("no race in %v", schedule)
			}
			sites = append(sites, problems[0])
		}
		again, err := p.inspect(scenario.Schedule{{Thread: 0}, {Thread: 1}})
		must(t, err)
		if again[0] != sites[0] {
			t.Errorf("the same run gives %v, then %v", sites[0], again[0])
		}
	})
}
