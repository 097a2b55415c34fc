package explore_test

import (
	"fmt"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
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

var _ = emu.MaxThreads
var _ explore.Strategy
var _ scenario.Plan
