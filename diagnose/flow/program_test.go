package flow

import (
	"fmt"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/scenario"
)

// newProgram is a watcher of a program's main thread, from the moment when it has made its second
// one.
func newProgram(t *testing.T, sys *emu.System, source string, flags ...string) *watcher {
	t.Helper()
	sys.LoadDebug()
	s, err := scenario.Start(sys, &scenario.Plan{
		Files:   map[string][]byte{"/program": guestcode.Program(t, sys.Arch, source, flags...)},
		Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
		Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
		Program: &scenario.Program{Path: "/program", Argv: []string{"program"}},
	}, 1)
	testrace.Must(t, err)
	t.Cleanup(s.Close)
	w := newWatcher(t, s.Process(), 0, func() bool {
		_, err := s.Run(0, 1)
		testrace.Must(t, err)
		return s.Runnable(0)
	})
	// The history begins where main goes on.
	program := s.Process().Program()
	for pc := w.pc(); pc < program.Lo || pc >= program.Hi; pc = w.pc() {
		if !w.step() {
			t.Fatal("main does not go on")
		}
	}
	w.stack = make([]activation, 64)
	frames := w.frames(w.pc())
	w.stack = nil
	for i := len(frames) - 1; i >= 0; i-- {
		a := activation{entries: map[uint64][8]uint64{}, early: true}
		if i+1 < len(frames) {
			a.returns = frames[i+1].PC
		}
		w.stack = append(w.stack, a)
	}
	return w
}

const programSource = `
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define APART __attribute__((noinline, noclone))
struct pair { long a; long *b; };
static long table[16];
static long (*volatile pointer)(long, long, struct pair *);
APART static void fill(long *p, long n) { for (long i = 0; i < n; i++) p[i] = i * 3 + table[i & 15]; }
APART static void backwards(long *end, long n) { while (n-- > 0) *--end = n; }
APART static long kind(int k, long x) {
	switch (k) {
	case 0: return x + 1;
	case 1: return x * 7;
	case 2: table[1] = x; return strlen("two") + x;
	case 3: return x ^ 0x55;
	case 4: return table[x & 15];
	case 5: return -x;
	case 6: fill(table, 3); return x;
	case 8: return x >> 3;
	default: return 0;
	}
}
APART static long leaf(long a, long b, struct pair *p) { return p->a + a * b + (p->b ? *p->b : 0); }
APART static long many(long a, long b, long c, long d, int e, unsigned char f) {
	long local[4];
	fill(local, 4);
	long x = kind(e % 9, a) + kind(f % 9, b);
	struct pair p = { c, &local[1] };
	x += pointer(d, a, &p);
	backwards(local + 4, 2);
	return x + local[0] + local[3] + a + b + c + d + e + f;
}
APART static long deep(long n, const char *name) {
	if (n == 0) return getenv(name) != 0;
	long here = n;
	fill(&here, 1);
	return deep(n - 1, name) + here + n;
}
APART static long narrow(int a, unsigned b, short c, signed char d) {
	int x = a + 1;
	unsigned y = b - 3;
	return kind(x & 7, y) + c + d + many(a, b, c, d, x, y);
}
APART static long tail(long n, const char *name) { return deep(n + 1, name); }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void *work(void *a) { return a; }
int main(void) {
	static char name[] = "LANGUAGE";
	pthread_t t;
	long sum = 0;
	pointer = leaf;
	if (pthread_create(&t, 0, work, 0)) return 2;
	int numbers[] = { 5, 3, 9, 1, 7, 2, 8 };
	for (int i = 0; i < 9; i++) {
		sum += many(i, sum, 3, 4, i, i * 5);
		sum += narrow(i - 4, i, -i, i * 31);
		sum += tail(i & 3, name);
	}
	qsort(numbers, 7, sizeof numbers[0], compare);
	setenv(name, "de_DE", 1);
	setenv("OTHER", "x", 0);
	char *p = strdup(getenv(name));
	free(p);
	strerror(2);
	_exit(sum & 0);
}`

// programArity has how many integer arguments functions have.
var programArity = map[string]int{
	"fill": 2, "backwards": 2, "kind": 2, "leaf": 3, "many": 6, "deep": 2, "narrow": 4, "tail": 2, "compare": 2,
}

// TestProgram does as TestAgainstMachine for a program, as it is compiled in three ways.
func TestProgram(t *testing.T) {
	testsystem.Each(t, func(t *testing.T, sys *emu.System) {
		ways := [][]string{{"-O1"}, {"-O0"}, {"-O2"}, {"-O2", "-fomit-frame-pointer", "-fno-plt"}}
		if testing.Short() {
			ways = ways[:1]
		}
		for _, flags := range ways {
			w := newProgram(t, sys, programSource, flags...)
			w.arity, w.every = programArity, 15
			setenv, err := w.p.Lookup("setenv")
			testrace.Must(t, err)
			moments, setenvs := 0, 0
			w.look = func(pc uint64) {
				if name, _, _ := w.p.Symbol(pc); name != "__add_to_environ" {
					return
				}
				frames := w.frames(pc)
				if name, addr, ok := w.fl.Called(frames, 0); !ok || addr != setenv {
					t.Errorf("%s at %#x, %v is what was called", name, addr, ok)
				}
				// setenv("OTHER", "x", 0), or that with the name in a variable.
				a := w.stack[len(w.stack)-1]
				for k, v := range w.fl.CalledArguments(frames, 0, 3) {
					truth := a.entries[setenv][k]
					if v.Known && v.Bits == 32 {
						truth &= 0xffffffff
					}
					if v.Known && v.Certain && v.Value != truth {
						t.Errorf("argument %d of setenv is certainly %#x (%s), and was %#x", k, v.Value, v.How, truth)
					}
					if v.Known && v.Value == truth {
						setenvs++
					}
				}
				moments++
			}
			w.run(1 << 20)
			if moments < 100 {
				t.Errorf("%d moments in __add_to_environ", moments)
			}
			if setenvs < 3*moments*9/10 {
				t.Errorf("%d arguments of setenv's are known at %d moments", setenvs, moments)
			}
			w.report(fmt.Sprint(flags), 300, 0.6)
		}
	})
}
