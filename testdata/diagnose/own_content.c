// A use after free in which the block's own content is still there: closer unmaps a connection's
// buffer and frees the connection, and main goes on writing by the pointer in it. The block is
// free, in closer's tcache, and the pointer behind malloc's two words is as it was.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct connection {
	struct connection *next, *previous;
	long users;
	char *buffer;
	size_t size;
};

static struct connection *connection;
static pthread_barrier_t closed;

static void *closer(void *arg) {
	munmap(connection->buffer, connection->size);
	free(connection);
	pthread_barrier_wait(&closed);
	pause();
	return arg;
}

__attribute__((noinline)) static void send_line(struct connection *c, char first) {
	c->buffer[0] = first;
}

int main(void) {
	connection = calloc(1, sizeof *connection);
	connection->size = 65536;
	connection->buffer = mmap(NULL, connection->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct connection *mine = connection;
	pthread_t t;
	pthread_barrier_init(&closed, NULL, 2);
	pthread_create(&t, NULL, closer, NULL);
	pthread_barrier_wait(&closed);
	send_line(mine, 'x');
	return 0;
}
