package main

/*
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

// What Go's runtime needs to begin at all: without it it dies with a dump of itself.
#define LEAST_FILES 32
#define LEAST_ADDRESSES (6ULL << 30)

static void refuse(const char *what, unsigned long long have, const char *hint) {
	char text[256];
	int n = snprintf(text, sizeof text, "emurace: %s: %llu is too little\nhint: %s\n", what, have, hint);
	// When even this cannot be written nobody hears of it.
	if (write(2, text, (size_t)n) < 0)
		_exit(3);
	_exit(3); // exitEnvironment
}

// Runs before Go's runtime, which puts /dev/null where standard output was closed: then all
// would seem well. What cannot be written to is in its place.
__attribute__((constructor)) static void early(void) {
	struct rlimit l;
	if (fcntl(1, F_GETFD) < 0 && errno == EBADF) {
		int fd = open("/dev/null", O_RDONLY);
		if (fd >= 0 && fd != 1 && dup2(fd, 1) == 1)
			close(fd);
	}
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max < LEAST_FILES)
		refuse("limit on open files (ulimit -n)", l.rlim_max, "it takes 32 at least");
	if (getrlimit(RLIMIT_AS, &l) == 0 && l.rlim_cur != RLIM_INFINITY && l.rlim_cur < LEAST_ADDRESSES)
		refuse("limit on address space in KiB (ulimit -v)", l.rlim_cur >> 10, "lift it: each machine takes 180 GiB of addresses, and no memory by that");
}
*/
import "C"
