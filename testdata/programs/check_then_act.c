// A check and its act, locked apart
//
// Two withdrawals look whether there is enough, and then take it: each step has the lock, but
// not both together.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int balance = 100;

static int look(void) {
	pthread_mutex_lock(&lock);
	int b = balance;
	pthread_mutex_unlock(&lock);
	return b;
}

static void *withdraw(void *arg) {
#ifdef FIXED
	pthread_mutex_lock(&lock);
	if (balance >= 80)
		balance -= 80;
	pthread_mutex_unlock(&lock);
#else
	if (look() >= 80) {
		pthread_mutex_lock(&lock);
		balance -= 80;
		pthread_mutex_unlock(&lock);
	}
#endif
	return arg;
}

int main(void) {
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, withdraw, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert(look() >= 0);
	return 0;
}
