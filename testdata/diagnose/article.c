// The article's crash as a process of its own, without a debugger or an emulator: main is in
// getenv("LANGUAGE") while a worker's setenv moves environ, and goes on in the old block.
//
// It is given an environment of 64 variables and adds two, so that 66 entries and the NULL fill
// a chunk of malloc's (0x220 bytes) to its last word. One entry's text is on a page that may
// not be read: getenv faults there, in the middle of its walk, and the handler has the worker
// set its two variables and main go on. What main dies of afterwards is nobody's doing but
// malloc's.
//
// Its arguments: "full" fills the bin of the worker's tcache for blocks of that size first, so that the
// block is not kept there; else GLIBC_TUNABLES=glibc.malloc.tcache_count=0 does that. "live" has
// main wait in the handler, once the worker has set its variables, instead of going on.
//
// It exits with 2 when it was not set up as it should be, and with 3 when it has not died.
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { given = 64, trapped = 40, words = given + 2 + 1 };

extern char **environ;

static char *page;
static int start[2], done[2], never[2];
static int full, live;

static int count(void) {
	int n = 0;
	while (environ[n])
		n++;
	return n;
}

static void pass(int fd) {
	if (write(fd, "x", 1) != 1)
		_exit(2);
}

static void await(int fd) {
	char c;
	while (read(fd, &c, 1) != 1)
		if (errno != EINTR)
			_exit(2);
}

// elsewhere is where the worker is found: in another function, and the stack on which it called
// setenv is overwritten.
__attribute__((noinline)) static int elsewhere(int depth) {
	char room[512];
	memset(room, 0x5a, sizeof room);
	if (depth > 0)
		return elsewhere(depth - 1) + room[depth];
	pass(done[1]);
	await(never[0]);
	return room[0];
}

__attribute__((noinline)) static void find_certificates(void) {
	setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1);
	setenv("SSL_CERT_DIR", "/etc/ssl/certs", 1);
}

static void *worker(void *arg) {
	// It has worked before: it has an arena of its own.
	void *own = malloc(24), *block[7];
	for (int i = 0; full && i < 7; i++)
		block[i] = malloc(words * sizeof(char *));
	for (int i = 0; full && i < 7; i++)
		free(block[i]);
	pass(done[1]);
	await(start[0]);
	find_certificates();
	elsewhere(8);
	return own ? arg : NULL;
}

// fault comes when getenv reads the entry that it may not, and lets the worker run. It is in
// force once.
static void fault(int number, siginfo_t *info, void *context) {
	(void)number, (void)context;
	if ((char *)info->si_addr < page || (char *)info->si_addr >= page + 4096)
		_exit(2);
	if (mprotect(page, 4096, PROT_READ | PROT_WRITE))
		_exit(2);
	pass(start[1]);
	await(done[0]);
	// The worker has one more system call to come to.
	nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	if (live)
		await(never[0]);
}

// The block of environ: something in use before it and behind it, and nothing free of its size.
static void move_environ(void) {
	for (int i = 0; i < 24; i++)
		if (!malloc(words * sizeof(char *)))
			_exit(2);
	if (setenv("ARTICLE_ONE", "1", 1) || !malloc(words * sizeof(char *)) || setenv("ARTICLE_TWO", "2", 1))
		_exit(2);
}

int main(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		full |= !strcmp(argv[i], "full");
		live |= !strcmp(argv[i], "live");
	}
	if (count() != given || pipe(start) || pipe(done) || pipe(never) || !setlocale(LC_ALL, "")) {
		fprintf(stderr, "%d variables, %s\n", count(), setlocale(LC_ALL, NULL));
		return 2;
	}
	move_environ();
	pthread_t t;
	if (count() != given + 2 || pthread_create(&t, NULL, worker, NULL))
		return 2;
	await(done[0]);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return 2;
	environ[trapped] = strcpy(page, environ[trapped]);
	struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_RESETHAND};
	if (mprotect(page, 4096, PROT_NONE) || sigaction(SIGSEGV, &action, NULL))
		return 2;
	fputs(strerror(ENOENT), stderr);
	return 3;
}
