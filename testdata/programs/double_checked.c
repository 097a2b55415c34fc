// Double-checked locking
//
// Double-checked locking: the pointer is looked at without the lock, and is set before the
// object that it leads to is ready.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct config {
	int size;
	int ready;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct config *) shared;

static struct config *get(void) {
	struct config *c = shared;
	if (c)
		return c;
	pthread_mutex_lock(&lock);
	c = shared;
	if (!c) {
		c = calloc(1, sizeof *c);
#ifdef FIXED
		c->size = 42;
		c->ready = 1;
		shared = c;
#else
		shared = c;
		c->size = 42;
		c->ready = 1;
#endif
	}
	pthread_mutex_unlock(&lock);
	return c;
}

static void *use(void *arg) {
	struct config *c = get();
	assert(c->size == 42 && c->ready);
	return arg;
}

int main(void) {
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, use, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	free(shared);
	return 0;
}
