// A barrier used again too early
//
// A barrier that is used twice: who is slow to leave the first round finds that somebody has
// come to the second one already, and takes that for its own.
//
// Fails: deadlock
#include <pthread.h>

enum { THREADS = 2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all = PTHREAD_COND_INITIALIZER;
static int waiting;
#ifdef FIXED
static int round;
#endif

static void barrier(void) {
	pthread_mutex_lock(&lock);
#ifdef FIXED
	int mine = round;
	if (++waiting == THREADS) {
		waiting = 0;
		round++;
		pthread_cond_broadcast(&all);
	}
	while (mine == round)
		pthread_cond_wait(&all, &lock);
#else
	if (++waiting == THREADS) {
		waiting = 0;
		pthread_cond_broadcast(&all);
	} else {
		while (waiting != 0)
			pthread_cond_wait(&all, &lock);
	}
#endif
	pthread_mutex_unlock(&lock);
}

static void *work(void *arg) {
	barrier();
	barrier();
	return arg;
}

int main(void) {
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}
