package explore

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// row is a program of which it is known how many traces it has: classes of
// schedules that order all conflicting events in the same way.
type row struct {
	program
	want    uint64
	failing uint64 // traces in which the last thread's call returns 1
	slow    bool   // not with -short
	wide    bool   // so many threads that the oracle would run into millions of dead ends
	made    bool   // its threads make threads
}

func factorial(n int) uint64 { return new(big.Int).MulRange(1, int64(n)).Uint64() }
func choose(n, k int) uint64 { return new(big.Int).Binomial(int64(n), int64(k)).Uint64() }
func power(b, n uint64) uint64 {
	return new(big.Int).Exp(new(big.Int).SetUint64(b), new(big.Int).SetUint64(n), nil).Uint64()
}

const variable = `
volatile u32 x;
void put(u32 v) { x = v; }
u32 get(void) { return x; }
void add(void) { x = x + 1; }
void increment(void) { __atomic_fetch_add(&x, 1, __ATOMIC_SEQ_CST); }
`

// repeated is one thread's call made k times.
func repeated(k int, call string) string { return strings.TrimSuffix(strings.Repeat(call+";", k), ";") }

// textbook are the programs whose number of traces has a formula.
func textbook() []row {
	var rows []row
	add := func(name string, want uint64, threads ...string) {
		rows = append(rows, row{program: program{name, variable, threads}, want: want, slow: want > 200})
	}
	for n := 2; n <= 5; n++ {
		add(fmt.Sprintf("%d threads, one write each", n), factorial(n), each(n, "put %d")...)
	}
	for n := 1; n <= 4; n++ {
		add(fmt.Sprintf("%d writers, one reader", n), factorial(n+1), append(each(n, "put %d"), "get")...)
	}
	for _, n := range []int{1, 2, 5, 8} {
		add(fmt.Sprintf("readers(%d)", n), power(2, uint64(n)), append(times(n, "get"), "put 1")...)
	}
	for _, k := range [][2]int{{1, 4}, {3, 3}, {5, 4}} {
		rows = append(rows, row{
			program: program{
				fmt.Sprintf("%d and %d writes to one byte", k[0], k[1]),
				"volatile u8 x; void put(u8 v) { x = v; }",
				[]string{repeated(k[0], "put 1"), repeated(k[1], "put 2")},
			},
			want: choose(k[0]+k[1], k[0]),
		})
	}
	for n := 2; n <= 4; n++ {
		add(fmt.Sprintf("%d threads, load-add-store", n), factorial(n)*factorial(n), times(n, "add")...)
	}
	add("two threads, 2 times load-add-store", 34, times(2, repeated(2, "add"))...)
	add("two threads, 3 times load-add-store", 328, times(2, repeated(3, "add"))...)
	for k := 1; k <= 4; k++ {
		add(fmt.Sprintf("two threads, %d atomic increments", k), choose(2*k, k), times(2, repeated(k, "increment"))...)
	}
	add("three threads, 2 atomic increments", 90, times(3, "increment;increment")...)
	return rows
}

// The programs below are those that the literature counts traces of. lastzero,
// indexer and filesystem: Flanagan and Godefroid (POPL 2005) and Abdulla and
// others (POPL 2014), written anew; filesystem with a test-and-set of a block in
// place of its lock, which leaves the two orders of who gets it.
const lastzero = `
volatile u32 array[32];
u32 last(u32 n) {
	u32 i = n;
	while (array[i] != 0)
		i--;
	return i;
}
void next(u32 i) { array[i] = array[i - 1] + 1; }
`

const indexer = `
u32 table[128];
void insert(u32 tid) {
	for (u32 m = 1; m <= 4; m++) {
		u32 w = m * 11 + tid, h = w * 7 % 128;
		for (;;) {
			u32 zero = 0;
			if (__atomic_compare_exchange_n(&table[h], &zero, w, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				break;
			h = (h + 1) % 128;
		}
	}
}
`

const filesystem = `
u8 busy[26];
volatile u32 inode[32];
void create(u32 tid) {
	u32 i = tid % 32;
	if (inode[i] != 0)
		return;
	u32 b = i * 2 % 26;
	while (__atomic_exchange_n(&busy[b], 1, __ATOMIC_SEQ_CST))
		b = (b + 1) % 26;
	inode[i] = b + 1;
}
`

const reorder = `
volatile int a, b;
void set(void) { a = 1; b = -1; }
int check(void) { return !((a == 0 && b == 0) || (a == 1 && b == -1)); }
`

func published() []row {
	rows := []row{
		{program: program{"reorder, 1 setter", reorder, []string{"set", "check"}}, want: 4, failing: 1},
		{program: program{"reorder, 2 setters", reorder, []string{"set", "set", "check"}}, want: 56, failing: 12},
		{program: program{"reorder, 3 setters", reorder, []string{"set", "set", "set", "check"}}, want: 1248, failing: 216, slow: true},
	}
	for _, n := range []int{2, 5, 10} {
		rows = append(rows, row{
			program: program{fmt.Sprintf("lastzero(%d)", n), lastzero, append([]string{fmt.Sprintf("last %d", n)}, each(n, "next %d")...)},
			want:    uint64(n+3) * power(2, uint64(n-2)), slow: n > 5, wide: n > 5,
		})
	}
	for _, n := range []int{11, 12, 13, 14} {
		rows = append(rows, row{
			program: program{fmt.Sprintf("indexer(%d)", n), indexer, each(n, "insert %d")},
			want:    power(8, uint64(n-11)), slow: n > 12, wide: true,
		})
	}
	for _, n := range []int{13, 14, 16, 20} {
		rows = append(rows, row{
			program: program{fmt.Sprintf("filesystem(%d)", n), filesystem, each(n, "create %d")},
			want:    power(2, uint64(n-13)), slow: n > 14, wide: true,
		})
	}
	return rows
}

// checkWithOracle is check, and looks whether the ends are the oracle's too.
func (r row) checkWithOracle(t *testing.T, sys *emu.System) {
	t.Helper()
	r.check(t, sys)
	g := r.start(t, sys)
	if search, oracle := explored(t, g), sleepSets(t, g); search.traces != oracle.traces || !sameWays(search.ends, oracle.ends) {
		t.Errorf("%d traces in %d ways, the oracle finds %d in %d", search.traces, len(search.ends), oracle.traces, len(oracle.ends))
	}
}

// check counts a program's traces in three ways: the search as it is offered,
// with one and with two jobs; the search with a look at every end; and the
// oracle.
func (r row) check(t *testing.T, sys *emu.System) {
	t.Helper()
	for _, jobs := range []int{1, 2} {
		if jobs == 2 && r.want < 2*splitAfter && testing.Short() {
			continue
		}
		got, err := DPOR(t.Context(), r.starter(t, sys), Options{KeepGoing: true, Jobs: jobs})
		must(t, err)
		if got.Schedules != r.want || !got.Complete || got.Verdict != Clean {
			t.Errorf("%s, %d jobs: %+v, want %d traces", r.name, jobs, got, r.want)
		}
	}
	g := r.start(t, sys)
	search := explored(t, g)
	if search.traces != r.want || search.kinds[scenario.OK] != search.traces {
		t.Errorf("%s: %v, want %d traces", r.name, search.kinds, r.want)
	}
	if r.failing > 0 && search.returned1 != r.failing {
		t.Errorf("%s: %d failing traces, want %d", r.name, search.returned1, r.failing)
	}
	t.Logf("%-40s %6d traces that come out in %d ways", r.name, search.traces, len(search.ends))
	if r.wide {
		return
	}
	oracle := sleepSets(t, g)
	if oracle.traces != r.want || oracle.returned1 != search.returned1 {
		t.Errorf("%s: the oracle finds %d traces, want %d", r.name, oracle.traces, r.want)
	}
	if !sameWays(search.ends, oracle.ends) {
		t.Errorf("%s: the search comes out in %d ways, the oracle in %d", r.name, len(search.ends), len(oracle.ends))
	}
}

// Every count that has a formula.
func TestTextbookCounts(t *testing.T) { testRows(t, textbook()) }

// The programs of the literature.
func TestPublishedCounts(t *testing.T) { testRows(t, published()) }

func testRows(t *testing.T, rows []row) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, r := range rows {
			if r.slow && testing.Short() || !inTurn(i, 3, sys.Arch) {
				continue
			}
			t.Run(r.name, func(t *testing.T) { r.check(t, sys) })
		}
	})
}
