package program

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// talking has threads talk by all that they can wait for: bytes through a pipe that is too
// small for them, a server that polls, one that has an epoll, timeouts and timers.
const talking = `
	#define _GNU_SOURCE
	#include <arpa/inet.h>
	#include <errno.h>
	#include <poll.h>
	#include <pthread.h>
	#include <signal.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/epoll.h>
	#include <sys/eventfd.h>
	#include <sys/select.h>
	#include <sys/socket.h>
	#include <sys/timerfd.h>
	#include <sys/un.h>
	#include <unistd.h>
	static int bulk[2], stop, listening, timer;
	static void *pours(void *p) {
		static char all[300000];
		for (unsigned i = 0; i < sizeof all; i++)
			all[i] = i * 7 + i / 251;
		if (write(bulk[1], all, sizeof all) != sizeof all)
			abort();
		close(bulk[1]);
		return p;
	}
	static void *serves(void *p) {
		int ep = epoll_create1(0), clients = 0;
		struct epoll_event e = {EPOLLIN, {.fd = listening}}, list[4];
		epoll_ctl(ep, EPOLL_CTL_ADD, listening, &e);
		e.data.fd = stop;
		epoll_ctl(ep, EPOLL_CTL_ADD, stop, &e);
		for (;;) {
			int n = epoll_wait(ep, list, 4, -1);
			for (int i = 0; i < n; i++) {
				int fd = list[i].data.fd;
				char b[64];
				if (fd == stop)
					return (void *)(long)clients;
				if (fd == listening) {
					e.data.fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
					epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
					clients++;
					continue;
				}
				ssize_t got = read(fd, b, sizeof b);
				if (got <= 0)
					close(fd);
				for (ssize_t k = 0; k < got; k++)
					b[k] ^= 32;
				if (got > 0 && write(fd, b, got) != got)
					abort();
			}
		}
	}
	static void *asks(void *p) {
		struct sockaddr_in a;
		socklen_t size = sizeof a;
		getsockname(listening, (void *)&a, &size);
		int s = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(s, (void *)&a, size))
			abort();
		for (int i = 0; i < 3; i++) {
			char b[8] = "answer", c[8] = "";
			send(s, b, 6, 0);
			if (recv(s, c, 6, MSG_WAITALL) != 6 || strcmp(c, "ANSWER"))
				abort();
		}
		close(s);
		return p;
	}
	int main(void) {
		pthread_t t[4];
		signal(SIGPIPE, SIG_IGN);
		if (pipe(bulk))
			return 1;
		pthread_create(&t[0], NULL, pours, NULL);
		unsigned sum = 0, total = 0;
		unsigned char b[7777];
		for (ssize_t n; (n = read(bulk[0], b, sizeof b)) > 0; total += n)
			for (ssize_t i = 0; i < n; i++)
				sum = sum * 31 + b[i];
		pthread_join(t[0], NULL);
		printf("%u bytes, %x\n", total, sum);
		close(bulk[0]);

		struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
		listening = socket(AF_INET, SOCK_STREAM, 0);
		stop = eventfd(0, 0);
		if (bind(listening, (void *)&a, sizeof a) || listen(listening, 5))
			return 2;
		void *clients;
		pthread_create(&t[3], NULL, serves, NULL);
		for (int i = 0; i < 3; i++)
			pthread_create(&t[i], NULL, asks, NULL);
		for (int i = 0; i < 3; i++)
			pthread_join(t[i], NULL);
		eventfd_write(stop, 1);
		pthread_join(t[3], &clients);
		printf("%ld clients\n", (long)clients);

		int two[2];
		socketpair(AF_UNIX, SOCK_DGRAM, 0, two);
		struct pollfd p[2] = {{two[0], POLLIN, 0}, {two[1], POLLOUT, 0}};
		printf("%d", poll(p, 2, -1));
		printf(" %d", poll(p, 1, 20));
		send(two[1], "message", 7, 0);
		send(two[1], "m", 1, 0);
		printf(" %d", poll(p, 2, 20));
		printf(" %#x", p[0].revents);
		printf(" %zd", recv(two[0], b, 3, MSG_TRUNC));
		printf(" %zd\n", recv(two[0], b, 30, 0));
		fd_set set;
		FD_ZERO(&set);
		FD_SET(two[0], &set);
		struct timeval wait = {0, 1000};
		printf("%d", select(two[0] + 1, &set, NULL, NULL, &wait));
		printf(" %d\n", FD_ISSET(two[0], &set));
		timer = timerfd_create(CLOCK_MONOTONIC, 0);
		struct itimerspec when = {{0, 0}, {0, 1000000}};
		timerfd_settime(timer, 0, &when, NULL);
		unsigned long long times = 0;
		printf("%zd", read(timer, &times, 8));
		printf(" %llu\n", times);
		pipe(bulk);
		close(bulk[0]);
		printf("%zd", write(bulk[1], "x", 1));
		printf(" %d\n", errno == EPIPE);
		return 0;
	}`

// natively runs a program on this machine, if that is of its architecture.
func natively(t *testing.T, arch loader.Arch, source string, flags ...string) (out string, ok bool) {
	t.Helper()
	if arch.String() != runtime.GOARCH {
		return "", false
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, guestcode.Program(t, arch, source, append(flags, "-static")...), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command(path).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(b), true
}

// TestWaiting: threads that wait for pipes, sockets, counters and timers go on with what they
// wait for, and the program prints what it does on a processor.
func TestWaiting(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		want := "300000 bytes, a94b2c66\n3 clients\n1 0 2 0x1 7 1\n0 0\n8 1\n-1 1\n"
		r := run(t, arch, talking, nil)
		if r.err != nil || r.out != want || r.calls != nil || r.end.Code != 0 {
			t.Errorf("%v, %v\n%s%s%q, not\n%s", r.end, r.err, r.out, r.bad, r.calls, want)
		}
		if native, ok := natively(t, arch, talking); ok && native != want {
			t.Errorf("on this machine it prints\n%s", native)
		}
	})
}

// TestStuckOnObjects: who waits for ever is told with what it waits for.
func TestStuckOnObjects(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		r := run(t, arch, `
			#include <poll.h>
			#include <pthread.h>
			#include <unistd.h>
			static int ends[2];
			static void *waits(void *p) {
				struct pollfd f = {ends[0], POLLIN, 0};
				poll(&f, 1, -1);
				return p;
			}
			int main(void) {
				pthread_t t;
				char b;
				pipe(ends);
				pthread_create(&t, NULL, waits, NULL);
				return read(ends[0], &b, 1);
			}`, nil)
		var stuck *StuckError
		if !errors.As(r.err, &stuck) {
			t.Fatal(r.end, r.err)
		}
		for _, part := range []string{": read of a pipe (fd 3) that nobody writes", ": poll of fd 3"} {
			if !strings.Contains(stuck.Error(), part) {
				t.Errorf("%q is not in %q", part, stuck)
			}
		}
	})
}
