// A deadlock: each of THREADS threads holds a mutex and waits for the next one's.
#include <pthread.h>

#ifndef THREADS
#define THREADS 2
#endif

pthread_mutex_t account[THREADS];
static pthread_barrier_t all;

__attribute__((noinline)) static void transfer(int from, int to) {
	pthread_mutex_lock(&account[from]);
	pthread_barrier_wait(&all);
	pthread_mutex_lock(&account[to]);
	pthread_mutex_unlock(&account[to]);
	pthread_mutex_unlock(&account[from]);
}

static void *first(void *arg) {
	transfer(0, 1);
	return arg;
}

static void *second(void *arg) {
	transfer(1, 2 % THREADS);
	return arg;
}

__attribute__((unused)) static void *third(void *arg) {
	transfer(2, 0);
	return arg;
}

int main(void) {
	void *(*const work[])(void *) = {first, second, third};
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_mutex_init(&account[i], NULL);
	pthread_barrier_init(&all, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work[i], NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}
