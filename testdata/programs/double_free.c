// A buffer that both ends free
//
// Both ends of a connection close it: each sees that it is open, and frees its buffer.
//
// Fails: abort
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic(char *) buffer;

static void *close_it(void *arg) {
#ifdef FIXED
	free(atomic_exchange(&buffer, NULL));
#else
	char *b = buffer;
	if (b) {
		free(b);
		buffer = NULL;
	}
#endif
	return arg;
}

int main(void) {
	buffer = malloc(100);
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, close_it, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}
