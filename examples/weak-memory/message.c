/* A message is written, and then a flag that says so. */
#include <stdatomic.h>

static int message;
static atomic_int flag;

void send_off(void) {
	message = 42;
	atomic_store_explicit(&flag, 1, memory_order_relaxed);
}

/* The message, or -1 where there is none yet. */
int receive_off(void) {
	if (!atomic_load_explicit(&flag, memory_order_relaxed))
		return -1;
	return message;
}

void send_on(void) {
	message = 42;
	atomic_store_explicit(&flag, 1, memory_order_release);
}

int receive_on(void) {
	if (!atomic_load_explicit(&flag, memory_order_acquire))
		return -1;
	return message;
}
