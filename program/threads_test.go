package program

import (
	"fmt"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// inSequence makes one thread after the other, each with what it is to hand back, and another
// one that is detached now and then: it is waited for by a counter alone.
const inSequence = `
	#include <pthread.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <unistd.h>
	static long sum, detached;
	static __thread long own;
	static void *add(void *arg) {
		if (own != 0)
			_exit(3); /* what the thread before has left */
		own = (long)arg;
		sum += own;
		return (void *)own;
	}
	static void *quick(void *arg) { __atomic_fetch_add(&detached, 1, __ATOMIC_SEQ_CST); return arg; }
	int main(int argc, char **argv) {
		long n = atol(argv[1]), alone = 0;
		for (long i = 1; i <= n; i++) {
			pthread_t t;
			void *got;
			if (pthread_create(&t, NULL, add, (void *)i) || pthread_join(t, &got) || got != (void *)i)
				return 1;
			if (i % 100 != 0)
				continue;
			alone++;
			if (pthread_create(&t, NULL, quick, NULL) || pthread_detach(t))
				return 2;
			while (__atomic_load_n(&detached, __ATOMIC_SEQ_CST) < alone)
				usleep(1);
		}
		printf("%ld %ld\n", sum, detached);
		return 0;
	}`

// atOnce has many threads wait until all are there. Each has a number, a stack and variables of
// its own.
const atOnce = `
	#include <pthread.h>
	#include <stdio.h>
	#include <stdlib.h>
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t all = PTHREAD_COND_INITIALIZER;
	static long here, n, sum;
	static __thread long own;
	static void *wait(void *arg) {
		own = (long)arg;
		pthread_mutex_lock(&lock);
		if (++here == n)
			pthread_cond_broadcast(&all);
		while (here < n)
			pthread_cond_wait(&all, &lock);
		sum += own;
		pthread_mutex_unlock(&lock);
		return (void *)own;
	}
	int main(int argc, char **argv) {
		n = atol(argv[1]);
		pthread_t *t = calloc(n, sizeof *t);
		for (long i = 0; i < n; i++) {
			int rc = pthread_create(&t[i], NULL, wait, (void *)i);
			if (rc != 0) {
				printf("thread %ld: error %d\n", i, rc);
				return 1;
			}
		}
		for (long i = 0; i < n; i++) {
			void *got;
			if (pthread_join(t[i], &got) || got != (void *)i)
				return 2;
		}
		printf("%ld %ld\n", here, sum);
		return 0;
	}`

// TestManyThreads: far more threads than a machine has at a time, one after the other, and as
// many at a time as there can be; one more is what pthread_create fails with on Linux, and told.
func TestManyThreads(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		for i, flags := range [][]string{nil, {"-static"}} {
			if testing.Short() && i > 0 {
				break
			}
			const many = 2000
			r := run(t, arch, inSequence, flags, fmt.Sprint(many))
			if want := fmt.Sprintf("%d %d\n", many*(many+1)/2, many/100); r.err != nil || r.end.Kind != emu.EndExit || r.end.Code != 0 || r.out != want || len(r.calls) > 0 {
				t.Errorf("%v: one after the other: %v, %v, %q, %v", flags, r.end, r.err, r.out, r.calls)
			}
			for _, n := range []int{300, emu.MaxThreads - 1} {
				r := run(t, arch, atOnce, flags, fmt.Sprint(n))
				if want := fmt.Sprintf("%d %d\n", n, n*(n-1)/2); r.err != nil || r.end.Kind != emu.EndExit || r.end.Code != 0 || r.out != want || len(r.calls) > 0 {
					t.Errorf("%v: %d at once: %v, %v, %q, %v", flags, n, r.end, r.err, r.out, r.calls)
				}
			}
			r = run(t, arch, atOnce, flags, fmt.Sprint(emu.MaxThreads))
			if r.err != nil || r.end.Code != 1 || !strings.Contains(r.out, "error 11") || len(r.calls) != 1 {
				t.Errorf("%v: one too many: %v, %v, %q, %v", flags, r.end, r.err, r.out, r.calls)
			}
		}
	})
}
