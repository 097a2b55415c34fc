package explore_test

import (
	"fmt"
	"testing"

	"emurace/explore"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// crowd has many threads there at once, of which two late ones add to a counter without a lock.
const crowd = `
	#include <pthread.h>
	#include <stdlib.h>
	static volatile long n, here, total;
	static void *work(void *arg) {
		long i = (long)arg;
		__atomic_fetch_add(&here, 1, __ATOMIC_SEQ_CST);
		if (i == n - 1 || i == n - 5)
			total = total + 1;
		return arg;
	}
	int main(int argc, char **argv) {
		n = atol(argv[1]);
		pthread_t *t = calloc(n, sizeof *t);
		for (long i = 0; i < n; i++)
			if (pthread_create(&t[i], NULL, work, (void *)i))
				return 9;
		for (long i = 0; i < n; i++)
			pthread_join(t[i], NULL);
		return total != 2 || here != n;
	}`

// BenchmarkExploreThreads is the rate where many threads are there at once, and few of them
// have to do with each other.
func BenchmarkExploreThreads(b *testing.B) {
	for _, n := range []int{2, 30, 100, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			sys := testsystem.Of(b, "bookworm", loader.ARM64)
			benchProgram(b, sys, programPlan("/program", []string{"program", fmt.Sprint(n)}, nil, map[string][]byte{"/program": guestcode.Program(b, loader.ARM64, crowd, "-O1")}))
		})
	}
}

// passing makes threads one after the other, each with the stack of the one before, of which the
// last but one is joined late: its addition races with the last one's.
const passing = `
	#include <pthread.h>
	#include <stdlib.h>
	static volatile long sum;
	static void *work(void *arg) { sum = sum + (long)arg; return arg; }
	int main(int argc, char **argv) {
		long n = atol(argv[1]);
		pthread_t t, late;
		for (long i = 1; i <= n; i++) {
			if (pthread_create(i == n - 1 ? &late : &t, NULL, work, (void *)i))
				return 9;
			if (i != n - 1)
				pthread_join(t, NULL);
		}
		pthread_join(late, NULL);
		return sum != n * (n + 1) / 2;
	}`

// TestMadeByHundreds: what two of many threads do to each other is found, though all the others
// are there or were: more than a set has low words for, and than vector clocks have parts for
// when each thread keeps its own. Without the two it is nobody's.
func TestMadeByHundreds(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := testsystem.Of(t, "bookworm", arch)
		n := 150
		if testing.Short() {
			n = 30
		}
		for i, c := range []struct{ name, source string }{{"at once", crowd}, {"one after the other", passing}} {
			if !thorough.Turn(i, arch) {
				continue
			}
			name, source := c.name, c.source
			file := guestcode.Program(t, arch, source, "-O1")
			start := func() (*scenario.Session, error) {
				return scenario.Start(sys, programPlan("/program", []string{"program", fmt.Sprint(n)}, nil, map[string][]byte{"/program": file}), 1)
			}
			found := 0
			for i, strategy := range []explore.Strategy{explore.POS, explore.SURW, explore.Fuzz, explore.PCT, explore.Random} {
				schedules := thorough.Of(uint64(12), 25)
				if i > 2 {
					schedules = thorough.Of(uint64(3), 6)
				}
				r, err := explore.Sample(t.Context(), start, strategy, explore.Options{Jobs: 2, Seed: 1, Schedules: schedules, Depth: 3})
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Made) != n || len(r.Doubts) > 0 {
					t.Errorf("%s, %s: %d threads, %v", name, strategy, len(r.Made), r.Doubts)
				}
				for _, f := range r.Findings {
					if f.Outcome.Kind != scenario.Exit || f.Outcome.End.Code != 1 {
						t.Errorf("%s, %s: %v", name, strategy, f.Outcome)
					}
					found++
				}
				t.Logf("%s, %s: %s after %d schedules", name, strategy, r.Verdict, r.Schedules)
			}
			if found == 0 {
				t.Errorf("%s: nothing is found", name)
			}
		}
	})
}
