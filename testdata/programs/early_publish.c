// An object published before it is filled in
//
// An object is put where others find it before all of it is filled in.
//
// Fails: abort, crash
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct message {
	int length;
	char *text;
};

static _Atomic(struct message *) inbox;

static void *send(void *arg) {
	struct message *m = calloc(1, sizeof *m);
#ifndef FIXED
	inbox = m;
#endif
	m->text = arg;
	m->length = 5;
#ifdef FIXED
	inbox = m;
#endif
	return NULL;
}

int main(void) {
	static char hello[] = "hello";
	pthread_t t;
	pthread_create(&t, NULL, send, hello);
	struct message *m = inbox;
	int seen = 0;
	if (m)
		for (int i = 0; i < 5; i++)
			seen += m->text[i] != 0;
	assert(m == NULL || seen == m->length);
	pthread_join(t, NULL);
	free(inbox);
	return 0;
}
