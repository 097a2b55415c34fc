/* Two threads print a line each, in an order that nobody has said. */
#include <pthread.h>
#include <unistd.h>

static void *second(void *arg) {
	if (write(1, "second\n", 7) < 0)
		return NULL;
	return arg;
}

int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, second, NULL);
	if (write(1, "first\n", 6) < 0)
		return 1;
	pthread_join(t, NULL);
	return 0;
}
