// A work-stealing deque whose last item is taken twice
//
// A work-stealing deque: the owner takes from one end and a thief from the other. Of the last
// item both may believe that it is theirs.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

static _Atomic int head, tail = 2; // the thief takes at head, the owner below tail
static int items[2] = {0, 1};
static _Atomic int taken[2];

static int steal(void) {
	int h = head;
	if (h >= tail)
		return -1;
	int item = items[h];
	if (!atomic_compare_exchange_strong(&head, &h, h + 1))
		return -1;
	return item;
}

static int take(void) {
	int t = tail - 1;
	tail = t;
	int h = head;
	if (h > t) {
		tail = t + 1;
		return -1;
	}
	int item = items[t];
#ifdef FIXED
	if (h == t) { // the last one: whoever moves head has it
		int won = atomic_compare_exchange_strong(&head, &h, h + 1);
		tail = t + 1;
		return won ? item : -1;
	}
#endif
	return item;
}

static void *owner(void *arg) {
	for (int i = 0; i < 2; i++) {
		int item = take();
		if (item >= 0)
			taken[item]++;
	}
	return arg;
}

int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, owner, NULL);
	int item = steal();
	if (item >= 0)
		taken[item]++;
	pthread_join(t, NULL);
	for (int i = 0; i < 2; i++)
		assert(taken[i] <= 1);
	return 0;
}
