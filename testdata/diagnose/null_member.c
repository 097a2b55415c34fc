// A member of a structure by a pointer that is NULL: nobody has the name that is looked for.
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct session {
	struct session *next;
	char name[32];
	long requests;
};

static struct session known = {NULL, "alice", 1};

static struct session *find(const char *name) {
	for (struct session *s = &known; s; s = s->next)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

__attribute__((noinline)) static long requests_of(const struct session *s) {
	return s->requests;
}

static void *idle(void *arg) {
	pause();
	return arg;
}

int main(int argc, char **argv) {
	pthread_t t;
	pthread_create(&t, NULL, idle, NULL);
	return (int)requests_of(find(argc > 1 ? argv[1] : "bob"));
}
