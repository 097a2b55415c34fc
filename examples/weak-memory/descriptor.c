/* A lazy descriptor, as glibc's of thread-local storage on AArch64 once was (bug 18034): its argument is set, and then the
 * function that takes it. Who calls the function has read that, and its argument is another read. */
#include <stdatomic.h>

struct descriptor {
	int (*entry)(struct descriptor *);
	int argument;
};

__attribute__((noinline)) static int lazy(struct descriptor *d) { return d ? -1 : 0; }
__attribute__((noinline)) static int plain(struct descriptor *d) { return *(volatile int *)&d->argument; }

/* The entry once more, now with an acquire: it orders what comes behind. */
__attribute__((noinline)) static int ordered(struct descriptor *d) {
	(void)__atomic_load_n(&d->entry, __ATOMIC_ACQUIRE);
	return *(volatile int *)&d->argument;
}

static struct descriptor shared = {lazy, 0};

static inline void resolve(int (*entry)(struct descriptor *)) {
	__atomic_store_n(&shared.argument, 42, __ATOMIC_RELAXED);
	__atomic_store_n(&shared.entry, entry, __ATOMIC_RELEASE);
}

void resolve_off(void) { resolve(plain); }
void resolve_on(void) { resolve(ordered); }

static inline int use(void) { return __atomic_load_n(&shared.entry, __ATOMIC_RELAXED)(&shared); }
int use_off(void) { return use(); }
int use_on(void) { return use(); }
