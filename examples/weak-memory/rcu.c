/* Read-copy-update as in OpenSSL 3.4 (issue 26875): a reader counts itself in and looks whether what it
 * counts on is still the current one; a writer makes another one current and frees the old one if nobody is in.
 * Where the counting only acquires, the reader's look may come before it. */
#include <stdatomic.h>

static atomic_long users[2];
static atomic_int current;
static int alive[2] = {1, 1};

/* What the reader finds: 1, or 0 where that is freed; -1 where it was too late. */
static inline int reader(memory_order order) {
	int at = atomic_load_explicit(&current, memory_order_relaxed);
	atomic_fetch_add_explicit(&users[at], 1, order);
	if (atomic_load_explicit(&current, memory_order_acquire) != at) {
		atomic_fetch_sub_explicit(&users[at], 1, memory_order_release);
		return -1;
	}
	int found = *(volatile int *)&alive[at];
	atomic_fetch_sub_explicit(&users[at], 1, memory_order_release);
	return found;
}

static inline void writer(memory_order order) {
	atomic_exchange_explicit(&current, 1, order);
	if (atomic_load_explicit(&users[0], memory_order_acquire) == 0)
		*(volatile int *)&alive[0] = 0;
}

#ifdef __aarch64__
#define LSE __attribute__((target("arch=armv8.1-a"))) /* ldadda, as distributions' outline atomics run it */
#else
#define LSE
#endif

LSE int read_off(void) { return reader(memory_order_acquire); }
LSE void write_off(void) { writer(memory_order_acq_rel); }

static inline int reader_on(void) {
	int at = atomic_load_explicit(&current, memory_order_relaxed);
	atomic_fetch_add_explicit(&users[at], 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&current, memory_order_acquire) != at)
		return -1;
	int found = *(volatile int *)&alive[at];
	atomic_fetch_sub_explicit(&users[at], 1, memory_order_release);
	return found;
}

LSE int read_on(void) { return reader_on(); }
LSE void write_on(void) {
	atomic_exchange_explicit(&current, 1, memory_order_acq_rel);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&users[0], memory_order_acquire) == 0)
		*(volatile int *)&alive[0] = 0;
}
