// An object used by one and freed by the other
//
// Who takes the last reference away frees the object; the other one may just be about to use it.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct object {
	char name[16];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *current;

static void *replace(void *arg) {
	struct object *fresh = malloc(sizeof *fresh);
	strcpy(fresh->name, "second");
	pthread_mutex_lock(&lock);
	struct object *old = current;
	current = fresh;
	pthread_mutex_unlock(&lock);
	memset(old->name, '?', sizeof old->name - 1);
	free(old);
	return arg;
}

int main(void) {
	current = malloc(sizeof *current);
	strcpy(current->name, "first");
	pthread_t t;
	pthread_create(&t, NULL, replace, NULL);
	char name[16];
	pthread_mutex_lock(&lock);
	struct object *o = current;
#ifdef FIXED
	strcpy(name, o->name);
	pthread_mutex_unlock(&lock);
#else
	pthread_mutex_unlock(&lock);
	memcpy(name, o->name, sizeof name);
#endif
	assert(strcmp(name, "first") == 0 || strcmp(name, "second") == 0);
	pthread_join(t, NULL);
	free(current);
	return 0;
}
