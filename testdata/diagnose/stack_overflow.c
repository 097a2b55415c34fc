// A recursion without an end, in a thread: the list that it walks is a circle, and it comes to the
// guard page below the thread's stack.
#include <pthread.h>
#include <stddef.h>

struct node {
	struct node *next;
	int value;
};

static struct node circle[3] = {{&circle[1], 1}, {&circle[2], 2}, {&circle[0], 3}};

__attribute__((noinline)) static int sum(struct node *n) {
	volatile char room[256];
	room[0] = (char)n->value;
	if (!n->next)
		return room[0];
	return sum(n->next) + room[0];
}

static void *adder(void *arg) {
	return sum(circle) > 0 ? arg : NULL;
}

int main(void) {
	pthread_t t;
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 128 << 10);
	pthread_create(&t, &a, adder, NULL);
	pthread_join(t, NULL);
	return 0;
}
