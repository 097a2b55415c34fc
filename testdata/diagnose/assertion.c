// An assertion that fails, in a thread.
#include <assert.h>
#include <pthread.h>

static struct queue {
	int length;
} queue = {3};

__attribute__((noinline)) static void drain(struct queue *q) {
	assert(q->length == 0);
}

static void *drainer(void *arg) {
	drain(&queue);
	return arg;
}

int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, drainer, NULL);
	pthread_join(t, NULL);
	return 0;
}
