package explore

import (
	"strings"
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// once increments with a load and a store exclusive and tells whether the store
// failed; increment tries again until it succeeds.
const exclusives = `
union { u8 b[16]; u32 w[4]; u64 d[2]; } m;
#define AT(type, i) (*(volatile type *)(m.b + (i)))
#define ONCE "ldxr %w0, [%2]\nadd %w0, %w0, #1\nstxr %w1, %w0, [%2]\n"
u32 once(void) {
	u32 v, failed;
	asm volatile(ONCE : "=&r"(v), "=&r"(failed) : "r"(m.b) : "memory");
	return failed;
}
void increment(void) {
	u32 v, failed;
	asm volatile("0:" ONCE "cbnz %w1, 0b" : "=&r"(v), "=&r"(failed) : "r"(m.b) : "memory");
}
void W1(u32 i, u8 v) { AT(u8, i) = v; }
u32 R4(u32 i) { return AT(u32, i); }
u32 cas(u32 was) { return __atomic_compare_exchange_n(m.w, &was, 9, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); }
u32 swap(u32 v) { return __atomic_exchange_n(m.w, v, __ATOMIC_SEQ_CST); }
`

// The traces of arm64's exclusives. A store exclusive that fails is a read, one
// that succeeds a write as well; whether anybody has written since the load
// decides which it is.
func TestExclusiveCounts(t *testing.T) {
	sys := system(t, loader.ARM64)
	for i, r := range []row{
		// One after the other, either first; or both have loaded, and either
		// stores first.
		{program: program{"2 threads, once", exclusives, times(2, "once")}, want: 4, failing: 1},
		{program: program{"2 threads, an increment", exclusives, times(2, "increment")}, want: 4},
		// A store comes first, between, or last; what it stores does not matter.
		{program: program{"a store of the same value", exclusives, []string{"W1 3 0", "once"}}, want: 3, failing: 1},
		{program: program{"a store to the next byte", exclusives, []string{"W1 4 1", "once"}}, want: 1},
		{program: program{"an exchange of another value", exclusives, []string{"swap 5", "once"}}, want: 3, failing: 1},
		{program: program{"a compare-and-swap", exclusives, []string{"cas 0", "once"}}, want: 3, failing: 1},
		// What only reads comes before the store or after it, and an atomic
		// instruction that finds a 0 and leaves it is one of these.
		{program: program{"a load", exclusives, []string{"R4 0", "once"}}, want: 2},
		{program: program{"a compare-and-swap that fails first", exclusives, []string{"cas 1", "once"}}, want: 2},
		{program: program{"an exchange of the same value", exclusives, []string{"swap 0", "once"}}, want: 2},
	} {
		if !inShort(i, 3) {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			r.check(t, sys)
			g := r.start(t, sys)
			if every := everyOrder(t, g, 10_000); !sameWays(every.ends, explored(t, g).ends) {
				t.Errorf("in every order, it comes out in %d ways", len(every.ends))
			}
		})
	}
}

// The lock of lll, made of exclusives.
const exclusiveLock = lll + `
static inline u32 compare_exchange(u32 was, u32 is) {
	u32 v, failed;
	asm volatile("0: ldaxr %w0, [%2]\ncmp %w0, %w3\nb.ne 1f\nstxr %w1, %w4, [%2]\ncbnz %w1, 0b\n1:"
		: "=&r"(v), "=&r"(failed) : "r"(&word), "r"(was), "r"(is) : "memory", "cc");
	return v;
}
static inline u32 exchange(u32 is) {
	u32 v, failed;
	asm volatile("0: ldaxr %w0, [%2]\nstlxr %w1, %w3, [%2]\ncbnz %w1, 0b"
		: "=&r"(v), "=&r"(failed) : "r"(&word), "r"(is) : "memory");
	return v;
}
void exclusive_section(void) {
	if (compare_exchange(0, 1) != 0) {
		if (__atomic_load_n(&word, __ATOMIC_RELAXED) == 2)
			futex(WAIT, 2);
		while (exchange(2) != 0)
			futex(WAIT, 2);
	}
	if (exchange(0) > 1)
		futex(WAKE, 1);
}
`

// A lock made of exclusives is taken by the store, and found taken by the load: a store
// exclusive that fails is no try. As one thing, the two together are one try, as a
// compare-and-swap is: the counts are those of a lock that is made of such.
func TestExclusiveLock(t *testing.T) {
	sys := system(t, loader.ARM64)
	twice := "exclusive_section;exclusive_section"
	for _, c := range []struct {
		threads        []string
		abstract       bool
		traces, atomic uint64 // atomic: with compare-and-swap; 0 for not compared
	}{
		{times(2, "exclusive_section"), false, 42, 0},
		{times(2, "exclusive_section"), true, 2, 2},
		{times(3, "exclusive_section"), true, 6, 6},
		{times(2, twice), true, 6, 6},
	} {
		g := program{"exclusive lock", exclusiveLock, c.threads}.start(t, sys)
		g.s.AbstractLocks(c.abstract)
		search, oracle := explored(t, g), sleepSets(t, g)
		if search.traces != oracle.traces || !sameWays(search.ends, oracle.ends) {
			t.Errorf("%d threads, abstract %v: %d traces in %d ways, the oracle finds %d in %d", len(c.threads), c.abstract, search.traces, len(search.ends), oracle.traces, len(oracle.ends))
		}
		if search.kinds[scenario.OK] != search.traces || search.traces != c.traces {
			t.Errorf("%v, abstract %v: %v, want %d traces", c.threads, c.abstract, search.kinds, c.traces)
		}
		if c.atomic == 0 {
			continue
		}
		var atomic []string
		for _, calls := range c.threads {
			atomic = append(atomic, strings.ReplaceAll(calls, "exclusive_", ""))
		}
		g = program{"lock", exclusiveLock, atomic}.start(t, sys)
		g.s.AbstractLocks(true)
		if n := explored(t, g).traces; n != c.atomic {
			t.Errorf("%v with compare-and-swap: %d traces, want %d", c.threads, n, c.atomic)
		}
	}
}
