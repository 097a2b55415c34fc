package program

import (
	"errors"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// counting has two threads count under a mutex, and main wait for them.
const counting = `
	#include <pthread.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <unistd.h>
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int n;
	static void *count(void *p) {
		for (int i = 0; i < 1000; i++) {
			pthread_mutex_lock(&lock);
			n++;
			pthread_mutex_unlock(&lock);
		}
		return p;
	}
	int main(int argc, char **argv) {
		pthread_t t[2];
		for (int i = 0; i < 2; i++)
			pthread_create(&t[i], NULL, count, NULL);
		for (int i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		usleep(1000);
		printf("%d %d %s %s\n", n, argc, argv[argc - 1], getenv("NAME"));
		fprintf(stderr, "done\n");
		return 7;
	}`

// ran is what came of a program.
type ran struct {
	end      *emu.End
	err      error
	out, bad string // standard output and error
	calls    []string
}

func run(t *testing.T, arch loader.Arch, source string, flags []string, argv ...string) ran {
	t.Helper()
	var r ran
	m, err := emu.NewProgram(emu.ProgramOptions{
		System: testsystem.Of(t, "bookworm", arch), Path: "/program", Argv: append([]string{"/program"}, argv...), Env: []string{"NAME=value"}, Seed: 1,
		Files: map[string][]byte{"/program": guestcode.Program(t, arch, source, flags...)},
		Print: func(fd int, data []byte) {
			if fd == 2 {
				r.bad += string(data)
			} else {
				r.out += string(data)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	r.end, r.err = Run(m)
	for _, u := range m.Missed() {
		r.calls = append(r.calls, u.Name)
	}
	return r
}

// TestRun: a program with threads, however it is linked: its output, its exit code, its
// arguments and environment.
func TestRun(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, flags := range [][]string{nil, {"-no-pie"}, {"-static"}, {"-static-pie"}} {
			r := run(t, arch, counting, flags, "a", "b")
			if r.err != nil || r.end.Kind != emu.EndExit || Status(r.end, arch) != 7 || r.out != "2000 3 b value\n" || r.bad != "done\n" || len(r.calls) > 0 {
				t.Errorf("%v: %+v", flags, r)
			}
		}
	})
}

// TestRunEnds: the ways to end, and their exit codes.
func TestRunEnds(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		for body, want := range map[string]int{
			"return 0;":                         0,
			"exit(300);":                        300 & 255,
			"abort();":                          128 + 6,
			"*(volatile int *)8 = 1;":           128 + 11,
			"raise(SIGTERM);":                   128 + 15,
			"__builtin_trap();":                 128 + map[loader.Arch]int{loader.ARM64: 5, loader.AMD64: 4}[arch],
			"pthread_exit(NULL);":               0,
			"puts(\"x\"); fflush(0); _exit(9);": 9,
		} {
			r := run(t, arch, "#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\nint main(void) { "+body+" }", nil)
			if r.err != nil || Status(r.end, arch) != want {
				t.Errorf("%s: %+v, want status %d", body, r, want)
			}
		}
	})
}

// TestRunStuck: who waits for ever is named, and who waits until a deadline goes on.
func TestRunStuck(t *testing.T) {
	r := run(t, loader.ARM64, `
		#include <pthread.h>
		static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
		int main(void) { pthread_mutex_lock(&a); pthread_mutex_lock(&a); return 0; }`, nil)
	var stuck *StuckError
	if !errors.As(r.err, &stuck) || len(stuck.Waiting) != 1 || !strings.HasPrefix(stuck.Waiting[0], "main in ") {
		t.Errorf("%+v %v", r, r.err)
	}
	r = run(t, loader.ARM64, `
		#include <pthread.h>
		#include <stdio.h>
		#include <time.h>
		#include <unistd.h>
		static volatile int flag;
		static void *late(void *p) { sleep(1); flag = 1; return p; }
		int main(void) {
			pthread_t t;
			pthread_create(&t, NULL, late, NULL);
			struct timespec from, to;
			clock_gettime(CLOCK_MONOTONIC, &from);
			while (!flag) usleep(100000);
			clock_gettime(CLOCK_MONOTONIC, &to);
			printf("%d\n", (int)(to.tv_sec - from.tv_sec));
			return 0;
		}`, nil)
	if r.err != nil || r.out != "1\n" {
		t.Errorf("%+v", r)
	}
}
