// A lock-free stack and the ABA problem
//
// A lock-free stack: between a pop's look at the top and its compare-and-swap the same node was
// popped and pushed again, so the swap succeeds with a next that is no longer right.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { NONE = 3 };

static _Atomic uint32_t top = 0; // the node's number; above it, in the twin, a count of changes
static uint32_t next[3] = {1, 2, NONE};
static _Atomic int popped[3];

static uint32_t node(uint32_t t) { return t & 3; }

static uint32_t changed(uint32_t was, uint32_t n) {
#ifdef FIXED
	return (was & ~3u) + 4 + n;
#else
	(void)was;
	return n;
#endif
}

static uint32_t pop(void) {
	uint32_t t = top;
	while (node(t) != NONE)
		if (atomic_compare_exchange_weak(&top, &t, changed(t, next[node(t)])))
			return node(t);
	return NONE;
}

static void push(uint32_t n) {
	uint32_t t = top;
	do
		next[n] = node(t);
	while (!atomic_compare_exchange_weak(&top, &t, changed(t, n)));
}

static void *one(void *arg) {
	uint32_t n = pop();
	if (n != NONE)
		popped[n]++;
	return arg;
}

static void *again(void *arg) {
	uint32_t a = pop(), b = pop();
	if (a != NONE)
		push(a);
	if (b != NONE)
		popped[b]++;
	return arg;
}

int main(void) {
	pthread_t t[2];
	pthread_create(&t[0], NULL, one, NULL);
	pthread_create(&t[1], NULL, again, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (uint32_t n; (n = pop()) != NONE;)
		popped[n]++;
	for (int i = 0; i < 3; i++)
		assert(popped[i] == 1);
	return 0;
}
