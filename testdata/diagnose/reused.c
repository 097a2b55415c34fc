// A use after free in which the block is in use again: finisher frees a job and gets the same
// block for a line of text. Main's job->name is then eight characters of that line.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
	long number;
	const char *name;
	long priority, state;
};

static struct job *job;
char *line;
static pthread_barrier_t finished;

static void *finisher(void *arg) {
	free(job);
	line = malloc(sizeof(struct job));
	strcpy(line, "GET /index.html HTTP/1.1");
	pthread_barrier_wait(&finished);
	pause();
	return arg;
}

__attribute__((noinline)) static size_t width(struct job *j) {
	return strlen(j->name) + 2;
}

int main(void) {
	job = calloc(1, sizeof *job);
	job->name = "index";
	struct job *mine = job;
	pthread_t t;
	pthread_barrier_init(&finished, NULL, 2);
	pthread_create(&t, NULL, finisher, NULL);
	pthread_barrier_wait(&finished);
	return (int)width(mine);
}
