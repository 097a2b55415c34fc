// Two locks in two orders
//
// Two threads take two locks, each in another order: each may have one and wait for the other.
//
// Fails: deadlock
#include <pthread.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static int from, to;

static void *forth(void *arg) {
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	from--, to++;
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	return arg;
}

static void *back(void *arg) {
#ifdef FIXED
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
#else
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
#endif
	to--, from++;
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void) {
	pthread_t t[2];
	pthread_create(&t[0], NULL, forth, NULL);
	pthread_create(&t[1], NULL, back, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return from + to;
}
