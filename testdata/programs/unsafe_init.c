// A table made twice
//
// A table is made at its first use, and two threads may both be the first.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static int *table;
static int made;
#ifdef FIXED
static pthread_once_t once = PTHREAD_ONCE_INIT;
#endif

static void make(void) {
	table = calloc(4, sizeof *table);
	made++;
}

static void *use(void *arg) {
#ifdef FIXED
	pthread_once(&once, make);
#else
	if (table == NULL)
		make();
#endif
	table[(long)arg] = 1;
	return NULL;
}

int main(void) {
	pthread_t t[2];
	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, use, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert(made == 1 && table[0] == 1 && table[1] == 1);
	free(table);
	return 0;
}
