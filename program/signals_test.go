package program

import (
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
)

// handling has handlers run for all that sends a signal, on the stack that they ask for, and
// go on where they were, with every register.
const handling = `
	#define _GNU_SOURCE
	#include <errno.h>
	#include <poll.h>
	#include <pthread.h>
	#include <setjmp.h>
	#include <signal.h>
	#include <stdint.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/mman.h>
	#include <sys/time.h>
	#include <time.h>
	#include <ucontext.h>
	#include <unistd.h>
	static volatile int hits, code, depth, deepest, other;
	static void *volatile addr;
	static char altstack[64 << 10];
	static int ends[2];
	static sigjmp_buf back;
	static double scale(double x) { return x * 3 + 1; }
	static void counts(int sig, siginfo_t *i, void *u) {
		volatile double spoil = scale(sig);
		hits++;
		code = i->si_code;
		addr = i->si_addr;
		(void)spoil;
	}
	static void nests(int sig, siginfo_t *i, void *u) {
		if (++depth > deepest)
			deepest = depth;
		if (depth < 3)
			raise(sig);
		depth--;
	}
	static void jumps(int sig, siginfo_t *i, void *u) {
		char here;
		other = &here >= altstack && &here < altstack + sizeof altstack;
		code = i->si_code;
		addr = i->si_addr;
		siglongjmp(back, sig);
	}
	static void skips(int sig, siginfo_t *i, void *u) {
		ucontext_t *c = u;
		hits++;
	#ifdef __x86_64__
		c->uc_mcontext.gregs[REG_RIP] += 2;
		c->uc_mcontext.gregs[REG_RBX] = 77;
	#else
		c->uc_mcontext.pc += 4;
		c->uc_mcontext.regs[19] = 77;
	#endif
	}
	static void on(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
		struct sigaction a;
		memset(&a, 0, sizeof a);
		a.sa_sigaction = f;
		a.sa_flags = SA_SIGINFO | flags;
		sigaction(sig, &a, NULL);
	}
	static void *reads(void *p) {
		char b;
		ssize_t n = read(ends[0], &b, 1);
		return (void *)(n < 0 ? (long)-errno : (long)b);
	}
	static void *sleeps(void *p) {
		struct timespec t = {5, 0}, left = {0, 0};
		int r = nanosleep(&t, &left);
		return (void *)(long)(r == -1 && errno == EINTR && left.tv_sec > 0 && left.tv_sec <= 5);
	}
	static void *polls(void *p) {
		struct pollfd f = {ends[0], POLLIN, 0};
		return (void *)(long)(poll(&f, 1, -1) == -1 && errno == EINTR);
	}
	static long during(void *(*f)(void *), int wake) {
		pthread_t t;
		void *r;
		pthread_create(&t, NULL, f, NULL);
		usleep(20000);
		pthread_kill(t, SIGUSR1);
		if (wake) {
			usleep(20000);
			write(ends[1], "w", 1);
		}
		pthread_join(t, &r);
		return (long)r;
	}
	int main(void) {
		pipe(ends);
		stack_t s = {.ss_sp = altstack, .ss_size = sizeof altstack}, old;
		sigaltstack(&s, &old);
		printf("%d\n", old.ss_flags);
		on(SIGUSR1, counts, 0);
		double x = scale(0.5);
		printf("%d", raise(SIGUSR1));
		printf(" %d %d %g\n", hits, code, x);
		kill(getpid(), SIGUSR1);
		printf("%d %d\n", hits, code);
		union sigval v = {.sival_int = 5};
		sigqueue(getpid(), SIGUSR1, v);
		printf("%d %d\n", hits, code);
		on(SIGUSR2, nests, SA_NODEFER);
		raise(SIGUSR2);
		printf("%d", deepest);
		deepest = 0;
		on(SIGUSR2, nests, SA_RESETHAND);
		signal(SIGUSR2, SIG_IGN);
		raise(SIGUSR2);
		printf(" %d\n", deepest);

		on(SIGSEGV, jumps, SA_ONSTACK);
		on(SIGBUS, jumps, SA_ONSTACK);
		on(SIGFPE, jumps, 0);
		if (!sigsetjmp(back, 1))
			*(volatile int *)0x40 = 1;
		printf("%d %d %p\n", other, code, addr);
		char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!sigsetjmp(back, 1))
			page[7] = 1;
		printf("%d %d %d\n", other, code, (int)((char *)addr - page));
		on(SIGILL, skips, 0);
		long got;
	#ifdef __x86_64__
		__asm__ volatile("ud2\n\tmov %%rbx, %0" : "=r"(got) : : "rbx");
	#else
		__asm__ volatile(".inst 0\n\tmov %0, x19" : "=r"(got) : : "x19");
	#endif
		printf("%ld\n", got);

		sigset_t set, none, pending;
		sigemptyset(&none);
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		hits = 0;
		raise(SIGUSR1);
		sigpending(&pending);
		printf("%d %d", hits, sigismember(&pending, SIGUSR1));
		printf(" %d", sigsuspend(&none));
		printf(" %d %d\n", hits, errno == EINTR);
		raise(SIGUSR1);
		struct timespec soon = {0, 1000000};
		siginfo_t info;
		printf("%d", sigtimedwait(&set, &info, &soon));
		printf(" %d", sigtimedwait(&set, &info, &soon));
		printf(" %d\n", errno == EAGAIN);
		raise(SIGUSR1);
		struct pollfd f = {ends[0], POLLIN, 0};
		printf("%d", ppoll(&f, 1, NULL, &none));
		printf(" %d %d\n", hits, errno == EINTR);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		hits = 0;

		printf("%d", during(reads, 1) == -EINTR);
		char b;
		read(ends[0], &b, 1);
		on(SIGUSR1, counts, SA_RESTART);
		printf(" %d", during(reads, 1) == 'w');
		printf(" %ld", during(sleeps, 0));
		printf(" %ld", during(polls, 0));
		printf(" %d\n", hits);
		on(SIGALRM, counts, 0);
		hits = 0;
		struct itimerval every = {{0, 2000}, {0, 1000}};
		setitimer(ITIMER_REAL, &every, NULL);
		while (hits < 3)
			pause();
		memset(&every, 0, sizeof every);
		setitimer(ITIMER_REAL, &every, NULL);
		printf("%d\n", hits);
		on(SIGABRT, jumps, 0);
		if (!sigsetjmp(back, 1))
			abort();
		printf("aborted\n");
		signal(SIGPIPE, SIG_DFL);
		close(ends[0]);
		fflush(stdout);
		write(ends[1], "x", 1);
		return 0;
	}`

// TestHandlers: handlers of signals run as they do on a processor.
func TestHandlers(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		want := "2\n0 1 -6 2.5\n2 0\n3 -1\n3 0\n1 1 0x40\n1 2 7\n77\n0 1 -1 1 1\n10 -1 1\n-1 2 1\n1 1 1 1 4\n3\naborted\n"
		r := run(t, arch, handling, nil)
		if r.err != nil || r.out != want || r.calls != nil || r.end.Signal != 13 {
			t.Errorf("%v, %v\n%s%s%q, not\n%s", r.end, r.err, r.out, r.bad, r.calls, want)
		}
		if native, ok := natively(t, arch, handling); ok && native != want {
			t.Errorf("on this machine it prints\n%s", native)
		}
	})
}
