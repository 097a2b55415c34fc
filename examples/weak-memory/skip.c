/* Locks are left out where there is one thread only, as musl did before 1.2.1: a thread that ends counts itself out, and
 * the last one takes no lock any more. What the other one wrote under its lock need not be seen then. */
#include <stdatomic.h>

static atomic_int others = 1;
static int list;

void last_words(void) {
	list = 1; /* under the lock, which the other thread does not take */
	atomic_fetch_sub_explicit(&others, 1, memory_order_acq_rel);
}

/* What the list holds; -1 where a lock is to be taken. */
int look_off(void) {
	if (atomic_load_explicit(&others, memory_order_relaxed))
		return -1;
	return list;
}

int look_on(void) {
	if (atomic_load_explicit(&others, memory_order_acquire))
		return -1;
	return list;
}
