// One path that writes after its lock
//
// The list is locked on the usual path; the path on which it was empty returns to the head
// without the lock.
//
// Fails: abort
#include <assert.h>
#include <pthread.h>
#include <stddef.h>

struct node {
	struct node *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *head;
static struct node nodes[2];

static void push(struct node *n) {
	pthread_mutex_lock(&lock);
	if (head == NULL) {
#ifdef FIXED
		n->next = head;
		head = n;
		pthread_mutex_unlock(&lock);
#else
		pthread_mutex_unlock(&lock);
		n->next = NULL;
		head = n;
#endif
		return;
	}
	n->next = head;
	head = n;
	pthread_mutex_unlock(&lock);
}

static void *work(void *arg) {
	push(arg);
	return NULL;
}

int main(void) {
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, work, &nodes[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	int n = 0;
	for (struct node *at = head; at; at = at->next)
		n++;
	assert(n == 2);
	return 0;
}
