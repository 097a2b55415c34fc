// A read lock let go of to write
//
// A reader finds out that it has to write, and lets go of the lock to take it again for
// writing: what it has read may be old by then.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int version, made;

static void *refresh(void *arg) {
	pthread_rwlock_rdlock(&lock);
	int old = version == 0;
	pthread_rwlock_unlock(&lock);
	if (old) {
		pthread_rwlock_wrlock(&lock);
#ifdef FIXED
		if (version == 0)
#endif
		{
			version++;
			made++;
		}
		pthread_rwlock_unlock(&lock);
	}
	return arg;
}

int main(void) {
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, refresh, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert(made == 1);
	return 0;
}
