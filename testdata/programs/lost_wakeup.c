// A signal that comes before the wait
//
// The signal may come before the wait, which then lasts for ever: there is nothing to look at
// that would say so.
//
// Fails: deadlock
#include <pthread.h>
#include <stdbool.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static bool done;

static void *produce(void *arg) {
	pthread_mutex_lock(&lock);
	done = true;
	pthread_cond_signal(&ready);
	pthread_mutex_unlock(&lock);
	return arg;
}

int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, produce, NULL);
	pthread_mutex_lock(&lock);
#ifdef FIXED
	while (!done)
#endif
		pthread_cond_wait(&ready, &lock);
	pthread_mutex_unlock(&lock);
	pthread_join(t, NULL);
	return 0;
}
