// A block freed twice, by one thread: malloc finds it in the thread's own tcache, says so, and ends
// the process.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *idle(void *arg) {
	pause();
	return arg;
}

__attribute__((noinline)) static void release(char *text) {
	free(text);
}

int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, idle, NULL);
	char *text = strdup("a text of some length");
	char *volatile again = text;
	release(text);
	release(again);
	return 0;
}
