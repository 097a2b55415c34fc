// Two words that belong together, read apart
//
// Two words belong together, and a reader may see one of them new and the other one old.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

static _Atomic int low, high;
#ifdef FIXED
static _Atomic int sequence;
#endif

static void *move(void *arg) {
	for (int i = 1; i <= 2; i++) {
#ifdef FIXED
		sequence++; // odd: being changed
#endif
		low = i;
		high = -i;
#ifdef FIXED
		sequence++;
#endif
	}
	return arg;
}

int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, move, NULL);
#ifdef FIXED
	for (int tries = 0; tries < 3; tries++) {
		int before = sequence, l = low, h = high;
		if (before % 2 == 0 && sequence == before)
			assert(l == -h);
	}
#else
	int l = low, h = high;
	assert(l == -h);
#endif
	pthread_join(t, NULL);
	return 0;
}
