/* Dekker's entry: each thread says that it wants in, and goes in if the other one does not. */
#include <stdatomic.h>

static atomic_int wants[2];
static int inside;
int together; /* whether both were */

static void section(void) {
	if (__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST) != 0)
		together = 1;
	__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
}

/* The store may be seen after the load: both threads go in. */
void enter_off(int me) {
	atomic_store_explicit(&wants[me], 1, memory_order_relaxed);
	if (!atomic_load_explicit(&wants[1 - me], memory_order_relaxed))
		section();
}

void enter_on(int me) {
	atomic_store_explicit(&wants[me], 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&wants[1 - me], memory_order_relaxed))
		section();
}
