// A process of many threads and a large heap, of which hardly a page was touched: BLOCKS blocks of SIZE
// bytes of main's arena, and THREADS threads that wait. Main dies as one who still uses a block that is free:
// of the size that malloc has put into its last word.
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **block;
static pthread_barrier_t all;

__attribute__((noinline)) static void serve(int depth) {
	volatile char room[200];
	room[0] = (char)depth;
	if (depth > 0) {
		serve(depth - 1);
	} else {
		pthread_barrier_wait(&all);
		pause();
	}
	room[1] = room[0];
}

static void *server(void *arg) {
	void *own = malloc(100);
	serve(5);
	return own ? arg : NULL;
}

__attribute__((noinline)) static size_t length_of(char *b) {
	return strlen(*(char **)(b + SIZE - sizeof(char *))) + 1;
}

int main(void) {
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, -1);
	block = calloc(BLOCKS, sizeof *block);
	for (int i = 0; i < BLOCKS; i++)
		if (!(block[i] = malloc(SIZE)))
			return 2;
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 256 << 10);
	pthread_barrier_init(&all, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		pthread_t t;
		if (pthread_create(&t, &a, server, NULL))
			return 2;
	}
	pthread_barrier_wait(&all);
	char *volatile stale = block[BLOCKS / 2];
	free(block[BLOCKS / 2]);
	return (int)length_of(stale);
}
