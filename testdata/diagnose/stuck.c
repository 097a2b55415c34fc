// A condition variable that nobody is left to signal: consumer waits, and producer has signalled
// the other one.
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static int items, waiting;

__attribute__((noinline)) static void take(void) {
	pthread_mutex_lock(&lock);
	waiting = 1;
	pthread_cond_signal(&emptied);
	while (items == 0)
		pthread_cond_wait(&filled, &lock);
	items--;
	pthread_mutex_unlock(&lock);
}

static void *consumer(void *arg) {
	take();
	return arg;
}

static void *producer(void *arg) {
	pthread_mutex_lock(&lock);
	while (!waiting)
		pthread_cond_wait(&emptied, &lock);
	items++;
	pthread_cond_signal(&emptied);
	pthread_mutex_unlock(&lock);
	return arg;
}

int main(void) {
	pthread_t c, p;
	pthread_create(&c, NULL, consumer, NULL);
	pthread_create(&p, NULL, producer, NULL);
	pthread_join(p, NULL);
	pthread_join(c, NULL);
	return 0;
}
