// A call by a pointer to no function: the table is shorter than the number that it is asked for,
// and what lies behind it is no address.
#include <pthread.h>
#include <unistd.h>

static struct {
	int (*handler[2])(int);
	unsigned long limits[2];
} table;

static int opened(int n) { return n + 1; }
static int closed(int n) { return n - 1; }

__attribute__((noinline)) static int dispatch(unsigned event) {
	int (**handlers)(int) = table.handler;
	__asm__("" : "+r"(handlers));
	return handlers[event](1) + 1;
}

static void *idle(void *arg) {
	pause();
	return arg;
}

int main(int argc, char **argv) {
	(void)argv;
	table.handler[0] = opened, table.handler[1] = closed;
	table.limits[0] = 0x12345670, table.limits[1] = 2;
	pthread_t t;
	pthread_create(&t, NULL, idle, NULL);
	return dispatch(argc + 1);
}
