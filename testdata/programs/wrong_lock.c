// Two locks for one variable
//
// Both threads hold a lock while they add to the total, but not the same one.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>

static pthread_mutex_t in = PTHREAD_MUTEX_INITIALIZER, out = PTHREAD_MUTEX_INITIALIZER;
static int total;

static void *deposit(void *arg) {
	pthread_mutex_lock(&in);
	total += 10;
	pthread_mutex_unlock(&in);
	return arg;
}

static void *pay(void *arg) {
#ifdef FIXED
	pthread_mutex_t *lock = &in;
#else
	pthread_mutex_t *lock = &out;
#endif
	pthread_mutex_lock(lock);
	total -= 3;
	pthread_mutex_unlock(lock);
	return arg;
}

int main(void) {
	pthread_t t[2];
	pthread_create(&t[0], NULL, deposit, NULL);
	pthread_create(&t[1], NULL, pay, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	pthread_mutex_lock(&out);
	assert(total == 7);
	pthread_mutex_unlock(&out);
	return 0;
}
