// A text that is longer than its block, written by parser: it runs into the neighbour, whose first
// word is a pointer that main follows.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
	const char *title;
	long number;
};

static char *name;
static struct entry *entry;
static const char *volatile given = "Konstantinopolitanischer Dudelsackpfeifer";
static pthread_barrier_t parsed;

static void *parser(void *arg) {
	for (size_t i = 0; given[i]; i++)
		name[i] = given[i];
	pthread_barrier_wait(&parsed);
	pause();
	return arg;
}

__attribute__((noinline)) static size_t width(const struct entry *e) {
	return strlen(e->title) + 2;
}

int main(void) {
	for (int i = 0; i < 8; i++) // use up what is free already, so that the two lie side by side
		name = malloc(24);
	entry = malloc(sizeof *entry);
	entry->title = "x";
	pthread_t t;
	pthread_barrier_init(&parsed, NULL, 2);
	pthread_create(&t, NULL, parser, NULL);
	pthread_barrier_wait(&parsed);
	return (int)width(entry);
}
