// A counter that loses an addition
//
// Two threads add to a counter: each loads, adds and stores, and one addition is lost when
// both have loaded before either stores.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>

static int counter;
#ifdef FIXED
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
#endif

static void *add(void *arg) {
	for (int i = 0; i < 2; i++) {
#ifdef FIXED
		pthread_mutex_lock(&lock);
#endif
		counter++;
#ifdef FIXED
		pthread_mutex_unlock(&lock);
#endif
	}
	return arg;
}

int main(void) {
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, add, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert(counter == 4);
	return 0;
}
