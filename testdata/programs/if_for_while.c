// A wait behind if instead of while
//
// A bounded buffer whose consumers look with `if` whether there is something: who is woken may
// come second to one that was not asleep.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int count;

static void *consume(void *arg) {
	pthread_mutex_lock(&lock);
#ifdef FIXED
	while (count == 0)
#else
	if (count == 0)
#endif
		pthread_cond_wait(&filled, &lock);
	assert(count > 0);
	count--;
	pthread_mutex_unlock(&lock);
	return arg;
}

static void put(void) {
	pthread_mutex_lock(&lock);
	count++;
	pthread_cond_signal(&filled);
	pthread_mutex_unlock(&lock);
}

int main(void) {
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, consume, NULL);
	put();
	put();
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}
