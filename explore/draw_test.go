package explore

import (
	"context"
	"fmt"
	"testing"

	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// environProgram has a thread that sets variables while main looks for some: strerror asks for a
// translation, and that for LANGUAGE.
const environProgram = `
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef LOCKED
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
#define GUARD pthread_mutex_lock(&lock)
#define UNGUARD pthread_mutex_unlock(&lock)
#else
#define GUARD
#define UNGUARD
#endif

static void *certificates(void *arg) {
	GUARD;
	setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1);
	setenv("SSL_CERT_DIR", "/etc/ssl/certs", 1);
	UNGUARD;
	return arg;
}

int main(void) {
	setlocale(LC_ALL, "");
#ifdef BEFORE
	setenv("SSL_CERT_FILE", "/a", 1);
	setenv("SSL_CERT_DIR", "/b", 1);
#endif
	setenv("LAST", "1", 1); // the array is now setenv's own
	pthread_t t;
	pthread_create(&t, NULL, certificates, NULL);
	struct stat s;
	if (stat("/missing", &s) != 0) {
		GUARD;
		char *text = strerror(errno);
		UNGUARD;
		puts(text);
	}
	pthread_join(t, NULL);
	return 0;
}
`

// countingProgram has two threads that take one lock three times each.
const countingProgram = `
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long n;

static void *count(void *arg) {
	for (int i = 0; i < 3; i++) {
		pthread_mutex_lock(&lock);
		n++;
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

int main(void) {
	pthread_t a, b;
	pthread_create(&a, NULL, count, NULL);
	pthread_create(&b, NULL, count, NULL);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	printf("%ld\n", n);
	return n == 6 ? 0 : 1;
}
`

// wholeProgram starts sessions of a program of one file.
func wholeProgram(t *testing.T, arch loader.Arch, source string, env []string, flags ...string) func() (*scenario.Session, error) {
	t.Helper()
	file, err := guestcode.Compile(arch, "program.c", source, flags...)
	must(t, err)
	plan := &scenario.Plan{
		Files: map[string][]byte{"/program": file}, Env: env, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
		Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
		Program: &scenario.Program{Path: "/program", Argv: []string{"program"}},
	}
	sys := testsystem.Of(t, "bookworm", arch)
	return func() (*scenario.Session, error) { return scenario.Start(sys, plan, 1) }
}

// Whole programs are proved, or fail, under dpor: with the functions bound before, and what is
// drawn first. The same crash is nobody's when the variables are there already, so that setenv
// need not move the array, or when a lock keeps the two apart.
func TestProgramsProved(t *testing.T) {
	env := []string{"LD_BIND_NOW=1", "LANG=C.UTF-8", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0"}
	for i := range 61 {
		env = append(env, fmt.Sprintf("V%d=1", i))
	}
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		for i, c := range []struct {
			name, source string
			flags        []string
			want         Verdict
		}{
			{"environ", environProgram, nil, Failing},
			{"set before", environProgram, []string{"-DBEFORE"}, Clean},
			{"locked", environProgram, []string{"-DLOCKED"}, Clean},
			{"counting", countingProgram, nil, Clean},
		} {
			if testing.Short() && c.name != "set before" && c.name != "environ" || !inTurn(i, 1, arch) {
				continue
			}
			start := wholeProgram(t, arch, c.source, env, c.flags...)
			r, err := DPOR(context.Background(), start, Options{Seed: 1, Jobs: 1, Draw: 100, AbstractLocks: true})
			must(t, err)
			if r.Verdict != c.want || len(r.Doubts) > 0 || r.Drawn == 0 {
				t.Errorf("%s: %s after %d schedules and %d drawn, want %s: %v, %v", c.name, r.Verdict, r.Schedules, r.Drawn, c.want, r.Findings, r.Doubts)
			}
		}
	})
}

// What is drawn first ends a search when it fails, and is beside it when it does not.
func TestDrawnFirst(t *testing.T) {
	start := wholeProgram(t, loader.ARM64, environProgram, []string{"LANG=C.UTF-8"})
	search := func(o Options) *Result {
		t.Helper()
		o.Seed, o.Jobs, o.Preemptions = 1, 1, 0
		r, err := Bounded(context.Background(), start, o)
		must(t, err)
		return r
	}
	alone := search(Options{})
	if alone.Verdict != Clean || alone.Drawn != 0 {
		t.Fatalf("without preemptions: %s, %d drawn", alone.Verdict, alone.Drawn)
	}
	if r := search(Options{Draw: 2}); r.Verdict != Clean || r.Drawn != 2 || r.Schedules != alone.Schedules {
		t.Errorf("with 2 drawn before: %s, %d drawn, %d schedules; want %d", r.Verdict, r.Drawn, r.Schedules, alone.Schedules)
	}
	r := search(Options{Draw: 500})
	if r.Verdict != Failing || r.Drawn != r.Schedules || !r.Findings[0].Drawn {
		t.Errorf("with 500 drawn before: %s, %d drawn, %d schedules", r.Verdict, r.Drawn, r.Schedules)
	}
	// One that the search itself finds is not one of those, whatever its number.
	r, err := Bounded(context.Background(), start, Options{Seed: 1, Jobs: 1, Preemptions: 1, Draw: 2})
	must(t, err)
	if r.Verdict != Failing || r.Drawn != 2 || r.Findings[0].Drawn {
		t.Errorf("with 2 drawn before one preemption: %s, %d drawn, %+v", r.Verdict, r.Drawn, r.Findings)
	}
	if r := search(Options{Draw: 500, KeepGoing: true}); r.Drawn != 0 {
		t.Errorf("one that goes on has %d drawn", r.Drawn)
	}
}
