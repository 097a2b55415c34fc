// A use after free through a global variable: reloader frees the configuration and leaves `current`
// as it was. What main takes for the path is the link by which the tcache holds the block.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct configuration {
	char *path;
	long version;
	char host[32];
};

struct configuration *current;
static pthread_barrier_t reloaded;

static void *reloader(void *arg) {
	free(current->path);
	free(current);
	pthread_barrier_wait(&reloaded);
	pause();
	return arg;
}

__attribute__((noinline)) static size_t path_length(void) {
	return strlen(current->path) + 1;
}

int main(void) {
	current = calloc(1, sizeof *current);
	current->path = strdup("/etc/server.conf, which is a text of another size class than the block");
	strcpy(current->host, "localhost");
	pthread_t t;
	pthread_barrier_init(&reloaded, NULL, 2);
	pthread_create(&t, NULL, reloader, NULL);
	pthread_barrier_wait(&reloaded);
	return (int)path_length();
}
